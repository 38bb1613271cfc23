// Queries, keys and values to what attention makes of them: inside one block, or over a cache.
import {
  add,
  and,
  cachedAttention as cachedTokens,
  concat,
  constant,
  equal,
  int64s,
  less,
  lessOrEqual,
  matmul,
  mul,
  not,
  reshape,
  scalar,
  slice,
  softmax,
  split,
  tanh,
  transpose,
  where,
} from '../graph/build.js'
import type { Node } from '../graph/graph.js'
import { evenStretches } from '../graph/stretches.js'
import type { ModelConfig } from './model-config.js'
import { keyPenalty } from './position-graph.js'

/** Queries [B, T, H, D], keys and values [B, T, Hk, D] of a layer to its result [B·T, H·D]. */
export type Attend = (query: Node, key: Node, value: Node, layer: number) => Node

/** Keys and values [B, Hk, S, D], and what each score gets: something that spreads to [B, H, T, S]. */
interface KeyBlock {
  readonly key: Node
  readonly value: Node
  readonly bias?: Node
}

/** Added to the scores of hidden pairs: exp gives exactly 0 beside any visible score. */
const hidden = -1e30

/** Segments and positions of the tokens of a block, [B, T] int64 each, and what stands before them. */
export interface BlockTokens {
  readonly segments: Node
  readonly positions: Node
  /** So many first tokens of each row are seen by all segments. */
  readonly shared?: number
  readonly prefix?: Prefix
}

/** Keys and values [1, Hk, P, D] of each layer, at positions 0..P-1, that every token sees. */
export interface Prefix {
  readonly length: number
  at(layer: number): { readonly key: Node; readonly value: Node }
}

/**
 * Attention inside blocks of tokens; layers with the same window share a mask.
 * A query sees what is not later and of its own segment; padding (segment 0) sees padding, so that no row is empty.
 */
export function blockAttention(config: ModelConfig, tokens: BlockTokens): Attend {
  const { positions, prefix } = tokens
  const penalty = keyPenalty(config, positions, positions.shape[1] + (prefix?.length ?? 0))
  const bias = perWindow(config, window => addPenalty(segmentMask(tokens, window), penalty))
  const before = prefix ? prefixBlocks(config, positions, prefix) : () => []
  return (query, key, value, layer) => {
    const own = { key: headsFirst(key), value: headsFirst(value), bias: bias(layer) }
    return byStretches(attentionOf(config, layer), query, before(layer), own)
  }
}

/** Queries that are computed with the same keys: fewer waste less on keys that come later, many products are slower each. */
const stretchLength = 256

/** Queries in stretches, each over the keys up to its last one: what comes later is hidden from it anyway. */
function byStretches(heads: LayerAttention, query: Node, before: readonly KeyBlock[], own: KeyBlock): Node {
  const [batch, length] = query.shape
  const number = Math.ceil(length / stretchLength)
  if (number === 1) return attendOver(heads, query, [...before, own])
  const stretches = evenStretches(length, number)
  const queries = split(query, 1, stretches.map(({ size }) => size)) // prettier-ignore
  // from the last to the first, each block a piece of the one before: so their gradients add up in small pieces
  const mixed: Node[] = []
  let seen = own
  for (let i = number - 1; i >= 0; i--) {
    const { start, end, size } = stretches[i]
    seen = { key: slice(seen.key, 2, 0, end), value: slice(seen.value, 2, 0, end), bias: own.bias }
    const blocks = [...before, { ...seen, bias: seen.bias && slice(seen.bias, 3, 0, end) }]
    const part = attendOver(heads, queries[i], blocks.map(block => ({ ...block, bias: rowsOf(block.bias, start, end) }))) // prettier-ignore
    mixed.unshift(reshape(part, [batch, size, part.shape[1]]))
  }
  return reshape(concat(mixed, 1), [batch * length, mixed[0].shape[2]])
}

/** What the scores of queries [start, end) get; one row is for all of them. */
function rowsOf(bias: Node | undefined, start: number, end: number): Node | undefined {
  return bias === undefined || bias.shape[2] === 1 ? bias : slice(bias, 2, start, end)
}

/**
 * What a score between positions of one block gets: 0 where the query sees the key.
 * @returns [B, 1, T, T]
 */
