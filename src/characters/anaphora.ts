// Sentences of a paragraph → the pronouns он, его, она, её … that can mean nobody but the chosen person.
import type { Case } from '../language/morphology.js'
import { nounForm } from '../language/noun-case.js'
import { isPersonVerb } from '../language/verbs.js'
import type { NounForm, PronounPerson } from '../language/pronouns.js'
import { isImpersonalUse, splitClauses, type Clause } from '../language/clauses.js'
import { nearestSubject, subjectsOf, type PersonWords } from '../language/subjects.js'
import type { TaggedWord } from '../language/tagger.js'
import type { Gender } from './person.js'
import { phraseStart } from './name-rules.js'
import type { Group, Sentence } from './sentence.js'

export interface Anaphor {
  /** Index of the pronoun among the sentence's words. */
  readonly at: number
  readonly target: PronounPerson
  readonly use:
    { readonly kind: 'personal'; readonly case: Case } | { readonly kind: 'possessive'; readonly noun: NounForm }
}

const masculine: Readonly<Record<string, readonly Case[] | undefined>> = {
  он: ['nomn'], его: ['gent', 'accs'], него: ['gent', 'accs'], ему: ['datv'], нему: ['datv'], им: ['ablt'], ним: ['ablt'], нём: ['loct'], нем: ['loct'],
} // prettier-ignore
const feminine: Readonly<Record<string, readonly Case[] | undefined>> = {
  она: ['nomn'], её: ['gent', 'accs'], ее: ['gent', 'accs'], неё: ['gent', 'accs'], нее: ['gent', 'accs'], ей: ['datv'], ней: ['datv', 'loct', 'ablt'], ею: ['ablt'], нею: ['ablt'],
} // prettier-ignore

/** The one person the paragraph has been about; anybody else of that gender ends it. */
interface Thread {
  readonly id: string
  readonly target: PronounPerson
  readonly gender: 'm' | 'f'
  /** Sentences since the last mention. */
  readonly age: number
  /** A thing of the same gender stands nearer than the last mention: «вынул кошелёк, но в нём …». */
  readonly thing: boolean
  /** That thing was a subject, so that «он» may be it: «лес редел. Он кончался». */
  readonly thingActs: boolean
  /** Somebody else of the gender acted before this mention in an oblique case: «князь встретил Савелия. Он …» is either. */
  readonly rivalActed: boolean
}

/** What is known at a point of the paragraph. */
interface Scan {
  thread: Thread | undefined
  /** Sentences since somebody else of the gender was named or meant. */
  rivalAge: number
  /** Who acted in the last clause that had a singular verb. */
  actor: 'mine' | 'other' | 'unknown'
}

/** @returns pronouns by sentence; precision comes first, a doubtful one is left alone */
export function findAnaphors(
  sentences: readonly Sentence[],
  genderOf: (id: string) => Gender,
): ReadonlyMap<Sentence, readonly Anaphor[]> {
  const found = new Map<Sentence, Anaphor[]>()
  const genders = new Set(sentences.flatMap(({ groups }) => groups.flatMap(g => (g.target ? [genderOf(g.id)] : []))))
  const scan: Scan = { thread: undefined, rivalAge: 9, actor: 'unknown' }
  for (const sentence of sentences) {
    const { thread } = scan
    scan.thread = !sentence.follows || !thread || thread.age > 3 ? undefined : { ...thread, age: thread.age + 1 }
    scan.rivalAge = sentence.follows ? scan.rivalAge + 1 : 9
    if (!sentence.follows) scan.actor = 'unknown'
    const own: Anaphor[] = []
    const person = mentionsOf(sentence)
    for (const clause of splitClauses(sentence.words))
      readClause(scan, sentence, clause, { own, person, genders, genderOf })
    if (own.length)
      found.set(
        sentence,
        own.sort((a, b) => a.at - b.at),
      )
  }
  return found
}

interface ClauseContext {
  readonly own: Anaphor[]
  readonly person: PersonWords & { readonly subjects: Set<number>; readonly others: Set<number> }
  readonly genders: ReadonlySet<Gender>
  readonly genderOf: (id: string) => Gender
}

/** Which words are names of the person and of others, for the search of subjects. */
function mentionsOf({ words, groups }: Sentence): ClauseContext['person'] {
  const [subjects, objects, covered, others] = [0, 0, 0, 0].map(() => new Set<number>())
  for (const { from, to, target, cases } of groups) {
    for (let i = from; i < to; i++) covered.add(i)
    const nominative = cases.has('nomn') && words.slice(from, to).some(({ parse }) => parse?.case === 'nomn')
    if (nominative) (target ? subjects : others).add(from)
    else if (target) objects.add(from)
  }
  return { subjects, objects, covered, others }
}

