// Turns an operation, its input types and its attributes into the types of its outputs; the one list of operations.
import {
  broadcastShapes,
  checkAxis,
  checkDType,
  checkRank,
  checkShape,
  checkSizes,
  shapeError,
  show,
} from './shape-checks.js'
import { elementCount, type DType, type HostTensor, type TensorType } from './tensor.js'

type None = Readonly<Record<never, never>>
interface Axis {
  readonly axis: number
}
interface Reduction {
  readonly axes: readonly number[]
  /** Whether reduced axes stay with size 1. */
  readonly keep: boolean
}
interface Product {
  readonly transposeA: boolean
  readonly transposeB: boolean
  /** The product is multiplied by this. */
  readonly alpha: number
}

/** A frozen matrix W [outputs, inputs] in codes of 8 or 4 bits: W = (code − 2^(bits−1)) · scale of its block. */
export interface QuantizedProduct {
  readonly inputs: number
  readonly outputs: number
  readonly bits: 8 | 4
  /** Neighbours along the inputs that share a scale: a power of two, 16 or more. */
  readonly block: number
  /** x·W instead of x·Wᵀ. */
  readonly transposed: boolean
  /** What x may be rounded to, stretch by stretch of its rows, where the runtime is faster so; `float32` leaves it alone. */
  readonly activations: 'int8' | 'float32'
}

interface CachedAttentionAttributes {
  readonly heads: number
  readonly keyHeads: number
  /** Factor of the scores. */
  readonly scale: number
  /** Scores pass through cap · tanh(score / cap); 0 leaves them alone. */
  readonly cap: number
  /** How many places a query sees, its own included; 0 for all before it. */
  readonly window: number
}

/** Every operation with its attributes. A new one does not compile until each table has it. */
export interface OpAttributes {
  Input: { readonly name: string; readonly dtype: DType; readonly shape: readonly number[] }
  Constant: { readonly value: HostTensor }
  StopGradient: None
  Add: None
  Sub: None
  Mul: None
  Div: None
  Maximum: None
  Minimum: None
  Neg: None
  Abs: None
  Sign: None
  Round: None
  Exp: None
  Log: None
  Sqrt: None
  Sin: None
  Cos: None
  Tanh: None
  Sigmoid: None
  Erf: None
  Relu: None
  Silu: None
  Gelu: { readonly approximate: 'tanh' | 'none' }
  Where: None
  Equal: None
  Less: None
  LessOrEqual: None
  Greater: None
  And: None
  Not: None
  Cast: { readonly to: DType }
  MatMul: Product
  /** Rank-2 x and w with a bias row: alpha · x·w + bias. */
  Linear: Product
  /**
   * x [M, inputs], codes uint8 [outputs, blocks, block·bits/8], scales [outputs, blocks]; then, where a runtime wants both
   * ways ready, the codes of Wᵀ, uint8 [inputs, blocks, block·bits/8]: all blocks of an output share one scale then.
   */
  QuantizedMatMul: QuantizedProduct
  /**
   * Attention of new tokens over a cache that takes them in. Inputs: queries [N, H·D], keys and values [N, Hk·D] of N = B·T
   * tokens; cached keys and values [B, Hk, S, D]; int32 [B]: the place of each row's last token; int32 []: places in use by
   * the longest row; int64 [3]: B, T, -1. Outputs: [N, H·D] and the cache with the new tokens in it; places after a row's
   * last one hold anything.
   */
  CachedAttention: CachedAttentionAttributes
  Softmax: Axis
  LogSoftmax: Axis
  ReduceSum: Reduction
  ReduceMean: Reduction
  ReduceMax: Reduction
  Reshape: { readonly shape: readonly number[] }
  Transpose: { readonly perm: readonly number[] }
  Concat: Axis
  Slice: { readonly axis: number; readonly start: number; readonly end: number }
  /** Zeros before and after along one axis: the gradient of Slice. */
  Pad: { readonly axis: number; readonly before: number; readonly after: number }
  Split: { readonly axis: number; readonly sizes: readonly number[] }
  Expand: { readonly shape: readonly number[] }
  Gather: Axis
  /** base [R, ...], ids [...I], updates [...I, ...]: adds each update to the row its id names. */
  ScatterAddRows: None
  GatherElements: Axis
  ScatterElementsAdd: Axis
  /** Outputs: y, mean [..., 1], inverse deviation [..., 1]. */
  LayerNorm: { readonly epsilon: number }
  /** Outputs: y, inverse root mean square [..., 1]. */
  RmsNorm: { readonly epsilon: number }
  /** logits [N, V], labels [N]. Outputs: loss of each row [N], probabilities [N, V], logarithm of each row's sum of exponents [N]. */
  CrossEntropy: None
}

