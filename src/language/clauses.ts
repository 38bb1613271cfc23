// Tagged sentence → pieces between commas and conjunctions, and for each third-person verb the subject it belongs to.
import { readFileSync } from 'node:fs'
import { assetPath } from '../base/package.js'
import { isThirdSingular } from './verbs.js'
import type { Parse } from './morphology.js'
import { isBare, nearestSubject, rangeHas, subjectsOf, type PersonWords, type Subject } from './subjects.js'
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
  'причем причём что чтобы чтоб если когда пока покуда как хотя хоть будто словно точно ибо поскольку едва лишь чуть коли ежели раз где куда откуда зачем почему отчего чем нежели ли сколько какой какая какое какие насколько дабы кабы благо'.split(
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
  // «И Вася... вздыхает»: dots before a small letter are a pause.
  if (/^(?:\.{2,}|…)$/u.test(sign) && /^\p{Ll}/u.test(next?.text ?? '')) return 'comma'
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
  for (let i = from; i < to; i++) if (words[i].parse?.pos === 'VERB' && !isIdiom(words, i)) verbs.push(i)
  return verbs
}

/** «бог знает где», «как водится», «что называется»: a set phrase, which says nothing of anybody. */
function isIdiom(words: readonly TaggedWord[], at: number): boolean {
  const [verb, before] = [at, at - 1].map(i => words[i]?.text.toLowerCase() ?? '')
  if (/^(?:знает|весть)$/u.test(verb)) return /^(?:бог|черт|чёрт|господь|аллах|пес|пёс)$/u.test(before)
  if (before === 'что' && verb === 'называется') return words[at - 2]?.text === ',' || at === 1
  return before === 'как' && /^(?:водится|говорится|полагается|подобает|ведется|ведётся|называется)$/u.test(verb)
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

/** Verbs that often have nobody as their subject though they know я as well. */
const impersonal =
  'казаться хотеться следовать приходиться прийтись удаваться думаться бывать хватать хватить темнеть оказываться оказаться значить вериться мочься спаться житься тошнить знобить недоставать получаться рябить значиться стоить делаться находиться зависеть касаться разуметься'

/** «кажется усталым» is said of a person, «кажется» alone of nobody. */
const seeming = /^(?:казаться|оказаться|оказываться|делаться|сделаться)$/u

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
      /^(?:впрочем|конечно|например|наконец|следовательно|вероятно|видимо|кажется|значит|бывает|может|пожалуй|случается|разумеется|думается)$/u.test(
        joined,
      ))
  )
}

/** Which present and future third-person singular verbs have the person as their subject. */
export function verbsOfSubject(words: readonly TaggedWord[], person: PersonWords): number[] {
  const state: SubjectState = { levels: [newLevel('none')], below: 'none', pending: [], found: [] }
  let aside: Clause | undefined
  let before: Clause | undefined
  for (const clause of splitClauses(words)) {
    if (isParenthesis(words, clause)) {
      aside = before ?? clause
      continue
    }
    enterClause(state, aside && clause.link === 'comma-and' ? { ...clause, link: 'and' } : clause, words)
    // «что всё, может быть, кончится»: what stands around the parenthesis is one clause
    const whole = aside && !aside.verbs.length ? { ...clause, from: aside.from, link: aside.link } : clause
    const subjects = subjectsOf(words, whole, person)
    if (clause.verbs.length) readVerbs(state, words, whole, subjects, person)
    else passVerbless(state, subjects, words, clause)
    before = clause
    aside = undefined
  }
  return state.found
}

type Holder = 'none' | 'mine' | 'other'

/** The main clause, or a subordinate one inside it. */
interface Level {
  holder: Holder
  /** It has had its predicate, so the next comma may close it. */
  done: boolean
  /** Its last verb was in the past: «увидел, как машина ползёт, роет» goes on with what he saw. */
  past: boolean
  /** It came back after a subordinate clause with another subject, and no verb has been its own since. */
  afterOther: boolean
  /** It has had two predicates joined by «и», so that «, и» may add a third. */
  joined: boolean
  readonly relative: boolean
}