/** «он» is read in the order of words; other forms wait until the clause's subject is known. */
function readClause(
  scan: Scan,
  sentence: Sentence,
  clause: Clause,
  { own, person, genders, genderOf }: ClauseContext,
): void {
  const { words, groups } = sentence
  const waiting: { readonly at: number; readonly thread: Thread }[] = []
  for (let i = clause.from; i < clause.to; i++) {
    const group = groups.find(({ from, to }) => from <= i && i < to)
    if (group) {
      if (i === group.from && !inSpeech(sentence, words[i])) followName(scan, group, genderOf(group.id), words, clause)
      continue
    }
    if (inSpeech(sentence, words[i])) continue
    const { thread } = scan
    const form = thread && formsOf(thread)[words[i].text.toLowerCase()]
    if (!thread || !form) {
      passWord(scan, words[i], genders)
      continue
    }
    if (form[0] !== 'nomn') waiting.push({ at: i, thread })
    else if (thread.rivalActed || (scan.actor === 'mine' && isContrast(words, i))) loseThread(scan)
    else if (thread.thingActs && !isPersonal(words, clause)) person.others.add(i)
    else {
      own.push({ at: i, target: thread.target, use: { kind: 'personal', case: 'nomn' } })
      person.subjects.add(i)
      scan.thread = { ...thread, age: 0, thing: false, thingActs: false }
    }
  }
  const actor = actorOf(words, clause, person, scan)
  for (const { at, thread } of waiting) {
    const anaphor = actor === 'mine' ? undefined : readAnaphor(words, at, thread, clause)
    if (anaphor) own.push(anaphor)
    if (anaphor && scan.thread) scan.thread = { ...scan.thread, age: 0 }
    else if (actor === 'mine' && !thread.thing) loseThread(scan)
    else if (actor === 'mine' && scan.thread) scan.thread = { ...scan.thread, rivalActed: true }
  }
  if (actor === 'mine' || clause.verbs.some(at => words[at].parse?.number === 'sing')) scan.actor = actor
}

/** The subject of the clause, one left out being that of the clause before; a gerund's too: «сказал он, провожая его глазами». */
function actorOf(
  words: readonly TaggedWord[],
  clause: Clause,
  person: PersonWords,
  { actor: before, thread }: Scan,
): Scan['actor'] {
  const subjects = subjectsOf(words, clause, person)
  const verbs = clause.verbs.filter(at => words[at].parse?.mood !== 'impr')
  const named = verbs.map(at => nearestSubject(words, subjects, at)).find(one => one !== undefined)
  if (named) return named.mine ? 'mine' : 'other'
  if (subjects.some(({ mine }) => mine)) return 'mine'
  const gerund = words.slice(clause.from, clause.to).some(({ parse }) => parse?.pos === 'GRND')
  if (!verbs.length) return gerund || isAboutSubject(words, clause, thread?.gender) ? before : 'other'
  if (isMyWish(words, clause, person)) return 'mine'
  const impersonal = verbs.every(at => words[at].parse?.number === 'plur' || isImpersonalUse(words, clause, at))
  return impersonal ? 'other' : before
}

/** «Савелий, ободрённый его словами, …»: a participle of the subject. */
function isAboutSubject(words: readonly TaggedWord[], { from, to }: Clause, gender: 'm' | 'f' | undefined): boolean {
  const wanted = gender === 'f' ? 'femn' : 'masc'
  return words
    .slice(from, to)
    .some(({ parse }) => parse?.pos === 'PRTF' && parse.case === 'nomn' && parse.gender === wanted)
}

/** «Савелию не хотелось его будить»: who wishes is not whom. */
function isMyWish(words: readonly TaggedWord[], { from, to }: Clause, { objects }: PersonWords): boolean {
  const infinitive = words.slice(from, to).some(({ parse }) => parse?.pos === 'INFN')
  return infinitive && words.slice(from, to).some(({ parse }, i) => objects.has(from + i) && parse?.case === 'datv')
}

function loseThread(scan: Scan): void {
  scan.thread = undefined
  scan.rivalAge = 0
}

/** Somebody else of the gender ends the thread, a thing makes it doubtful. */
function passWord(scan: Scan, word: TaggedWord, genders: ReadonlySet<Gender>): void {
  const { thread } = scan
  for (const gender of ['m', 'f'] as const)
    if (genders.has(gender) && isRival(word, gender)) {
      scan.rivalAge = Math.min(scan.rivalAge, word.parse?.case === 'nomn' ? 0 : 1)
      if (thread?.gender === gender) scan.thread = undefined
    }
  if (scan.thread && isThing(word, scan.thread)) {
    scan.thread = { ...scan.thread, thing: true, thingActs: scan.thread.thingActs || word.parse?.case === 'nomn' }
  }
}

