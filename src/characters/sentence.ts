// One sentence under rewriting: its tagged words, whose names stand where, and which stretches are speech.
import { splitSentences } from '../language/sentences.js'
import { tagWords, type TaggedWord } from '../language/tagger.js'
import type { PronounPerson } from '../language/pronouns.js'
import { nameForm, type FormInfo } from '../language/features.js'
import { parseWord } from '../language/morphology.js'
import { splitWords, type Token } from '../language/words.js'
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

/** Sentences that hold a name to be rewritten are tagged; the others are not worth the time. */
export function readSentences(
  text: string,
  index: NameIndex,
  targetOf: (id: string) => PronounPerson | undefined,
  speech: readonly (readonly [number, number])[],
  wanted: (mentions: readonly Mention[], sentence: string) => boolean,
): Sentence[] {
  const sentences: Sentence[] = []
  let follows = false
  for (const { start, end } of splitSentences(text)) {
    const slice = text.slice(start, end)
    const plain = splitWords(slice)
    const mentions = findMentions(plain, index)
    if (!wanted(mentions, slice)) {
      follows = false
      continue
    }
    const tokens = plain.map(token => ({ ...token, start: token.start + start, end: token.end + start }))
    const words = tagWords(tokens, nameForms(tokens, mentions, index))
    const groups = mentions.map(mention => ({
      ...widen(words, mention, index.genders.get(mention.id)),
      target: targetOf(mention.id),
    }))
    sentences.push({ text, words, groups: dropCovered(groups), speech, follows })
    follows = true
  }
  return sentences
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
