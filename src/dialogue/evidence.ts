// One paragraph split into segments → what it says about its speaker: subject of the verb of speech, vocatives, people named.
import { findQuotes } from './marks.js'
import type { PeopleLookup, PersonMention, Segment } from './scene.js'
import { isPastVerb, isSayingGerund, isSayingVerb, looksGerund, looksPresent } from './verbs.js'
import { listWords, type Word } from './words.js'

export type Gender = 'm' | 'f' | 'unknown'

/** Who the author's words say is speaking. */
type Subject =
  | { readonly kind: 'person'; readonly id: string }
  | { readonly kind: 'pronoun'; readonly gender: Gender }
  | { readonly kind: 'narrator' }
  /** Somebody the register does not know: «сказал старик», «подхватили многие голоса». */
  | { readonly kind: 'stranger' }

export interface Evidence {
  /** Subject of the author's words around the reply. */
  readonly subject?: Subject
  /** The verb of that subject is one of speech, not a mere gesture. */
  readonly saying: boolean
  /** Gender of a past verb of the remark: «сказала» is `f`. */
  readonly verbGender: Gender
  /** People the reply calls by name. */
  readonly vocatives: readonly string[]
  /** People the author's words name, subjects first, each once. */
  readonly named: readonly string[]
  /** Possible subjects the author names before the first words of the reply, latest first. */
  readonly namedBefore: readonly string[]
  /** The author's words end with a colon after a verb of speech: the next paragraph is that person's reply. */
  readonly announces: boolean
  /** The paragraph is a reply from its first word on, as in an exchange. */
  readonly replies: boolean
  /** The author goes on after the reply with sentences of his own. */
  readonly narratesOn: boolean
}

/** Reads the evidence of one paragraph. Without `people` only pronouns and verbs speak. */
export function readEvidence(text: string, segments: readonly Segment[], people: PeopleLookup | undefined): Evidence {
  const mentions = people?.find(text) ?? []
  const remarks = segments.filter(segment => segment.kind === 'remark')
  const author = segments.filter(segment => segment.kind !== 'speech')
  const announced = announcement(text, segments)
  const clauses = [...remarks, ...announced].map(remark => readClause(text, remark, mentions))
  const told = clauses.find(clause => clause.subject)
  const inAuthor = mentions.filter(mention =>
    author.some(({ start, end }) => mention.start >= start && mention.end <= end),
  )
  const firstWord = segments.find(segment => segment.kind === 'speech')?.start ?? 0
  return {
    subject: told?.subject,
    saying: told?.saying ?? false,
    verbGender: told?.verbGender ?? clauses.find(clause => clause.verbGender !== 'unknown')?.verbGender ?? 'unknown',
    vocatives: findVocatives(text, segments, mentions),
    named: [...new Set([...inAuthor.filter(canBeSubject), ...inAuthor].map(mention => mention.id))],
    namedBefore: inAuthor
      .filter(mention => canBeSubject(mention) && mention.end <= firstWord)
      .map(mention => mention.id)
      .reverse(),
    announces: announced.length > 0,
    replies: segments[0]?.kind === 'speech' && (/^\s*[—–―-]/u.test(text) || author.length === remarks.length),
    narratesOn: segments.at(-1)?.kind === 'narration',
  }
}

/** The last sentence of a paragraph without speech that ends in a colon («Иван сказал:»). */
function announcement(text: string, segments: readonly Segment[]): Segment[] {
  const last = segments.at(-1)
  if (last === undefined || last.kind !== 'narration' || !/:\s*$/u.test(last.text)) return []
  const begin = last.start + (last.text.search(/[^.!?…]*$/u) || 0)
  const sentence = { kind: 'remark', text: text.slice(begin, last.end), start: begin, end: last.end } as const
  return listWords(sentence.text).some(word => isSayingVerb(word.key) || isSayingGerund(word.key)) ? [sentence] : []
}

interface Clause {
  readonly subject?: Subject
  readonly saying: boolean
  readonly verbGender: Gender
}

interface Candidate {
  readonly subject: Subject
  readonly start: number
  readonly end: number
}

