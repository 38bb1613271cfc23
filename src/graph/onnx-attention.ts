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

/**
 * Only operations of the standard, for sizes that may be open until the model runs. The mixture reads the cache and the new
 * tokens apart, so that a reader of it alone need not have the updated cache made; ranges are those of the cache as it is.
 */
export function writeCachedAttention(context: OnnxContext, { node, inputs, output, attributes }: Cached): void {
  const [query, key, value, pastKey, pastValue, last, , layout] = inputs
  const { heads, keyHeads, scale, cap } = attributes
  const width = node.inputs[3].shape[3]
  const group = heads / keyHeads
  const rows = (x: string, sizes: readonly number[]): string =>
    reshape(context, context.node('Reshape', [x, layout]), [0, 0, ...sizes])
  const sizes = { places: sizeOf(context, pastKey, 2), tokens: element(context, layout, 1) }
  const first = context.node('Sub', [wide(context, last), sizes.tokens]) // place before the first new token
  const [keys, values] = [key, value].map(x => transpose(context, rows(x, [keyHeads, width]), [0, 2, 1, 3]))
  const byHead = transpose(context, rows(query, [keyHeads, group, width]), [0, 2, 3, 1, 4])
  const scaled = context.node('Mul', [byHead, context.float(cap > 0 ? scale / cap : scale)])
  const queries = reshape(context, scaled, [0, 0, -1, width]) // [B, Hk, G·T, D]
  const scores = joined(
    context,
    [pastKey, keys].map(x => context.node('MatMul', [queries, transpose(context, x, [0, 1, 3, 2])])),
    3,
  )
  const bias = hiddenScores(context, { first, ...sizes }, attributes.window)
  const biased = context.node('Add', [
    capped(context, scores, cap),
    joined(context, new Array<string>(group).fill(bias), 2),
  ])
  const shares = context.node('Softmax', [biased], undefined, { axis: { int: -1 } })
  const parts = [`${output(0)}:past`, `${output(0)}:own`]
  context.node('Split', [shares, joined(context, [sizes.places, sizes.tokens], 0)], parts, { axis: { int: 3 } })
  const mixed = context.node(
    'Add',
    parts.map((part, i) => context.node('MatMul', [part, [pastValue, values][i]])),
  )
  const parted = transpose(context, reshape(context, mixed, [0, 0, group, -1, width]), [0, 3, 1, 2, 4])
  context.node('Reshape', [parted, context.int64s([-1, heads * width])], [output(0)])
  const spread = newPlaces(context, { first, ...sizes })
  updated(context, pastKey, keys, spread, output(1))
  updated(context, pastValue, values, spread, output(2))
}

/** int64, [1] each but `first`. */
interface Sizes {
  /** [B]: the place before the first new token of a row. */
  readonly first: string
  readonly places: string
  readonly tokens: string
}

/** [B, 1, T, S + T]: 0 where a new token sees a place of the cache, or one of the new tokens; else a large negative number. */
function hiddenScores(context: OnnxContext, { first, places, tokens }: Sizes, window: number): string {
  const before = reshape(context, first, [-1, 1, 1, 1])
  const columns = range(context, context.node('Add', [places, tokens]))
  const isOwn = context.node('LessOrEqual', [places, columns])
  const ownPlace = context.node('Add', [context.node('Sub', [columns, places]), one(context, before)])
  const isFilled = context.node('LessOrEqual', [columns, before])
  const pastPlace = context.node('Where', [isFilled, columns, context.int64s([2 ** 30])])
  const place = context.node('Where', [isOwn, ownPlace, pastPlace]) // [B, 1, 1, S + T]
  const query = context.node('Add', [one(context, before), reshape(context, range(context, tokens), [1, 1, -1, 1])])
  const earlier = context.node('LessOrEqual', [place, query])
  const oldest = context.node('Sub', [query, context.int64s([window])])
  const seen = window === 0 ? earlier : context.node('And', [earlier, context.node('Less', [oldest, place])])
  return context.node('Where', [seen, context.float(0), context.float(hidden)])
}

/** [B, S, T]: 1 where a place of the cache is that of a new token. */
function newPlaces(context: OnnxContext, { first, places, tokens }: Sizes): string {
  const own = context.node('Add', [one(context, reshape(context, first, [-1, 1, 1])), range(context, tokens)])
  return toFloat(context, context.node('Equal', [reshape(context, range(context, places), [1, -1, 1]), own]))
}

/** The cache with new rows [B, Hk, T, D] in their places. */
function updated(context: OnnxContext, past: string, fresh: string, spread: string, result: string): void {
  const byPlace = context.node('Unsqueeze', [spread, context.int64s([1])])
  const taken = context.node('ReduceMax', [byPlace, context.int64s([3])], undefined, { keepdims: { int: 1 } })
  const kept = context.node('Mul', [past, context.node('Sub', [context.float(1), taken])])
  context.node('Add', [kept, context.node('MatMul', [byPlace, fresh])], [result])
}

/** int64 [1]: the size of an axis. */
function sizeOf(context: OnnxContext, x: string, axis: number): string {
  return element(context, context.node('Shape', [x]), axis)
}

/** [1]: one number of a list. */
function element(context: OnnxContext, list: string, place: number): string {
  return context.node('Gather', [list, context.int64s([place])])
}

/** int64 [n]: 0 to n − 1, for n [1]. */
function range(context: OnnxContext, count: string): string {
  const [from, to, step] = [context.int64s([0]), count, context.int64s([1])].map(x => reshape(context, x, []))
  return context.node('Range', [from, to, step])
}

function one(context: OnnxContext, x: string): string {
  return context.node('Add', [x, context.int64s([1])])
}

function wide(context: OnnxContext, x: string): string {
  return context.node('Cast', [x], undefined, { to: { int: onnxElementTypes.int64 } })
}

function joined(context: OnnxContext, list: readonly string[], axis: number): string {
  return list.length === 1 ? list[0] : context.node('Concat', list, undefined, { axis: { int: axis } })
}

/** cap · tanh(x) of scores that are divided by the cap already. */
function capped(context: OnnxContext, scores: string, cap: number): string {
  return cap === 0 ? scores : context.node('Mul', [context.node('Tanh', [scores]), context.float(cap)])
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
