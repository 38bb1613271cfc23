// Tagged sentence → pieces between commas and conjunctions, and for each third-person verb the subject it belongs to.
import { isThirdSingular } from './verbs.js'
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
  'что чтобы чтоб если когда пока покуда как хотя хоть будто словно точно ибо так поскольку едва лишь только чуть коли ежели раз где куда откуда зачем почему отчего чем нежели ли сколько какой какая какое какие насколько дабы кабы потому оттого прежде перед после'.split(
    ' ',
  ),
)
const relative =
  /^(?:котор(?:ый|ая|ое|ые|ого|ой|ую|ому|ым|ом|ых|ыми)|чей|чья|чьё|чье|кто|кого|кому|кем|ком|чего|чему|чем|чём)$/u

/** Pieces in order; every word belongs to exactly one. */
export function splitClauses(words: readonly TaggedWord[]): Clause[] {
  const clauses: Clause[] = []
  let from = 0
  let link: Clause['link'] = 'start'
  const close = (to: number, next: Clause['link']): void => {
    if (to > from) clauses.push({ from, to, link: refineLink(words, from, link), verbs: finiteVerbs(words, from, to) })
    from = to
    link = next
  }
  for (let i = 0; i < words.length; i++) {
    const word = words[i]
    if (word.kind === 'punct' && separates(word.text)) close(i + 1, linkOfSign(word.text, words[i + 1]))
    else if (word.kind === 'word' && i > from && word.text === 'и' && splitsAtAnd(words, from, i)) close(i, 'and')
  }
  close(words.length, 'break')
  return clauses
}

function separates(sign: string): boolean {
  return /^(?:[,;:()]|[-–—]+|\.{2,}|…|[.!?])$/u.test(sign)
}

function linkOfSign(sign: string, next: TaggedWord | undefined): Clause['link'] {
  if (sign === ',') return next && coordinating.has(next.text.toLowerCase()) ? 'comma-and' : 'comma'
  return /^[-–—]/u.test(sign) ? 'comma' : 'break'
}

