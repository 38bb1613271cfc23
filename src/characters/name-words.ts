// Capitalised forms → the names behind them: nominative, kind and gender, chosen so that few paradigms explain many forms.
import { declineName, type CaseForms, type NameKind } from '../language/names.js'
import { parseWord, type Case, type Parse } from '../language/morphology.js'
import { tagWords } from '../language/tagger.js'
import { capitalise, isCapitalised, wordKey } from '../language/words.js'
import type { Capitals, FormCount, NameGroup } from './capitals.js'
import { namesBehind, readFirstName } from './diminutives.js'

export type NameWordKind = 'first' | 'patronymic' | 'surname' | 'diminutive' | 'nickname'

export interface NameWord {
  readonly lemma: string
  readonly kind: NameWordKind
  readonly gender: 'm' | 'f'
  readonly forms: CaseForms
}

/** Why a capitalised word is no person's name. */
export type NotAName =
  'place' | 'organisation' | 'common-word' | 'sacred' | 'only-at-start' | 'plural' | 'title-of-work' | 'no-vowel'

const nameKinds: { readonly [K in NameWordKind]: NameKind } = {
  first: 'first',
  diminutive: 'first',
  patronymic: 'patronymic',
  surname: 'surname',
  nickname: 'common',
}

export function makeNameWord(lemma: string, kind: NameWordKind, gender: 'm' | 'f'): NameWord {
  return { lemma, kind, gender, forms: declineName(lemma, nameKinds[kind], gender) }
}

const sacred = new Set(
  'бог боже господь господи богородица аллах провидение создатель творец спаситель всевышний государь'.split(' '),
)
const closedParts = new Set([
  'PREP',
  'CONJ',
  'PRCL',
  'NPRO',
  'INTJ',
  'ADVB',
  'PRED',
  'VERB',
  'INFN',
  'GRND',
  'NUMR',
  'COMP',
  'ADJS',
])
const patronymicEnding = /(?:ович|евич|ич|овна|евна|ична|инична|ишна)$/u
const surnameEnding = /(?:[оеё]в|[иы]н|[сц]кий|ской|енко|[оеё]ва|[иы]на|[сц]кая|ых|их|швили|дзе|ян|ич|ук|юк)$/u

/** What the neighbours of a form tell of it in the whole book, by word key. */
export interface NameContext {
  /** Mostly behind «в», «из», «на». */
  readonly places: ReadonlySet<string>
  /** Beside a first name, behind a title, or before a verb a person is the subject of. */
  readonly beside: ReadonlySet<string>
  /** Mostly whole in quotation marks: ships, books, firms. */
  readonly quoted: ReadonlySet<string>
  /** Adjectives before the noun they agree with: «Северной войны». */
  readonly attributes: ReadonlySet<string>
}

/** The reason a form cannot be a name as such, or undefined. Forms seen only where a sentence starts need the dictionary's word. */
export function rejectForm(key: string, count: FormCount, context: NameContext): NotAName | undefined {
  const { places, beside } = context
  const parses = parseWord(capitalise(count.text))
  const named = parses.some(isPersonal)
  const strong = parses.some(parse => parse.known && isPersonal(parse))
  const top = parses[0] as Parse | undefined
  if (sacred.has(key) || parses.some(({ lemma }) => sacred.has(wordKey(lemma)))) return 'sacred'
  if (count.small > count.inside * (strong ? 3 : 1)) return 'common-word'
  if (!/[аеёиоуыэюя]/u.test(key)) return 'no-vowel'
  if (context.quoted.has(key)) return 'title-of-work'
  if (context.attributes.has(key)) return 'common-word'
  if (!strong && /(?:[оеё]в|ин|ск)(?:ых|ыми|ими|их)$/u.test(key)) return 'plural'
  if (key.includes('-') && count.inside > 0) return undefined
  const closed = closedParts.has(top?.pos ?? '') && !(top?.pos === 'ADJS' && surnameEnding.test(key))
  if (beside.has(key) && count.small === 0 && !closed && top?.name !== 'Geox') return undefined
  if (places.has(key) && !strong) return 'place'
  if (top?.known) {
    if (top.name === 'Geox' && !strong) return 'place'
    if (top.name === 'Orgn' && !strong) return 'organisation'
    if (closedParts.has(top.pos) && !(strong && count.inside > 0)) return 'common-word'
    if (!named && !parses.some(({ pos, animate, number }) => pos === 'NOUN' && animate && number === 'sing')) {
      return parses.every(({ number }) => number === 'plur') ? 'plural' : 'common-word'
    }
    if (!named && count.inside < 3) return 'common-word'
  }
  if (count.inside === 0 && !(strong && count.small === 0)) return 'only-at-start'
  return undefined
}

