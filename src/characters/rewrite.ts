// A paragraph and a choice of person → the same paragraph with that person as я (or ты), every change an edit with its rule.
import { agreeVerb } from '../language/verbs.js'
import { thirdReading, verbsOfSubject } from '../language/clauses.js'
import type { PersonWords } from '../language/subjects.js'
import { nounForm } from '../language/noun-case.js'
import { personalPronoun, possessivePronoun, prepositionBefore, type PronounPerson } from '../language/pronouns.js'
import { prepositionCases } from '../language/prepositions.js'
import { capitalise, wordKey } from '../language/words.js'
import type { Case } from '../language/morphology.js'
import type { TaggedWord } from '../language/tagger.js'
import { findAnaphors, type Anaphor } from './anaphora.js'
import type { PronounDictionary } from './dictionary.js'
import { indexNames, type Mention } from './lookup.js'
import { nameRules, phraseStart, type NameVerdict } from './name-rules.js'
import type { Edit, Gender, Register, RewriteMode } from './person.js'
import { resolvePerson } from './register.js'
import { readSentences, type Group, type Interest, type Sentence } from './sentence.js'

export interface RewriterOptions {
  readonly register: Register
  readonly mode: RewriteMode
  /** The user's own words for name forms; they win over every rule. */
  readonly dictionary?: PronounDictionary
  /** он, его, ему → я, меня, мне where only one person can be meant. */
  readonly anaphora?: boolean
}

/** Options of one call. */
interface RewriteContext {
  /** `[start, end)` stretches of the text that are somebody's direct speech: nothing is rewritten inside them. */
  readonly speech?: readonly (readonly [number, number])[]
}

interface Rewritten {
  readonly text: string
  readonly edits: readonly Edit[]
}

/** Which rule did what to which words; `after` is undefined where a rule kept the name. */
interface Trace {
  readonly rule: string
  readonly start: number
  readonly end: number
  readonly before: string
  readonly after: string | undefined
}

export interface Rewriter {
  rewrite(text: string, context?: RewriteContext): Rewritten
  explain(text: string, context?: RewriteContext): readonly Trace[]
}

/**
 * Text that names none of the chosen people comes back byte-identical.
 * @throws AppError `unknown-character` when the mode names somebody the register does not know
 */
export function createRewriter({ register, mode, dictionary, anaphora = true }: RewriterOptions): Rewriter {
  const index = indexNames(register)
  const targets = readTargets(register, mode)
  const targetOf = (id: string): PronounPerson | undefined => targets.get(id)
  const pronouns = thirdPerson([...targets.keys()].map(id => index.genders.get(id) ?? 'unknown'))
  const hero = findHeroOf(register)
  const genderOf = (id: string): Gender => index.genders.get(id) ?? 'unknown'
  const run = (text: string, speech: readonly (readonly [number, number])[]): { edits: Edit[]; kept: Trace[] } => {
    const work: Work = { edits: [], kept: [], dictionary }
    let silence = Infinity
    const asksFor = (mentions: readonly Mention[], sentence: string): Interest => {
      const named = mentions.some(({ id }) => targets.has(id))
      if (!named && (!anaphora || silence >= longestSilence)) return 'none'
      const meant = named || pronouns.test(sentence)
      silence = meant ? 0 : silence + 1
      return named ? 'name' : meant ? 'pronoun' : 'between'
    }
    const sentences = readSentences({ text, index, targetOf, speech, hero }, asksFor)
    const anaphors = anaphora && mode.kind !== 'all' ? findAnaphors(sentences, genderOf) : noAnaphors
    for (const sentence of sentences) editSentence(sentence, anaphors.get(sentence) ?? [], work)
    return { edits: work.edits.sort((a, b) => a.start - b.start), kept: work.kept }
  }
  return {
    rewrite: (text, { speech = [] } = {}) => {
      const { edits } = run(text, speech)
      return { text: applyEdits(text, edits), edits }
    },
    explain: (text, { speech = [] } = {}) => {
      const { edits, kept } = run(text, speech)
      const acted = edits.map(({ rule, start, end, text: after }) => ({
        rule,
        start,
        end,
        before: text.slice(start, end),
        after,
      }))
      return [...acted, ...kept].sort((a, b) => a.start - b.start)
    },
  }
}

/** The author's «наш герой»: whoever is named at least half as often again as the next person of that gender. */
function findHeroOf({ people }: Register): string | undefined {
  const [first, second] = people.toSorted((a, b) => b.count - a.count)
  if (!first || first.gender === 'unknown') return undefined
  return !second || first.count >= 1.5 * second.count ? first.id : undefined
}

/** After so many sentences that do not speak of a person no pronoun is theirs. */
const longestSilence = 3

