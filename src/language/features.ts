// A sentence of words and one candidate parse → hashed features for the tagger's perceptron.
import type { Token } from './words.js'
import { isCapitalised, wordKey } from './words.js'
import { parseWord, type Case, type Parse } from './morphology.js'

/** What a word form brings into features, computed once per form. */
export interface FormInfo {
  readonly parses: readonly Parse[]
  /** Hash of the form (rare words share their suffix). */
  readonly word: number
  readonly suffix2: number
  readonly suffix3: number
  /** Hash of the likeliest dictionary form, for what a verb or noun governs. */
  readonly lemma: number
  /** Hash of the set of parts of speech and cases the form may have. */
  readonly ambiguity: number
  readonly labels: readonly Label[]
  /** Preposition, conjunction, particle or pronoun: forms that matter as such for their neighbours. */
  readonly closed: boolean
}

/** A parse cut down to what neighbours and weights see. */
export interface Label {
  readonly full: number
  readonly posCase: number
  readonly pos: number
  readonly caseHash: number
  readonly number: number
  readonly agreement: Agreement
  /** 0..4: bucket of the dictionary's score. */
  readonly rank: number
}

interface Agreement {
  readonly pos: string
  readonly case: string
  readonly number: string
  readonly gender: string
}

/** FNV-1a of a string. */
function hashText(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h
}

function mixHash(a: number, b: number): number {
  let h = Math.imul(a ^ (b + 0x9e3779b9 + (a << 6) + (a >>> 2)), 0x85ebca6b)
  h ^= h >>> 15
  return Math.imul(h, 0xc2b2ae35)
}

const formCache = new Map<string, FormInfo>()
const punctInfo = new Map<string, FormInfo>()

/** @param token of splitWords; a capital letter at the start of a sentence is kept, names need it */
function readForm(token: Pick<Token, 'kind' | 'text'>): FormInfo {
  const cache = token.kind === 'word' ? formCache : punctInfo
  const known = cache.get(token.text)
  if (known) return known
  if (cache.size > 300_000) cache.clear()
  const info = token.kind === 'word' ? readWordForm(token.text) : signForm(token.kind === 'number' ? '#' : token.text)
  cache.set(token.text, info)
  return info
}

function readWordForm(text: string): FormInfo {
  return formOf(text, parseWord(text))
}

function formOf(text: string, parses: readonly Parse[]): FormInfo {
  const key = wordKey(text)
  const top = parses.reduce((best, parse) => Math.max(best, parse.score), 0)
  const labels = parses.map((parse, i) => readLabel(parse, i, top))
  const ambiguity = hashText([...new Set(parses.map(({ pos, case: c = '' }) => pos + c))].sort().join(' '))
  const closed = parses.some(({ pos }) => pos === 'PREP' || pos === 'CONJ' || pos === 'PRCL' || pos === 'NPRO')
  return {
    parses,
    labels,
    ambiguity,
    closed,
    word: hashText(key),
    suffix2: hashText('2' + key.slice(-2)),
    suffix3: hashText('3' + key.slice(-3)),
    lemma: parses.length ? hashText(parses[0].lemma) : 0,
  }
}

/** A name whose possible cases and gender are known from its paradigm. */
export function nameForm(
  text: string,
  cases: Iterable<Case>,
  gender: 'masc' | 'femn',
  name: 'Name' | 'Surn' | 'Patr',
): FormInfo {
  const parses = [...cases].map((grammarCase): Parse => ({
    form: text.toLowerCase(),
    lemma: text.toLowerCase(),
    pos: 'NOUN',
    case: grammarCase,
    number: 'sing',
    gender,
    animate: true,
    name,
    fixed: false,
    pronominal: false,
    known: true,
    score: 1,
    tag: `NOUN,anim,${gender},${name} sing,${grammarCase}`,
    source: undeclined,
  }))
  return formOf(text, parses)
}