export type OpName = keyof OpAttributes

type TypeRule<Op extends OpName> = (
  inputs: readonly TensorType[],
  attributes: OpAttributes[Op],
) => readonly TensorType[]

/** Output types of every operation; each entry throws AppError `shape` when the inputs do not fit. */
const typeRules: { readonly [Op in OpName]: TypeRule<Op> } = {
  Input: (_, { dtype, shape }) => [{ dtype, shape: checkSizes('Input', shape) }],
  Constant: (_, { value }) => [checkConstant(value)],
  StopGradient: ([x]) => [x],
  Add: broadcastAs('Add'),
  Sub: broadcastAs('Sub'),
  Mul: broadcastAs('Mul'),
  Div: broadcastAs('Div'),
  Maximum: broadcastAs('Maximum'),
  Minimum: broadcastAs('Minimum'),
  Neg: ([x]) => [x],
  Abs: ([x]) => [x],
  Sign: ([x]) => [x],
  Round: floatOnly('Round'),
  Exp: floatOnly('Exp'),
  Log: floatOnly('Log'),
  Sqrt: floatOnly('Sqrt'),
  Sin: floatOnly('Sin'),
  Cos: floatOnly('Cos'),
  Tanh: floatOnly('Tanh'),
  Sigmoid: floatOnly('Sigmoid'),
  Erf: floatOnly('Erf'),
  Relu: floatOnly('Relu'),
  Silu: floatOnly('Silu'),
  Gelu: floatOnly('Gelu'),
  Where: ([condition, a, b]) => {
    checkDType('Where', condition, 'bool')
    const [chosen] = broadcastAs('Where')([a, b])
    return [{ dtype: chosen.dtype, shape: broadcastShapes('Where', condition.shape, chosen.shape) }]
  },
  Equal: comparison('Equal'),
  Less: comparison('Less'),
  LessOrEqual: comparison('LessOrEqual'),
  Greater: comparison('Greater'),
  And: ([a, b]) => {
    checkDType('And', a, 'bool')
    return broadcastAs('And')([a, b])
  },
  Not: ([x]) => {
    checkDType('Not', x, 'bool')
    return [x]
  },
  Cast: ([x], { to }) => [{ dtype: to, shape: x.shape }],
  MatMul: ([a, b], attributes) => [productType('MatMul', a, b, attributes)],
  Linear: ([x, w, bias], attributes) => {
    const y = productType('Linear', x, w, attributes)
    checkRank('Linear', x, 2)
    checkRank('Linear', w, 2)
    checkShape('Linear', 'bias', bias, [y.shape[1]])
    checkDType('Linear', bias, y.dtype)
    return [y]
  },
  QuantizedMatMul: ([x, ...tables], attributes) => {
    const { inputs, outputs, transposed } = attributes
    checkRank('QuantizedMatMul', x, 2)
    checkDType('QuantizedMatMul', x, 'float32')
    checkShape('QuantizedMatMul', 'x', x, [x.shape[0], transposed ? outputs : inputs])
    const [codes, scales, mirror] = tables
    checkCodes(codes, attributes)
    checkDType('QuantizedMatMul', scales, 'float32')
    checkShape('QuantizedMatMul', 'scales', scales, codes.shape.slice(0, 2))
    if (mirror) checkCodes(mirror, { ...attributes, inputs: outputs, outputs: inputs })
    return [{ dtype: x.dtype, shape: [x.shape[0], transposed ? inputs : outputs] }]
  },
  CachedAttention: ([query, key, value, pastKey, pastValue, last, total, layout], { heads, keyHeads }) => {
    checkRank('CachedAttention', pastKey, 4)
    const [batch, , places, width] = pastKey.shape
    const tokens = query.shape[0]
    checkShape('CachedAttention', 'query', query, [tokens, heads * width])
    for (const x of [key, value]) checkShape('CachedAttention', 'key or value', x, [tokens, keyHeads * width])
    for (const x of [pastKey, pastValue]) checkShape('CachedAttention', 'cache', x, [batch, keyHeads, places, width])
    checkShape('CachedAttention', 'last', last, [batch])
    checkShape('CachedAttention', 'total', total, [])
    checkShape('CachedAttention', 'layout', layout, [3])
    checkDType('CachedAttention', last, 'int32')
    checkDType('CachedAttention', total, 'int32')
    checkDType('CachedAttention', layout, 'int64')
    return [query, pastKey, pastValue]
  },
  Softmax: axisKeeping('Softmax'),
  LogSoftmax: axisKeeping('LogSoftmax'),
  ReduceSum: reduction('ReduceSum'),
  ReduceMean: reduction('ReduceMean'),
  ReduceMax: reduction('ReduceMax'),
  Reshape: ([x], { shape }) => {
    checkSizes('Reshape', shape)
    if (elementCount(shape) === elementCount(x.shape)) return [{ dtype: x.dtype, shape }]
    throw shapeError('Reshape', {
      en: `${show(x.shape)} holds ${elementCount(x.shape)} elements, ${show(shape)} would hold ${elementCount(shape)}`,
      ru: `в ${show(x.shape)} элементов ${elementCount(x.shape)}, а в ${show(shape)} было бы ${elementCount(shape)}`,
    })
  },
  Transpose: ([x], { perm }) => {
    if ([...perm].sort((a, b) => a - b).join() !== x.shape.map((_, i) => i).join())
      throw shapeError('Transpose', {
        en: `${show(perm)} is not an order of the ${x.shape.length} axes of ${show(x.shape)}`,
        ru: `${show(perm)} не перестановка осей ${show(x.shape)} (их ${x.shape.length})`,
      })
    return [{ dtype: x.dtype, shape: perm.map(i => x.shape[i]) }]
  },
  Concat: (inputs, { axis }) => [concatType(inputs, axis)],
  Slice: ([x], { axis, start, end }) => {
    checkAxis('Slice', x, axis)
    if (start < 0 || end > x.shape[axis] || start >= end)
      throw shapeError('Slice', {
        en: `[${start}, ${end}) does not lie inside axis ${axis} of ${show(x.shape)}, or is empty`,
        ru: `[${start}, ${end}) выходит за ось ${axis} формы ${show(x.shape)} или пуст`,
      })
    return [resize(x, axis, end - start)]
  },
  Pad: ([x], { axis, before, after }) => {
    checkAxis('Pad', x, axis)
    checkSizes('Pad', [before, after])
    return [resize(x, axis, before + x.shape[axis] + after)]
  },
  Split: ([x], { axis, sizes }) => {
    checkAxis('Split', x, axis)
    checkSizes('Split', sizes)
    if (sizes.reduce((sum, size) => sum + size, 0) !== x.shape[axis])
      throw shapeError('Split', {
        en: `sizes ${show(sizes)} do not add up to axis ${axis} of ${show(x.shape)}`,
        ru: `размеры ${show(sizes)} в сумме не дают ось ${axis} формы ${show(x.shape)}`,
      })
    return sizes.map(size => resize(x, axis, size))
  },
  Expand: ([x], { shape }) => {
    checkSizes('Expand', shape)
    const result = broadcastShapes('Expand', x.shape, shape)
    checkShape('Expand', 'target', { dtype: x.dtype, shape: result }, shape)
    return [{ dtype: x.dtype, shape }]
  },
  Gather: ([table, ids], { axis }) => {
    checkAxis('Gather', table, axis)
    checkDType('Gather', ids, 'int64')
    return [
      { dtype: table.dtype, shape: [...table.shape.slice(0, axis), ...ids.shape, ...table.shape.slice(axis + 1)] },
    ]
  },
  ScatterAddRows: ([base, ids, updates]) => {
    checkDType('ScatterAddRows', ids, 'int64')
    checkDType('ScatterAddRows', updates, base.dtype)
    checkShape('ScatterAddRows', 'updates', updates, [...ids.shape, ...base.shape.slice(1)])
    return [base]
  },
  GatherElements: ([x, ids], { axis }) => {
    checkIndexed('GatherElements', x, ids, axis)
    return [{ dtype: x.dtype, shape: ids.shape }]
  },
  ScatterElementsAdd: ([base, ids, updates], { axis }) => {
    checkIndexed('ScatterElementsAdd', base, ids, axis)
    checkDType('ScatterElementsAdd', updates, base.dtype)
    checkShape('ScatterElementsAdd', 'updates', updates, ids.shape)
    return [base]
  },
  LayerNorm: ([x, weight, bias]) => {
    const width = x.shape.slice(-1)
    checkShape('LayerNorm', 'weight', weight, width)
    checkShape('LayerNorm', 'bias', bias, width)
    const statistic = resize(x, x.shape.length - 1, 1)
    return [x, statistic, statistic]
  },
  RmsNorm: ([x, weight]) => {
    checkShape('RmsNorm', 'weight', weight, x.shape.slice(-1))
    return [x, resize(x, x.shape.length - 1, 1)]
  },
  CrossEntropy: ([logits, labels]) => {
    checkRank('CrossEntropy', logits, 2)
    checkDType('CrossEntropy', labels, 'int64')
    checkShape('CrossEntropy', 'labels', labels, logits.shape.slice(0, 1))
    return [{ ...logits, shape: labels.shape }, logits, { ...logits, shape: labels.shape }]
  },
}

