// Tagged sentence → pieces between commas and conjunctions, and for each third-person verb the subject it belongs to.
import { readFileSync } from 'node:fs'
import { assetPath } from '../base/package.js'
import { isThirdSingular } from './verbs.js'
import type { Parse } from './morphology.js'
import type { TaggedWord } from './tagger.js'

/** A stretch of a sentence, `[from, to)` in word indices, that holds at most one predicate group. */
export interface Clause {
  readonly from: number
  readonly to: number
  /** How it is tied to what stands before it. */
  readonly link: 'start' | 'comma' | 'and' | 'comma-and' | 'subordinate' | 'relative' | 'break'
  readonly verbs: readonly number[]
}

const coordinating = new Set(['и', 'а', 'но', 'или', 'либо', 'да', 'зато', 'однако', 'же', 'то'])
const subordinating = new Set(
  'причем причём что чтобы чтоб если когда пока покуда как хотя хоть будто словно точно ибо поскольку едва лишь чуть коли ежели раз где куда откуда зачем почему отчего чем нежели ли сколько какой какая какое какие насколько дабы кабы'.split(
    ' ',
  ),
)
/** They may stand before the word that opens a subordinate clause: «потому что», «после того как», «только если». */
const openers = new Set('так потому оттого после прежде перед тем того только то'.split(' '))
const relative =
  /^(?:котор(?:ый|ая|ое|ые|ого|ой|ую|ому|ым|ом|ых|ыми)|чей|чья|чьё|чье|кто|кого|кому|кем|ком|чего|чему|чем|чём)$/u

/** Pieces in order; every word belongs to exactly one. */
export function splitClauses(words: readonly TaggedWord[]): Clause[] {
  const clauses: Clause[] = []
  let from = 0
  let link: Clause['link'] = 'start'
  const close = (to: number, next: Clause['link']): void => {
    if (to > from)
      clauses.push({ from, to, link: refineLink(words.slice(0, to), from, link), verbs: finiteVerbs(words, from, to) })
    from = to
    link = next
  }
  for (let i = 0; i < words.length; i++) {
    const word = words[i]
    if (word.kind === 'punct' && separates(word.text)) close(i + 1, linkOfSign(word.text, words[i + 1]))
    else if (word.kind === 'word' && i > from && word.text.toLowerCase() === 'и' && splitsAtAnd(words, from, i))
      close(i, 'and')
  }
  close(words.length, 'break')
  return clauses
}

function separates(sign: string): boolean {
  return /^(?:[,;:()]|[-–—]+|\.{2,}|…|[.!?])$/u.test(sign)
}

function linkOfSign(sign: string, next: TaggedWord | undefined): Clause['link'] {
  if (/^[:.!?…]/u.test(sign)) return 'break'
  if (sign === ',' && /^(?:или|либо|ни)$/iu.test(next?.text ?? '')) return 'and'
  if (sign === ',') return next && coordinating.has(next.text.toLowerCase()) ? 'comma-and' : 'comma'
  return /^[-–—]/u.test(sign) ? 'comma' : 'comma'
}

/** Subordinate words open their clause, possibly behind a preposition or particle: «, в котором», «, и что». */
function refineLink(words: readonly TaggedWord[], from: number, link: Clause['link']): Clause['link'] {
  const isOpening = link === 'start' || link === 'comma' || link === 'comma-and' || link === 'break'
  if (!isOpening) return link
  for (let i = from; i < Math.min(from + 3, words.length); i++) {
    const text = words[i].text.toLowerCase()
    if (relative.test(text)) return link === 'start' || link === 'break' ? 'start' : 'relative'
    if (subordinating.has(text)) return link === 'start' && isQuestion(text) ? 'start' : 'subordinate'
    const passes =
      words[i].parse?.pos === 'PREP' || words[i].parse?.pos === 'PRCL' || coordinating.has(text) || openers.has(text)
    if (!passes && words[i].kind === 'word') return link
  }
  return link
}