/** Stands for the dictionary's parse where a paradigm of ours was used. */
const undeclined: Parse['source'] = { tag: {}, score: 1, parser: 'Name', normalize: () => false, inflect: () => false }

function signForm(text: string): FormInfo {
  const word = hashText(text)
  return { parses: [], labels: [], ambiguity: word, closed: true, word, suffix2: word, suffix3: word, lemma: word }
}

function readLabel(parse: Parse, index: number, top: number): Label {
  const { pos, number = '', gender = '', person = '', tense = '', mood = '', animate, name = '' } = parse
  const grammarCase = parse.case ?? ''
  const share = top > 0 ? parse.score / top : 1
  const shape = [pos, grammarCase, number, gender, person, tense, mood, String(animate ?? ''), name, parse.pronominal]
  return {
    full: hashText(shape.join('|')),
    posCase: hashText(`${pos}|${grammarCase}|${number}`),
    pos: hashText(pos),
    caseHash: hashText('c' + grammarCase),
    number: hashText(`n${number}${gender}`),
    agreement: { pos, case: grammarCase, number, gender },
    rank: index === 0 ? 4 : share > 0.5 ? 3 : share > 0.1 ? 2 : share > 0.01 ? 1 : 0,
  }
}

const edge: Label = {
  full: 11,
  posCase: 12,
  pos: 13,
  caseHash: 14,
  number: 15,
  rank: 4,
  agreement: { pos: '', case: '', number: '', gender: '' },
}
const edgeForm = signForm('<edge>')

/** Left-to-right state: forms of the sentence and the labels chosen so far. */
export interface TagState {
  readonly forms: readonly FormInfo[]
  readonly capitals: readonly boolean[]
  readonly chosen: (Label | undefined)[]
  /** Hash of the preposition that still waits for its noun, 0 without one. */
  preposition: number
  /** A nominative (1), a finite verb (2) or both (3) seen in this clause. */
  clause: number
  /** Hash of the verb that last could govern, 0 without one. */
  verb: number
}

export function startState(
  tokens: readonly Pick<Token, 'kind' | 'text'>[],
  names?: ReadonlyMap<number, FormInfo>,
): TagState {
  const forms = tokens.map((token, i) => names?.get(i) ?? readForm(token))
  const capitals = tokens.map(({ text }) => isCapitalised(text))
  return { forms, capitals, chosen: new Array<Label | undefined>(tokens.length), preposition: 0, clause: 0, verb: 0 }
}

/** Writes the label into the state and moves the clause's memory on. */
export function advanceState(state: TagState, i: number, label: Label | undefined): void {
  state.chosen[i] = label
  const form = state.forms[i]
  if (!label) {
    state.preposition = 0
    if (form.closed) state.clause = 0
    if (form.closed) state.verb = 0
    return
  }
  const { pos, case: grammarCase } = label.agreement
  if (pos === 'PREP') state.preposition = form.word
  else if (pos === 'NOUN' || pos === 'NPRO' || pos === 'VERB') state.preposition = 0
  if (pos === 'VERB' || pos === 'INFN' || pos === 'GRND' || pos === 'PRTS' || pos === 'PRTF') state.verb = form.lemma
  if (pos === 'CONJ') state.clause = 0
  else if (pos === 'VERB') state.clause |= 2
  else if ((pos === 'NOUN' || pos === 'NPRO') && grammarCase === 'nomn') state.clause |= 1
}

