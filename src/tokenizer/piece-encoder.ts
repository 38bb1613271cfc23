// A stretch of text to ids of character-based BPE (SentencePiece and LLaMA-style files), word by word where that is exact.
import { codePointAt, type CharacterSymbols } from './character-symbols.js'
import { IdList } from './id-list.js'
import { appendSymbol, createMerger, createRow, type SymbolRow } from './merging.js'
import type { PairTable } from './pairs.js'
import { createWordCache } from './words.js'

export const spaceMark = '\u2581'
const spaceMarkUnit = 0x2581

/** Where text may be cut without changing any id: before each run of spaces, before each space, or nowhere. */
export type Cut = 'runs' | 'each' | 'none'

export interface PieceEncoderOptions {
  readonly characters: CharacterSymbols
  readonly pairs: PairTable
  /** Number of tokens: symbols from here up are characters without a token. */
  readonly size: number
  /** Ids of the 256 byte tokens, or undefined when characters without a token become `unk`. */
  readonly byteIds: Int32Array | undefined
  /** Undefined: characters without a token vanish, as Hugging Face files without unk_token have it. */
  readonly unk: number | undefined
  /** Hugging Face resolves unknown characters before merging, SentencePiece after. */
  readonly unknownFirst: boolean
  /** Where neighbouring unknown ids become one. */
  readonly fuse: 'stretch' | 'word' | 'none'
  readonly cut: Cut
}

export interface PieceEncoder {
  /**
   * Appends the ids of `text.slice(from, to)`.
   * @param prefix whether the stretch is read as if U+2581 stood before it
   * @param spans receives `[start, end)` per id, in units of `text`
   */
  encode(text: string, from: number, to: number, prefix: boolean, out: IdList, spans?: IdList): void
}

const utf8 = new TextEncoder()

export function createPieceEncoder(options: PieceEncoderOptions): PieceEncoder {
  const { characters, size, byteIds, unk, unknownFirst, cut, fuse } = options
  const merge = createMerger(options.pairs)
  const cache = createWordCache()
  const row = createRow()
  const bytes = new Uint8Array(4)

  function pushUnknown(text: string, from: number, to: number, push: (id: number) => void): void {
    const { written } = byteIds ? utf8.encodeInto(text.slice(from, to), bytes) : { written: 0 }
    let missing = !byteIds
    for (let i = 0; byteIds && i < written; i++) if (byteIds[bytes[i]] < 0) missing = true
    if (missing && unk !== undefined) push(unk)
    for (let i = 0; byteIds && !missing && i < written; i++) push(byteIds[bytes[i]])
  }

  function fillRow(target: SymbolRow, text: string, from: number, to: number): void {
    target.length = 0
    for (let i = from; i < to;) {
      const codePoint = codePointAt(text, i)
      const end = i + (codePoint > 0xffff ? 2 : 1)
      const symbol = characters.of(codePoint)
      if (unknownFirst && (symbol < 0 || symbol >= size)) pushUnknown(text, i, end, id => appendSymbol(target, id, i))
      else appendSymbol(target, symbol, i)
      i = end
    }
  }

  function segment(
    text: string,
    from: number,
    to: number,
    out: IdList,
    span?: (start: number, end: number) => void,
  ): void {
    fillRow(row, text, from, to)
    merge(row)
    for (let i = 0; i < row.length; i++) {
      const symbol = row.symbols[i]
      const start = row.starts[i]
      const end = endOf(row, i, to)
      const push = (id: number) => {
        out.push(id)
        span?.(start, end)
      }
      if (symbol >= 0 && symbol < size) push(symbol)
      else pushUnknown(text, start, end, push)
    }
  }

  function word(text: string, from: number, to: number, out: IdList): void {
    if (to - from > 64) segment(text, from, to, out)
    else if (!cache.recall(text, from, to, out)) {
      const before = out.length
      segment(text, from, to, out)
      cache.remember(text, from, to, out, before)
    }
  }

  return {
    encode(text, from, to, prefix, out, spans) {
      const firstId = out.length
      const firstSpan = spans?.length ?? 0
      for (let start = from; start < to;) {
        const prefixed = prefix && start === from
        const wordId = out.length
        const wordSpan = spans?.length ?? 0
        const end = wordEnd(text, start, to, prefixed, cut)
        const [source, a, b] = prefixed ? [spaceMark + text.slice(start, end), 0, end - start + 1] : [text, start, end]
        const shift = start - a - (prefixed ? 1 : 0)
        if (spans) segment(source, a, b, out, (s, e) => pushSpan(spans, Math.max(s + shift, start), e + shift))
        else word(source, a, b, out)
        if (unk !== undefined && fuse === 'word') fuseUnknown(out, wordId, unk, spans, wordSpan)
        start = end
      }
      if (unk !== undefined && fuse === 'stretch') fuseUnknown(out, firstId, unk, spans, firstSpan)
    },
  }
}

function pushSpan(spans: IdList, start: number, end: number): void {
  spans.push(start)
  spans.push(Math.max(start, end))
}

/** Where symbol i ends; the byte tokens of one character share its start and so its end. */
function endOf(row: SymbolRow, i: number, to: number): number {
  const start = row.starts[i]
  for (let k = i + 1; k < row.length; k++) if (row.starts[k] > start) return row.starts[k]
  return to
}

function wordEnd(text: string, start: number, to: number, prefixed: boolean, cut: Cut): number {
  if (cut === 'none') return to
  let afterSpace = prefixed || isSpace(text.charCodeAt(start))
  for (let i = prefixed ? start : start + 1; i < to; i++) {
    const space = isSpace(text.charCodeAt(i))
    if (space && (!afterSpace || cut === 'each')) return i
    afterSpace = space
  }
  return to
}

const isSpace = (unit: number): boolean => unit === 0x20 || unit === spaceMarkUnit

/** Neighbouring unknown ids become one. */
function fuseUnknown(out: IdList, from: number, unk: number, spans: IdList | undefined, spansFrom: number): void {
  let kept = from
  for (let i = from; i < out.length; i++) {
    const joins = out.at(i) === unk && kept > from && out.at(kept - 1) === unk
    const target = joins ? kept - 1 : kept++
    out.set(target, out.at(i))
    if (!spans) continue
    const at = spansFrom + 2 * (target - from)
    if (!joins) spans.set(at, spans.at(spansFrom + 2 * (i - from)))
    spans.set(at + 1, spans.at(spansFrom + 2 * (i - from) + 1))
  }
  out.length = kept
  if (spans) spans.length = spansFrom + 2 * (kept - from)
}