/** Number of inputs of each operation. */
const inputCounts: { readonly [Op in OpName]: number | '3 or 4' | 'one or more' } = {
  ...{ Input: 0, Constant: 0, StopGradient: 1, Add: 2, Sub: 2, Mul: 2, Div: 2, Maximum: 2, Minimum: 2 },
  ...{ Neg: 1, Abs: 1, Sign: 1, Round: 1, Exp: 1, Log: 1, Sqrt: 1, Sin: 1, Cos: 1, Tanh: 1, Sigmoid: 1, Erf: 1 },
  ...{ Relu: 1, Silu: 1, Gelu: 1, Where: 3, Equal: 2, Less: 2, LessOrEqual: 2, Greater: 2, And: 2, Not: 1, Cast: 1 },
  ...{ QuantizedMatMul: '3 or 4' as const, CachedAttention: 8 },
  ...{ MatMul: 2, Linear: 3, Softmax: 1, LogSoftmax: 1, ReduceSum: 1, ReduceMean: 1, ReduceMax: 1, Reshape: 1 },
  ...{ Transpose: 1, Concat: 'one or more' as const, Slice: 1, Pad: 1, Split: 1, Expand: 1, Gather: 2 },
  ...{ ScatterAddRows: 3, GatherElements: 2, ScatterElementsAdd: 3, LayerNorm: 3, RmsNorm: 2, CrossEntropy: 2 },
}

