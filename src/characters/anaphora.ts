// Sentences of a paragraph → the pronouns он, его, она, её … that can mean nobody but the chosen person.
import type { Case } from '../language/morphology.js'
import type { NounForm, PronounPerson } from '../language/pronouns.js'
import type { TaggedWord } from '../language/tagger.js'
import type { Gender } from './person.js'
import type { Sentence } from './sentence.js'

export interface Anaphor {
  /** Index of the pronoun among the sentence's words. */
  readonly at: number
  readonly target: PronounPerson
  readonly use:
    { readonly kind: 'personal'; readonly case: Case } | { readonly kind: 'possessive'; readonly noun: NounForm }
}

const masculine: Readonly<Record<string, readonly Case[]>> = {
  он: ['nomn'], его: ['gent', 'accs'], него: ['gent', 'accs'], ему: ['datv'], нему: ['datv'], им: ['ablt'], ним: ['ablt'], нём: ['loct'], нем: ['loct'],
} // prettier-ignore
const feminine: Readonly<Record<string, readonly Case[]>> = {
  она: ['nomn'], её: ['gent', 'accs'], ее: ['gent', 'accs'], неё: ['gent', 'accs'], нее: ['gent', 'accs'], ей: ['datv'], ней: ['datv', 'loct', 'ablt'], ею: ['ablt'], нею: ['ablt'],
} // prettier-ignore

/** The one person the paragraph has been about; anybody or anything else of that gender ends it. */
interface Thread {
  id: string
  target: PronounPerson
  gender: 'm' | 'f'
  /** Sentences since the last mention. */
  age: number
  /** The person is the subject of the clause being read. */
  subjectHere: boolean
  /** A thing of the same gender stands nearer than the last mention: «вынул кошелёк, но в нём …». */
  thing: boolean
}

/** @returns pronouns by sentence; precision comes first, a doubtful one is left alone */
export function findAnaphors(
  sentences: readonly Sentence[],
  genderOf: (id: string) => Gender,
): ReadonlyMap<Sentence, readonly Anaphor[]> {
  const found = new Map<Sentence, Anaphor[]>()
  let thread: Thread | undefined
  for (const sentence of sentences) {
    if (!sentence.follows || (thread && ++thread.age > 2)) thread = undefined
    if (thread) thread.subjectHere = false
    const own: Anaphor[] = []
    for (let i = 0; i < sentence.words.length; i++) {
      const group = sentence.groups.find(({ from }) => from === i)
      if (group && inSpeech(sentence, sentence.words[i])) {
        i = group.to - 1
        continue
      }
      if (group) {
        thread = followName(thread, group.id, group.target, genderOf(group.id), sentence.words[i])
        i = group.to - 1
        continue
      }
      const word = sentence.words[i]
      if (thread && word.kind === 'punct' && /^[,;:–—-]/u.test(word.text)) thread.subjectHere = false
      if (!thread || inSpeech(sentence, word)) continue
      const anaphor = readAnaphor(sentence.words, i, thread)
      if (anaphor) {
        own.push(anaphor)
        thread.age = 0
        if (anaphor.use.kind === 'personal' && anaphor.use.case === 'nomn') {
          thread.subjectHere = true
          thread.thing = false
        }
      } else if (isRival(word, thread)) thread = undefined
      else if (isThing(word, thread)) thread.thing = true
    }
    if (own.length) found.set(sentence, own)
  }
  return found
}

function followName(
  thread: Thread | undefined,
  id: string,
  target: PronounPerson | undefined,
  gender: Gender,
  word: TaggedWord,
): Thread | undefined {
  if (!target) return thread && (gender === 'unknown' || gender === thread.gender) ? undefined : thread
  if (gender === 'unknown') return undefined
  return { id, target, gender, age: 0, subjectHere: word.parse?.case === 'nomn', thing: false }
}

function inSpeech({ speech }: Sentence, { start }: TaggedWord): boolean {
  return speech.some(([from, to]) => start >= from && start < to)
}

function readAnaphor(words: readonly TaggedWord[], at: number, thread: Thread): Anaphor | undefined {
  const table = thread.gender === 'm' ? masculine : feminine
  const text = words[at].text.toLowerCase()
  if (!Object.hasOwn(table, text)) return undefined
  const [grammarCase] = table[text]
  const { target } = thread
  if (grammarCase === 'nomn') return { at, target, use: { kind: 'personal', case: 'nomn' } }
  // In the person's own clause «его» is somebody else: the person would be «себя» and «свой».
  if (thread.subjectHere) return undefined
  const noun = possessedNoun(words, at)
  if (/^(?:его|её|ее)$/u.test(text) && noun) return { at, target, use: { kind: 'possessive', noun } }
  if (/^(?:его|её|ее)$/u.test(text) && words[at].parse?.pos === 'ADJF') return undefined
  // Things are put, taken and stood beside; «ему» and «ей» are said of people.
  if (thread.thing && grammarCase !== 'datv') return undefined
  if (thread.thing && /^н/u.test(text)) return undefined
  if (text === 'ней' && table[text].length > 1) return locative(words, at, target)
  if (text === 'им' && words[at].parse?.number === 'plur') return undefined
  return { at, target, use: { kind: 'personal', case: grammarCase } }
}

function locative(words: readonly TaggedWord[], at: number, target: PronounPerson): Anaphor | undefined {
  const chosen = words[at].parse?.case
  return chosen ? { at, target, use: { kind: 'personal', case: chosen } } : undefined
}

/** «его старый дом»: the noun his belongs to, adjectives between. */
function possessedNoun(words: readonly TaggedWord[], at: number): NounForm | undefined {
  if (words[at].parse?.pos !== 'ADJF') return undefined
  for (let i = at + 1; i < words.length && i < at + 4; i++) {
    const { parse } = words[i]
    if (parse?.pos === 'NOUN' && parse.case && parse.number) {
      return { case: parse.case, number: parse.number, gender: parse.gender, animate: parse.animate }
    }
    if (parse?.pos !== 'ADJF' && parse?.pos !== 'PRTF') return undefined
  }
  return undefined
}

function isThing({ parse, kind }: TaggedWord, { gender }: Thread): boolean {
  if (kind !== 'word' || parse?.pos !== 'NOUN' || parse.number !== 'sing') return false
  // «его», «нём», «им» are a neuter's forms too.
  const same = gender === 'f' ? parse.gender === 'femn' : parse.gender === 'masc' || parse.gender === 'neut'
  return parse.animate !== true && same
}

/** Another animate noun of the same gender, an unknown name, or the same pronoun left alone. */
function isRival({ parse, text, kind }: TaggedWord, { gender }: Thread): boolean {
  if (kind !== 'word' || !parse) return false
  if (parse.pos === 'NPRO') return (gender === 'm' ? masculine : feminine)[text.toLowerCase()] !== undefined
  if (parse.pos !== 'NOUN' || parse.number !== 'sing') return false
  const same = parse.gender === (gender === 'm' ? 'masc' : 'femn')
  return same && (parse.animate === true || parse.case === 'nomn' || !parse.known)
}