function isPersonal({ name }: Parse): boolean {
  return name === 'Name' || name === 'Surn' || name === 'Patr'
}

/** Undeclined endings: what a nominative may look like, given an oblique form's ending. */
const undo: readonly (readonly [RegExp, readonly string[]])[] = [
  [/а$/u, ['']],
  [/у$/u, ['', 'а']],
  [/(?:ом|ем|ём)$/u, ['', 'й', 'ь']],
  [/ым$/u, ['', 'ый']],
  [/е$/u, ['', 'а', 'я', 'й', 'ь']],
  [/(?:ой|ою)$/u, ['а']],
  [/ы$/u, ['а']],
  [/и$/u, ['а', 'я', 'ь', 'ия']],
  [/(?:ей|ею)$/u, ['я', 'а']],
  [/ю$/u, ['й', 'ь', 'я']],
  [/я$/u, ['й', 'ь']],
  [/(?:ого|ому|им)$/u, ['ий', 'ый', 'ой']],
  [/(?:ую|ая)$/u, ['ая']],
]

function guessNominatives(text: string): string[] {
  const guesses = undo.flatMap(([ending, stems]) =>
    ending.test(text) ? stems.map(stem => text.replace(ending, stem)) : [],
  )
  const sounds = (guess: string): boolean => !/(?:[бвгджзйклмнпрстфхцчшщьъ]й|[аеёиоуыэюяьъй]ь)$/u.test(guess)
  return [...new Set([text, ...guesses])].filter(guess => guess.length > 1 && sounds(guess))
}

function hypothesesOf(text: string): NameWord[] {
  const found = new Map<string, NameWord>()
  const add = (lemma: string, kind: NameWordKind, gender: 'm' | 'f'): void => {
    const word = makeNameWord(lemma, kind, gender)
    const key = `${word.lemma}|${gender}`
    const covers = Object.values(word.forms).some(form => wordKey(form) === wordKey(text))
    if (covers && !found.has(key)) found.set(key, word)
  }
  if (text.includes('-')) hyphenated(text, add)
  else {
    for (const parse of parseWord(text)) fromParse(parse, add, text)
    for (const guess of guessNominatives(text)) fromShape(guess, add)
  }
  return [...found.values()]
}

type AddHypothesis = (lemma: string, kind: NameWordKind, gender: 'm' | 'f') => void

function fromParse(parse: Parse, add: AddHypothesis, text: string): void {
  const gender = parse.gender === 'femn' ? 'f' : 'm'
  if (parse.number === 'plur' || parse.gender === 'neut') return
  // A guessed paradigm may bring a ё the text does not know.
  const guessed = parse.known || text.includes('ё') ? parse.lemma : parse.lemma.replaceAll('ё', 'е')
  const lemma = capitalise(guessed)
  if (parse.name === 'Patr') add(lemma, 'patronymic', gender)
  else if (parse.name === 'Name')
    add(lemma, namesBehind(lemma).length && !readFirstName(lemma) ? 'diminutive' : 'first', gender)
  else if (parse.name === 'Surn') {
    // The dictionary's lemma of a woman's surname is the man's; her nominative is asked for.
    const own = gender === 'f' ? femaleSurname(lemma) : lemma
    add(own, 'surname', gender)
  } else if (parse.pos === 'NOUN' && parse.animate && parse.known) {
    add(lemma, namesBehind(lemma).length ? 'diminutive' : 'nickname', gender)
  }
}

function femaleSurname(lemma: string): string {
  if (/[оеё]в$|[иы]н$/u.test(lemma)) return lemma + 'а'
  return lemma.replace(/(?:ий|ый|ой)$/u, 'ая')
}