function followName(scan: Scan, group: Group, gender: Gender, words: readonly TaggedWord[], { link }: Clause): void {
  const { id, target, from } = group
  if (!target) {
    if (gender !== 'unknown' && scan.thread && gender !== scan.thread.gender) return
    loseThread(scan)
    return
  }
  if (gender === 'unknown') {
    scan.thread = undefined
    return
  }
  const subordinate = link === 'subordinate' || link === 'relative'
  const grammarCase = words[from].parse?.case
  // «Савелию стало весело», «у Савелия был дом»: it is about him, though he is no subject.
  const topic = grammarCase === 'datv' || /^у$/iu.test(words[from - 1]?.text ?? '')
  const acts = (grammarCase === 'nomn' && !subordinate) || ((grammarCase === 'nomn' || topic) && scan.rivalAge > 0)
  const rivalActed = !acts && scan.rivalAge < 2
  scan.thread = { id, target, gender, age: 0, thing: false, thingActs: false, rivalActed }
}

function inSpeech({ speech }: Sentence, { start }: TaggedWord): boolean {
  return speech.some(([from, to]) => start >= from && start < to)
}

function formsOf({ gender }: Pick<Thread, 'gender'>): Readonly<Record<string, readonly Case[] | undefined>> {
  return gender === 'm' ? masculine : feminine
}

function readAnaphor(words: readonly TaggedWord[], at: number, thread: Thread, clause: Clause): Anaphor | undefined {
  const text = words[at].text.toLowerCase()
  const { target } = thread
  const [grammarCase, ...others] = formsOf(thread)[text] ?? []
  if (!grammarCase) return undefined
  if (/^(?:его|её|ее)$/u.test(text)) {
    const noun = possessedNoun(words, at, clause)
    if (noun && (thread.rivalActed || isHonorific(words[at + 1]) || isOfThing(words, at, thread))) return undefined
    if (noun) return { at, target, use: { kind: 'possessive', noun } }
    const object = isParticiple(words[at + 1], 'actv') || isParticiple(words[at - 1], 'actv')
    if (words[at].parse?.pos === 'ADJF' && !object) return undefined
  }
  // Things are put, taken and stood beside; «ему» and «ей», «у него» and «сделанный им» are said of people.
  const human =
    grammarCase === 'datv' && !/^н/u.test(text)
      ? true
      : words[at - 1]?.text.toLowerCase() === 'у' || (grammarCase === 'ablt' && isParticiple(words[at - 1], 'pssv'))
  if (thread.thing && !human) return undefined
  if (text === 'ней' && others.length) return locative(words, at, target)
  if (text === 'им' && words[at].parse?.number === 'plur' && !human) return undefined
  return { at, target, use: { kind: 'personal', case: grammarCase } }
}

function isParticiple(word: TaggedWord | undefined, voice: 'actv' | 'pssv'): boolean {
  const parse = word?.parse
  const fits = parse?.pos === 'PRTF' || (parse?.pos === 'PRTS' && voice === 'pssv')
  return fits && parse.tag.includes(voice) && (voice === 'pssv' || parse.transitive === true)
}

function locative(words: readonly TaggedWord[], at: number, target: PronounPerson): Anaphor | undefined {
  const chosen = words[at].parse?.case
  return chosen ? { at, target, use: { kind: 'personal', case: chosen } } : undefined
}

/** «его старый дом», «губы его дрожали»: the noun his belongs to. */
function possessedNoun(words: readonly TaggedWord[], at: number, clause: Clause): NounForm | undefined {
  if (isParticiple(words[at + 1], 'actv') || isParticiple(words[at - 1], 'actv')) return undefined
  const before = words[at - 1] as TaggedWord | undefined
  const tagged = words[at].parse?.pos === 'ADJF'
  for (let i = at + 1; i < words.length && i < at + 4; i++) {
    const { parse } = words[i]
    if (parse?.pos === 'NOUN')
      return (tagged ? !isMeans(words, at, i) : isSoleObject(words, at, i) || !takesObject(words, clause))
        ? nounForm(words, i, at)
        : undefined
    if (parse?.pos !== 'ADJF' && parse?.pos !== 'PRTF') break
  }
  const free = before?.parse?.pos === 'NOUN' && before.end + 1 === words[at].start
  return free && !takesObject(words, clause) ? nounForm(words, at - 1, phraseStart(words, at - 1)) : undefined
}

