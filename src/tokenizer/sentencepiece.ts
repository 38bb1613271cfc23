// A SentencePiece BPE model to a tokenizer whose ids equal those of the C++ library.
import { AppError } from '../base/errors.js'
import {
  bpeModelType,
  byteOfPiece,
  normalizerSettings,
  trainerSettings,
  type NormalizerSettings,
  type Piece,
  type SentencePieceModel,
  type TrainerSettings,
} from '../formats/sentencepiece.js'
import { createAddedTokens, type AddedTokens, type Allow } from './added-tokens.js'
import { createCharacterSymbols } from './character-symbols.js'
import { createPieceDecoder, decodeAll, type TokenOutput } from './decoding.js'
import type { FileTokenizer, TokenizerConfig } from './file.js'
import { IdList } from './id-list.js'
import { createPairTable, type Merge } from './pairs.js'
import { createPieceEncoder, spaceMark, type PieceEncoder } from './piece-encoder.js'
import { unsupported } from './tokenizer-json.js'
import type { EncodeOptions, Encoding, StreamDecoder } from './tokenizer.js'

const utf8 = new TextEncoder()
const markUnit = spaceMark.charCodeAt(0)

/**
 * @param config tokenizer_config.json; `add_bos_token` and `add_eos_token` rule `addSpecial` (true and false when absent)
 * @throws AppError `tokenizer-unsupported` for Unigram, word and char models, a precompiled normaliser and other settings we do not follow
 */
export function createSentencePieceTokenizer(
  model: SentencePieceModel,
  config: TokenizerConfig = {},
  where = '.model',
): FileTokenizer {
  const trainer = trainerSettings(model)
  const normalizer = normalizerSettings(model)
  checkSupported(model, trainer, normalizer, where)
  const { pieces } = model
  const added = createAddedTokens(new Map(pieces.flatMap((p, id) => (p.type === 'user-defined' ? [[p.text, id]] : []))))
  const encoder = createEncoder(pieces, trainer)
  const special = specialIds(pieces, trainer)
  const ids = indexPieces(pieces)
  const before = config.add_bos_token === false ? undefined : special.bos
  const after = config.add_eos_token === true ? special.eos : undefined
  const output = createOutput(pieces, trainer, markedSpecial(config))
  const decoder = (skipSpecial: boolean): StreamDecoder => {
    const strip = normalizer.removeExtraWhitespaces ? 'squeeze' : normalizer.addDummyPrefix ? 'one' : 'none'
    return createPieceDecoder({ output, strip, badBytes: 'each' }, skipSpecial)
  }
  return {
    file: { kind: 'sentencepiece', model, config },
    size: pieces.length,
    special,
    token: id => pieceAt(pieces, id).text,
    id: token => ids.get(token),
    bytes: id => outputBytes(output(id, true)),
    encode(text, options = {}) {
      return encodeText(text, options, { encoder, added, prefix: normalizer.addDummyPrefix, before, after })
    },
    decode: (tokens, options = {}) => decodeAll(decoder(options.skipSpecial ?? true), tokens),
    decoder: () => decoder(true),
    pieceIds(piece) {
      const out = new IdList(piece.length)
      encodeStretch(piece, { encoder, added, prefix: false }, 'all', out, undefined)
      return out.toArray()
    },
  }
}

interface EncodingParts {
  readonly encoder: PieceEncoder
  readonly added: AddedTokens
  readonly prefix: boolean
  readonly before?: number
  readonly after?: number
}

function encodeText(text: string, options: EncodeOptions, parts: EncodingParts): Encoding {
  const out = new IdList(text.length >> 1)
  const spans = options.offsets ? new IdList(text.length) : undefined
  const addOutside = (id: number | undefined, at: number) => {
    if (id === undefined || !options.addSpecial) return
    out.push(id)
    spans?.push(at)
    spans?.push(at)
  }
  addOutside(parts.before, 0)
  encodeStretch(text, parts, options.allow ?? 'all', out, spans)
  addOutside(parts.after, text.length)
  return { ids: out.toArray(), offsets: spans?.toArray() }
}

/** User-defined pieces stand apart: nothing merges with them. The dummy prefix belongs to the text, so a piece at its start gets it as a token of its own. */
function encodeStretch(text: string, parts: EncodingParts, allow: Allow, out: IdList, spans: IdList | undefined): void {
  let at = 0
  let prefix = parts.prefix && text !== ''
  for (
    let match = parts.added.find(text, 0, text.length, allow);
    match;
    match = parts.added.find(text, at, text.length, allow)
  ) {
    if (prefix && match.start === 0) pushPrefix(parts.encoder, out, spans)
    else parts.encoder.encode(text, at, match.start, prefix, out, spans)
    prefix = false
    out.push(match.id)
    spans?.push(match.start)
    spans?.push(match.end)
    at = match.end
  }
  if (at < text.length) parts.encoder.encode(text, at, text.length, prefix, out, spans)
}

function pushPrefix(encoder: PieceEncoder, out: IdList, spans: IdList | undefined): void {
  const from = out.length
  encoder.encode(spaceMark, 0, 1, false, out)
  for (let i = from; i < out.length; i++) {
    spans?.push(0)
    spans?.push(0)
  }
}

function createEncoder(pieces: readonly Piece[], trainer: TrainerSettings): PieceEncoder {
  const { symbols, merges } = mergesOfPieces(pieces)
  const byteIds = trainer.byteFallback ? new Int32Array(256) : undefined
  let cut: 'runs' | 'none' = 'runs'
  pieces.forEach(({ text, type }, id) => {
    if (type === 'byte' && byteIds) byteIds[byteOfPiece(text) ?? 0] = id
    if (type === 'normal' && text.lastIndexOf(spaceMark) > 0 && !/^\u2581+[^\u2581]*$/u.test(text)) cut = 'none'
  })
  symbols.set(0x20, symbols.get(markUnit) ?? -1)
  return createPieceEncoder({
    characters: createCharacterSymbols(symbols),
    pairs: createPairTable(merges),
    size: pieces.length,
    byteIds,
    unk: pieces.findIndex(piece => piece.type === 'unknown'),
    unknownFirst: false,
    fuse: byteIds ? 'none' : 'stretch',
    cut,
  })
}

