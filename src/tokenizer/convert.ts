// A SentencePiece BPE model to the tokenizer.json that Hugging Face `tokenizers` encodes equally.
import { normalizerSettings, trainerSettings, type Piece, type SentencePieceModel } from '../formats/sentencepiece.js'
import { spaceMark } from './piece-encoder.js'
import type { AddedToken, Component, TokenizerJson } from './tokenizer-json.js'

/** @param special contents of user-defined pieces that count as special */
export function convertToTokenizerJson(
  model: SentencePieceModel,
  special: ReadonlySet<string> = new Set(),
): TokenizerJson {
  const { pieces } = model
  const { addDummyPrefix } = normalizerSettings(model)
  const trainer = trainerSettings(model)
  const replace: Component = { type: 'Replace', pattern: { String: ' ' }, content: spaceMark }
  const decoders: Component[] = [
    { type: 'Replace', pattern: { String: spaceMark }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
  ]
  if (addDummyPrefix) decoders.push({ type: 'Strip', content: ' ', start: 1, stop: 0 })
  const prepend: Component = { type: 'Prepend', prepend: spaceMark }
  return {
    addedTokens: pieces.flatMap((piece, id) => describeAdded(piece, id, special)),
    normalizer: addDummyPrefix ? { type: 'Sequence', normalizers: [prepend, replace] } : replace,
    preTokenizer: null,
    postProcessor: null,
    decoder: { type: 'Sequence', decoders },
    model: {
      vocab: new Map(pieces.map((piece, id) => [piece.text, id])),
      merges: orderMerges(pieces),
      unkToken: pieces.find(piece => piece.type === 'unknown')?.text,
      fuseUnk: true,
      byteFallback: trainer.byteFallback,
      ignoreMerges: false,
    },
    other: {},
    otherModel: {},
  }
}

/** Unknown, control and user-defined pieces. */
function describeAdded({ text, type }: Piece, id: number, marked: ReadonlySet<string>): AddedToken[] {
  if (type !== 'unknown' && type !== 'control' && type !== 'user-defined') return []
  const special = type !== 'user-defined' || marked.has(text)
  return [{ id, content: text, single_word: false, lstrip: false, rstrip: false, normalized: false, special }]
}

/** Order: score, length of left, length of right (in code points), all falling; within a piece by the ids of the halves. */
function orderMerges(pieces: readonly Piece[]): (readonly [string, string])[] {
  const ids = new Map(pieces.flatMap(({ text, type }, id) => (type === 'normal' ? [[text, id]] : [])))
  const all = pieces.flatMap(piece => (piece.type === 'normal' ? splitsOf(piece, ids) : []))
  return all
    .sort((x, y) => y.score - x.score || y.leftLength - x.leftLength || y.rightLength - x.rightLength)
    .map(({ left, right }) => [left, right])
}

interface Split {
  readonly left: string
  readonly right: string
  readonly score: number
  readonly leftLength: number
  readonly rightLength: number
}

function splitsOf({ text, score }: Piece, ids: ReadonlyMap<string, number>): Split[] {
  const characters = [...text]
  const splits: Split[] = []
  let left = ''
  characters.slice(0, -1).forEach((character, i) => {
    left += character
    const right = text.slice(left.length)
    if (ids.has(left) && ids.has(right))
      splits.push({ left, right, score, leftLength: i + 1, rightLength: characters.length - i - 1 })
  })
  const id = (piece: string) => ids.get(piece) ?? 0
  return splits.sort((x, y) => id(x.left) - id(y.left) || id(x.right) - id(y.right))
}