/** A sentence without these says nothing of the people rewritten. */
function thirdPerson(genders: readonly Gender[]): RegExp {
  const he = ['он', 'его', 'ему', 'им', 'нём', 'нем', 'него', 'нему', 'ним']
  const she = ['она', 'её', 'ее', 'ей', 'ею', 'ней', 'неё', 'нее', 'нею']
  const words = [...(genders.includes('m') ? he : []), ...(genders.includes('f') ? she : []), '\\u0000']
  return new RegExp(`(?<!\\p{L})(?:${words.join('|')})(?!\\p{L})`, 'iu')
}

const noAnaphors: ReadonlyMap<Sentence, readonly Anaphor[]> = new Map()

function readTargets(register: Register, mode: RewriteMode): ReadonlyMap<string, PronounPerson> {
  switch (mode.kind) {
    case 'focus':
      return new Map([[resolvePerson(register, mode.me).id, 'me']])
    case 'address':
      return new Map([[resolvePerson(register, mode.you).id, 'ti']])
    case 'pair':
      return new Map([
        [resolvePerson(register, mode.you).id, 'ti'],
        [resolvePerson(register, mode.me).id, 'me'],
      ])
    case 'all':
      return new Map(register.people.map(({ id }) => [id, mode.person]))
  }
}

interface Work {
  readonly edits: Edit[]
  readonly kept: Trace[]
  readonly dictionary: PronounDictionary | undefined
}

function editSentence(sentence: Sentence, anaphors: readonly Anaphor[], work: Work): void {
  const covered = new Set<number>()
  const people: PeopleWords = { me: newPersonWords(covered), ti: newPersonWords(covered) }
  for (const group of sentence.groups) for (let i = group.from; i < group.to; i++) covered.add(i)
  for (const group of sentence.groups) {
    if (!group.target) {
      noteOther(sentence, group, people)
      continue
    }
    const [rule, verdict] = judge(sentence, group, work.dictionary)
    if (verdict.kind === 'keep') work.kept.push(traceKept(sentence, group, rule))
    else if (verdict.kind === 'own') pushEdit(work, sentence, group.from, group.to, verdict.word, rule)
    else if (verdict.kind === 'possessive') editPossessive(sentence, group, group.target, verdict, work, rule)
    else {
      editPronoun(sentence, group, group.target, verdict.case, work, rule)
      notePerson(sentence, group, verdict.case, people)
    }
  }
  for (const anaphor of anaphors) editAnaphor(sentence, anaphor, people, covered, work)
  for (const person of ['me', 'ti'] as const) editVerbs(sentence, people[person], person, work)
}

type Verdict = NameVerdict | { readonly kind: 'own'; readonly word: string }

function judge(sentence: Sentence, group: Group, dictionary: PronounDictionary | undefined): [string, Verdict] {
  const form = sentence.words
    .slice(group.from, group.to)
    .map(({ text }) => wordKey(text))
    .join(' ')
  const own = dictionary?.entries.get(form)
  if (own === '-') return ['user-dictionary', { kind: 'keep' }]
  if (own !== undefined && !isPersonal(own, group.target ?? 'me'))
    return ['user-dictionary', { kind: 'own', word: own }]
  for (const [name, rule] of nameRules) {
    const verdict = rule(sentence, group)
    if (verdict) return [name, verdict]
  }
  return ['by-tagger', { kind: 'keep' }]
}

/** An entry the rules could have written themselves leaves the case to them. */
function isPersonal(word: string, person: PronounPerson): boolean {
  return (['nomn', 'gent', 'datv', 'ablt'] as const).some(c => personalPronoun(person, c) === word)
}

function traceKept({ text, words }: Sentence, { from, to }: Group, rule: string): Trace {
  const [start, end] = [words[from].start, words[to - 1].end]
  return { rule, start, end, before: text.slice(start, end), after: undefined }
}

interface OwnWords extends PersonWords {
  readonly subjects: Set<number>
  readonly objects: Set<number>
  readonly others: Set<number>
}

interface PeopleWords {
  readonly me: OwnWords
  readonly ti: OwnWords
}

function newPersonWords(covered: ReadonlySet<number>): OwnWords {
  return { subjects: new Set(), objects: new Set(), others: new Set(), covered }
}

function noteOther({ words }: Sentence, { from, to, cases }: Group, { me, ti }: PeopleWords): void {
  const nominative =
    cases.has('nomn') && (cases.size === 1 || words.slice(from, to).some(({ parse }) => parse?.case === 'nomn'))
  if (nominative) for (const person of [me, ti]) person.others.add(from)
}

