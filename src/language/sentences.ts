// Text → sentences: every possible boundary is asked through an ordered list of named rules; the first answer wins.

/** `[start, end)` in UTF-16 units; white space between sentences belongs to none. */
export interface SentenceSpan {
  readonly start: number
  readonly end: number
}

type Verdict = 'join' | 'split' | undefined

/** What the rules see of one possible boundary. */
interface Boundary {
  /** The word before the delimiter, without it. */
  readonly left: string
  /** The word before `left`, or ''. */
  readonly beforeLeft: string
  /** `left` is the first word of the text or follows a full stop. */
  readonly opens: boolean
  readonly delimiter: string
  /** The first word or sign after the white space. */
  readonly right: string
  /** White space between delimiter and right; '' when they touch. */
  readonly space: string
}

type BoundaryRule = (boundary: Boundary) => Verdict

const spaceless = ({ space }: Boundary): Verdict => (space === '' ? 'join' : undefined)

const newLine = ({ space }: Boundary): Verdict => (/\n\s*\n/u.test(space) ? 'split' : undefined)

const lowerRight = ({ right }: Boundary): Verdict => (/^\p{Ll}/u.test(right) ? 'join' : undefined)

/** «Куда? — спросил он»: a dash and a small letter go on with the sentence; a new turn begins with a capital one. */
const dashRemark = ({ right }: Boundary): Verdict => (/^[-–—]+\s*\p{Ll}/u.test(right) ? 'join' : undefined)

const delimiterRight = ({ right }: Boundary): Verdict => (/^[.,;:!?…)\]»”]/u.test(right) ? 'join' : undefined)

const initial = ({ left, delimiter }: Boundary): Verdict =>
  delimiter === '.' && /^\p{Lu}$/u.test(left) ? 'join' : undefined

/** Abbreviations that stand before what they name: «г. Тверь», «ул. Садовая», «им. Пушкина». */
const headAbbreviations = new Set(
  'г гр ул д кв пл пер просп пр им св проф акад доц ген полк кап о оз р т тов стр рис табл гл ст п ср см напр н ред изд илл мр м-р м-м тт гг вв стт архим еп прот иеромон'.split(
    ' ',
  ),
)

const headAbbreviation = ({ left, delimiter }: Boundary): Verdict =>
  delimiter === '.' && headAbbreviations.has(left.toLowerCase()) ? 'join' : undefined

/** Pairs that are one abbreviation: «т. е.», «и т. д.», «до н. э.». */
const pairAbbreviations = new Set(['т е', 'т д', 'т п', 'т к', 'н э', 'т н', 'с г', 'с м'])

const pairAbbreviation = ({ left, beforeLeft, right, delimiter }: Boundary): Verdict => {
  if (delimiter !== '.') return undefined
  const inside = `${left} ${right.replace('.', '')}`.toLowerCase()
  if (pairAbbreviations.has(inside)) return 'join'
  const closed = `${beforeLeft} ${left}`.toLowerCase()
  return pairAbbreviations.has(closed) ? (/^\p{Lu}/u.test(right) ? 'split' : 'join') : undefined
}

/** «5 руб. Иванову»: an amount goes on when a small letter or number follows; a capital letter begins a sentence. */
const amount = ({ left, beforeLeft, right, delimiter }: Boundary): Verdict =>
  delimiter === '.' &&
  /\d$/u.test(beforeLeft) &&
  /^(?:руб|коп|тыс|млн|млрд|чел|мин|сек)$/iu.test(left) &&
  /^\d/u.test(right)
    ? 'join'
    : undefined

const listNumber = ({ left, opens, delimiter }: Boundary): Verdict =>
  delimiter === '.' && opens && /^(?:\d{1,3}|[IVX]+)$/u.test(left) ? 'join' : undefined

const otherwise = (): Verdict => 'split'

const boundaryRules: readonly (readonly [string, BoundaryRule])[] = [
  ['new-line', newLine],
  ['spaceless', spaceless],
  ['lower-right', lowerRight],
  ['dash-remark', dashRemark],
  ['delimiter-right', delimiterRight],
  ['initial', initial],
  ['pair-abbreviation', pairAbbreviation],
  ['head-abbreviation', headAbbreviation],
  ['amount', amount],
  ['list-number', listNumber],
  ['otherwise', otherwise],
]

const delimiterPattern = /(?:[.!?…]+|\n\s*\n)[»”"')\]]*/gu

/** Sentences of `text` in order, trimmed; together with the white space between them they make the text. */
export function splitSentences(text: string): SentenceSpan[] {
  const spans: SentenceSpan[] = []
  let from = 0
  for (const match of text.matchAll(delimiterPattern)) {
    const end = match.index + match[0].length
    if (end >= text.length || decide(readBoundary(text, match.index, match[0])).verdict !== 'split') continue
    addSpan(spans, text, from, end)
    from = end
  }
  addSpan(spans, text, from, text.length)
  return spans
}

/** Which rule decided each possible boundary, for `explain`. */
export function explainSentences(text: string): { at: number; rule: string; verdict: 'join' | 'split' }[] {
  return [...text.matchAll(delimiterPattern)]
    .filter(match => match.index + match[0].length < text.length)
    .map(match => ({ at: match.index, ...decide(readBoundary(text, match.index, match[0])) }))
}

function decide(boundary: Boundary): { rule: string; verdict: 'join' | 'split' } {
  for (const [rule, judge] of boundaryRules) {
    const verdict = judge(boundary)
    if (verdict) return { rule, verdict }
  }
  return { rule: 'otherwise', verdict: 'split' }
}

function readBoundary(text: string, at: number, delimiter: string): Boundary {
  const from = Math.max(0, at - 60)
  const before = text.slice(from, at)
  const leftStart = skipBack(before, before.length, isWordUnit)
  const left = before.slice(leftStart)
  const gap = left ? skipBack(before, leftStart, isGapUnit) : leftStart
  const beforeLeft = gap < leftStart ? before.slice(skipBack(before, gap, isWordUnit), gap) : ''
  const after = text.slice(at + delimiter.length, at + delimiter.length + 60)
  const space = /^\s*/u.exec(after)?.[0] ?? ''
  const right = /^(?:[-–—]+\s*)?(?:[\p{L}\p{M}\d]+\.?|\S)/u.exec(after.slice(space.length))?.[0] ?? ''
  const isBreak = delimiter.startsWith('\n')
  const opens =
    !headAbbreviations.has(beforeLeft.toLowerCase()) &&
    /(?:^|[.!?…\n])\s*$/u.test(before.slice(0, before.length - left.length))
  return { left, beforeLeft, opens, delimiter: isBreak ? '' : delimiter, right, space: isBreak ? '\n\n' : space }
}

/** Where the run of such units that ends at `end` begins. */
function skipBack(text: string, end: number, holds: (unit: string) => boolean): number {
  let i = end
  while (i > 0 && holds(text[i - 1])) i--
  return i
}

function isWordUnit(unit: string): boolean {
  const code = unit.charCodeAt(0)
  return (code >= 0x410 && code <= 0x451) || (code !== 32 && /[\p{L}\p{M}\d-]/u.test(unit))
}

function isGapUnit(unit: string): boolean {
  return unit === ' ' || unit === '.' || /\s/u.test(unit)
}

function addSpan(spans: SentenceSpan[], text: string, from: number, to: number): void {
  let start = from
  let end = to
  while (start < end && /\s/u.test(text.charAt(start))) start++
  while (end > start && /\s/u.test(text.charAt(end - 1))) end--
  if (end > start) spans.push({ start, end })
}
