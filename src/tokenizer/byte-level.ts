// Text to ids of byte-level BPE as GPT-2 has it: split by GPT-2's pattern, words in UTF-8 bytes, bytes merged.
import { codePointAt } from './character-symbols.js'
import type { IdList } from './id-list.js'
import { appendSymbol, createMerger, createRow } from './merging.js'
import type { PairTable } from './pairs.js'
import { createWordCache } from './words.js'

/** The pattern that the splitter below follows, as tokenizer.json files spell it. */
export const gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+`

/** Byte to the character that stands for it: printable Latin-1 for itself, the other 68 take U+0100, U+0101, ... in byte order. */
export const byteCharacters: readonly string[] = createByteCharacters()

const byteOfCharacter = new Map(byteCharacters.map((character, byte) => [character, byte]))
const utf8 = new TextEncoder()

function createByteCharacters(): string[] {
  let next = 0x100
  const isPrintable = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad)
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++))
}

/** The bytes a byte-level token stands for; a token with any character outside the alphabet is plain text. */
export function bytesOfToken(token: string): Uint8Array {
  const bytes: number[] = []
  for (const character of token) {
    const byte = byteOfCharacter.get(character)
    if (byte === undefined) return utf8.encode(token)
    bytes.push(byte)
  }
  return Uint8Array.from(bytes)
}

export interface StretchEncoder {
  /** Appends the ids of `text.slice(from, to)`; `spans` receives `[start, end)` per id. */
  encode(text: string, from: number, to: number, out: IdList, spans?: IdList): void
}

/** @param byteIds id of each byte's token */
export function createByteLevelEncoder(byteIds: Int32Array, pairs: PairTable, addPrefixSpace: boolean): StretchEncoder {
  const merge = createMerger(pairs)
  const cache = createWordCache()
  const row = createRow()
  let bytes = new Uint8Array(1024)

  function segment(text: string, from: number, to: number): number {
    if ((to - from) * 3 > bytes.length) bytes = new Uint8Array((to - from) * 6)
    const { written } = utf8.encodeInto(text.slice(from, to), bytes)
    row.length = 0
    for (let i = 0; i < written; i++) appendSymbol(row, byteIds[bytes[i]], i)
    merge(row)
    return written
  }

  function word(text: string, from: number, to: number, out: IdList): void {
    if (cache.recall(text, from, to, out)) return
    const before = out.length
    segment(text, from, to)
    for (let i = 0; i < row.length; i++) out.push(row.symbols[i])
    cache.remember(text, from, to, out, before)
  }

  function wordWithSpans(
    text: string,
    from: number,
    to: number,
    out: IdList,
    addSpan: (s: number, e: number) => void,
  ): void {
    const written = segment(text, from, to)
    const unitOf = unitsOfBytes(text, from, to, written)
    for (let i = 0; i < row.length; i++) {
      const last = (i + 1 < row.length ? row.starts[i + 1] : written) - 1
      const lastUnit = unitOf[last]
      out.push(row.symbols[i])
      addSpan(unitOf[row.starts[i]], lastUnit + (codePointAt(text, lastUnit) > 0xffff ? 2 : 1))
    }
  }

  return {
    encode(text, from, to, out, spans) {
      const prefixed = addPrefixSpace && text.charCodeAt(from) !== 0x20 && from < to
      const source = prefixed ? ' ' + text.slice(from, to) : text
      const begin = prefixed ? 0 : from
      const end = prefixed ? source.length : to
      const shift = prefixed ? from - 1 : 0
      const addSpan = (start: number, stop: number) => {
        spans?.push(Math.max(start + shift, from))
        spans?.push(stop + shift)
      }
      for (let start = begin; start < end;) {
        const stop = nextGpt2Word(source, start, end)
        if (spans) wordWithSpans(source, start, stop, out, addSpan)
        else word(source, start, stop, out)
        start = stop
      }
    },
  }
}

function unitsOfBytes(text: string, from: number, to: number, bytes: number): Int32Array {
  const units = new Int32Array(bytes)
  let at = 0
  for (let i = from; i < to;) {
    const codePoint = codePointAt(text, i)
    const length = codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4
    units.fill(i, at, at + length)
    at += length
    i += codePoint > 0xffff ? 2 : 1
  }
  return units
}

const other = 0
const letter = 1
const number = 2
const space = 3
const unknown = 255
const classes = new Uint8Array(0x10000).fill(unknown)

// `\s` of JavaScript has U+FEFF and lacks U+0085; the pattern's own engine has it the other way round.
function findClass(character: string): number {
  if (/\p{L}/u.test(character)) return letter
  if (/\p{N}/u.test(character)) return number
  return /\p{White_Space}/u.test(character) ? space : other
}

function classOf(codePoint: number): number {
  if (codePoint > 0xffff) return findClass(String.fromCodePoint(codePoint))
  if (classes[codePoint] === unknown) classes[codePoint] = findClass(String.fromCharCode(codePoint))
  return classes[codePoint]
}

/** Where the match of `gpt2Pattern` that begins at `start` ends. */
export function nextGpt2Word(text: string, start: number, to: number): number {
  const contraction = contractionLength(text, start, to)
  if (contraction > 0) return start + contraction
  const afterSpace =
    text.charCodeAt(start) === 0x20 && start + 1 < to && classOf(codePointAt(text, start + 1)) !== space
  const first = afterSpace ? start + 1 : start
  const kind = classOf(codePointAt(text, first))
  let end = first
  let lastLength = 1
  while (end < to) {
    const codePoint = codePointAt(text, end)
    if (classOf(codePoint) !== kind) break
    lastLength = codePoint > 0xffff ? 2 : 1
    end += lastLength
  }
  // \s+(?!\S): of several spaces before a word the last one is left to it
  return kind === space && end < to && end - lastLength > start ? end - lastLength : end
}

function contractionLength(text: string, at: number, to: number): number {
  if (text.charCodeAt(at) !== 0x27 || at + 1 >= to) return 0
  const next = text[at + 1]
  if (next === 's' || next === 't' || next === 'm' || next === 'd') return 2
  const two = at + 2 < to ? next + text[at + 2] : ''
  return two === 're' || two === 've' || two === 'll' ? 3 : 0
}