function fromShape(guess: string, add: AddHypothesis): void {
  const known = readFirstName(guess)
  if (known) return add(guess, 'first', known.gender)
  const behind = namesBehind(guess)
  if (behind.length) return [...new Set(behind.map(({ gender }) => gender))].forEach(g => add(guess, 'diminutive', g))
  if (patronymicEnding.test(guess) && guess.length > 5) return add(guess, 'patronymic', /на$/u.test(guess) ? 'f' : 'm')
  const feminine = /[ая]$/u.test(guess)
  const kind = surnameEnding.test(guess) ? 'surname' : 'first'
  add(guess, kind, feminine ? 'f' : 'm')
}

/** «Голядкина-младшего»: each part goes back to a nominative of the same gender. */
function hyphenated(text: string, add: AddHypothesis): void {
  const parts = text.split('-')
  for (const gender of ['m', 'f'] as const) {
    let lemmas: string[] = ['']
    parts.forEach((part, i) => {
      const wanted = gender === 'f' ? 'femn' : 'masc'
      const fromDictionary = parseWord(part)
        .filter(parse => parse.pos === 'ADJF' && i > 0 && parse.gender === wanted)
        .map(({ lemma }) => (gender === 'f' ? lemma.replace(/(?:ий|ый|ой)$/u, 'ая') : lemma))
      const options = fromDictionary.length ? fromDictionary : guessNominatives(part)
      lemmas = lemmas.flatMap(lemma =>
        [...new Set(options)].slice(0, 4).map(option => (lemma ? `${lemma}-${option}` : option)),
      )
    })
    for (const lemma of lemmas.slice(0, 16)) add(lemma, isCapitalised(parts[1]) ? 'first' : 'surname', gender)
  }
}

/** Votes for a gender from past verbs beside a form: «сказал Голядкин». */
export type GenderVotes = ReadonlyMap<string, { m: number; f: number }>

export function countGenderVotes(groups: readonly NameGroup[]): GenderVotes {
  const votes = new Map<string, { m: number; f: number }>()
  for (const { words, before, after } of groups) {
    const gender = pastGender(after?.text) ?? pastGender(before?.text)
    if (!gender) continue
    for (const word of words) {
      const vote = votes.get(wordKey(word)) ?? { m: 0, f: 0 }
      vote[gender]++
      votes.set(wordKey(word), vote)
    }
  }
  return votes
}

function pastGender(word: string | undefined): 'm' | 'f' | undefined {
  const parse = word ? parseWord(word)[0] : undefined
  if (parse?.pos !== 'VERB' || parse.tense !== 'past') return undefined
  return parse.gender === 'masc' ? 'm' : parse.gender === 'femn' ? 'f' : undefined
}

/** The names that explain the forms, and for every form the names it may be a form of, best first. */
export function nameWordsOf(
  capitals: Capitals,
  accepted: ReadonlySet<string>,
  votes: GenderVotes,
): ReadonlyMap<string, readonly NameWord[]> {
  const readings = readRareForms(capitals, accepted)
  const candidates = new Map<string, NameWord>()
  for (const key of accepted) {
    for (const word of hypothesesOf(spelling(capitals, key)))
      candidates.set(`${wordKey(word.lemma)}|${word.gender}`, word)
  }
  const weights = new Map([...accepted].map(key => [key, weightOf(capitals.forms.get(key))]))
  const chosen = chooseParadigms([...candidates.values()], weights, votes, readings)
  const byForm = new Map<string, NameWord[]>()
  for (const word of chosen) {
    for (const form of new Set(Object.values(word.forms).map(wordKey))) {
      if (capitals.forms.has(form)) byForm.set(form, [...(byForm.get(form) ?? []), word])
    }
  }
  return byForm
}

function spelling(capitals: Capitals, key: string): string {
  return capitalise(capitals.forms.get(key)?.text ?? key)
}

function weightOf(count: FormCount | undefined): number {
  return count ? count.inside + count.initial : 0
}

/** How the tagger read a rare form in its sentences: `case` or `case gender` → times. */
type FormReadings = ReadonlyMap<string, ReadonlyMap<string, number>>

const rare = 4