/** At the start of a sentence these ask: «Как Пьер понимает…», «Что Маша делает?» */
function isQuestion(text: string): boolean {
  return /^(?:что|как|где|куда|откуда|зачем|почему|отчего|сколько|какой|какая|какое|какие|так|только|чем|точно|после|потому)$/u.test(
    text,
  )
}

function finiteVerbs(words: readonly TaggedWord[], from: number, to: number): number[] {
  const verbs: number[] = []
  for (let i = from; i < to; i++) if (words[i].parse?.pos === 'VERB') verbs.push(i)
  return verbs
}

/** «и» parts two predicates only where a finite verb stands on both sides. */
function splitsAtAnd(words: readonly TaggedWord[], from: number, at: number): boolean {
  if (!finiteVerbs(words, from, at).length) return false
  for (let i = at + 1; i < words.length; i++) {
    if (words[i].kind === 'punct' && separates(words[i].text)) return false
    if (words[i].parse?.pos === 'VERB') return true
  }
  return false
}

/** What may be the subject of a singular third-person verb. */
export interface Subject {
  readonly at: number
  readonly mine: boolean
}

/** Verbs that often have nobody as their subject though they know я as well. */
const impersonal =
  'казаться хотеться следовать приходиться прийтись удаваться думаться бывать хватать хватить темнеть оказываться оказаться значить вериться мочься спаться житься тошнить знобить недоставать получаться рябить значиться стоить делаться находиться зависеть касаться'

/** «кажется усталым» is said of a person, «кажется» alone of nobody. */
const seeming = /^(?:казаться|оказаться|оказываться)$/u

let things: ReadonlySet<string> | undefined

/** With assets/russian/thing-verbs.txt: verbs that hardly ever have a person as their subject. */
function isThingVerb(lemma: string): boolean {
  things ??= new Set([
    ...impersonal.split(' '),
    ...readFileSync(assetPath('russian', 'thing-verbs.txt'), 'utf8').split('\n'),
  ])
  return things.has(lemma)
}

/** Parentheses that look like verbs: «может быть», «кажется», «говорят». */
function isParenthesis(words: readonly TaggedWord[], { from, to }: Clause): boolean {
  const texts = words
    .slice(from, to)
    .filter(({ kind }) => kind === 'word')
    .map(({ text }) => text.toLowerCase())
  const joined = texts.join(' ')
  return (
    joined === 'может быть' ||
    joined === 'быть может' ||
    joined === 'стало быть' ||
    (texts.length === 1 &&
      /^(?:кажется|значит|видит|бывает|может|знает|пожалуй|случается|разумеется|думается)$/u.test(joined))
  )
}

/** What the sentence says of the person, by word index. */
export interface PersonWords {
  /** The person in the nominative: heads of name groups, pronouns that mean them. */
  readonly subjects: ReadonlySet<number>
  /** The person in other cases: a clause that has them there has somebody else as its subject. */
  readonly objects: ReadonlySet<number>
  /** All words inside name groups, never taken for other subjects unless `others` has them. */
  readonly covered: ReadonlySet<number>
  /** Nominative heads of other people's names. */
  readonly others: ReadonlySet<number>
}

/** Which present and future third-person singular verbs have the person as their subject. */
export function verbsOfSubject(words: readonly TaggedWord[], person: PersonWords): number[] {
  const state: SubjectState = { levels: [newLevel('none')], below: 'none', pending: [], found: [] }
  for (const clause of splitClauses(words)) {
    if (isParenthesis(words, clause)) continue
    enterClause(state, clause, words)
    const subjects = subjectsOf(words, clause, person)
    if (clause.verbs.length) readVerbs(state, words, clause, subjects, person)
    else passVerbless(state, subjects, words, clause)
  }
  return state.found
}

type Holder = 'none' | 'mine' | 'other'

/** The main clause, or a subordinate one inside it. */
interface Level {
  holder: Holder
  /** It has had its predicate, so the next comma may close it. */
  done: boolean
}

