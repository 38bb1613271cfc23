// A paragraph → its dashes and its top-level quotations, by offsets.

/** A dash that may be a border; `[start, end)` covers the dash with the spaces around it. */
export interface DashMark {
  readonly kind: 'dash'
  readonly start: number
  readonly end: number
}

/** A quotation; `start` is its opening mark, `end` is behind its closing mark, the words lie in `[inner, innerEnd)`. */
export interface QuoteMark {
  readonly kind: 'quote'
  readonly start: number
  readonly end: number
  readonly inner: number
  readonly innerEnd: number
}

// Long dashes always, two hyphens, and one hyphen that does not join two letters or digits.
const dashPattern = /[\s\u00a0]*(?:[—–―‒]+|-{2,}|(?<![\p{L}\p{N}])-|-(?![\p{L}\p{N}]))[\s\u00a0]*/gu

export function findDashes(text: string): DashMark[] {
  return [...text.matchAll(dashPattern)].map(match => ({
    kind: 'dash',
    start: match.index,
    end: match.index + match[0].length,
  }))
}

const openers = '«„‟‹'
const closers = '»”›'

/** Direction of a quotation mark: straight and curly-left marks are read from their neighbours. */
function direction(text: string, at: number, open: readonly string[]): 'open' | 'close' | undefined {
  const mark = text[at]
  if (openers.includes(mark)) return 'open'
  if (closers.includes(mark)) return 'close'
  if (mark === '“') return open.at(-1) === '„' ? 'close' : 'open'
  if (mark !== '"') return undefined
  const next = text[at + 1] ?? ' '
  const previous = text[at - 1] ?? ' '
  if (/\s/u.test(next) || /[.,;:!?…)\]]/u.test(next)) return open.length > 0 || !/\s/u.test(previous) ? 'close' : 'open'
  return /[\s(\[—–―-]/u.test(previous) && open.at(-1) !== '"' ? 'open' : open.length > 0 ? 'close' : 'open'
}

/** A closing mark whose quotation was closed before («Что это?» — подумал он, — где он?»): speech that resumed ends there. */
export interface StrayMark {
  readonly kind: 'stray'
  readonly start: number
  readonly end: number
}

/** Closing marks outside of all quotations. */
export function findStrays(text: string, quotes: readonly QuoteMark[]): StrayMark[] {
  return [...text.matchAll(/[»”]/gu)]
    .filter(({ index }) => !quotes.some(quote => index >= quote.start && index < quote.end))
    .map(({ index }) => ({ kind: 'stray', start: index, end: index + 1 }))
}

/** A sentence or more in parentheses; `[start, end)` covers both of them. */
export interface AsideMark {
  readonly kind: 'aside'
  readonly start: number
  readonly end: number
}

export function findAsides(text: string): AsideMark[] {
  return [...text.matchAll(/[\s\u00a0]*\([^()]+\)[.]?[\s\u00a0]*/gu)].map(match => ({
    kind: 'aside',
    start: match.index,
    end: match.index + match[0].length,
  }))
}

/** Top-level quotations in order. One closing mark may close nested ones; a quotation never closed counts only at the paragraph's start. */
export function findQuotes(text: string): QuoteMark[] {
  const quotes: QuoteMark[] = []
  let from = 0
  while (from < text.length) {
    const quote = nextQuote(text, from)
    if (quote === undefined) break
    if (quote !== 'unclosed') quotes.push(quote)
    from = quote === 'unclosed' ? nextMark(text, from) + 1 : quote.end
  }
  return quotes
}

const anyMark = /[«»„‟‹›“”"]/u

function nextMark(text: string, from: number): number {
  const found = text.slice(from).search(anyMark)
  return found < 0 ? text.length : from + found
}

function nextQuote(text: string, from: number): QuoteMark | 'unclosed' | undefined {
  const open: string[] = []
  let start = -1
  let lastClose = -1
  for (let at = nextMark(text, from); at < text.length; at = nextMark(text, at + 1)) {
    const way = direction(text, at, open)
    if (way === 'open') {
      if (open.length === 0) start = at
      open.push(text[at])
    } else if (open.length > 0) {
      open.pop()
      lastClose = at
      if (open.length === 0) return quoteBetween(start, at)
    }
  }
  if (start < 0) return undefined
  if (lastClose > start) return quoteBetween(start, lastClose)
  const opensParagraph = !/[\p{L}\p{N}]/u.test(text.slice(0, start))
  return opensParagraph
    ? { kind: 'quote', start, end: text.length, inner: start + 1, innerEnd: text.length }
    : 'unclosed'
}

const quoteBetween = (start: number, close: number): QuoteMark => ({
  kind: 'quote',
  start,
  end: close + 1,
  inner: start + 1,
  innerEnd: close,
})

/** Places where a sentence ends inside `[start, end)`: offsets right behind the mark, abbreviations and initials passed over. */
export function sentenceEnds(text: string, start: number, end: number): number[] {
  const ends: number[] = []
  for (const match of text.slice(start, end).matchAll(/[.!?…]+[»”"“)]*(?=[\s\u00a0]+[«„"(—–-]?[\s\u00a0]*\p{Lu})/gu)) {
    const at = start + match.index
    if (match[0] === '.' && isAbbreviation(text.slice(start, at))) continue
    ends.push(at + match[0].length)
  }
  return ends
}

const isAbbreviation = (before: string) =>
  /(?<![\p{L}])(?:\p{Lu}|г|гг|гр|кн|св|им|ул|д|т|тт|с|ст|стр|см|ср|др|пр|проф|акад|ген|кап|руб|коп|р|к|м|гос|ж|н|э|ок|ч|обл)$/u.test(
    before,
  )
