// One decoder for all families: token ids to hidden states and logits as graph nodes, read from a ModelConfig.
import {
  add,
  cast,
  concat,
  constant,
  gather,
  gelu,
  layerNorm,
  lessOrEqual,
  div,
  expand,
  mul,
  reduceMax,
  reduceSum,
  relu,
  reshape,
  rmsNorm,
  scalar,
  silu,
  softmax,
  split,
  stopGradient,
  tanh,
  where,
  zeros,
} from '../graph/build.js'
import type { Node } from '../graph/graph.js'
import { architectures } from './architectures.js'
import type { Attend } from './attention.js'
import type { Activation, ModelConfig } from './model-config.js'
import { rotations } from './position-graph.js'
import type { FusedOrder } from './weight-names.js'
import { branchNorms, expertModules } from './weight-specs.js'

/** Where the blocks take their weights from; a training method decides. */
export interface Parts {
  /** A tensor by Hugging Face name. */
  weight(name: string): Node
  /** x [N, in] through a module of the blocks: product, bias, and what an adapter adds; [N, out]. */
  linear(x: Node, module: string): Node
  /** What is added to the stream instead of a branch's result, which the last product `module` gave; [N, C] each. */
  branch?(result: Node, stream: Node, module: string): Node
  /** Rows of the embedding for ids [N]: [N, C]. */
  embed(ids: Node): Node
  /** Hidden states [N, C] times the head: [N, V]. */
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
  readonly attend: Attend
  /** Told the stream before the first block and after each. */
  readonly onStream?: (stream: Node) => void
}

/** Hidden states after the last norm, [B·(P+T), C]; the stream stays flat so that products need no reshaping. */
export function decoderStates(config: ModelConfig, parts: Parts, inputs: DecoderInputs): Node {
  const { names } = architectures[config.modelType]
  const turns = rotations(config, inputs.positions, inputs.positionLimit)
  let x = embedded(config, parts, inputs)
  inputs.onStream?.(x)
  for (let layer = 0; layer < config.layers; layer++) {
    const at = `${names.block}.${layer}.`
    const turn = turns(layer)
    const attention = (normed: Node): Node => {
      const [query, key, value] = projections(config, parts, normed, at, inputs.positions.shape)
      const mixed = parts.linear(inputs.attend(turn(query), turn(key), value, layer), at + names.attentionOut)
      return names.afterAttention ? norm(config, parts, mixed, at + names.afterAttention) : mixed
    }
    const mlp = (normed: Node): Node => {
      const result = names.mixture ? mixture(config, parts, normed, at) : plainMlp(config, parts, normed, at)
      return names.afterMlp ? norm(config, parts, result, at + names.afterMlp) : result
    }
    x = block(config, parts, x, at, attention, mlp)
    inputs.onStream?.(x)
  }
  return norm(config, parts, x, names.finalNorm)
}

/** Logits [N, V] of hidden states [N, C]. */
export function decoderLogits(config: ModelConfig, parts: Parts, states: Node): Node {
  const { head } = architectures[config.modelType].names
  const product = parts.head(states)
  const logits = config.bias.head ? add(product, parts.weight(`${head}.bias`)) : product
  const cap = config.logitCap
  return cap === undefined ? logits : mul(tanh(mul(logits, scalar(1 / cap))), scalar(cap))
}

function embedded(config: ModelConfig, parts: Parts, { ids, positions, virtual }: DecoderInputs): Node {
  const { names } = architectures[config.modelType]
  const flat = (numbers: Node): Node => reshape(numbers, [numbers.shape[0] * numbers.shape[1]])
  const own = mul(parts.embed(flat(ids)), scalar(config.embeddingScale))
  const rows = virtual ? putBefore(virtual, own, positions.shape[0]) : own
  const placed = names.positions ? add(rows, gather(parts.weight(`${names.positions}.weight`), flat(positions))) : rows
  return names.embeddingNorm ? norm(config, parts, placed, names.embeddingNorm) : placed
}

/** Rows [P, C] before the tokens [B·T, C] of each of B rows. */
function putBefore(virtual: Node, tokens: Node, batch: number): Node {
  const [count, width] = virtual.shape
  const own = reshape(tokens, [batch, tokens.shape[0] / batch, width])
  const all = concat([expand(reshape(virtual, [1, count, width]), [batch, count, width]), own], 1)
  return reshape(all, [batch * all.shape[1], width])
}

/** The stream with what attention and MLP add to it. */
function block(
  config: ModelConfig,
  parts: Parts,
  x: Node,
  at: string,
  attention: (normed: Node) => Node,
  mlp: (normed: Node) => Node,
): Node {
  const norms = branchNorms(config)
  const base = (stream: Node, normed: Node): Node => (config.residual === 'normed' ? normed : stream)
  const normed = norm(config, parts, x, at + norms.attention)
  const joined = (stream: Node, result: Node, module: string): Node =>
    add(stream, parts.branch?.(result, stream, at + module) ?? result)
  const { attentionOut, down } = architectures[config.modelType].names
  const after = joined(base(x, normed), attention(normed), attentionOut)
  if (config.branches === 'parallel')
    return add(after, mlp(norms.mlp === undefined ? normed : norm(config, parts, x, at + norms.mlp)))
  const second = norm(config, parts, after, at + norms.mlp!)
  return joined(base(after, second), mlp(second), down)
}