interface SubjectState {
  readonly levels: Level[]
  /** The first subject found in a subordinate clause before the main one: «Если Вася хочет, то пойдёт». */
  below: Holder
  /** Verbs before any subject: «Если захочет, Маша придёт». */
  pending: { readonly verb: number; readonly deep: boolean }[]
  readonly found: number[]
}

function newLevel(holder: Holder, relative = false): Level {
  return { holder, done: false, past: false, afterOther: false, joined: false, relative }
}

function top({ levels }: SubjectState): Level {
  return levels[levels.length - 1]
}

function enterClause(state: SubjectState, clause: Clause, words: readonly TaggedWord[]): void {
  const { link, from } = clause
  if (link === 'subordinate' || link === 'relative') {
    const inherited = top(state).holder
    if (top(state).done && state.levels.length > 1 && sameOpening(words, from)) leave(state, link)
    const isRelative = link === 'relative'
    state.levels.push(newLevel(isRelative && isNominativeRelative(words, clause) ? 'other' : inherited, isRelative))
    return
  }
  if (link === 'break') {
    state.levels.length = 1
    state.pending = []
    state.below = 'none'
    if (/^(?:\.|…)/u.test(words[from - 1]?.text ?? '')) state.levels[0].holder = 'none'
  } else if (link !== 'and' && state.levels.length > 1 && (top(state).done || link === 'comma-and')) leave(state, link)
  const level = top(state)
  if (link === 'and' || link === 'comma-and') level.joined = true
  if (state.levels.length === 1 && level.holder === 'none' && state.below === 'mine') level.holder = 'mine'
}

/** After a comma a clause with «который» is over; one with «что» or «как» may go on with a further predicate. */
function leave(state: SubjectState, link: Clause['link']): void {
  const left = state.levels.pop()
  const level = top(state)
  if (!left || left.holder === 'none' || !level.done) return
  level.afterOther = left.holder === 'other' && (link === 'comma' ? !left.relative : left.joined)
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
    if (own) moveTo(state, own.mine ? 'mine' : 'other', own.at < verb && clause.link.startsWith('comma'))
    else if (hasObject || isImpersonalUse(words, clause, verb) || parse?.number === 'plur') continue
    else if (isAllSubject(words, clause, verb)) {
      if (clause.link === 'subordinate') moveTo(state, 'other')
      continue
    }
    const level = top(state)
    if (parse?.tense === 'past') Object.assign(level, { past: true, afterOther: false })
    if (!thirdReading(words[verb]) || isMaybe(words, verb) || (level.past && level.afterOther)) continue
    if (top(state).holder === 'mine') state.found.push(verb)
    else if (top(state).holder === 'none') state.pending.push({ verb, deep: state.levels.length > 1 })
  }
  top(state).done = true
}

/** «что всё идёт хорошо»: everything goes, where the person might only «keep» doing it. */
function isAllSubject(words: readonly TaggedWord[], { from, to, link }: Clause, verb: number): boolean {
  const { parse, text } = words[verb]
  if (parse?.number !== 'sing' || (parse.transitive && !/с[яь]$/u.test(text))) return false
  const goes = link === 'subordinate' || /с[яь]$/u.test(text) || /^(?:быть|пойти|идти|стать)$/u.test(parse.lemma)
  return goes && words.slice(from, to).some((_, i) => isEverything(words, from + i))
}

