// Turns function calls into graph nodes: one builder per operation, and the usual compositions of them.
import type { AttributeValue, Node } from './graph.js'
import { inferTypes, type OpAttributes, type OpName } from './ops.js'
import { broadcastShapes, shapeError } from './shape-checks.js'
import { elementCount, type DType, type HostTensor } from './tensor.js'

/**
 * All outputs of one operation. They share one frozen `attributes` object, which identifies the operation.
 * @throws AppError `shape`
 */
function apply<Op extends OpName>(op: Op, inputs: readonly Node[], attributes: OpAttributes[Op]): readonly Node[] {
  const shared = Object.freeze({ ...attributes }) as Readonly<Record<string, AttributeValue>>
  const sources = Object.freeze([...inputs])
  return inferTypes(op, inputs, attributes).map(({ dtype, shape }, output) =>
    Object.freeze({ op, inputs: sources, attributes: shared, output, dtype, shape }),
  )
}

/** All outputs of the operation that made `node`, also those nobody asked for yet. */
export function outputsOf({ op, inputs, attributes }: Node): readonly Node[] {
  return inferTypes(op, inputs, attributes as unknown as OpAttributes[typeof op]).map(({ dtype, shape }, output) =>
    Object.freeze({ op, inputs, attributes, output, dtype, shape }),
  )
}

function one<Op extends OpName>(op: Op, inputs: readonly Node[], attributes: OpAttributes[Op]): Node {
  return apply(op, inputs, attributes)[0]
}

/** A value fed at every run, by name. */
export function input(name: string, shape: readonly number[], dtype: DType = 'float32'): Node {
  return one('Input', [], { name, dtype, shape })
}

/** A value stored in the graph. */
export function constant({ dtype, shape, data }: HostTensor): Node {
  return one('Constant', [], { value: { dtype, shape, data } })
}

/** A float32 number [], stored in the graph. */
export function scalar(x: number): Node {
  return constant({ dtype: 'float32', shape: [], data: Float32Array.of(x) })
}

/** int64 numbers [n], stored in the graph. */
export function int64s(list: readonly number[]): Node {
  return constant({ dtype: 'int64', shape: [list.length], data: BigInt64Array.from(list, BigInt) })
}

/** Zeros of one float32 shape, without storing them. */
export function zeros(shape: readonly number[]): Node {
  return expand(scalar(0), shape)
}

/** Identity whose gradient is nothing. */
export function stopGradient(x: Node): Node {
  return one('StopGradient', [x], {})
}

/** The number a node is known to hold everywhere, or undefined. */
export function knownNumber(node: Node): number | undefined {
  if (node.op === 'Expand') return knownNumber(node.inputs[0])
  if (node.op !== 'Constant' || node.dtype !== 'float32') return undefined
  const { data } = node.attributes.value as HostTensor
  return data.length === 1 ? Number(data[0]) : undefined
}

/** The number of a float32 constant of rank 0, which arithmetic on constants can fold. */
function scalarNumber(node: Node): number | undefined {
  return node.shape.length === 0 ? knownNumber(node) : undefined
}

type Arithmetic = 'Add' | 'Sub' | 'Mul' | 'Div'

const fold: { readonly [Op in Arithmetic]: (a: number, b: number) => number } = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
}

/** The number that changes nothing when it stands on the right, and whether it may also stand on the left. */
const neutral: { readonly [Op in Arithmetic]: { readonly number: number; readonly commutes: boolean } } = {
  Add: { number: 0, commutes: true },
  Sub: { number: 0, commutes: false },
  Mul: { number: 1, commutes: true },
  Div: { number: 1, commutes: false },
}

/** Element by element with broadcasting; numbers are folded, and x+0, x−0, x·1, x/1 are x; copies are not made. */
function arithmetic(op: Arithmetic, a: Node, b: Node): Node {
  const shape = broadcastShapes(op, a.shape, b.shape).join()
  const { number, commutes } = neutral[op]
  if (a.dtype === b.dtype && knownNumber(b) === number && a.shape.join() === shape) return a
  if (a.dtype === b.dtype && commutes && knownNumber(a) === number && b.shape.join() === shape) return b
  const [x, y] = [scalarNumber(a), scalarNumber(b)]
  if (x !== undefined && y !== undefined) return scalar(fold[op](x, y))
  if (a.op === 'Expand' && b.shape.join() === shape) return arithmetic(op, a.inputs[0], b)
  if (b.op === 'Expand' && a.shape.join() === shape) return arithmetic(op, a, b.inputs[0])
  return one(op, [a, b], {})
}

