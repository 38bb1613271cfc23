// One sentence under rewriting: its tagged words, whose names stand where, and which stretches are speech.
import { splitSentences } from '../language/sentences.js'
import { tagWords, type TaggedWord } from '../language/tagger.js'
import type { PronounPerson } from '../language/pronouns.js'
import { nameForm, type FormInfo } from '../language/features.js'
import { parseWord, type Case } from '../language/morphology.js'
import { splitWords, wordKey, type Token } from '../language/words.js'
import type { Gender } from './person.js'
import { findMentions, type Mention, type NameIndex } from './lookup.js'

/** A mention in the sentence, widened to the words that belong to the name. */
export interface Group extends Mention {
  /** What it becomes: я (`me`), ты (`ti`), or it stays. */
  readonly target: PronounPerson | undefined
}

export interface Sentence {
  /** The whole text given to rewrite; offsets of words point into it. */
  readonly text: string
  readonly words: readonly TaggedWord[]
  readonly groups: readonly Group[]
  /** `[start, end)` stretches of direct speech in the text. */
  readonly speech: readonly (readonly [number, number])[]
  /** The sentence before it was read too, so what it said of people is known. */
  readonly follows: boolean
}

/** What a sentence says of the people rewritten. One `between` counts only where a pronoun follows it. */
export type Interest = 'name' | 'pronoun' | 'between' | 'none'

interface Reading {
  /** The whole text, its names and its speech. */
  readonly text: string
  readonly index: NameIndex
  readonly targetOf: (id: string) => PronounPerson | undefined
  readonly speech: readonly (readonly [number, number])[]
  /** Whom «наш герой» means. */
  readonly hero: string | undefined
}

interface Draft {
  readonly start: number
  readonly tokens: readonly Token[]
  readonly mentions: readonly Mention[]
}

/** Sentences that hold a name to be rewritten, or a pronoun that may mean it, are tagged; others are not worth the time. */
export function readSentences(
  reading: Reading,
  asksFor: (mentions: readonly Mention[], sentence: string) => Interest,
): Sentence[] {
  const sentences: Sentence[] = []
  let between: Draft[] = []
  let follows = false
  for (const { start, end } of splitSentences(reading.text)) {
    const slice = reading.text.slice(start, end)
    const tokens = splitWords(slice)
    const named = findMentions(tokens, reading.index)
    const mentions = reading.hero === undefined ? named : [...named, ...findHero(tokens, reading.hero)]
    const draft = { start, tokens, mentions: mentions.sort((a, b) => a.from - b.from) }
    const interest = asksFor(draft.mentions, slice)
    if (interest === 'between' && follows) {
      between.push(draft)
      continue
    }
    const chain = interest === 'pronoun' ? [...between, draft] : interest === 'name' ? [draft] : []
    if (interest !== 'pronoun' && (between.length || !chain.length)) follows = false
    for (const one of chain) {
      sentences.push(readSentence(one, reading, follows))
      follows = true
    }
    between = []
  }
  return sentences
}

function readSentence({ start, tokens, mentions }: Draft, reading: Reading, follows: boolean): Sentence {
  const { text, index, targetOf, speech } = reading
  const placed = tokens.map(token => ({ ...token, start: token.start + start, end: token.end + start }))
  const words = tagWords(placed, nameForms(placed, mentions, index))
  const groups = mentions.map(mention => ({
    ...widen(words, mention, index.genders.get(mention.id)),
    target: targetOf(mention.id),
  }))
  return { text, words, groups: dropCovered(groups), speech, follows }
}

const heroForms: ReadonlyMap<string, readonly Case[]> = new Map([
  ['герой наш', ['nomn']],
  ['героя нашего', ['gent', 'accs']],
  ['герою нашему', ['datv']],
  ['героем нашим', ['ablt']],
  ['герое нашем', ['loct']],
  ['героиня наша', ['nomn']],
  ['героини нашей', ['gent']],
  ['героине нашей', ['datv', 'loct']],
  ['героиню нашу', ['accs']],
  ['героиней нашей', ['ablt']],
  ['героинею нашею', ['ablt']],
])

/** «наш герой», «герой наш», unless it is the hero of something: «герой нашей повести» has another form, «наш герой труда» a noun. */
function findHero(tokens: readonly Token[], id: string): Mention[] {
  return tokens.slice(0, -1).flatMap((token, i) => {
    const [first, second] = [wordKey(token.text), wordKey(tokens[i + 1].text)]
    const cases = heroForms.get(`${first} ${second}`) ?? heroForms.get(`${second} ${first}`)
    return cases ? [{ id, from: i, to: i + 2, cases: new Set(cases) }] : []
  })
}

/** The paradigms of the register know a name's cases better than a dictionary that guesses from endings. */
function nameForms(tokens: readonly Token[], mentions: readonly Mention[], index: NameIndex): Map<number, FormInfo> {
  const forms = new Map<number, FormInfo>()
  for (const { id, from, to, cases } of mentions) {
    const gender = index.genders.get(id)
    if (gender !== 'm' && gender !== 'f') continue
    for (let i = from; i < to; i++) {
      if (!/^\p{Lu}/u.test(tokens[i].text)) continue
      const known = parseWord(tokens[i].text).find(
        ({ name }) => name === 'Name' || name === 'Surn' || name === 'Patr',
      )?.name
      const name = known === 'Surn' || known === 'Patr' ? known : 'Name'
      forms.set(i, nameForm(tokens[i].text, cases, gender === 'f' ? 'femn' : 'masc', name))
    }
  }
  return forms
}

/** «Наташа Ростова» where only «Наташа» is known: name words that follow in the same case belong to the name. */
function widen(words: readonly TaggedWord[], mention: Mention, gender: Gender | undefined): Mention {
  let { to } = mention
  let { cases } = mention
  while (to < words.length && to - mention.from < 5 && words[to].kind === 'word' && /^\p{Lu}/u.test(words[to].text)) {
    if (words[to].start - words[to - 1].end !== 1) break
    const own = words[to].parses.filter(
      p => p.number === 'sing' && (p.name === 'Surn' || p.name === 'Patr' || (!p.known && p.pos === 'NOUN')),
    )
    const shared = [...cases].filter(c => own.some(p => p.case === c) || isUnchanged(words[to], gender))
    if (!shared.length) break
    cases = new Set(shared)
    to++
  }
  return to === mention.to ? mention : { ...mention, to, cases }
}

/** Women's foreign surnames on a consonant and names on о, у, и, э stand for every case: «к Эмме Браун». */
function isUnchanged({ text, parses }: TaggedWord, gender: Gender | undefined): boolean {
  if (parses.some(p => p.known && p.name !== 'Surn' && p.name !== 'Name')) return false
  return /[оуиэю]$/u.test(text) || (gender === 'f' && /[бвгджзйклмнпрстфхцчшщ]$/u.test(text))
}

function dropCovered(groups: readonly Group[]): Group[] {
  return groups.filter((group, i) => i === 0 || group.from >= groups[i - 1].to)
}
