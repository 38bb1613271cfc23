// A tokenizer.json with a BPE model to a tokenizer whose ids equal those of Hugging Face `tokenizers`.
import { byteOfPiece, bytePiece } from '../formats/sentencepiece.js'
import { createAddedTokens, type AddedTokens, type Allow } from './added-tokens.js'
import { byteCharacters, bytesOfToken, createByteLevelEncoder, type StretchEncoder } from './byte-level.js'
import { createCharacterSymbols } from './character-symbols.js'
import { createPieceDecoder, decodeAll } from './decoding.js'
import type { FileTokenizer, TokenizerConfig } from './file.js'
import { IdList } from './id-list.js'
import { createPairTable, type PairTable } from './pairs.js'
import { readDecoder, readPostProcessor, readStretchRules, type DecoderRules, type StretchRules } from './pipeline.js'
import { createPieceEncoder, spaceMark, type Cut } from './piece-encoder.js'
import { badTokenId } from './sentencepiece.js'
import { unsupported, type AddedToken, type BpeModel, type TokenizerJson } from './tokenizer-json.js'
import type { Encoding, StreamDecoder } from './tokenizer.js'

/** @throws AppError `tokenizer-unsupported` naming the first component we do not follow */
export function createHuggingFaceTokenizer(
  json: TokenizerJson,
  config: TokenizerConfig = {},
  where = 'tokenizer.json',
): FileTokenizer {
  const rules = readStretchRules(json, where)
  const decoderRules = readDecoder(json.decoder, where)
  const outside = readPostProcessor(json.postProcessor, where)
  checkAdded(json, where)
  const tokens = listTokens(json)
  const ids = new Map([
    ...json.model.vocab,
    ...json.addedTokens.map(({ content, id }): [string, number] => [content, id]),
  ])
  const pairs = createPairs(json.model, where)
  const plain = createStretchEncoder(json.model, pairs, rules, where, tokens.length)
  const alone = createStretchEncoder(json.model, pairs, withoutPrefix(rules), where, tokens.length)
  const matchers = [false, true].map(normalized => createAddedTokens(contentsOf(json.addedTokens, normalized)))
  const specialIds = new Set(json.addedTokens.filter(token => token.special).map(token => token.id))
  const idsOf = (names: readonly string[]) => names.map(name => ids.get(name)).filter(id => id !== undefined)
  const tokenOf = (id: number) => {
    if (tokens[id] === undefined) throw badTokenId(id, tokens.length)
    return tokens[id]
  }
  const bytes = (id: number) => tokenBytes(tokenOf(id), specialIds.has(id), decoderRules)
  const makeDecoder = (skipSpecial: boolean) => createDecoder(decoderRules, tokenOf, specialIds, skipSpecial)
  return {
    file: { kind: 'huggingface', json, config },
    size: tokens.length,
    special: findSpecial(ids, config, json),
    token: tokenOf,
    id: token => ids.get(token),
    bytes,
    encode(text, options = {}) {
      const out = new IdList(text.length >> 1)
      const spans = options.offsets ? new IdList(text.length) : undefined
      const addOutside = (names: readonly string[], at: number) => {
        for (const id of options.addSpecial ? idsOf(names) : []) pushToken(id, at, at, out, spans)
      }
      addOutside(outside.before, 0)
      encodeBetween(text, 0, text.length, matchers, options.allow ?? 'all', plain, out, spans)
      addOutside(outside.after, text.length)
      return { ids: out.toArray(), offsets: spans?.toArray() } satisfies Encoding
    },
    decode: (list, options = {}) => decodeAll(makeDecoder(options.skipSpecial ?? true), list),
    decoder: () => makeDecoder(true),
    pieceIds(piece) {
      const known = json.addedTokens.find(token => token.content === piece)
      if (known) return Uint32Array.of(known.id)
      const out = new IdList(piece.length)
      const source = rules.kind === 'bytes' ? Buffer.from(bytesOfToken(piece)).toString() : piece
      alone.encode(source, 0, source.length, out)
      return out.toArray()
    },
  }
}

function pushToken(id: number, start: number, end: number, out: IdList, spans: IdList | undefined): void {
  out.push(id)
  spans?.push(start)
  spans?.push(end)
}

/** Tokens of the first matcher are cut out of the text, those of the next out of the gaps; what remains is encoded. */
function encodeBetween(
  text: string,
  from: number,
  to: number,
  [matcher, ...others]: readonly AddedTokens[],
  allow: Allow,
  encoder: StretchEncoder,
  out: IdList,
  spans: IdList | undefined,
): void {
  if (from >= to) return
  if (!matcher) return encoder.encode(text, from, to, out, spans)
  let at = from
  for (let match = matcher.find(text, at, to, allow); match; match = matcher.find(text, at, to, allow)) {
    encodeBetween(text, at, match.start, others, allow, encoder, out, spans)
    pushToken(match.id, match.start, match.end, out, spans)
    at = match.end
  }
  encodeBetween(text, at, to, others, allow, encoder, out, spans)
}

function checkAdded({ addedTokens, normalizer }: TokenizerJson, where: string): void {
  for (const token of addedTokens) {
    const flag = (['lstrip', 'rstrip', 'single_word'] as const).find(name => token[name])
    if (flag) throw unsupported(where, `the added token ${token.content} with ${flag}`)
    if (token.normalized && normalizer)
      throw unsupported(where, `the added token ${token.content} with normalized beside a normalizer`)
  }
}

function contentsOf(added: readonly AddedToken[], normalized: boolean): Map<string, number> {
  return new Map(added.filter(token => token.normalized === normalized).map(({ content, id }) => [content, id]))
}