export function add(a: Node, b: Node): Node {
  return arithmetic('Add', a, b)
}

export function sub(a: Node, b: Node): Node {
  return arithmetic('Sub', a, b)
}

export function mul(a: Node, b: Node): Node {
  return arithmetic('Mul', a, b)
}

export function div(a: Node, b: Node): Node {
  return arithmetic('Div', a, b)
}

/** The larger of two, element by element with broadcasting. */
export function maximum(a: Node, b: Node): Node {
  return one('Maximum', [a, b], {})
}

/** The smaller of two, element by element with broadcasting. */
export function minimum(a: Node, b: Node): Node {
  return one('Minimum', [a, b], {})
}

export function neg(x: Node): Node {
  const known = scalarNumber(x)
  return known === undefined ? one('Neg', [x], {}) : scalar(-known)
}

export function abs(x: Node): Node {
  return one('Abs', [x], {})
}

/** −1, 0 or 1. */
export function sign(x: Node): Node {
  return one('Sign', [x], {})
}

/** To the nearest whole number, halves to even. */
export function round(x: Node): Node {
  return one('Round', [x], {})
}

export function exp(x: Node): Node {
  return one('Exp', [x], {})
}

/** Natural logarithm. */
export function log(x: Node): Node {
  return one('Log', [x], {})
}

export function sqrt(x: Node): Node {
  return one('Sqrt', [x], {})
}

/** 1/√x */
export function rsqrt(x: Node): Node {
  return div(scalar(1), sqrt(x))
}

export function sin(x: Node): Node {
  return one('Sin', [x], {})
}

export function cos(x: Node): Node {
  return one('Cos', [x], {})
}

export function tanh(x: Node): Node {
  return one('Tanh', [x], {})
}

/** 1/(1 + e^−x) */
export function sigmoid(x: Node): Node {
  return one('Sigmoid', [x], {})
}

export function erf(x: Node): Node {
  return one('Erf', [x], {})
}

export function relu(x: Node): Node {
  return one('Relu', [x], {})
}

/** x·sigmoid(x) */
export function silu(x: Node): Node {
  return one('Silu', [x], {})
}

/** Exact with erf (`none`), or by the tanh formula. */
export function gelu(x: Node, approximate: 'tanh' | 'none'): Node {
  return one('Gelu', [x], { approximate })
}

/** a where the condition (bool) holds, else b; all three broadcast. */
export function where(condition: Node, a: Node, b: Node): Node {
  return one('Where', [condition, a, b], {})
}

export function equal(a: Node, b: Node): Node {
  return one('Equal', [a, b], {})
}

export function less(a: Node, b: Node): Node {
  return one('Less', [a, b], {})
}

export function lessOrEqual(a: Node, b: Node): Node {
  return one('LessOrEqual', [a, b], {})
}

export function greater(a: Node, b: Node): Node {
  return one('Greater', [a, b], {})
}

export function and(a: Node, b: Node): Node {
  return one('And', [a, b], {})
}

export function not(x: Node): Node {
  return one('Not', [x], {})
}

export function cast(x: Node, dtype: DType): Node {
  return x.dtype === dtype ? x : one('Cast', [x], { to: dtype })
}

export interface ProductOptions {
  readonly transposeA?: boolean
  readonly transposeB?: boolean
  /** The product is multiplied by this. */
  readonly alpha?: number
}

/**
 * a·b over the last two axes, [..., M, K]·[..., K, N]; leading axes broadcast.
 * A rank-2 right side is applied to all rows of a at once.
 * @throws AppError `shape`
 */
export function matmul(a: Node, b: Node, options: ProductOptions = {}): Node {
  const { transposeA = false, transposeB = false, alpha = 1 } = options
  const attributes = { transposeA, transposeB, alpha }
  if (a.shape.length <= 2 || b.shape.length !== 2 || transposeA) return one('MatMul', [a, b], attributes)
  const y = one('MatMul', [rowsOf(a), b], attributes)
  return reshape(y, [...a.shape.slice(0, -1), y.shape[1]])
}

/**
 * x·w + bias for x [..., K], w [K, N] (or [N, K] with transposeB) and bias [N].
 * @throws AppError `shape`
 */