/** For the other of a pair the person is one more possible subject. */
function notePerson(sentence: Sentence, group: Group, grammarCase: Case, people: PeopleWords): void {
  const own = people[group.target ?? 'me']
  const other = group.target === 'ti' ? people.me : people.ti
  if (grammarCase !== 'nomn') own.objects.add(group.from)
  else {
    if (isJoined(sentence, group)) own.others.add(group.from)
    else own.subjects.add(group.from)
    other.others.add(group.from)
  }
}

/** «Вася и Петя идут», «Вася с Петей»: a joined subject keeps its plural verb. */
function isJoined({ words }: Sentence, { from, to }: Group): boolean {
  const isNominal = (i: number, wanted: Case): boolean => {
    const parse = words[i]?.parse
    return (parse?.pos === 'NOUN' || parse?.pos === 'NPRO') && parse.case === wanted
  }
  const conjunction = (i: number): boolean => /^(?:и|да|или)$/iu.test(words[i]?.text ?? '')
  const withOther = /^со?$/iu.test(words[to]?.text ?? '') && isNominal(to + 1, 'ablt')
  const joined =
    (conjunction(to) && isNominal(to + 1, 'nomn')) ||
    (conjunction(from - 1) && isNominal(from - 2, 'nomn')) ||
    withOther
  if (!joined) return false
  const after = words.slice(to).find(({ parse }) => parse?.pos === 'VERB')
  const before = words.slice(0, from).findLast(({ parse }) => parse?.pos === 'VERB')
  return (after ?? before)?.parse?.number === 'plur'
}

function pushEdit(
  work: Work,
  { text, words }: Sentence,
  from: number,
  to: number,
  replacement: string,
  rule: string,
): void {
  const [start, end] = [words[from].start, words[to - 1].end]
  const before = text.slice(start, end)
  if (before !== replacement) work.edits.push({ start, end, text: replacement, before, rule })
}