function listTokens({ model, addedTokens }: TokenizerJson): string[] {
  const tokens: string[] = []
  for (const [token, id] of model.vocab) tokens[id] = token
  for (const { content, id } of addedTokens) tokens[id] = content
  return tokens
}

function createPairs({ vocab, merges }: BpeModel, where: string): PairTable {
  const idOf = (token: string) => {
    const id = vocab.get(token)
    if (id === undefined) throw unsupported(where, `the merge part "${token}", which is no token`)
    return id
  }
  return createPairTable(
    merges.map(([left, right], rank) => ({ left: idOf(left), right: idOf(right), rank, merged: idOf(left + right) })),
  )
}

const withoutPrefix = (rules: StretchRules): StretchRules =>
  rules.kind === 'bytes' ? { ...rules, addPrefixSpace: false } : { ...rules, prefix: 'never' }

function createStretchEncoder(
  model: BpeModel,
  pairs: PairTable,
  rules: StretchRules,
  where: string,
  size: number,
): StretchEncoder {
  if (rules.kind === 'bytes') {
    const byteIds = Int32Array.from(byteCharacters, character => model.vocab.get(character) ?? -1)
    if (byteIds.includes(-1)) throw unsupported(where, 'a byte-level vocabulary without all 256 bytes')
    return createByteLevelEncoder(byteIds, pairs, rules.addPrefixSpace)
  }
  const unk = model.unkToken === undefined ? undefined : model.vocab.get(model.unkToken)
  const byteIds = model.byteFallback
    ? Int32Array.from({ length: 256 }, (_, byte) => model.vocab.get(bytePiece(byte)) ?? -1)
    : undefined
  // Characters that vanish bring the spaces around them together, so no cut is safe then
  const mayVanish = unk === undefined && (!byteIds || byteIds.includes(-1))
  const encoder = createPieceEncoder({
    characters: createCharacterSymbols(characterIds(model, rules.spaces)),
    pairs,
    size,
    byteIds,
    unk,
    unknownFirst: true,
    fuse: !model.fuseUnk ? 'none' : rules.split ? 'word' : 'stretch',
    cut: rules.split ? 'each' : mayVanish ? 'none' : findCut(model, rules.spaces),
  })
  return {
    encode(text, from, to, out, spans) {
      const first = text.charCodeAt(from)
      const marked = first === 0x20 || text[from] === spaceMark
      const prefix =
        rules.prefix === 'always' ||
        (!marked && (rules.prefix === 'unless-space' || (rules.prefix === 'first' && from === 0)))
      encoder.encode(text, from, to, prefix, out, spans)
    },
  }
}

function characterIds({ vocab }: BpeModel, spaces: boolean): Map<number, number> {
  const symbols = new Map<number, number>()
  for (const [token, id] of vocab) {
    const codePoint = token.codePointAt(0)
    if (codePoint !== undefined && token.length === (codePoint > 0xffff ? 2 : 1)) symbols.set(codePoint, id)
  }
  const mark = symbols.get(0x2581)
  if (!spaces) return symbols
  symbols.delete(0x20)
  return mark === undefined ? symbols : symbols.set(0x20, mark)
}

/** Text may be cut before runs of spaces when no merge makes a token with U+2581 behind another character. */
function findCut({ merges }: BpeModel, spaces: boolean): Cut {
  return spaces && merges.every(([left, right]) => /^\u2581*[^\u2581]*$/u.test(left + right)) ? 'runs' : 'none'
}

function tokenBytes(token: string, special: boolean, rules: DecoderRules): Uint8Array {
  if (special) return new Uint8Array()
  if (rules.kind === 'bytes') return bytesOfToken(token)
  const byte = rules.byteFallback ? byteOfPiece(token) : undefined
  return byte === undefined ? new TextEncoder().encode(token.replaceAll(spaceMark, ' ')) : Uint8Array.of(byte)
}

function createDecoder(
  rules: DecoderRules,
  token: (id: number) => string,
  special: ReadonlySet<number>,
  skipSpecial: boolean,
): StreamDecoder {
  if (rules.kind === 'bytes') {
    const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
    return {
      push(id) {
        const text = token(id)
        return skipSpecial && special.has(id) ? '' : utf8.decode(bytesOfToken(text), { stream: true })
      },
      end: () => utf8.decode(),
    }
  }
  const output = (id: number, skip: boolean) => {
    const text = token(id)
    if (skip && special.has(id)) return undefined
    return (rules.byteFallback ? byteOfPiece(text) : undefined) ?? text
  }
  return createPieceDecoder({ output, strip: rules.strip, badBytes: 'whole-run' }, skipSpecial)
}

const usualNames = {
  bos: ['<s>', '<|begin_of_text|>', '<|endoftext|>'],
  eos: ['</s>', '<|end_of_text|>', '<|endoftext|>'],
  unk: ['<unk>', '<|endoftext|>'],
  pad: ['<pad>'],
} as const

/** The configuration's roles; without a configuration the usual names among the special tokens. */
function findSpecial(
  ids: ReadonlyMap<string, number>,
  config: TokenizerConfig,
  json: TokenizerJson,
): FileTokenizer['special'] {
  const added = new Set(json.addedTokens.filter(token => token.special).map(token => token.content))
  const find = (role: keyof typeof usualNames) => {
    const stated = config[`${role}_token`]
    const name = typeof stated === 'string' ? stated : (stated as { content?: string } | null | undefined)?.content
    if (name !== undefined || `${role}_token` in config) return name === undefined ? undefined : ids.get(name)
    const usual = usualNames[role].find(candidate => added.has(candidate))
    return usual === undefined ? undefined : ids.get(usual)
  }
  return { bos: find('bos'), eos: find('eos'), unk: find('unk'), pad: find('pad') }
}