export function linear(x: Node, w: Node, bias?: Node, options: Pick<ProductOptions, 'transposeB'> = {}): Node {
  if (bias === undefined) return matmul(x, w, options)
  const y = one('Linear', [rowsOf(x), w, bias], {
    transposeA: false,
    transposeB: options.transposeB ?? false,
    alpha: 1,
  })
  return reshape(y, [...x.shape.slice(0, -1), y.shape[1]])
}

/** Codes and scales of a frozen matrix as `QuantizedMatMul` takes them. */
export interface QuantizedNodes {
  readonly codes: Node
  readonly scales: Node
}

/**
 * x·Wᵀ for x [..., inputs] and a frozen W [outputs, inputs] in codes; only x has a gradient.
 * @param mirror codes of Wᵀ, where all blocks of an output share one scale: the gradient then runs as fast as the product itself
 * @throws AppError `shape`
 */
export function quantizedMatmul(
  x: Node,
  matrix: QuantizedNodes,
  attributes: Omit<OpAttributes['QuantizedMatMul'], 'transposed'> & { readonly transposed?: boolean },
  mirror?: Node,
): Node {
  const tables = [matrix.codes, matrix.scales, ...(mirror ? [mirror] : [])]
  const y = one('QuantizedMatMul', [rowsOf(x), ...tables], { transposed: false, ...attributes })
  return reshape(y, [...x.shape.slice(0, -1), y.shape[1]])
}

/** What `CachedAttention` reads, by name; shapes stand there. */
export interface CachedAttentionInputs {
  readonly query: Node
  readonly key: Node
  readonly value: Node
  readonly pastKey: Node
  readonly pastValue: Node
  readonly last: Node
  readonly total: Node
  readonly layout: Node
}

/** @throws AppError `shape` */
export function cachedAttention(
  { query, key, value, pastKey, pastValue, last, total, layout }: CachedAttentionInputs,
  attributes: OpAttributes['CachedAttention'],
): { readonly mixed: Node; readonly key: Node; readonly value: Node } {
  const inputs = [query, key, value, pastKey, pastValue, last, total, layout]
  const [mixed, newKey, newValue] = apply('CachedAttention', inputs, attributes)
  return { mixed, key: newKey, value: newValue }
}

/** [..., K] as [rows, K]. */
function rowsOf(x: Node): Node {
  const width = x.shape[x.shape.length - 1]
  return reshape(x, [elementCount(x.shape.slice(0, -1)), width])
}

/** An axis counted from the end when negative. */
function axisOf(x: Node, axis: number): number {
  return axis < 0 ? axis + x.shape.length : axis
}

export function softmax(x: Node, axis = -1): Node {
  return one('Softmax', [x], { axis: axisOf(x, axis) })
}

export function logSoftmax(x: Node, axis = -1): Node {
  return one('LogSoftmax', [x], { axis: axisOf(x, axis) })
}

type ReductionName = 'ReduceSum' | 'ReduceMean' | 'ReduceMax'

function reduce(op: ReductionName, x: Node, axes: readonly number[] | undefined, keep: boolean): Node {
  const chosen = axes === undefined ? x.shape.map((_, i) => i) : axes.map(axis => axisOf(x, axis))
  return chosen.length === 0 ? x : one(op, [x], { axes: chosen, keep })
}

/** Sum over axes (all by default); `keep` leaves them with size 1. */
export function reduceSum(x: Node, axes?: readonly number[], keep = false): Node {
  return reduce('ReduceSum', x, axes, keep)
}

/** Mean over axes (all by default); `keep` leaves them with size 1. */
export function reduceMean(x: Node, axes?: readonly number[], keep = false): Node {
  return reduce('ReduceMean', x, axes, keep)
}

/** Largest over axes (all by default); `keep` leaves them with size 1. */
export function reduceMax(x: Node, axes?: readonly number[], keep = false): Node {
  return reduce('ReduceMax', x, axes, keep)
}

/** The same elements under another shape; one size may be -1 and is worked out. */
export function reshape(x: Node, shape: readonly number[]): Node {
  const known = elementCount(shape.filter(size => size !== -1))
  const target = shape.map(size => (size === -1 ? elementCount(x.shape) / known : size))
  if (target.join() === x.shape.join() && target.length === x.shape.length) return x
  return one('Reshape', [x.op === 'Reshape' ? x.inputs[0] : x], { shape: target })
}

export function transpose(x: Node, perm: readonly number[]): Node {
  const same = perm.length === x.shape.length && perm.every((axis, i) => axis === i)
  return same ? x : one('Transpose', [x], { perm })
}