/**
 * Types of all outputs of an operation.
 * @throws AppError `shape` when number, sizes or element types of the inputs do not fit
 */
export function inferTypes<Op extends OpName>(
  op: Op,
  inputs: readonly TensorType[],
  attributes: OpAttributes[Op],
): readonly TensorType[] {
  const count = inputCounts[op]
  if (!fitsCount(inputs.length, count))
    throw shapeError(op, {
      en: `takes ${count} inputs, received ${inputs.length}`,
      ru: `ожидается входов: ${count}, получено ${inputs.length}`,
    })
  return typeRules[op](inputs, attributes)
}

function fitsCount(given: number, count: number | '3 or 4' | 'one or more'): boolean {
  if (count === 'one or more') return given > 0
  return count === '3 or 4' ? given === 3 || given === 4 : given === count
}

function broadcastAs(op: OpName): ([a, b]: readonly TensorType[]) => readonly TensorType[] {
  return ([a, b]) => {
    if (a.dtype !== b.dtype)
      throw shapeError(op, {
        en: `element types ${a.dtype} and ${b.dtype} differ`,
        ru: `типы элементов ${a.dtype} и ${b.dtype} различаются`,
      })
    return [{ dtype: a.dtype, shape: broadcastShapes(op, a.shape, b.shape) }]
  }
}