/** Subordinate words open their clause, possibly behind a preposition or particle: «, в котором», «, и что». */
function refineLink(words: readonly TaggedWord[], from: number, link: Clause['link']): Clause['link'] {
  const isOpening = link === 'start' || link === 'comma' || link === 'comma-and' || link === 'break'
  if (!isOpening) return link
  for (let i = from; i < Math.min(from + 3, words.length); i++) {
    const text = words[i].text.toLowerCase()
    if (relative.test(text)) return link === 'start' || link === 'break' ? 'start' : 'relative'
    if (subordinating.has(text)) return link === 'start' && i === from && isQuestion(text) ? 'start' : 'subordinate'
    const passes = words[i].parse?.pos === 'PREP' || words[i].parse?.pos === 'PRCL' || coordinating.has(text)
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

const impersonal = new Set(
  'казаться хотеться следовать приходиться прийтись удаваться удаться думаться бывать случаться случиться хватать хватить доставать тянуть светать темнеть говориться предстоять надлежать подобать оставаться остаться оказываться оказаться значить выходить стоить вериться нравиться полагаться мочься житься спаться везти повезти тошнить знобить недоставать получаться получиться явствовать касаться требоваться потребоваться понадобиться состояться произойти происходить'.split(
    ' ',
  ),
)

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

/**
 * Which present and future third-person singular verbs have the given nominative words as their subject.
 * @param mine words that are the person (heads of name groups, pronouns that mean them), in the nominative
 * @param covered words inside name groups, not to be taken for other subjects
 */
export function verbsOfSubject(
  words: readonly TaggedWord[],
  mine: ReadonlySet<number>,
  covered: ReadonlySet<number>,
): number[] {
  const state: SubjectState = {
    level: 'main',
    current: 'none',
    main: 'none',
    below: 'none',
    subVerb: false,
    pending: [],
    found: [],
  }
  for (const clause of splitClauses(words)) {
    if (isParenthesis(words, clause)) continue
    enterClause(state, clause, words)
    const subjects = subjectsOf(words, clause, mine, covered)
    if (clause.verbs.length) readVerbs(state, words, clause, subjects)
    else passVerbless(state, subjects, clause)
  }
  if (state.main === 'none' && state.below === 'mine') state.found.push(...state.pending)
  return state.found
}

type Holder = 'none' | 'mine' | 'other'

interface SubjectState {
  level: 'main' | 'sub'
  current: Holder
  /** The subject to return to after a subordinate clause. */
  main: Holder
  /** The first subject found in a subordinate clause. */
  below: Holder
  /** The subordinate clause we are in has had its verb. */
  subVerb: boolean
  /** Verbs before any subject: «Если захочет, Маша придёт». */
  pending: number[]
  readonly found: number[]
}

function enterClause(state: SubjectState, clause: Clause, words: readonly TaggedWord[]): void {
  const { link } = clause
  if (link === 'subordinate' || link === 'relative') {
    state.level = 'sub'
    state.subVerb = false
    state.current = link === 'relative' && isNominativeRelative(words, clause) ? 'other' : state.main
  } else if (link !== 'and' && (state.level === 'main' || state.subVerb || link === 'break')) {
    state.level = 'main'
    state.current = state.main
  }
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
): void {
  if (state.level === 'sub') state.subVerb = true
  for (const verb of clause.verbs) {
    const own = nearestSubject(words, subjects, verb)
    if (own) moveTo(state, own.mine ? 'mine' : 'other')
    else if (isImpersonalUse(words, clause, verb) || words[verb].parse?.number === 'plur') continue
    if (!words[verb].parse || !isThirdSingular(words[verb].parse)) continue
    if (state.current === 'mine') state.found.push(verb)
    else if (state.current === 'none') state.pending.push(verb)
  }
}

function moveTo(state: SubjectState, holder: Holder): void {
  state.current = holder
  if (state.level === 'sub') {
    if (state.below === 'none') state.below = holder
    return
  }
  if (state.main === 'none') {
    if (holder === 'mine') state.found.push(...state.pending)
    state.pending = []
  }
  state.main = holder
}

function passVerbless(state: SubjectState, subjects: readonly Subject[], clause: Clause): void {
  if (subjects.some(({ mine }) => mine)) moveTo(state, 'mine')
  else if (subjects.length && (state.main === 'none' || clause.link === 'comma-and')) moveTo(state, 'other')
}

function isImpersonalUse(words: readonly TaggedWord[], { from, to }: Clause, verb: number): boolean {
  const { parse } = words[verb]
  if (parse?.gender === 'neut') return true
  if (parse && impersonal.has(parse.lemma)) return true
  const beside = words.slice(from, to)
  return (
    parse?.lemma === 'быть' &&
    beside.some(({ parse: p }) => p?.pos === 'PRED' || (p?.pos === 'PRTS' && p.gender === 'neut'))
  )
}

/** Nominatives of a clause that a singular verb could agree with. */
function subjectsOf(
  words: readonly TaggedWord[],
  { from, to }: Clause,
  mine: ReadonlySet<number>,
  covered: ReadonlySet<number>,
): Subject[] {
  const subjects: Subject[] = []
  for (let i = from; i < to; i++) {
    if (mine.has(i)) subjects.push({ at: i, mine: true })
    else if (!covered.has(i) && isSubject(words, i)) subjects.push({ at: i, mine: false })
  }
  return subjects
}

function isSubject(words: readonly TaggedWord[], i: number): boolean {
  const { parse, text } = words[i]
  if (!parse) return false
  if (
    /^(?:который|которая|которое|кто|это|оно|он|она|никто|ничто|кто-то|что-то|кто-нибудь|нечто|некто)$/iu.test(text)
  ) {
    return text.toLowerCase() !== 'это' || parse.pos === 'NPRO' || parse.pos === 'PRCL' || parse.case === 'nomn'
  }
  if (parse.case !== 'nomn' || parse.number === undefined) return false
  if (text.toLowerCase() === 'что') return false
  if (parse.pos === 'NPRO') return true
  return parse.pos === 'NOUN' && words[i - 1]?.parse?.pos !== 'PREP'
}

/**
 * The subject of a verb among the nominatives of its clause. The person wins over a noun whose nominative equals its
 * accusative, because such a noun beside a subject is an object.
 */
function nearestSubject(words: readonly TaggedWord[], subjects: readonly Subject[], verb: number): Subject | undefined {
  const fitting = subjects.filter(({ at, mine }) => mine || agrees(words[at], words[verb]))
  const me = fitting.find(({ mine }) => mine)
  if (!me)
    return fitting.reduce<Subject | undefined>(
      (best, one) => (!best || gap(one, verb) < gap(best, verb) ? one : best),
      undefined,
    )
  const rival = fitting.find(
    one => !one.mine && isSure(words[one.at]) && gap(one, verb) < gap(me, verb) && between(one.at, me.at, verb),
  )
  return rival ?? me
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