/** Queries [B, T, H, D], keys and values [B, T, Hk, D]. */
function projections(
  config: ModelConfig,
  parts: Parts,
  x: Node,
  at: string,
  [batch, length]: readonly number[],
): readonly Node[] {
  const { names } = architectures[config.modelType]
  const { heads, keyHeads, headWidth } = config
  const counts = [heads, keyHeads, keyHeads]
  const byHead = (y: Node, i: number): Node => reshape(y, [batch, length, counts[i], headWidth])
  const { qkv } = names
  const pieces =
    'fused' in qkv
      ? splitFused(config, parts.linear(x, at + qkv.fused), qkv.order)
      : [qkv.query, qkv.key, qkv.value].map(module => parts.linear(x, at + module))
  const [query, key, value] = pieces.map(byHead)
  return [headNorm(config, parts, query, at, names.queryNorm), headNorm(config, parts, key, at, names.keyNorm), value]
}

/** [N, (H + 2·Hk)·D] to queries, keys and values. */
function splitFused({ heads, keyHeads, headWidth }: ModelConfig, fused: Node, order: FusedOrder): readonly Node[] {
  if (order === 'whole') return split(fused, -1, [heads, keyHeads, keyHeads].map(count => count * headWidth)) // prettier-ignore
  const queries = heads / keyHeads
  return split(reshape(fused, [fused.shape[0], keyHeads, queries + 2, headWidth]), 2, [queries, 1, 1])
}

/** Each head of x [B, T, n, D] through its norm. */
function headNorm(config: ModelConfig, parts: Parts, x: Node, at: string, module: string | undefined): Node {
  const { headNorm: kind, headWidth } = config
  if (module === undefined || kind === 'none') return x
  if (kind === 'shared') return norm(config, parts, x, at + module)
  const weights = Array.from({ length: x.shape[2] }, (_, head) => parts.weight(`${at}${module}.${head}.weight`))
  const stacked = reshape(concat(weights, 0), [x.shape[2], headWidth])
  return mul(layerNorm(x, ones(headWidth), zeros([headWidth]), config.norm.epsilon), stacked)
}

function ones(length: number): Node {
  return constant({ dtype: 'float32', shape: [length], data: new Float32Array(length).fill(1) })
}

const activate: { readonly [A in Activation]: (x: Node) => Node } = {
  'gelu-tanh': x => gelu(x, 'tanh'),
  gelu: x => gelu(x, 'none'),
  silu,
  relu,
}

function plainMlp(config: ModelConfig, parts: Parts, x: Node, at: string): Node {
  const { gate, up, gateUp, down } = architectures[config.modelType].names
  const act = activate[config.activation]
  const half = config.innerWidth
  const through = (module: string): Node => parts.linear(x, at + module)
  if (gateUp !== undefined) {
    const [gated, raised] = split(through(gateUp), -1, [half, half])
    return parts.linear(mul(act(gated), raised), at + down)
  }
  const inner = gate === undefined ? act(through(up!)) : mul(act(through(gate)), through(up!))
  return parts.linear(inner, at + down)
}

/** All experts are computed, and weighed by their shares: most shares are zero. */
function mixture(config: ModelConfig, parts: Parts, x: Node, at: string): Node {
  const { router } = architectures[config.modelType].names.mixture!
  const { count, chosen } = config.experts!
  const shares = split(
    chosenShares(softmax(parts.linear(x, at + router)), chosen),
    -1,
    Array.from({ length: count }, () => 1),
  )
  return shares
    .map((share, expert) => {
      const { gate, up, down } = expertModules(config, at, expert)
      const inner = mul(activate[config.activation](parts.linear(x, gate)), parts.linear(x, up))
      return mul(parts.linear(inner, down), share)
    })
    .reduce((sum, part) => add(sum, part))
}

/** The `chosen` largest of each row [N, E], divided by their sum; the others zero. One alone is 1, whatever it was. */
function chosenShares(probabilities: Node, chosen: number): Node {
  const fixed = stopGradient(probabilities)
  let rest = fixed
  for (let i = 1; i < chosen; i++) rest = where(lessOrEqual(reduceMax(rest, [-1], true), rest), scalar(-1), rest)
  const taken = cast(lessOrEqual(reduceMax(rest, [-1], true), fixed), 'float32')
  if (chosen === 1) return taken
  const kept = mul(probabilities, taken)
  return div(kept, reduceSum(kept, [-1], true))
}

function norm({ norm: { kind, epsilon, offset } }: ModelConfig, parts: Parts, x: Node, module: string): Node {
  const stored = parts.weight(`${module}.weight`)
  const weight = add(stored, scalar(offset))
  return kind === 'rms' ? rmsNorm(x, weight, epsilon) : layerNorm(x, weight, parts.weight(`${module}.bias`), epsilon)
}