function segmentMask({ segments, positions, shared = 0 }: BlockTokens, window: number | null = null): Node {
  const [batch, length] = segments.shape
  const order = int64s(Array.from({ length }, (_, i) => i))
  const asKeys = (x: Node): Node => reshape(x, [x.shape.length === 1 ? 1 : batch, 1, 1, length])
  const asQueries = (x: Node): Node => reshape(x, [x.shape.length === 1 ? 1 : batch, 1, length, 1])
  const same = equal(asKeys(segments), asQueries(segments))
  const known = shared === 0 ? same : not(and(not(same), not(less(asKeys(order), int64s([shared])))))
  const earlier = and(known, lessOrEqual(asKeys(order), asQueries(order)))
  const near =
    window === null ? earlier : and(earlier, less(asQueries(positions), add(asKeys(positions), int64s([window]))))
  return where(near, scalar(0), scalar(hidden))
}

/** What stands before all tokens, hidden from those whose window it has left. */
function prefixBlocks(config: ModelConfig, positions: Node, { length, at }: Prefix): (layer: number) => KeyBlock[] {
  const places = Array.from({ length }, (_, i) => i)
  const penalty = keyPenalty(config, reshape(int64s(places), [1, length]), length)
  const query = reshape(positions, [positions.shape[0], 1, positions.shape[1], 1])
  const mask = (window: number): Node => {
    const last = reshape(int64s(places.map(i => i + window - 1)), [1, 1, 1, length])
    return where(lessOrEqual(query, last), scalar(0), scalar(hidden))
  }
  const bias = perWindow(config, window => addPenalty(window === null ? undefined : mask(window), penalty))
  return layer => [{ ...at(layer), bias: bias(layer) }]
}

/** What attention over a cache reads. */
export interface CacheInputs {
  /** Keys and values [1, Hk, S, D] of a layer. */
  cached(layer: number): { readonly key: Node; readonly value: Node }
  /** [1, 1, 1, S]: 0 for filled places of the cache, else a large negative number. */
  readonly mask: Node
  /** [1, T] int64: place of each new token in the sequence; place p of the cache holds position p. */
  readonly positions: Node
  /** Takes the new keys and values [1, Hk, T, D] of a layer. */
  store(layer: number, key: Node, value: Node): void
}

/** Attention of T new positions over a cache and themselves. */
export function cachedAttention(config: ModelConfig, { cached, mask, positions, store }: CacheInputs): Attend {
  const size = mask.shape[3]
  const length = positions.shape[1]
  const places = int64s(Array.from({ length: size }, (_, i) => i))
  const past = keyPenalty(config, reshape(places, [1, size]), size)
  const present = keyPenalty(config, positions, size + length)
  const pastBias = perWindow(config, window => addPenalty(pastMask(mask, positions, window), past))
  const ownBias = perWindow(config, window => addPenalty(causalMask(length, window), present))
  return (query, newKey, newValue, layer) => {
    const [ownKey, ownValue] = [headsFirst(newKey), headsFirst(newValue)]
    store(layer, ownKey, ownValue)
    return attendOver(attentionOf(config, layer), query, [
      { ...cached(layer), bias: pastBias(layer) },
      { key: ownKey, value: ownValue, bias: ownBias(layer) },
    ])
  }
}

interface KeysAndValues {
  readonly key: Node
  readonly value: Node
}

/** What attention that puts new tokens into the cache itself reads. */
export interface UpdatedCache {
  /** Keys and values [B, Hk, S, D] of a layer. */
  cached(layer: number): KeysAndValues
  /** int32 [B]: the place of each row's last token; int32 []: places in use; int64 [3]: B, T, -1. */
  readonly last: Node
  readonly total: Node
  readonly layout: Node
  /** Takes the cache of a layer with the new tokens in it, and what they add to it, [B·T, Hk·D] each. */
  store(layer: number, updated: KeysAndValues, added: KeysAndValues): void
}

/** Attention of new tokens over a cache, which takes them in: one operation, for any number of rows, tokens and places. */
export function updatingAttention(config: ModelConfig, { cached, store, ...places }: UpdatedCache): Attend {
  const { heads, keyHeads, headWidth, attention } = config
  const flat = (x: Node, count: number): Node => reshape(x, [x.shape[0] * x.shape[1], count * headWidth])
  return (query, key, value, layer) => {
    const { key: pastKey, value: pastValue } = cached(layer)
    const added = { key: flat(key, keyHeads), value: flat(value, keyHeads) }
    const { mixed, ...updated } = cachedTokens(
      { query: flat(query, heads), ...added, pastKey, pastValue, ...places },
      {
        heads,
        keyHeads,
        scale: attention.scales[layer],
        cap: attention.cap ?? 0,
        window: attention.windows[layer] ?? 0,
      },
    )
    store(layer, updated, added)
    return mixed
  }
}