interface SubjectState {
  readonly levels: Level[]
  /** The first subject found in a subordinate clause before the main one: «Если Вася хочет, то пойдёт». */
  below: Holder
  /** Verbs before any subject: «Если захочет, Маша придёт». */
  pending: number[]
  readonly found: number[]
}

function newLevel(holder: Holder): Level {
  return { holder, done: false }
}

function top({ levels }: SubjectState): Level {
  return levels[levels.length - 1]
}

function enterClause(state: SubjectState, clause: Clause, words: readonly TaggedWord[]): void {
  const { link, from } = clause
  if (link === 'subordinate' || link === 'relative') {
    const inherited = top(state).holder
    if (top(state).done && state.levels.length > 1 && sameOpening(words, from)) state.levels.pop()
    state.levels.push(newLevel(link === 'relative' && isNominativeRelative(words, clause) ? 'other' : inherited))
    return
  }
  if (link === 'break') {
    state.levels.length = 1
    state.pending = []
    state.below = 'none'
    if (/^(?:\.|…)/u.test(words[from - 1]?.text ?? '')) state.levels[0].holder = 'none'
  } else if (link !== 'and' && state.levels.length > 1 && (top(state).done || link === 'comma-and')) state.levels.pop()
  const level = top(state)
  if (state.levels.length === 1 && level.holder === 'none' && state.below === 'mine') level.holder = 'mine'
}

/** «…, что он идёт, что она поёт»: clauses with the same opening stand side by side. */
function sameOpening(words: readonly TaggedWord[], from: number): boolean {
  const text = words[from].text.toLowerCase()
  return words.slice(0, from).some((word, i) => word.text.toLowerCase() === text && words[i - 1]?.text === ',')
}

function isNominativeRelative(words: readonly TaggedWord[], { from, to }: Clause): boolean {
  const pronoun = words.slice(from, to).find(({ text }) => relative.test(text.toLowerCase()))
  return /^(?:кто|которые)$/iu.test(pronoun?.text ?? '') || pronoun?.parse?.case === 'nomn'
}

function readVerbs(
  state: SubjectState,
  words: readonly TaggedWord[],
  clause: Clause,
  subjects: readonly Subject[],
  { objects }: PersonWords,
): void {
  const hasObject = rangeHas(objects, clause)
  for (const verb of clause.verbs) {
    const own = nearestSubject(words, subjects, verb)
    const { parse } = words[verb]
    if (own) moveTo(state, own.mine ? 'mine' : 'other')
    else if (hasObject || isImpersonalUse(words, clause, verb) || parse?.number === 'plur') continue
    if (!thirdReading(words[verb]) || isMaybe(words, verb)) continue
    if (top(state).holder === 'mine') state.found.push(verb)
    else if (top(state).holder === 'none') state.pending.push(verb)
  }
  top(state).done = true
}

function rangeHas(indices: ReadonlySet<number>, { from, to }: Clause): boolean {
  for (let i = from; i < to; i++) if (indices.has(i)) return true
  return false
}

/** The word's reading as a third person singular: the dictionary decides person and tense where the tagger took another verb. */
export function thirdReading({ parse, parses, text }: TaggedWord): Parse | undefined {
  if (parse?.pos !== 'VERB') return undefined
  const reflexive = /с[яь]$/iu.test(text)
  const fits = (one: Parse): boolean => isThirdSingular(one) && /с[яь]$/u.test(one.lemma) === reflexive
  return fits(parse) ? parse : parses.find(fits)
}

/** «может быть» without commas. */
function isMaybe(words: readonly TaggedWord[], verb: number): boolean {
  if (words[verb].text.toLowerCase() !== 'может' || words[verb + 1]?.text.toLowerCase() !== 'быть') return false
  return words.slice(verb + 2).some(({ parse }) => parse?.pos === 'VERB') && words[verb + 2]?.parse?.pos !== 'ADJS'
}