function readClause(text: string, remark: Segment, mentions: readonly PersonMention[]): Clause {
  const words = listWords(text, remark.start, remark.end)
  const verb =
    words.find(word => isSayingVerb(word.key)) ?? words.find(word => isPastVerb(word.key) || looksPresent(word.key))
  if (verb === undefined) return { saying: false, verbGender: 'unknown' }
  const candidates = listCandidates(text, remark, words, mentions)
  const verbGender = genderOfPast(verb.key)
  const inside = mentions.filter(({ start, end }) => start >= remark.start && end <= remark.end)
  const subject =
    voiceOf(text, verb, words, inside) ??
    subjectAfter(text, verb, words, candidates) ??
    subjectBefore(text, verb, candidates)
  return { subject, saying: isSayingVerb(verb.key), verbGender }
}

/** «раздался голос Андрея», «прозвучал ответ доктора»: whose voice it was stands last in that clause. */
function voiceOf(
  text: string,
  verb: Word,
  words: readonly Word[],
  mentions: readonly PersonMention[],
): Subject | undefined {
  const voice = words.find(
    word => word.start >= verb.end && /^(?:голос|голосок|ответ|крик|шепот|возглас)$/u.test(word.key),
  )
  if (voice === undefined || wordsBetween(words, verb.end, voice.start) > 2) return undefined
  const limit = clauseEnd(text, voice.end, words)
  const owner = mentions.findLast(({ start, end }) => start >= voice.end && end <= limit)
  return owner === undefined ? { kind: 'stranger' } : { kind: 'person', id: owner.id }
}

function listCandidates(
  text: string,
  remark: Segment,
  words: readonly Word[],
  mentions: readonly PersonMention[],
): Candidate[] {
  const inside = mentions.filter(({ start, end }) => start >= remark.start && end <= remark.end)
  const people = inside
    .filter(mention => canBeSubject(mention) && !afterPreposition(text.slice(remark.start, mention.start)))
    .map(({ id, start, end }): Candidate => ({ subject: { kind: 'person', id }, start, end }))
  const pronouns = words.flatMap(({ key, start, end }): Candidate[] => {
    const subject = pronounSubjects[key]
    return subject === undefined ? [] : [{ subject, start, end }]
  })
  return [...people, ...pronouns].sort((a, b) => a.start - b.start)
}

const pronounSubjects: Readonly<Record<string, Subject>> = {
  он: { kind: 'pronoun', gender: 'm' },
  тот: { kind: 'pronoun', gender: 'm' },
  она: { kind: 'pronoun', gender: 'f' },
  та: { kind: 'pronoun', gender: 'f' },
  они: { kind: 'stranger' },
  кто: { kind: 'stranger' },
  'кто-то': { kind: 'stranger' },
  я: { kind: 'narrator' },
}

/** Behind the verb, before its clause ends: «сказал ему Иван». A noun there that nobody knows is a stranger. */
function subjectAfter(
  text: string,
  verb: Word,
  words: readonly Word[],
  candidates: readonly Candidate[],
): Subject | undefined {
  const limit = clauseEnd(text, verb.end, words)
  const found = candidates.find(
    ({ start, end }) => start >= verb.end && end <= limit + 1 && wordsBetween(words, verb.end, start) <= 4,
  )
  if (found) return found.subject
  const next = words.find(word => word.start >= verb.end)
  const agrees =
    next !== undefined && next.start < limit && !next.capital && looksNominative(next.key, genderOfPast(verb.key))
  const led = candidates.some(({ end }) => end <= verb.start)
  return agrees && !led ? { kind: 'stranger' } : undefined
}

/** Before the verb: «Иван, вздохнув, сказал»; the first candidate of the sentence is its subject. */
function subjectBefore(text: string, verb: Word, candidates: readonly Candidate[]): Subject | undefined {
  const before = candidates.filter(({ end }) => end <= verb.start)
  const sameSentence = before.filter(({ end }) => !/[.!?…]\s+\p{Lu}/u.test(text.slice(end, verb.start + 1)))
  return sameSentence[0]?.subject
}

