// Turns documents into files of token ids (little-endian uint16) and of text.
import { writeFileAtomic } from '../../src/base/files.js'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.js'
import type { TrainingText } from './books.js'

/** What corpus.json tells about a token file. */
export interface CorpusPart {
  readonly documents: readonly string[]
  readonly tokens: number
  /** UTF-8 bytes of the text; document ends have none. */
  readonly bytes: number
}

const linesPerPiece = 64

/** Writes a stretch from the middle of each document, so that training can be judged often and quickly. */
export async function writeSlice(
  path: string,
  texts: readonly TrainingText[],
  tokenizer: Tokenizer,
  tokensEach: number,
): Promise<number> {
  const stretches = texts.map(({ lines }) => {
    const ids = encodeDocument(lines, tokenizer).flatMap(piece => [...piece])
    const start = Math.max(0, Math.floor((ids.length - tokensEach) / 2))
    return ids.slice(start, start + tokensEach)
  })
  const slice = Uint16Array.from(stretches.flat())
  await writeFileAtomic(path, new Uint8Array(slice.buffer))
  return slice.length
}

export async function writeTokens(
  path: string,
  texts: readonly TrainingText[],
  tokenizer: Tokenizer,
): Promise<CorpusPart> {
  const pieces = texts.flatMap(({ lines }) => encodeDocument(lines, tokenizer))
  const tokens = pieces.reduce((sum, piece) => sum + piece.length, 0)
  const ids = new Uint16Array(tokens)
  let at = 0
  for (const piece of pieces) {
    ids.set(piece, at)
    at += piece.length
  }
  await writeFileAtomic(path, new Uint8Array(ids.buffer))
  return { documents: texts.map(({ name }) => name), tokens, bytes: Buffer.byteLength(joinText(texts)) }
}

export async function writeText(path: string, texts: readonly TrainingText[]): Promise<void> {
  await writeFileAtomic(path, joinText(texts))
}

function joinText(texts: readonly TrainingText[]): string {
  return texts.map(({ lines }) => lines.join('\n') + '\n').join('')
}

/**
 * Token ids of a document with the end-of-text token after it. Lines are encoded in pieces; each piece but the first
 * follows a line break, so that the first-space rule acts only where the document begins.
 */
export function encodeDocument(lines: readonly string[], tokenizer: Tokenizer): Uint32Array[] {
  const anchor = tokenizer.encode('\n', { allow: 'none' }).ids
  const pieces: Uint32Array[] = []
  for (let i = 0; i < lines.length; i += linesPerPiece) {
    const text = lines.slice(i, i + linesPerPiece).join('\n') + '\n'
    if (i === 0) pieces.push(tokenizer.encode(text, { allow: 'none' }).ids)
    else pieces.push(tokenizer.encode('\n' + text, { allow: 'none' }).ids.subarray(anchor.length))
  }
  const { eos } = tokenizer.special
  return eos === undefined ? pieces : [...pieces, Uint32Array.of(eos)]
}