function moveTo(state: SubjectState, holder: Holder): void {
  const level = top(state)
  if (state.levels.length > 1) {
    if (state.below === 'none') state.below = holder
  } else {
    if (level.holder === 'none' && holder === 'mine') state.found.push(...state.pending)
    if (holder !== 'none') state.pending = []
  }
  level.holder = holder
}

function passVerbless(
  state: SubjectState,
  subjects: readonly Subject[],
  words: readonly TaggedWord[],
  clause: Clause,
): void {
  const level = top(state)
  if (subjects.some(({ mine }) => mine)) moveTo(state, 'mine')
  else if (
    subjects.length &&
    (level.holder === 'none' || clause.link === 'comma-and' || clause.link === 'subordinate')
  ) {
    moveTo(state, 'other')
  }
  for (let i = clause.from; i < clause.to; i++) {
    const { parse } = words[i]
    if (parse?.pos === 'PRED' || parse?.pos === 'ADJS' || parse?.pos === 'COMP' || parse?.pos === 'INFN')
      level.done = true
  }
}

function isImpersonalUse(words: readonly TaggedWord[], { from, to }: Clause, verb: number): boolean {
  const { parse } = words[verb]
  if (parse?.gender === 'neut') return true
  const beside = words.slice(from, to)
  if (parse && isThingVerb(parse.lemma))
    return !(seeming.test(parse.lemma) && beside.some(({ parse: p }) => p?.case === 'ablt'))
  return (
    parse?.lemma === 'быть' &&
    beside.some(
      ({ parse: p }) => p?.pos === 'PRED' || ((p?.pos === 'PRTS' || p?.pos === 'ADJS') && p.gender === 'neut'),
    )
  )
}

/** Nominatives of a clause that a singular verb could agree with. */
function subjectsOf(words: readonly TaggedWord[], { from, to }: Clause, person: PersonWords): Subject[] {
  const subjects: Subject[] = []
  for (let i = from; i < to; i++) {
    if (person.subjects.has(i)) subjects.push({ at: i, mine: true })
    else if (person.others.has(i) || (!person.covered.has(i) && isSubject(words, i)))
      subjects.push({ at: i, mine: false })
  }
  return subjects
}

const pronounSubject =
  /^(?:который|которая|которое|кто|это|оно|он|она|никто|ничто|(?:кто|что)-(?:то|нибудь|либо)|нечто|некто|тот|та|всякий|каждый|иной)$/iu

function isSubject(words: readonly TaggedWord[], i: number): boolean {
  const { parse, text } = words[i]
  if (!parse || words[i - 1]?.parse?.pos === 'PREP') return false
  if (pronounSubject.test(text)) return standsAlone(words, i)
  if (isForeignName(words, i) || isQuantity(words, i)) return true
  if (/^(?:весть|знает)$/iu.test(words[i + 1]?.text ?? '') && /^(?:бог|черт|чёрт|господь)$/iu.test(text)) return false
  if (parse.case !== 'nomn' || parse.number === undefined) return false
  if (text.toLowerCase() === 'что') return false
  return parse.pos === 'NPRO' || parse.pos === 'NOUN'
}

/** «тот, кто» is a subject, «тот дом» is not; «это» is weighed with the verb. */
function standsAlone(words: readonly TaggedWord[], i: number): boolean {
  const next = words[i + 1]?.parse
  return !(
    /^(?:тот|та|всякий|каждый|иной|это)$/iu.test(words[i].text) &&
    (next?.pos === 'NOUN' || next?.pos === 'ADJF') &&
    next.case === 'nomn'
  )
}

/** A capitalised word inside the sentence that may be a nominative: «как сильно компрометируется Лопухов». */
function isForeignName(words: readonly TaggedWord[], i: number): boolean {
  const { text, parses, parse } = words[i]
  if (i === 0 || words[i - 1].kind !== 'word' || !/^\p{Lu}\p{Ll}/u.test(text) || parse?.pos === 'VERB') return false
  const unknown = !parses.some(({ known }) => known)
  if (unknown && (!parses.length || parse?.case === undefined)) return true
  return parses.some(
    p => p.case === 'nomn' && p.number === 'sing' && (unknown || p.name === 'Name' || p.name === 'Surn'),
  )
}

