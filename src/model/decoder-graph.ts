// One decoder for all families: token ids to hidden states and logits as graph nodes, read from a ModelConfig.
import {
  add,
  and,
  concat,
  constant,
  equal,
  expand,
  gather,
  gelu,
  int64s,
  layerNorm,
  lessOrEqual,
  matmul,
  mul,
  relu,
  reshape,
  rmsNorm,
  scalar,
  silu,
  softmax,
  split,
  transpose,
  where,
} from '../graph/build.js'
import type { Node } from '../graph/graph.js'
import { elementCount } from '../graph/tensor.js'
import { architectures } from './architectures.js'
import type { Activation, ModelConfig } from './config.js'

/** Where the blocks take their weights from; a training method decides. */
export interface Parts {
  /** A tensor by Hugging Face name. */
  weight(name: string): Node
  /** x [N, in] through a module of the blocks: product, bias, and what an adapter adds; [N, out]. */
  linear(x: Node, module: string): Node
  /** Rows of the embedding for ids [N]: [N, C]. */
  embed(ids: Node): Node
  /** Hidden states [N, C] to logits [N, V]. */
  head(x: Node): Node
}

export interface DecoderInputs {
  /** [B, T] int64 */
  readonly ids: Node
  /** Rows [P, C] that stand before the tokens of every row as if P tokens had been embedded. */
  readonly virtual?: Node
  /** [B, P + T] int64, each below `positionLimit` */
  readonly positions: Node
  readonly positionLimit: number
  /** Queries [B, P+T, H, D], keys and values [B, P+T, Hk, D] of a layer to its result [B·(P+T), H·D]. */
  attend(query: Node, key: Node, value: Node, layer: number): Node
}

/** Added to the scores of hidden pairs: exp gives exactly 0 beside any visible score. */
const hidden = -1e30

/** Hidden states after the last norm, [B·(P+T), C]; the stream stays flat so that products need no reshaping. */
export function decoderStates(config: ModelConfig, parts: Parts, inputs: DecoderInputs): Node {
  const { names } = architectures[config.modelType]
  const turn = rotation(config, inputs)
  const [batch, length] = inputs.positions.shape
  const flat = (ids: Node): Node => reshape(ids, [elementCount(ids.shape)])
  let x = parts.embed(flat(inputs.ids))
  if (inputs.virtual) x = putBefore(inputs.virtual, x, batch)
  if (names.positions) x = add(x, gather(parts.weight(`${names.positions}.weight`), flat(inputs.positions)))
  for (let layer = 0; layer < config.layers; layer++) {
    const at = `${names.block}.${layer}.`
    const normed = norm(config, parts, x, at + names.attentionNorm)
    const [query, key, value] = projections(config, parts, normed, at, [batch, length])
    const mixed = inputs.attend(turn(query), turn(key), value, layer)
    x = add(x, parts.linear(mixed, at + names.attentionOut))
    x = add(x, mlp(config, parts, norm(config, parts, x, at + names.mlpNorm), at))
  }
  return norm(config, parts, x, names.finalNorm)
}

/** Rows [P, C] before the tokens [B·T, C] of each of B rows. */
function putBefore(virtual: Node, tokens: Node, batch: number): Node {
  const [count, width] = virtual.shape
  const own = reshape(tokens, [batch, tokens.shape[0] / batch, width])
  const all = concat([expand(reshape(virtual, [1, count, width]), [batch, count, width]), own], 1)
  return reshape(all, [batch * all.shape[1], width])
}

/**
 * What a score between positions of one block gets: 0 where the key is not later and of the query's own segment.
 * Padding (segment 0) sees padding, so that no row is empty.
 * @param segments [B, T] int64
 * @returns [B, 1, T, T]
 */
export function segmentMask(segments: Node): Node {
  const [batch, length] = segments.shape
  const order = int64s(Array.from({ length }, (_, i) => i))
  const earlier = lessOrEqual(reshape(order, [1, 1, 1, length]), reshape(order, [1, 1, length, 1]))
  const same = equal(reshape(segments, [batch, 1, 1, length]), reshape(segments, [batch, 1, length, 1]))
  return where(and(same, earlier), scalar(0), scalar(hidden))
}

/** Attention inside one block of T queries and S keys; all layers share the mask [B, 1, T, S]. */
export function blockAttention(config: ModelConfig, mask: Node): DecoderInputs['attend'] {
  return (query, key, value) => {
    const { heads, keyHeads, headWidth } = config
    const [batch, length] = query.shape
    const scores = matmul(groupQueries(config, query), headsFirst(key), { transposeB: true, alpha: headWidth ** -0.5 })
    const size = key.shape[1]
    const weights = softmax(add(reshape(scores, [batch, heads, length, size]), mask))
    const grouped = reshape(weights, [batch, keyHeads, (heads / keyHeads) * length, size])
    return ungroup(config, matmul(grouped, headsFirst(value)), length)
  }
}

/**
 * Attention of T new positions over a cache and themselves.
 * @param cached keys and values [1, Hk, S, D] of a layer
 * @param mask [1, 1, 1, S]: 0 for filled places of the cache, else a large negative number
 * @param store takes the new keys and values [1, Hk, T, D] of a layer
 */
