// A tokenizer of single letters for tests, with SentencePiece's first-space rule when asked.
import type { Tokenizer } from '../../src/tokenizer/tokenizer.js'

export const eosToken = '</s>'

export interface LettersOptions {
  readonly firstSpace?: boolean
  readonly added?: readonly string[]
  readonly bos?: boolean
  /** Drops line breaks, as a normaliser that collapses white space does. */
  readonly dropsLineBreaks?: boolean
  readonly eos?: boolean
}

const alphabet = [...'\n !?(),.-абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЭЮЯё<>char/sS▁']

export function createLetters({
  firstSpace = false,
  added = ['<char>'],
  bos = false,
  eos = true,
  dropsLineBreaks = false,
}: LettersOptions = {}): Tokenizer {
  const tokens = ['<s>', eosToken, ...added, ...alphabet]
  const idOf = new Map(tokens.map((token, id) => [token, id]))
  const specialIds = new Set([0, 1])
  const bytes = (id: number): Uint8Array => Buffer.from(tokens[id] === '▁' ? ' ' : tokens[id])
  const letters = (text: string): number[] =>
    [...(dropsLineBreaks ? text.replace(/\n/gu, '') : text)].map(letter =>
      idOf.get(firstSpace && letter === ' ' ? '▁' : letter)!,
    )
  return {
    size: tokens.length,
    special: { ...(eos ? { eos: 1 } : {}), ...(bos ? { bos: 0 } : {}) },
    token: id => tokens[id],
    id: token => idOf.get(token),
    bytes,
    encode(text, { allow = 'all', addSpecial = false } = {}) {
      const parts = allow === 'all' && added.length > 0 ? text.split(new RegExp(`(${added.join('|')})`, 'u')) : [text]
      const ids = parts.flatMap(part => (allow === 'all' && added.includes(part) ? [idOf.get(part)!] : letters(part)))
      const prefix = firstSpace && text !== '' ? [idOf.get('▁')!] : []
      return { ids: Uint32Array.from([...(addSpecial && bos ? [0] : []), ...prefix, ...ids]) }
    },
    decode: ids => Buffer.concat(Array.from(ids, bytes)).toString(),
    decoder() {
      let first = true
      return {
        push(id) {
          const text = specialIds.has(id) ? '' : Buffer.from(bytes(id)).toString()
          const out = first && firstSpace ? text.replace(/^ /u, '') : text
          first = false
          return out
        },
        end: () => '',
      }
    },
    pieceIds: piece => Uint32Array.from(letters(piece)),
  }
}