/** Hides the places of a cache that have left the window of a query. */
function pastMask(mask: Node, positions: Node, window: number | null): Node {
  if (window === null) return mask
  const size = mask.shape[3]
  const last = int64s(Array.from({ length: size }, (_, i) => i + window - 1))
  const query = reshape(positions, [1, 1, positions.shape[1], 1])
  return where(lessOrEqual(query, reshape(last, [1, 1, 1, size])), mask, scalar(hidden))
}

/** [1, 1, T, T]: 0 on the diagonal and in the window below it. */
function causalMask(length: number, window: number | null): Node | undefined {
  if (length === 1) return undefined
  const data = new Float32Array(length * length).fill(hidden)
  for (let i = 0; i < length; i++)
    data.fill(0, i * length + Math.max(0, i + 1 - (window ?? length)), i * length + i + 1)
  return constant({ dtype: 'float32', shape: [1, 1, length, length], data })
}

function addPenalty<Mask extends Node | undefined>(mask: Mask, penalty: Node | undefined): Mask | Node {
  if (penalty === undefined) return mask
  return mask === undefined ? penalty : add(mask, penalty)
}

/** One node for all layers of the same window. */
function perWindow<Value>(
  { attention: { windows } }: ModelConfig,
  make: (window: number | null) => Value,
): (layer: number) => Value {
  const made = new Map<number | null, Value>()
  return layer => {
    const window = windows[layer]
    if (!made.has(window)) made.set(window, make(window))
    return made.get(window)!
  }
}

/** What the scores of a layer are made with. */
interface LayerAttention extends Pick<ModelConfig, 'heads' | 'keyHeads' | 'headWidth'> {
  readonly scale: number
  readonly cap?: number
}

function attentionOf({ heads, keyHeads, headWidth, attention }: ModelConfig, layer: number): LayerAttention {
  return { heads, keyHeads, headWidth, scale: attention.scales[layer], cap: attention.cap }
}

/**
 * Softmax over the keys of all blocks together.
 * @param query [B, T, H, D]
 * @returns [B·T, H·D]
 */
function attendOver(own: LayerAttention, query: Node, blocks: readonly KeyBlock[]): Node {
  const { heads, keyHeads, headWidth, scale, cap } = own
  const [batch, length] = query.shape
  const rows = (heads / keyHeads) * length
  const grouped = groupQueries(own, query)
  const scores = blocks.map(({ key, bias }) => {
    const product = matmul(grouped, key, { transposeB: true, alpha: scale / (cap ?? 1) })
    const score = capped(reshape(product, [batch, heads, length, key.shape[2]]), cap)
    return bias === undefined ? score : add(score, bias)
  })
  const sizes = blocks.map(({ key }) => key.shape[2])
  const weights = softmax(concat(scores, -1))
  const shares = sizes.length === 1 ? [weights] : split(weights, -1, sizes)
  const mixed = blocks
    .map(({ value }, i) => matmul(reshape(shares[i], [batch, keyHeads, rows, sizes[i]]), value))
    .reduce((sum, part) => add(sum, part))
  const byHead = reshape(mixed, [batch, keyHeads, heads / keyHeads, length, headWidth])
  return reshape(transpose(byHead, [0, 3, 1, 2, 4]), [batch * length, heads * headWidth])
}

/** cap · tanh(x) of scores already divided by the cap. */
function capped(score: Node, cap: number | undefined): Node {
  return cap === undefined ? score : mul(tanh(score), scalar(cap))
}

/** [B, T, H, D] to [B, Hk, (H/Hk)·T, D]: the queries that share a key head stand below each other. */
function groupQueries({ heads, keyHeads, headWidth }: LayerAttention, query: Node): Node {
  const [batch, length] = query.shape
  const grouped = reshape(query, [batch, length, keyHeads, heads / keyHeads, headWidth])
  return reshape(transpose(grouped, [0, 2, 3, 1, 4]), [batch, keyHeads, (heads / keyHeads) * length, headWidth])
}

/** [B, T, H, D] to [B, H, T, D]. */
function headsFirst(x: Node): Node {
  return transpose(x, [0, 2, 1, 3])
}
