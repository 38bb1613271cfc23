// A piece of a tagged sentence → the nominatives in it, and which of them a verb agrees with.
import type { TaggedWord } from './tagger.js'

/** `[from, to)` in word indices. */
interface Range {
  readonly from: number
  readonly to: number
}

interface Piece extends Range {
  readonly verbs: readonly number[]
}

/** What may be the subject of a singular third-person verb. */
export interface Subject {
  readonly at: number
  readonly mine: boolean
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

export function rangeHas(indices: ReadonlySet<number>, { from, to }: Range): boolean {
  for (let i = from; i < to; i++) if (indices.has(i)) return true
  return false
}

/** No preposition stands before the word and its adjectives. */
export function isBare(words: readonly TaggedWord[], at: number): boolean {
  let i = at
  while (i > 0 && words[i - 1].parse?.pos === 'ADJF') i--
  return words[i - 1]?.parse?.pos !== 'PREP'
}

/** Nominatives of a clause that a singular verb could agree with. */
export function subjectsOf(words: readonly TaggedWord[], { from, to, verbs }: Piece, person: PersonWords): Subject[] {
  const subjects: Subject[] = []
  const objectless = verbs.length === 1 && hasNoObject(words, { from, to }, verbs[0], person)
  for (let i = from; i < to; i++) {
    if (person.subjects.has(i)) subjects.push({ at: i, mine: true })
    else if (continuesName(words, i, person)) continue
    else if (
      person.others.has(i) ||
      (!person.covered.has(i) && (isSubject(words, i) || (objectless && isHiddenNominative(words, i, verbs[0]))))
    )
      subjects.push({ at: i, mine: false })
  }
  return subjects
}

/** «Вася Трамп»: a capitalised word right behind the name belongs to it. */
function continuesName(words: readonly TaggedWord[], i: number, { covered, others }: PersonWords): boolean {
  return covered.has(i - 1) && !covered.has(i) && !others.has(i) && /^\p{Lu}\p{Ll}/u.test(words[i].text)
}

/** A clause without the person and without an infinitive, whose verb takes no object: its accusative is a nominative. */
function hasNoObject(
  words: readonly TaggedWord[],
  { from, to }: Range,
  verb: number,
  { subjects }: PersonWords,
): boolean {
  if (!takesNoObject(words, verb) && words[verb].parse?.lemma !== 'быть') return false
  const infinitive = words.slice(from, to).some(({ parse }) => parse?.pos === 'INFN')
  return (!infinitive || words[verb].parse?.lemma === 'быть') && !rangeHas(subjects, { from, to })
}

/** Reflexive, intransitive or passive: an accusative without a preposition cannot stand beside it. */
function takesNoObject(words: readonly TaggedWord[], verb: number): boolean {
  const { parse, text } = words[verb]
  if (parse?.lemma === 'быть') return words.slice(verb + 1, verb + 3).some(({ parse: p }) => p?.pos === 'PRTS')
  return /с[яь]$/iu.test(text) || (parse?.transitive === false && parse.known)
}

/** Read as an accusative, though the verb takes none: «на которой проходит очередной сбор». */
function isHiddenNominative(words: readonly TaggedWord[], i: number, verb: number): boolean {
  const { parse, parses } = words[i]
  if (words[verb].parse?.lemma === 'быть' && i > verb && !takesNoObject(words, verb)) return false
  if (parse?.pos === 'ADJF') return isUsedAsNoun(words, i, verb)
  if (parse?.pos !== 'NOUN' || parse.case !== 'accs' || isDuration(words, i, verb)) return false
  if (!parses.some(p => p.pos === 'NOUN' && p.case === 'nomn' && p.number === 'sing')) return false
  return isBare(words, i) && words[i - 1]?.kind !== 'number'
}

/** «мастерская идёт», «остаётся одно»: an adjective without a noun, before the verb or in the neuter. */
function isUsedAsNoun(words: readonly TaggedWord[], i: number, verb: number): boolean {
  const { parse, parses, text } = words[i]
  if (!isBare(words, i) || (parse?.pronominal && !/^(?:одно|другое|иное)$/iu.test(text))) return false
  if ([i - 1, i + 1, i + 2].some(at => at !== verb && agreesAsAttribute(words[at], words[i]))) return false
  const nominative = parses.filter(p => p.case === 'nomn' && p.number === 'sing')
  if (nominative.some(p => p.pos === 'ADJF' && p.gender === 'neut')) return true
  return i + 1 === verb && nominative.some(p => p.pos === 'NOUN' && p.known)
}

/** The adjective may belong to the noun: «другое дело», «дело другое». */
function agreesAsAttribute(noun: TaggedWord | undefined, { parse }: TaggedWord): boolean {
  return noun?.parse?.pos === 'NOUN' && noun.parse.gender === parse?.gender && noun.parse.number === parse?.number
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
  if (unknown && (!parses.length || parse?.case === undefined || isFiniteSingular(words[i + 1]))) return true
  return parses.some(
    p => p.case === 'nomn' && p.number === 'sing' && (unknown || p.name === 'Name' || p.name === 'Surn'),
  )
}

function isFiniteSingular(word: TaggedWord | undefined): boolean {
  return word?.parse?.pos === 'VERB' && word.parse.number === 'sing' && word.parse.mood !== 'impr'
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
export function nearestSubject(
  words: readonly TaggedWord[],
  subjects: readonly Subject[],
  verb: number,
): Subject | undefined {
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
      words[one.at].text.toLowerCase() !== 'это' &&
      (isSure(words, one.at) || takesNoObject(words, verb)) &&
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
  if (isSure(words, noun) || hasPronounObject(words, verb)) return false
  return isDuration(words, noun, verb) || (noun > verb && words[verb].parse?.transitive === true)
}

const times = /^(?:день|час|год|месяц|вечер|раз|век|миг|ночь|утро|время|минута|неделя)$/u
const comes =
  /^(?:наступ(?:ить|ать)|наста(?:ть|вать)|при(?:йти|ходить)|про(?:йти|ходить|лететь|течь)|подойти|близиться|приближаться|начаться|начинаться|кончиться|кончаться|минуть|миновать|тянуться|длиться|зависеть)$/u

/** «четвёртый день питается»: how long, not who; «время идёт», «наступит новый день»: it is time itself that goes by. */
function isDuration(words: readonly TaggedWord[], noun: number, verb: number): boolean {
  const lemma = words[noun].parse?.lemma ?? ''
  if (!times.test(lemma)) return false
  if (lemma === 'раз') return true
  if (comes.test(words[verb].parse?.lemma ?? '')) return false
  if (!takesNoObject(words, verb)) return true
  return words[noun - 1]?.parse?.pos === 'ADJF' || words[noun - 1]?.kind === 'number' || Math.abs(noun - verb) > 1
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

/** «его поглотит что-нибудь», «его всё-таки смущает мысль»: the object stands before the verb, so another noun is the subject. */
function hasPronounObject(words: readonly TaggedWord[], verb: number): boolean {
  for (let i = verb - 1; words[i]?.kind === 'word'; i--) {
    const { text, parse } = words[i]
    if (parse?.pos === 'PREP' || parse?.pos === 'VERB') return false
    if (!/^(?:его|её|ее|их|меня|тебя|нас|вас)$/iu.test(text) || words[i - 1]?.parse?.pos === 'PREP') continue
    return i === verb - 1 || !/^(?:NOUN|ADJF|PRTF)$/u.test(words[i + 1].parse?.pos ?? '')
  }
  return false
}

/** Nominative beyond doubt: no accusative reading of the form; a name's nominative is one when it declines as a man's. */
function isSure(words: readonly TaggedWord[], at: number): boolean {
  const { parses, parse } = words[at]
  if (isForeignName(words, at) && parse?.gender !== 'femn') return true
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
