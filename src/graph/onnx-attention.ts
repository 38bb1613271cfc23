// Turns attention over a cache into ONNX nodes: plain ones, or ONNX Runtime's own, which works in the cache's memory.
import { onnxElementTypes, type OnnxAttribute } from '../formats/onnx.js'
import type { OnnxContext, Written } from './onnx-context.js'

type Cached = Written<'CachedAttention'>

/** Score of a query and a key that it does not see. */
const hidden = -1e30

/** `GroupQueryAttention` reads no more than what is filled, and writes in place where cache and result share memory. */
export function writeCachedAttentionFused(context: OnnxContext, { node, inputs, output, attributes }: Cached): void {
  const [query, key, value, pastKey, pastValue, last, total, layout] = inputs
  const { heads, keyHeads, scale, cap, window } = attributes
  const rows = [query, key, value].map(x => context.node('Reshape', [x, layout]))
  const options: Record<string, OnnxAttribute> = {
    num_heads: { int: heads },
    kv_num_heads: { int: keyHeads },
    scale: { float: scale },
  }
  if (cap > 0) options.softcap = { float: cap }
  if (window > 0) options.local_window_size = { int: window }
  const mixed = `${output(0)}:rows`
  const results = [mixed, output(1), output(2)]
  context.node('GroupQueryAttention', [...rows, pastKey, pastValue, last, total], results, options, 'com.microsoft')
  context.node('Reshape', [mixed, context.int64s([-1, node.shape[1]])], [output(0)])
}

/** Only operations of the standard: every place of the cache is read and written at every run. */
export function writeCachedAttention(context: OnnxContext, { node, inputs, output, attributes }: Cached): void {
  const [query, key, value, pastKey, pastValue, last] = inputs
  const { heads, keyHeads, scale, cap, window } = attributes
  const [batch, , places, width] = node.inputs[3].shape
  const length = node.shape[0] / batch
  const group = heads / keyHeads
  const own = ownPlaces(context, last, batch, length)
  const every = context.int64s(Array.from({ length: places }, (_, i) => i))
  const hit = toFloat(context, context.node('Equal', [own, every])) // [B, T, S]
  const taken = context.node('ReduceMax', [hit, context.int64s([1])], undefined, { keepdims: { int: 1 } })
  const free = context.node('Sub', [context.float(1), reshape(context, taken, [batch, 1, places, 1])])
  const spread = context.node('Unsqueeze', [transpose(context, hit, [0, 2, 1]), context.int64s([1])]) // [B, 1, S, T]
  const [keys, values] = [[key, pastKey, output(1)], [value, pastValue, output(2)]].map(([x, past, result]) => {
    const byHead = transpose(context, reshape(context, x, [batch, length, keyHeads, width]), [0, 2, 1, 3])
    const moved = context.node('MatMul', [spread, byHead])
    return context.node('Add', [context.node('Mul', [past, free]), moved], [result])
  }) // prettier-ignore
  const queries = reshape(context, query, [batch, length, keyHeads, group, width])
  const rows = reshape(context, transpose(context, queries, [0, 2, 3, 1, 4]), [batch, keyHeads, group * length, width])
  const product = context.node('MatMul', [rows, transpose(context, keys, [0, 1, 3, 2])])
  const scores = capped(context, context.node('Mul', [product, context.float(scale)]), cap)
  const byQuery = reshape(context, scores, [batch, heads, length, places])
  const seen = reshape(context, visible(context, own, every, window), [batch, 1, length, places])
  const shares = context.node('Softmax', [context.node('Where', [seen, byQuery, context.float(hidden)])], undefined, {
    axis: { int: -1 },
  })
  const mixed = context.node('MatMul', [reshape(context, shares, [batch, keyHeads, group * length, places]), values])
  const parted = transpose(context, reshape(context, mixed, [batch, heads, length, width]), [0, 2, 1, 3])
  context.node('Reshape', [parted, context.int64s([batch * length, heads * width])], [output(0)])
}

/** int64 [B, T, 1] from int32 [B]: the place of each new token. */
function ownPlaces(context: OnnxContext, last: string, batch: number, length: number): string {
  const wide = context.node('Cast', [last], undefined, { to: { int: onnxElementTypes.int64 } })
  const steps = context.int64s(Array.from({ length }, (_, t) => t + 1 - length))
  const places = context.node('Add', [reshape(context, wide, [batch, 1]), steps])
  return reshape(context, places, [batch, length, 1])
}

/** bool [B, T, S]: places that are not later than the query's own, nor out of its window. */
function visible(context: OnnxContext, own: string, every: string, window: number): string {
  const earlier = context.node('LessOrEqual', [every, own])
  if (window === 0) return earlier
  const oldest = context.node('Sub', [own, context.int64s([window])])
  return context.node('And', [earlier, context.node('Less', [oldest, every])])
}

function capped(context: OnnxContext, scores: string, cap: number): string {
  if (cap === 0) return scores
  const inside = context.node('Tanh', [context.node('Div', [scores, context.float(cap)])])
  return context.node('Mul', [inside, context.float(cap)])
}

function toFloat(context: OnnxContext, x: string): string {
  return context.node('Cast', [x], undefined, { to: { int: onnxElementTypes.float32 } })
}

function reshape(context: OnnxContext, x: string, shape: readonly number[]): string {
  return context.node('Reshape', [x, context.int64s(shape)])
}

function transpose(context: OnnxContext, x: string, perm: readonly number[]): string {
  return context.node('Transpose', [x], undefined, { perm: { ints: perm } })
}