/** Features of position `i` that do not depend on the candidate. Returns how many were written. */
export function writeContext(state: TagState, i: number, out: Int32Array): number {
  const { forms, chosen } = state
  const here = forms[i]
  const before = forms[i - 1] ?? edgeForm
  const before2 = forms[i - 2] ?? edgeForm
  const after = forms[i + 1] ?? edgeForm
  const after2 = forms[i + 2] ?? edgeForm
  const left = labelAt(chosen, forms, i - 1)
  const left2 = labelAt(chosen, forms, i - 2)
  let n = 0
  const add = (kind: number, value: number): void => {
    out[n++] = mixHash(kind, value)
  }
  add(1, here.word)
  add(2, here.suffix3)
  add(3, here.suffix2)
  add(4, here.ambiguity)
  add(5, left.full)
  add(6, mixHash(left.posCase, left2.posCase))
  add(7, before.word)
  add(8, mixHash(before.word, here.ambiguity))
  add(9, after.ambiguity)
  add(10, after.word)
  add(11, mixHash(after.ambiguity, after2.ambiguity))
  add(12, mixHash(left.posCase, here.ambiguity))
  add(13, mixHash(left.posCase, after.ambiguity))
  add(14, mixHash(state.preposition, here.ambiguity))
  add(15, state.preposition)
  add(16, mixHash(state.clause, here.ambiguity))
  add(17, mixHash(left.full, here.suffix2))
  add(18, mixHash(before2.closed ? before2.word : before2.ambiguity, left.posCase))
  add(19, state.capitals[i] ? (i === 0 ? 2 : 1) : 0)
  add(20, mixHash(after2.ambiguity, here.ambiguity))
  add(21, mixHash(mixHash(left.posCase, left2.posCase), here.ambiguity))
  add(22, mixHash(finiteAhead(forms, i), mixHash(state.clause, here.ambiguity)))
  add(23, mixHash(state.verb, here.ambiguity))
  add(24, mixHash(state.verb, state.preposition))
  add(25, mixHash(before.lemma, here.ambiguity))
  add(26, mixHash(mixHash(state.preposition, left.posCase), here.ambiguity))
  add(27, mixHash(state.verb === 0 ? 0 : 1, mixHash(left.posCase, after.ambiguity)))
  return n
}

function labelAt(chosen: readonly (Label | undefined)[], forms: readonly FormInfo[], i: number): Label {
  if (i < 0) return edge
  const label = chosen[i]
  if (label) return label
  const { word } = forms[i]
  return { full: word, posCase: word, pos: word, caseHash: word, number: word, rank: 4, agreement: edge.agreement }
}

/** Whether a form that can be a finite verb comes before the clause's end: 1 sure, 2 possible, 0 none. */
function finiteAhead(forms: readonly FormInfo[], i: number): number {
  for (let j = i + 1; j < forms.length && j < i + 8; j++) {
    const { parses, closed } = forms[j]
    if (!parses.length && closed) return 0
    if (parses.length && parses[0].pos === 'VERB') return parses.every(({ pos }) => pos === 'VERB') ? 1 : 2
  }
  return 0
}

/** Features of a candidate with its neighbours' agreement: does it share case, number and gender with the word before and after? */
export function writeAgreement(state: TagState, i: number, label: Label, out: Int32Array, n: number): number {
  const left = state.chosen[i - 1]?.agreement
  const own = label.agreement
  let bits = 0
  const before = state.chosen[i - 1]
  if (left && before) bits = mixHash(before.pos, agreementBits(left, own))
  out[n++] = mixHash(31, mixHash(bits, label.pos))
  const after = state.forms[i + 1]
  const best = after ? after.labels.reduce((most, next) => Math.max(most, agreementBits(next.agreement, own)), 0) : 9
  out[n++] = mixHash(32, mixHash(best, mixHash(label.pos, after?.labels[0]?.pos ?? 0)))
  out[n++] = mixHash(33, mixHash(label.rank, label.pos))
  out[n++] = mixHash(34, label.rank)
  return n
}

/** Bit 4 the same case, bit 2 the same number, bit 1 the same gender (or both plural). */
function agreementBits(a: Agreement, b: Agreement): number {
  const sameCase = a.case === b.case ? 4 : 0
  const sameNumber = a.number === b.number ? 2 : 0
  const sameGender = a.gender === b.gender || a.number === 'plur' || b.number === 'plur' ? 1 : 0
  return sameCase + sameNumber + sameGender
}