export function concat(xs: readonly Node[], axis: number): Node {
  return xs.length === 1 ? xs[0] : one('Concat', xs, { axis: axis < 0 ? axis + (xs[0]?.shape.length ?? 0) : axis })
}

/** Elements [start, end) along one axis; negative positions count from the end. */
export function slice(x: Node, axis: number, start: number, end: number): Node {
  const along = axisOf(x, axis)
  const size = x.shape[along]
  const [from, to] = [start < 0 ? start + size : start, end < 0 ? end + size : end]
  return from === 0 && to === size ? x : one('Slice', [x], { axis: along, start: from, end: to })
}

/** Zeros before and after along one axis. */
export function pad(x: Node, axis: number, before: number, after: number): Node {
  return before === 0 && after === 0 ? x : one('Pad', [x], { axis: axisOf(x, axis), before, after })
}

/** Consecutive pieces of the given sizes along one axis. */
export function split(x: Node, axis: number, sizes: readonly number[]): readonly Node[] {
  return apply('Split', [x], { axis: axisOf(x, axis), sizes })
}

/** Stretches sizes of 1 and missing leading axes to `shape`. */
export function expand(x: Node, shape: readonly number[]): Node {
  return x.shape.join() === shape.join() && x.shape.length === shape.length ? x : one('Expand', [x], { shape })
}

/** Slices of `table` along an axis, chosen by int64 `ids`: an embedding for axis 0. */
export function gather(table: Node, ids: Node, axis = 0): Node {
  return one('Gather', [table, ids], { axis: axisOf(table, axis) })
}

/**
 * Adds updates [...ids, C] to the rows of a base [R, C] that ids name; equal ids add up.
 * @param base a node, or a shape that starts as zeros
 */
export function scatterAddRows(base: Node | readonly number[], ids: Node, updates: Node): Node {
  return one('ScatterAddRows', [isNode(base) ? base : zeros(base), ids, updates], {})
}

/** y[i][j] = x[ids[i][j]][j] for axis 0, and so on: one element per id. */
export function gatherElements(x: Node, ids: Node, axis: number): Node {
  return one('GatherElements', [x, ids], { axis: axisOf(x, axis) })
}

/** Adds each update to the element of the base that its id names along the axis; equal ids add up. */
export function scatterElementsAdd(base: Node | readonly number[], ids: Node, updates: Node, axis: number): Node {
  const start = isNode(base) ? base : zeros(base)
  return one('ScatterElementsAdd', [start, ids, updates], { axis: axisOf(start, axis) })
}

function isNode(value: Node | readonly number[]): value is Node {
  return 'op' in value
}

/** (x − mean)/√(variance + epsilon)·weight + bias over the last axis. */
export function layerNorm(x: Node, weight: Node, bias: Node, epsilon: number): Node {
  return one('LayerNorm', [x, weight, bias], { epsilon })
}

/** x/√(mean of squares + epsilon)·weight over the last axis. */
export function rmsNorm(x: Node, weight: Node, epsilon: number): Node {
  return one('RmsNorm', [x, weight], { epsilon })
}

/** Of each row of logits [N, V] with labels [N] int64 in 0..V-1: loss = −log softmax(logits)[label] and log Σ exp(logits), [N] each. */
export function crossEntropyRows(logits: Node, labels: Node): { readonly loss: Node; readonly logSumExp: Node } {
  const [loss, , logSumExp] = apply('CrossEntropy', [logits, labels], {})
  return { loss, logSumExp }
}

/**
 * Cross-entropy summed over the counted rows, in nats.
 * @param logits [N, V] float32, unnormalised
 * @param labels [N] int64 token ids; -100 keeps a row out of the sum and out of the count
 * @returns lossSum [] float32 and count [] float32
 * @throws AppError `shape`
 */
export function crossEntropySum(logits: Node, labels: Node): { readonly lossSum: Node; readonly count: Node } {
  if (labels.dtype !== 'int64')
    throw shapeError('CrossEntropy', {
      en: `expected int64, received ${labels.dtype}`,
      ru: `ожидался тип int64, получен ${labels.dtype}`,
    })
  const ignored = equal(labels, int64s([-100]))
  const counted = cast(not(ignored), 'float32')
  const { loss } = crossEntropyRows(logits, where(ignored, int64s([0]), labels))
  return { lossSum: reduceSum(mul(loss, counted)), count: reduceSum(counted) }
}