/** «найдётся очень мало лиц», «участвует более тысячи»: a measure with a genitive is a subject. */
function isQuantity(words: readonly TaggedWord[], i: number): boolean {
  if (!/^(?:мало|много|немало|немного|несколько|столько|более|менее|больше|меньше)$/iu.test(words[i].text)) return false
  const next = words[i + 1]
  return next?.kind === 'number' || next?.parse?.case === 'gent'
}

/**
 * The subject of a verb among the nominatives of its clause. The person wins over a noun whose nominative equals its
 * accusative, because such a noun beside a subject is an object; after a transitive verb it is an object anyway.
 */
function nearestSubject(words: readonly TaggedWord[], subjects: readonly Subject[], verb: number): Subject | undefined {
  const fitting = subjects.filter(one => one.mine || fitsVerb(words, one.at, verb))
  const me = fitting.find(({ mine }) => mine)
  if (!me)
    return fitting.reduce<Subject | undefined>(
      (best, one) => (!best || gap(one, verb) < gap(best, verb) ? one : best),
      undefined,
    )
  const rival = fitting.find(
    one =>
      !one.mine &&
      isSure(words[one.at]) &&
      gap(one, verb) < gap(me, verb) &&
      between(one.at, me.at, verb) &&
      !andBetween(words, one.at, verb),
  )
  return rival ?? me
}

/** A noun behind another verb belongs to that one. */
function fitsVerb(words: readonly TaggedWord[], noun: number, verb: number): boolean {
  if (!agrees(words[noun], words[verb]) || isObject(words, noun, verb)) return false
  return !words.slice(Math.min(noun, verb) + 1, Math.max(noun, verb)).some(({ parse }) => parse?.pos === 'VERB')
}

/** «вынет ключ», «делает это»: the form is an accusative too and follows a transitive verb. */
function isObject(words: readonly TaggedWord[], noun: number, verb: number): boolean {
  if (isSure(words[noun])) return false
  return isTime(words[noun]) || (noun > verb && words[verb].parse?.transitive === true)
}

/** «четвёртый день питается»: how long, not who. */
function isTime({ parse }: TaggedWord): boolean {
  return /^(?:день|час|год|месяц|вечер|раз|век|миг|ночь|утро|время|минута|неделя)$/u.test(parse?.lemma ?? '')
}

/** «Маша воин и разговаривает мечом»: what «и» cuts off is a predicate of its own. */
function andBetween(words: readonly TaggedWord[], a: number, b: number): boolean {
  return words.slice(Math.min(a, b), Math.max(a, b)).some(({ text }) => /^(?:и|но|а|да)$/iu.test(text))
}

function gap({ at }: Subject, verb: number): number {
  return Math.abs(at - verb)
}

function between(rival: number, me: number, verb: number): boolean {
  return (
    (rival > me && rival < verb) ||
    (rival < me && rival > verb) ||
    (rival > verb && me < verb) ||
    (rival < verb && me > verb)
  )
}

/** Nominative beyond doubt: no accusative reading of the form. */
function isSure({ parses, parse }: TaggedWord): boolean {
  return parse?.animate !== false && !parses.some(other => other.case === 'accs' && other.pos === parse?.pos)
}

function agrees(noun: TaggedWord, verb: TaggedWord): boolean {
  const { parse } = verb
  if (!parse || !noun.parse) return false
  if (parse.number !== undefined && noun.parse.number !== undefined && parse.number !== noun.parse.number) return false
  if (parse.person === '1per' || parse.person === '2per') return noun.parse.person === parse.person
  if (noun.parse.person === '1per' || noun.parse.person === '2per') return parse.person === undefined
  return parse.gender === undefined || noun.parse.gender === undefined || parse.gender === noun.parse.gender
}