/** A form seen once or twice shows its case by its sentence alone: «переведён Хармсом» is nobody called Хармсом. */
function readRareForms({ groups, forms }: Capitals, accepted: ReadonlySet<string>): FormReadings {
  const readings = new Map<string, Map<string, number>>()
  for (const { words, sentence, at } of groups) {
    const wanted = words.map(wordKey).filter(key => accepted.has(key) && weightOf(forms.get(key)) <= rare)
    if (!wanted.length) continue
    const tagged = tagWords(sentence)
    words.forEach((word, i) => {
      const key = wordKey(word)
      const { case: grammarCase, gender, number } = tagged[at + i]?.parse ?? {}
      if (!wanted.includes(key) || !grammarCase || number === 'plur') return
      const counts = readings.get(key) ?? new Map<string, number>()
      for (const reading of [grammarCase, `${grammarCase} ${gender === 'femn' ? 'f' : 'm'}`])
        counts.set(reading, (counts.get(reading) ?? 0) + 1)
      readings.set(key, counts)
    })
  }
  return readings
}

/** Cases the sentences ask for and the paradigm has, less those it lacks. */
function contextScore({ forms, gender }: NameWord, open: ReadonlyMap<string, number>, readings: FormReadings): number {
  let score = 0
  for (const form of new Set(Object.values(forms).map(wordKey))) {
    if (!open.has(form)) continue
    for (const [reading, times] of readings.get(form) ?? []) {
      const [grammarCase, own] = reading.split(' ')
      const has = wordKey(forms[grammarCase as Case]) === form
      if (own) score += has && own === gender ? times * 0.5 : 0
      else score += has ? times * 0.5 : -times
    }
  }
  return score
}

/** Greedy cover: the paradigm that explains most of what is still unexplained is taken, until nothing is left. */
function chooseParadigms(
  candidates: NameWord[],
  weights: ReadonlyMap<string, number>,
  votes: GenderVotes,
  readings: FormReadings,
): NameWord[] {
  const open = new Map(weights)
  const byForm = new Map<string, NameWord[]>()
  const formsOf = new Map(candidates.map(word => [word, [...new Set(Object.values(word.forms).map(wordKey))]]))
  for (const word of candidates) {
    for (const form of formsOf.get(word) ?? []) byForm.set(form, [...(byForm.get(form) ?? []), word])
  }
  const score = (word: NameWord): number =>
    scoreOf(word, formsOf.get(word) ?? [], open, weights, votes) + contextScore(word, open, readings)
  const scores = new Map(candidates.map(word => [word, score(word)]))
  const chosen: NameWord[] = []
  while (open.size) {
    const best = [...scores].reduce<[NameWord, number] | undefined>(
      (top, row) => (!top || row[1] > top[1] ? row : top),
      undefined,
    )
    if (!best || best[1] <= 0) break
    chosen.push(best[0])
    scores.delete(best[0])
    const changed = new Set<NameWord>()
    for (const form of formsOf.get(best[0]) ?? []) {
      if (open.delete(form)) byForm.get(form)?.forEach(word => changed.add(word))
    }
    for (const word of changed) if (scores.has(word)) scores.set(word, score(word))
  }
  return chosen
}

function scoreOf(
  word: NameWord,
  forms: readonly string[],
  open: ReadonlyMap<string, number>,
  weights: ReadonlyMap<string, number>,
  votes: GenderVotes,
): number {
  let covered = 0
  let distinct = 0
  let agreed = 0
  for (const form of forms) {
    const weight = open.get(form)
    if (weight === undefined) continue
    covered += weight
    distinct++
  }
  if (!covered) return 0
  const vote = votes.get(wordKey(word.forms.nomn)) ?? { m: 0, f: 0 }
  agreed = vote[word.gender] - vote[word.gender === 'm' ? 'f' : 'm']
  const nominative = weights.get(wordKey(word.forms.nomn)) ?? 0
  const isKnown = parseWord(word.lemma).some(
    p => p.known && isPersonal(p) && p.case === 'nomn' && (p.gender === 'femn') === (word.gender === 'f'),
  )
  const plausible = word.kind === 'nickname' ? 0.9 : 1
  return (covered + nominative * 0.5 + agreed + distinct * 0.2 + (isKnown ? 0.5 + covered * 0.3 : 0)) * plausible
}

/** Cases a form of this name may stand in. */
export function casesOf(word: NameWord, key: string): Case[] {
  return (Object.entries(word.forms) as [Case, string][]).filter(([, form]) => wordKey(form) === key).map(([c]) => c)
}