export function cachedAttention(
  config: ModelConfig,
  cached: (layer: number) => { readonly key: Node; readonly value: Node },
  mask: Node,
  store: (layer: number, key: Node, value: Node) => void,
): DecoderInputs['attend'] {
  return (query, newKey, newValue, layer) => {
    const { heads, keyHeads, headWidth } = config
    const length = query.shape[1]
    const { key, value } = cached(layer)
    const size = key.shape[2]
    const [ownKey, ownValue] = [headsFirst(newKey), headsFirst(newValue)]
    store(layer, ownKey, ownValue)
    const grouped = groupQueries(config, query)
    const score = (keys: Node): Node =>
      reshape(matmul(grouped, keys, { transposeB: true, alpha: headWidth ** -0.5 }), [1, heads, length, keys.shape[2]])
    const own = length === 1 ? score(ownKey) : add(score(ownKey), causalMask(length))
    const weights = softmax(concat([add(score(key), mask), own], -1))
    const rows = (heads / keyHeads) * length
    const [past, present] = split(weights, -1, [size, length])
    const mixed = add(
      matmul(reshape(past, [1, keyHeads, rows, size]), value),
      matmul(reshape(present, [1, keyHeads, rows, length]), ownValue),
    )
    return ungroup(config, mixed, length)
  }
}

/** [1, 1, T, T]: 0 on and below the diagonal. */
function causalMask(length: number): Node {
  const data = new Float32Array(length * length)
  for (let i = 0; i < length; i++) data.fill(hidden, i * length + i + 1, (i + 1) * length)
  return constant({ dtype: 'float32', shape: [1, 1, length, length], data })
}

/** [B, T, H, D] to [B, Hk, (H/Hk)·T, D]: the queries that share a key head stand below each other. */
function groupQueries({ heads, keyHeads, headWidth }: ModelConfig, query: Node): Node {
  const [batch, length] = query.shape
  const grouped = reshape(query, [batch, length, keyHeads, heads / keyHeads, headWidth])
  return reshape(transpose(grouped, [0, 2, 3, 1, 4]), [batch, keyHeads, (heads / keyHeads) * length, headWidth])
}

/** [B, Hk, (H/Hk)·T, D] to [B·T, H·D]. */
function ungroup({ heads, keyHeads, headWidth }: ModelConfig, x: Node, length: number): Node {
  const batch = x.shape[0]
  const grouped = reshape(x, [batch, keyHeads, heads / keyHeads, length, headWidth])
  return reshape(transpose(grouped, [0, 3, 1, 2, 4]), [batch * length, heads * headWidth])
}

/** [B, T, H, D] to [B, H, T, D]. */
function headsFirst(x: Node): Node {
  return transpose(x, [0, 2, 1, 3])
}

function projections(
  config: ModelConfig,
  parts: Parts,
  x: Node,
  at: string,
  [batch, length]: number[],
): [Node, Node, Node] {
  const { names } = architectures[config.modelType]
  const { heads, keyHeads, headWidth } = config
  const widths = [heads * headWidth, keyHeads * headWidth, keyHeads * headWidth]
  const [query, key, value] =
    'fused' in names.qkv
      ? split(parts.linear(x, at + names.qkv.fused), -1, widths)
      : [names.qkv.query, names.qkv.key, names.qkv.value].map(module => parts.linear(x, at + module))
  const byHead = (y: Node, count: number, normName?: string): Node => {
    const split4 = reshape(y, [batch, length, count, headWidth])
    return normName === undefined
      ? split4
      : rmsNorm(split4, parts.weight(`${at}${normName}.weight`), config.norm.epsilon)
  }
  return [byHead(query, heads, names.queryNorm), byHead(key, keyHeads, names.keyNorm), byHead(value, keyHeads)]
}

const activate: { readonly [A in Activation]: (x: Node) => Node } = {
  'gelu-tanh': x => gelu(x, 'tanh'),
  gelu: x => gelu(x, 'none'),
  silu,
  relu,
}

function mlp(config: ModelConfig, parts: Parts, x: Node, at: string): Node {
  const { names } = architectures[config.modelType]
  const up = parts.linear(x, at + names.up)
  const inner =
    names.gate === undefined
      ? activate[config.activation](up)
      : mul(activate[config.activation](parts.linear(x, at + names.gate)), up)
  return parts.linear(inner, at + names.down)
}

function norm({ norm: { kind, epsilon } }: ModelConfig, parts: Parts, x: Node, module: string): Node {
  const weight = parts.weight(`${module}.weight`)
  return kind === 'rms' ? rmsNorm(x, weight, epsilon) : layerNorm(x, weight, parts.weight(`${module}.bias`), epsilon)
}

/**
 * Turns each pair (i, i + D/2) of a head [B, T, n, D] by position · frequency[i]; nothing where positions are learned.
 * With the halves of x as a and b: [a, b]·[cos, cos] + [b, a]·[−sin, sin].
 */
function rotation({ positions: kind }: ModelConfig, { positions, positionLimit }: DecoderInputs): (x: Node) => Node {
  if (kind.kind === 'learned') return x => x
  const { frequencies } = kind
  const half = frequencies.length
  const table = (of: (angle: number, column: number) => number): Node => {
    const data = Float32Array.from({ length: positionLimit * 2 * half }, (_, i) => {
      const column = i % (2 * half)
      return of(Math.floor(i / (2 * half)) * frequencies[column % half], column)
    })
    const rows = gather(constant({ dtype: 'float32', shape: [positionLimit, 2 * half], data }), positions)
    return reshape(rows, [...positions.shape, 1, 2 * half])
  }
  const cosine = table(Math.cos)
  const sine = table((angle, column) => (column < half ? -Math.sin(angle) : Math.sin(angle)))
  return x => {
    const [a, b] = split(x, -1, [half, half])
    return add(mul(x, cosine), mul(concat([b, a], -1), sine))
  }
}