/**
 * Every way to make a piece of two: SentencePiece merges two neighbours when their concatenation is a piece. A half is a piece or a
 * single character, which may lack a piece; longer halves that are no pieces never arise. Rank = order of the scores, equal for equal ones.
 */
function mergesOfPieces(pieces: readonly Piece[]): { symbols: Map<number, number>; merges: Merge[] } {
  const ids = new Map<string, number>()
  const symbols = new Map<number, number>()
  pieces.forEach(({ text, type }, id) => {
    if (type !== 'normal') return
    ids.set(text, id)
    if ([...text].length === 1) symbols.set(text.codePointAt(0) ?? 0, id)
  })
  const rankOf = new Map(
    [...new Set(pieces.map(piece => piece.score))].sort((a, b) => b - a).map((score, rank) => [score, rank]),
  )
  let next = pieces.length
  const half = (text: string): number | undefined => {
    const known = ids.get(text)
    const codePoint = text.codePointAt(0) ?? 0
    if (known !== undefined || text.length !== (codePoint > 0xffff ? 2 : 1)) return known
    if (!symbols.has(codePoint)) symbols.set(codePoint, next++)
    return symbols.get(codePoint)
  }
  const merges: Merge[] = []
  for (const [text, merged] of ids) {
    const rank = rankOf.get(pieces[merged].score) ?? 0
    for (let at = 1; at < text.length; at++) {
      if (isLowSurrogate(text.charCodeAt(at))) continue
      const left = half(text.slice(0, at))
      const right = left === undefined ? undefined : half(text.slice(at))
      if (left !== undefined && right !== undefined) merges.push({ left, right, rank, merged })
    }
  }
  return { symbols, merges }
}

const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff

function checkSupported(
  model: SentencePieceModel,
  trainer: TrainerSettings,
  normalizer: NormalizerSettings,
  where: string,
): void {
  const kind = ['', 'Unigram', 'BPE', 'word', 'char'][trainer.modelType] ?? trainer.modelType
  if (trainer.modelType !== bpeModelType) throw unsupported(where, `model_type ${kind}`)
  if (normalizer.charsmap.length > 0) throw unsupported(where, `the precompiled normaliser ${normalizer.name}`)
  if (normalizer.removeExtraWhitespaces) throw unsupported(where, 'remove_extra_whitespaces')
  if (!normalizer.escapeWhitespaces) throw unsupported(where, 'escape_whitespaces false')
  if (trainer.whitespaceAsSuffix) throw unsupported(where, 'treat_whitespace_as_suffix')
  if (model.pieces.some(piece => piece.type === 'unused')) throw unsupported(where, 'UNUSED pieces in a BPE model')
}

function specialIds(pieces: readonly Piece[], trainer: TrainerSettings): FileTokenizer['special'] {
  const control = (id: number) => (pieces[id]?.type === 'control' ? id : undefined)
  return {
    unk: pieces.findIndex(piece => piece.type === 'unknown'),
    bos: control(trainer.bosId),
    eos: control(trainer.eosId),
    pad: control(trainer.padId),
  }
}

/** Lookup by text: unknown, control and byte pieces win over text pieces of the same spelling, as in the C++ library. */
function indexPieces(pieces: readonly Piece[]): Map<string, number> {
  const isMeta = ({ type }: Piece) => type === 'unknown' || type === 'control' || type === 'byte'
  const ids = new Map<string, number>()
  pieces.forEach((piece, id) => {
    if (isMeta(piece) || !ids.has(piece.text)) ids.set(piece.text, id)
  })
  return ids
}

function createOutput(
  pieces: readonly Piece[],
  trainer: TrainerSettings,
  marked: ReadonlySet<string>,
): (id: number, skipSpecial: boolean) => TokenOutput {
  return (id, skipSpecial) => {
    const { text, type } = pieceAt(pieces, id)
    if (type === 'control' || (type === 'user-defined' && marked.has(text))) return skipSpecial ? undefined : text
    if (type === 'unknown') return trainer.unkSurface
    return type === 'byte' ? byteOfPiece(text) : text
  }
}

/** User-defined pieces that the configuration calls special: hidden by `skipSpecial`, as in the tokenizer.json. */
export function markedSpecial(config: TokenizerConfig): ReadonlySet<string> {
  const listed = config.additional_special_tokens
  const contents = Array.isArray(listed) ? listed : []
  return new Set(
    contents.map(item => (typeof item === 'string' ? item : String((item as { content: string }).content))),
  )
}

function outputBytes(output: TokenOutput): Uint8Array {
  if (typeof output === 'number') return Uint8Array.of(output)
  return utf8.encode((output ?? '').replaceAll(spaceMark, ' '))
}

function pieceAt(pieces: readonly Piece[], id: number): Piece {
  const piece = pieces[id]
  if (piece) return piece
  throw badTokenId(id, pieces.length)
}

export function badTokenId(id: number, size: number): AppError {
  return new AppError('bad-token-id', {
    what: {
      en: `token id ${id} is outside the vocabulary of ${size}`,
      ru: `номер токена ${id} вне словаря из ${size}`,
    },
    fix: {
      en: 'Use the tokenizer that the ids were made with',
      ru: 'Возьмите тот токенизатор, которым сделаны номера',
    },
  })
}