/** Where the clause behind a verb ends; «сказал, наконец, Иван» and «сказал немного помолчав, Иван» go on behind their commas. */
function clauseEnd(text: string, from: number, words: readonly Word[]): number {
  const found = text.slice(from).search(/[,.;:!?…—–]/u)
  const stop = from + found
  if (found < 0) return Infinity
  if (text[stop] !== ',') return stop
  const last = words.findLast(word => word.start >= from && word.end <= stop)
  if (last !== undefined) return isAside(last.key) ? clauseEnd(text, stop + 1, words) : stop
  const next = clauseEnd(text, stop + 1, words)
  return next === stop + 1 || /[—–]/u.test(text[next] ?? '—') ? stop : next
}

const isAside = (key: string) => looksGerund(key) || key === 'наконец'

const wordsBetween = (words: readonly Word[], from: number, to: number) =>
  words.filter(word => word.start >= from && word.end <= to).length

const canBeSubject = ({ case: grammar }: PersonMention) => grammar === undefined || grammar === 'nomn'
const afterPreposition = (text: string) =>
  /(?<![\p{L}])(?:к|ко|у|о|об|обо|от|до|для|на|над|под|с|со|за|из|при|про|перед|пред|без|мимо|подле|возле|около|против|по|в|во)\s+$/iu.test(
    text,
  )

/** «старик», «баба», «офицер»: a lower-case noun form that can follow a past verb of that gender as its subject. */
const looksNominative = (key: string, gender: Gender) =>
  gender === 'm'
    ? /[^аеиоуыэюяъйь]$|[йь]$/u.test(key) &&
      !/(?:ом|ем|ой|им|ым|их|ых|ся|сь|ав|ив|ев|ув)$/u.test(key) &&
      !smallWords.has(key)
    : gender === 'f'
      ? /[ая]$/u.test(key) && !smallWords.has(key)
      : false
const smallWords = new Set(
  'вдруг тут опять ему ей им нам мне вам тебе уж так как вот вслед потом еще снова тогда наконец громко сам сама весь вся в с к у из за на со от для без под над при про через вслух сквозь всё меня тебя себя него нее сперва сначала когда слегка едва шепотом'.split(
    ' ',
  ),
)

function genderOfPast(key: string): Gender {
  if (/ла(?:сь)?$/u.test(key)) return 'f'
  return isPastVerb(key) && !/л[ои](?:сь)?$/u.test(key) ? 'm' : 'unknown'
}

/** «— Иван.» answers who it is, and a name of three words introduces; nobody is called so. */
function tellsName(text: string, mention: PersonMention, home: Segment): boolean {
  const alone = mention.start === home.start && /^\.?\s*$/u.test(text.slice(mention.end, home.end))
  return alone || listWords(text, mention.start, mention.end).length >= 3
}

/** A name set off by commas or alone before a mark: «Иван, иди сюда», «Иди сюда, милый Иван!». */
function findVocatives(text: string, segments: readonly Segment[], mentions: readonly PersonMention[]): string[] {
  const speech = segments.filter(segment => segment.kind === 'speech')
  const quotes = findQuotes(text).filter(quote =>
    speech.some(({ start, end }) => quote.start > start && quote.end <= end),
  )
  const called = mentions.filter(mention => {
    if (quotes.some(({ start, end }) => mention.start > start && mention.end < end)) return false // called in somebody else's words
    const home = speech.find(({ start, end }) => mention.start >= start && mention.end <= end)
    if (/-(?:то|таки|де)$/u.test(text.slice(mention.start, mention.end))) return false // «Голядкин-то…» is spoken of
    if (home === undefined || !(canBeSubject(mention) || mention.case === 'voct')) return false
    if (tellsName(text, mention, home)) return false
    const before = text
      .slice(home.start, mention.start)
      .replace(
        /(?:^|[\s,])(?:мой|моя|милый|милая|дорогой|дорогая|любезный|любезная|голубчик|друг|братец|о|а|эй|ну|да|нет)\s+$/iu,
        ',',
      )
    return (
      /(?:^|[,.!?…;—–-])[\s\u00a0]*$/u.test(before) && /^\s*(?:$|[,.!?…;—–])/u.test(text.slice(mention.end, home.end))
    )
  })
  return [...new Set(called.map(mention => mention.id))]
}