/** «всё», but not «всё ещё», «всё равно», «всё время». */
function isEverything(words: readonly TaggedWord[], at: number): boolean {
  if (!/^вс[её]$/iu.test(words[at].text) || words[at - 1]?.parse?.pos === 'PREP') return false
  const { text, parse } = words[at + 1] ?? words[at]
  return parse?.pos !== 'COMP' && !/^(?:ещё|еще|равно|так|таки|же|время|больше|меньше)$/iu.test(text)
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

/** @param clausesApart the clause is joined by a comma and names its subject itself, so a main clause before it had another */
function moveTo(state: SubjectState, holder: Holder, clausesApart = false): void {
  const level = top(state)
  if (state.levels.length > 1) {
    if (state.below === 'none') state.below = holder
  } else {
    if (level.holder === 'none' && holder === 'mine')
      state.found.push(...state.pending.filter(({ deep }) => deep || !clausesApart).map(({ verb }) => verb))
    if (holder !== 'none') state.pending = []
  }
  Object.assign(level, { holder, past: false, afterOther: false })
}

function passVerbless(
  state: SubjectState,
  subjects: readonly Subject[],
  words: readonly TaggedWord[],
  clause: Clause,
): void {
  const level = top(state)
  if (isComparison(words, clause)) {
    level.done = true
    if (subjects.length && !subjects.some(({ mine }) => mine)) level.holder = 'other'
    return
  }
  if (subjects.some(({ mine }) => mine)) moveTo(state, 'mine')
  else if (
    subjects.length &&
    (level.holder === 'none' || clause.link === 'comma-and' || clause.link === 'subordinate')
  ) {
    moveTo(state, 'other')
  }
  if (
    /^(?:пока|хотя|хоть|едва|лишь|точно|словно|будто)$/iu.test(words[clause.from].text) &&
    clause.to > clause.from + 3
  )
    level.done = true
  for (let i = clause.from; i < clause.to; i++) {
    const { parse } = words[i]
    if (parse?.pos === 'PRED' || parse?.pos === 'ADJS' || parse?.pos === 'COMP' || parse?.pos === 'INFN')
      level.done = true
  }
}

/** «Тот, кто, как Вася, верит»: a name compared with is nobody's subject. */
function isComparison(words: readonly TaggedWord[], { link, from }: Clause): boolean {
  return link === 'subordinate' && /^(?:как|чем|словно|будто|точно|нежели)$/iu.test(words[from].text)
}

export function isImpersonalUse(words: readonly TaggedWord[], { from, to }: Clause, verb: number): boolean {
  const { parse } = words[verb]
  if (parse?.gender === 'neut') return true
  const beside = words.slice(from, to)
  if (parse && isLuck(beside, parse.lemma)) return true
  if (parse?.lemma === 'быть' && isAbsence(words, { from, to }, verb)) return true
  if (parse && isThingVerb(parse.lemma))
    return !(seeming.test(parse.lemma) && beside.some((word, i) => word.parse?.case === 'ablt' && isBare(beside, i)))
  if (/^(?:остаться|оставаться)$/u.test(parse?.lemma ?? '')) return beside.some(({ parse: p }) => p?.pos === 'INFN')
  return parse?.lemma === 'быть' && beside.some(word => isImpersonalPredicate(word))
}

/** «будет холодно», «будет лучше», «будет решено» */
function isImpersonalPredicate({ parse, text }: TaggedWord): boolean {
  if (parse?.pos === 'PRED' || parse?.pos === 'COMP' || /^(?:лучше|хуже)$/iu.test(text)) return true
  return (parse?.pos === 'PRTS' || parse?.pos === 'ADJS') && parse.gender === 'neut'
}

/** «ему не везёт»: a verb of luck and a dative. */
function isLuck(clause: readonly TaggedWord[], lemma: string): boolean {
  return /^(?:по)?везти$/u.test(lemma) && clause.some(({ parse }) => parse?.case === 'datv')
}

/** «собраний не будет», «что дальше будет»: nobody is, something is or is not. */
function isAbsence(words: readonly TaggedWord[], { from, to }: Pick<Clause, 'from' | 'to'>, verb: number): boolean {
  const last = words.slice(verb + 1, to).every(({ kind }) => kind === 'punct')
  const withWhom = /^со?$/iu.test(words[verb + 1]?.text ?? '') && !finiteVerbs(words, verb + 1, to).length
  const infinitive = words.slice(from, to).some(({ parse }) => parse?.pos === 'INFN')
  const what = words[from].text.toLowerCase() === 'что' || words[from - 1]?.text.toLowerCase() === 'что'
  if (what && (last || (withWhom && !infinitive))) return true
  const denied = words[verb - 1]?.text.toLowerCase() === 'не'
  return last && denied && words.slice(from, verb).some(({ parse }) => parse?.pos === 'NOUN' && parse.case === 'gent')
}
