// Ids back to text, whole or as a stream: spaces from U+2581, runs of byte tokens to UTF-8, the first space dropped where it was added.
import type { StreamDecoder } from './tokenizer.js'
import { spaceMark } from './piece-encoder.js'

/** What a token gives: nothing, text (U+2581 still in it), or one byte. */
export type TokenOutput = string | number | undefined

export interface DecodingRules {
  /** @throws AppError `bad-token-id` outside the vocabulary */
  output(id: number, skipSpecial: boolean): TokenOutput
  /** `one` U+2581 of the first visible piece, one space of the `text`, `squeeze`: of every piece until text appears. */
  readonly strip: 'none' | 'one' | 'text' | 'squeeze'
  /** A bad byte run: U+FFFD per bad byte (SentencePiece), or the whole run becomes U+FFFD (Hugging Face ByteFallback). */
  readonly badBytes: 'each' | 'whole-run'
}

export function createPieceDecoder(rules: DecodingRules, skipSpecial: boolean): StreamDecoder {
  let run: number[] = []
  let started = false
  const release = (final: boolean) => {
    if (run.length === 0 || (rules.badBytes === 'whole-run' && !final)) return ''
    const [text, used] = rules.badBytes === 'each' ? decodeEach(run, final) : decodeRun(run)
    run = run.slice(used)
    return text
  }
  const finish = (text: string) => {
    if (rules.strip !== 'text' || started || text === '') return text
    started = true
    return text.startsWith(' ') ? text.slice(1) : text
  }
  const show = (piece: string) => {
    const strip = (rules.strip === 'one' || rules.strip === 'squeeze') && !started
    const visible = strip && piece.startsWith(spaceMark) ? piece.slice(1) : piece
    if (rules.strip === 'one' || (rules.strip === 'squeeze' && visible !== '')) started = true
    return visible.replaceAll(spaceMark, ' ')
  }
  return {
    push(id) {
      const output = rules.output(id, skipSpecial)
      if (output === undefined) return ''
      if (typeof output === 'number') {
        run.push(output)
        if (rules.strip !== 'text') started = true
        return finish(release(false))
      }
      const before = release(true)
      return finish(before + show(output))
    },
    end: () => finish(release(true)),
  }
}

export function decodeAll(decoder: StreamDecoder, ids: ArrayLike<number>): string {
  const parts: string[] = []
  for (let i = 0; i < ids.length; i++) parts.push(decoder.push(ids[i]))
  parts.push(decoder.end())
  return parts.join('')
}

/** Good characters are kept, each bad byte is U+FFFD; unless final, a possible beginning of a character is held back. */
function decodeEach(bytes: readonly number[], final: boolean): [string, number] {
  let text = ''
  let at = 0
  while (at < bytes.length) {
    const { codePoint, length } = decodeOne(bytes, at)
    if (length === 0 && !final) break
    text += length === 0 || codePoint < 0 ? '\ufffd' : String.fromCodePoint(codePoint)
    at += Math.max(1, length)
  }
  return [text, at]
}

function decodeRun(bytes: readonly number[]): [string, number] {
  try {
    return [new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes)), bytes.length]
  } catch {
    return ['\ufffd'.repeat(bytes.length), bytes.length]
  }
}

/** Length 0: the bytes end within what may be a character. Code point -1: a bad byte, length 1. */
function decodeOne(bytes: readonly number[], at: number): { codePoint: number; length: number } {
  const lead = bytes[at]
  if (lead < 0x80) return { codePoint: lead, length: 1 }
  const length = lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 1
  if (length === 1) return { codePoint: -1, length: 1 }
  let codePoint = lead & (0x7f >> length)
  for (let i = 1; i < length; i++) {
    if (at + i >= bytes.length) return { codePoint: -1, length: 0 }
    if ((bytes[at + i] & 0xc0) !== 0x80) return { codePoint: -1, length: 1 }
    codePoint = (codePoint << 6) | (bytes[at + i] & 0x3f)
  }
  const bad = codePoint < [0, 0, 0x80, 0x800, 0x10000][length] || codePoint > 0x10ffff || codePoint >> 11 === 0x1b
  return bad ? { codePoint: -1, length: 1 } : { codePoint, length }
}