/** A capital letter where the sentence, the speech or the quotation begins; small letters elsewhere. */
function matchPlace({ words }: Sentence, at: number, word: string): string {
  for (let i = at - 1; i >= 0; i--) {
    const { kind, text } = words[i]
    if (kind !== 'punct') return word
    if (/^(?:[.!?…]+)$/u.test(text)) return capitalise(word)
    if (text === ':') return i < at - 1 ? capitalise(word) : word
    if (!/^(?:[-–—]+|[«"„“(\[*•])$/u.test(text)) return word
  }
  return /^\p{Lu}/u.test(words[at].text) ? capitalise(word) : word
}

function editPronoun(
  sentence: Sentence,
  group: Group,
  person: PronounPerson,
  grammarCase: Case,
  work: Work,
  rule: string,
): void {
  const { words } = sentence
  const particle = /-(?:то|с|ка|де|таки)$/u.exec(words[group.to - 1].text)?.[0] ?? ''
  const pronoun = spellLikeText(personalPronoun(person, grammarCase), sentence) + particle
  const head = appositionStart(sentence, group, grammarCase)
  if (head < group.from) {
    const last = /^\p{Ll}/u.test(words[group.from].text) ? group.from : group.from - 1
    const phrase = sentence.text.slice(words[head].start, words[last].end)
    const lowered =
      matchPlace(sentence, head, pronoun) === pronoun ? phrase : phrase.charAt(0).toLowerCase() + phrase.slice(1)
    const closed = words[group.to] === undefined || words[group.to].kind === 'punct' ? '' : ','
    pushEdit(
      work,
      sentence,
      head,
      group.to,
      `${matchPlace(sentence, head, pronoun)}, ${lowered}${closed}`,
      'apposition',
    )
  } else pushEdit(work, sentence, group.from, group.to, matchPlace(sentence, group.from, pronoun), rule)
  editPreposition(sentence, Math.min(head, group.from) - 1, pronoun, work)
}

function editPreposition(sentence: Sentence, at: number, pronoun: string, work: Work): void {
  const word = sentence.words[at]
  if (word?.kind !== 'word' || !prepositionCases(word.text)) return
  pushEdit(work, sentence, at, at + 1, prepositionBefore(word.text, pronoun), 'preposition-before-pronoun')
}

/**
 * «титулярный советник Голядкин»: a common noun in the same case before the name follows the pronoun between commas;
 * a title with an adjective, «бедный господин Голядкин», is such a noun too.
 */
function appositionStart({ words }: Sentence, { from, cases }: Group, grammarCase: Case): number {
  if (/^\p{Ll}/u.test(words[from].text) && words[from].parse?.pos === 'NOUN') {
    // «Заречные доктора Зимородова не видели»: what the title could also be with the word before it is not this person
    return fitsOne(words[from - 1], grammarCase) ? phraseStart(words, from) : from
  }
  const noun = words[from - 1]
  const fits = noun?.parses.some(
    p => p.pos === 'NOUN' && p.case === grammarCase && p.animate === true && p.number === 'sing',
  )
  if (noun?.kind !== 'word' || noun.parse?.pos !== 'NOUN' || !fits) return from
  if (noun.parse.number !== 'sing' || (/^\p{Lu}/u.test(noun.text) && from > 1) || !cases.has(grammarCase)) return from
  return phraseStart(words, from - 1)
}

/** Whether an adjective can belong to one person in this case. */
function fitsOne(word: TaggedWord | undefined, grammarCase: Case): boolean {
  return (
    word?.parses.some(
      ({ pos, case: own, number }) => (pos === 'ADJF' || pos === 'PRTF') && own === grammarCase && number === 'sing',
    ) === true
  )
}

function editPossessive(
  sentence: Sentence,
  group: Group,
  person: PronounPerson,
  { noun, from }: { readonly noun: number; readonly from: number },
  work: Work,
  rule: string,
): void {
  const { words, text } = sentence
  const form = nounForm(words, noun, from)
  if (!form) return
  const possessive = matchPlace(sentence, from, spellYo(possessivePronoun(person, form), sentence))
  const phrase = text.slice(words[from].start, words[noun].end)
  const lowered =
    possessive.charAt(0) === possessive.charAt(0).toLowerCase()
      ? phrase
      : phrase.charAt(0).toLowerCase() + phrase.slice(1)
  pushEdit(work, sentence, from, group.to, `${possessive} ${lowered}`, rule)
}

/** Words that always have ё where a text uses the letter at all. */
const writtenWithoutYo = /(?<!\p{L})(?:ее|нее|еще|мое|твое|свое|чье|причем|(?:при|по|на|у|вы|подо)?идет)(?!\p{L})/iu

/** The paragraph writes «еще», or the sentence a word whose every reading has ё. */
function avoidsYo({ text, words }: Sentence): boolean {
  if (writtenWithoutYo.test(text)) return true
  return words.some(
    ({ text: word, parses }) =>
      parses.length > 0 && !/ё/iu.test(word) && parses.every(({ form, known }) => known && form.includes('ё')),
  )
}

function spellYo(word: string, sentence: Sentence): string {
  return word.includes('ё') && avoidsYo(sentence) ? word.replaceAll('ё', 'е') : word
}

/** A sentence that writes «рукою» and «нею» writes «мною» too. */
function spellLikeText(pronoun: string, { words }: Sentence): string {
  if (!pronoun.endsWith('ой')) return pronoun
  const long = words.some(({ text, parse }) => parse?.case === 'ablt' && /[оеё]ю$/u.test(text))
  return long ? pronoun.replace(/й$/u, 'ю') : pronoun
}

function editVerbs(sentence: Sentence, own: PersonWords, person: PronounPerson, work: Work): void {
  if (!own.subjects.size) return
  for (const verb of verbsOfSubject(sentence.words, own)) {
    const { text, start } = sentence.words[verb]
    const reading = thirdReading(sentence.words[verb])
    if (sentence.speech.some(([from, to]) => start >= from && start < to)) continue
    const agreed = reading && agreeVerb(text, reading, person)
    if (agreed) pushEdit(work, sentence, verb, verb + 1, spellYo(agreed, sentence), 'verb-agreement')
  }
}

function editAnaphor(
  sentence: Sentence,
  { at, target, use }: Anaphor,
  people: PeopleWords,
  covered: Set<number>,
  work: Work,
): void {
  const word =
    use.kind === 'possessive'
      ? spellYo(possessivePronoun(target, use.noun), sentence)
      : spellLikeText(personalPronoun(target, use.case), sentence)
  pushEdit(work, sentence, at, at + 1, matchPlace(sentence, at, word), 'anaphora')
  if (use.kind === 'possessive') return
  editPreposition(sentence, at - 1, word, work)
  covered.add(at)
  people[target][use.case === 'nomn' ? 'subjects' : 'objects'].add(at)
}

function applyEdits(text: string, edits: readonly Edit[]): string {
  let from = 0
  let result = ''
  for (const { start, end, text: replacement } of edits) {
    result += text.slice(from, start) + replacement
    from = end
  }
  return result + text.slice(from)
}

/** The text before rewriting, from the rewritten text and its edits, whose offsets are those of the original. */
export function undoEdits(text: string, edits: readonly Edit[]): string {
  let shift = 0
  let from = 0
  let result = ''
  for (const { start, end, text: replacement, before } of edits) {
    result += text.slice(from, start + shift) + before
    from = start + shift + replacement.length
    shift += replacement.length - (end - start)
  }
  return result + text.slice(from)
}