function comparison(op: OpName): (inputs: readonly TensorType[]) => readonly TensorType[] {
  return inputs => [{ dtype: 'bool', shape: broadcastAs(op)(inputs)[0].shape }]
}

function floatOnly(op: OpName): ([x]: readonly TensorType[]) => readonly TensorType[] {
  return ([x]) => {
    if (x.dtype === 'float32' || x.dtype === 'float16') return [x]
    throw shapeError(op, {
      en: `needs floating point, received ${x.dtype}`,
      ru: `нужны дробные числа, получено ${x.dtype}`,
    })
  }
}

function axisKeeping(op: OpName): ([x]: readonly TensorType[], { axis }: Axis) => readonly TensorType[] {
  return ([x], { axis }) => {
    checkAxis(op, x, axis)
    return [x]
  }
}

function reduction(op: OpName): ([x]: readonly TensorType[], { axes, keep }: Reduction) => readonly TensorType[] {
  return ([x], { axes, keep }) => {
    for (const axis of axes) checkAxis(op, x, axis)
    const shape = x.shape.flatMap((size, i) => (!axes.includes(i) ? [size] : keep ? [1] : []))
    return [{ dtype: x.dtype, shape }]
  }
}

function productType(op: OpName, a: TensorType, b: TensorType, { transposeA, transposeB }: Product): TensorType {
  if (a.shape.length < 2 || b.shape.length < 2)
    throw shapeError(op, {
      en: `needs rank 2 or more, received ${show(a.shape)} and ${show(b.shape)}`,
      ru: `нужен ранг 2 и выше, получены ${show(a.shape)} и ${show(b.shape)}`,
    })
  checkDType(op, b, a.dtype)
  const [m, innerA] = lastTwo(a.shape, transposeA)
  const [innerB, n] = lastTwo(b.shape, transposeB)
  if (innerA !== innerB)
    throw shapeError(op, {
      en: `${show(a.shape)}${transposeA ? 'ᵀ' : ''} and ${show(b.shape)}${transposeB ? 'ᵀ' : ''}: inner sizes ${innerA} and ${innerB} differ`,
      ru: `${show(a.shape)}${transposeA ? 'ᵀ' : ''} и ${show(b.shape)}${transposeB ? 'ᵀ' : ''}: внутренние размеры ${innerA} и ${innerB} различаются`,
    })
  return { dtype: a.dtype, shape: [...broadcastShapes(op, a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n] }
}

function checkCodes(codes: TensorType, { inputs, outputs, bits, block }: QuantizedProduct): void {
  checkDType('QuantizedMatMul', codes, 'uint8')
  checkShape('QuantizedMatMul', 'codes', codes, [outputs, Math.ceil(inputs / block), (block * bits) / 8])
}

function lastTwo(shape: readonly number[], transposed: boolean): readonly number[] {
  const [rows, columns] = shape.slice(-2)
  return transposed ? [columns, rows] : [rows, columns]
}

function concatType(inputs: readonly TensorType[], axis: number): TensorType {
  const [first, ...rest] = inputs
  checkAxis('Concat', first, axis)
  for (const input of rest) {
    checkDType('Concat', input, first.dtype)
    checkShape('Concat', 'input', resize(input, axis, first.shape[axis]), first.shape)
  }
  const size = inputs.reduce((sum, { shape }) => sum + shape[axis], 0)
  return resize(first, axis, size)
}

function resize({ dtype, shape }: TensorType, axis: number, size: number): TensorType {
  return { dtype, shape: shape.map((old, i) => (i === axis ? size : old)) }
}

function checkIndexed(op: OpName, x: TensorType, ids: TensorType, axis: number): void {
  checkAxis(op, x, axis)
  checkDType(op, ids, 'int64')
  checkShape(op, 'ids', resize(ids, axis, x.shape[axis]), x.shape)
}

function checkConstant(value: HostTensor): TensorType {
  const { dtype, shape, data } = value
  if (data.length === elementCount(shape)) return { dtype, shape }
  throw shapeError('Constant', {
    en: `${show(shape)} needs ${elementCount(shape)} values, received ${data.length}`,
    ru: `для ${show(shape)} нужно значений: ${elementCount(shape)}, получено ${data.length}`,
  })
}