/** «узнала его сиротство»: the verb has that one object, so «его» is whose. */
function isSoleObject(words: readonly TaggedWord[], at: number, noun: number): boolean {
  const { parse, parses } = words[noun]
  const verb = words[at - 1]?.parse
  if (verb?.pos !== 'VERB' && verb?.pos !== 'INFN' && verb?.pos !== 'GRND') return false
  if (parse?.case !== 'accs' || parse.animate) return false
  const couldAct = parses.some(p => p.case === 'nomn' && p.number === (verb.number ?? p.number))
  return !couldAct || verb.pos !== 'VERB'
}

/** «травили его собаками», «занятие её французами»: him, with dogs. */
function isMeans(words: readonly TaggedWord[], at: number, noun: number): boolean {
  const before = words[at - 1]?.parse
  if (words[noun].parse?.case !== 'ablt') return false
  return before?.pos === 'NOUN' || ((before?.pos === 'VERB' || before?.pos === 'INFN') && before.transitive === true)
}

const ofPeople =
  /^(?:лицо|глаз|глаза|взгляд|взор|голос|голова|душа|сердце|ум|рука|нога|губа|рот|щека|лоб|плечо|грудь|спина|тело|палец|волос|кудри|бровь|слеза|слово|мысль|чувство|жизнь|судьба|имя|фамилия|отец|мать|брат|сестра|жена|муж|сын|дочь|друг|приятель|товарищ|враг|дом|комната|квартира|любовь|страсть|память|воображение|внимание|мнение|желание|поступок|характер|нрав|удивление|радость|ужас|гость|хозяин|слуга|лакей|барин)$/u

/** «солнце садилось, тучи стояли на его пути»: it is the thing's; a face or a thought is a person's. */
function isOfThing(words: readonly TaggedWord[], at: number, { thingActs }: Thread): boolean {
  return thingActs && !words.slice(at - 1, at + 4).some(({ parse }) => ofPeople.test(parse?.lemma ?? ''))
}

/** «Его превосходительство» is a title. */
function isHonorific(word: TaggedWord | undefined): boolean {
  return /^(?:превосходительств|высокопревосходительств|величеств|высочеств|сиятельств|светлост|благороди|высокоблагороди|преосвященств)/iu.test(
    word?.text ?? '',
  )
}

/** Some verb of the clause could have «его» as its object. */
function takesObject(words: readonly TaggedWord[], { from, to }: Clause): boolean {
  return words.slice(from, to).some(({ parse, text }) => {
    const verbal = /^(?:VERB|INFN|GRND|PRTF|PRTS)$/u.test(parse?.pos ?? '')
    return verbal && !/с[яь]$/u.test(text) && parse?.transitive !== false
  })
}

function isThing({ parse, kind }: TaggedWord, { gender }: Thread): boolean {
  if (kind !== 'word' || parse?.pos !== 'NOUN' || parse.number !== 'sing') return false
  // «его», «нём», «им» are a neuter's forms too.
  const same = gender === 'f' ? parse.gender === 'femn' : parse.gender === 'masc' || parse.gender === 'neut'
  return parse.animate !== true && same
}

/** «Савелий сидит, а он поёт», «Савелий видел, как он ушёл»: he is not the one before. */
function isContrast(words: readonly TaggedWord[], at: number): boolean {
  const [opening, comma] = [words[at - 1]?.text.toLowerCase(), words[at - 2]?.text]
  if (comma !== ',') return false
  return (
    opening === 'а' ||
    (opening === 'как' && /^(?:у?вид|смотр|гляд|(?:у|по)?слы[шх]|наблюд|след)/u.test(words[at - 3]?.parse?.lemma ?? ''))
  )
}

/** The clause of «он» has a verb that hardly any thing does. */
function isPersonal(words: readonly TaggedWord[], { verbs }: Clause): boolean {
  return verbs.some(at => isPersonVerb(words[at].parse?.lemma ?? ''))
}

/** Another animate noun of the gender, an unknown name, or the same pronoun left alone. */
function isRival({ parse, text, kind }: TaggedWord, gender: 'm' | 'f'): boolean {
  if (kind !== 'word' || !parse) return false
  if (parse.pos === 'NPRO') return formsOf({ gender })[text.toLowerCase()] !== undefined
  if (parse.pos !== 'NOUN' || parse.number !== 'sing') return false
  return parse.gender === (gender === 'm' ? 'masc' : 'femn') && (parse.animate === true || !parse.known)
}
