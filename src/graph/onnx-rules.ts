// Turns one operation of a graph into ONNX nodes; there is one total table for each dialect.
import type { OnnxAttribute } from '../formats/onnx.js'
import { onnxElementTypes } from '../formats/onnx.js'
import type { OnnxContext, Written } from './onnx-context.js'
import { writeCachedAttention, writeCachedAttentionFused } from './onnx-attention.js'
import { onesOf, writeQuantized, writeQuantizedFused, writeQuantizedRounded } from './onnx-quantized.js'
import type { OpName } from './ops.js'
import { elementCount } from './tensor.js'

type OnnxRule<Op extends OpName> = (context: OnnxContext, written: Written<Op>) => void

type OnnxTable = { readonly [Op in OpName]: OnnxRule<Op> }

/**
 * Whom a model is written for: anyone who reads ONNX, who computes in bfloat16 (`half`), or ONNX Runtime with its own fused
 * operations, on the processor (one with 8-bit products: `onnxruntime-int8`) or WebGPU.
 */
export type OnnxDialect = 'standard' | 'half' | 'onnxruntime' | 'onnxruntime-int8' | 'webgpu'

const contrib = 'com.microsoft'

/** An operation that ONNX has under `opType` with the same inputs and no attributes. */
function same(opType: string): (context: OnnxContext, written: Written<OpName>) => void {
  return (context, { inputs, output }) => void context.node(opType, inputs, [output(0)])
}

function onAxis(opType: string): OnnxRule<'Softmax' | 'LogSoftmax' | 'Concat' | 'Gather' | 'GatherElements'> {
  return (context, { inputs, output, attributes: { axis } }) =>
    void context.node(opType, inputs, [output(0)], { axis: { int: axis } })
}

function reduction(opType: string): OnnxRule<'ReduceSum' | 'ReduceMean' | 'ReduceMax'> {
  return (context, { inputs, output, attributes: { axes, keep } }) =>
    void context.node(opType, [...inputs, context.int64s(axes)], [output(0)], { keepdims: { int: Number(keep) } })
}

/** How ONNX writes each operation; Input and Constant are no nodes there and StopGradient is its input. */
const standard: OnnxTable = {
  Input: () => {},
  Constant: () => {},
  StopGradient: () => {},
  Add: same('Add'),
  Sub: same('Sub'),
  Mul: same('Mul'),
  Div: same('Div'),
  Maximum: same('Max'),
  Minimum: same('Min'),
  Neg: same('Neg'),
  Abs: same('Abs'),
  Sign: same('Sign'),
  Round: same('Round'),
  Exp: same('Exp'),
  Log: same('Log'),
  Sqrt: same('Sqrt'),
  Sin: same('Sin'),
  Cos: same('Cos'),
  Tanh: same('Tanh'),
  Sigmoid: same('Sigmoid'),
  Erf: same('Erf'),
  Relu: same('Relu'),
  Silu: (context, { inputs: [x], output }) => void context.node('Mul', [x, context.node('Sigmoid', [x])], [output(0)]),
  Gelu: (context, { inputs, output, attributes: { approximate } }) =>
    void context.node('Gelu', inputs, [output(0)], { approximate: { text: approximate } }),
  Where: same('Where'),
  Equal: same('Equal'),
  Less: same('Less'),
  LessOrEqual: same('LessOrEqual'),
  Greater: same('Greater'),
  And: same('And'),
  Not: same('Not'),
  Cast: (context, { inputs, output, attributes: { to } }) =>
    void context.node('Cast', inputs, [output(0)], { to: { int: onnxElementTypes[to] } }),
  MatMul: (context, { node, inputs: [a, b], output, attributes: { transposeA, transposeB, alpha } }) => {
    const [rankA, rankB] = node.inputs.map(({ shape }) => shape.length)
    const factors = [transposeA ? swapLast(context, a, rankA) : a, transposeB ? swapLast(context, b, rankB) : b]
    if (alpha === 1) context.node('MatMul', factors, [output(0)])
    else context.node('Mul', [context.node('MatMul', factors), context.float(alpha)], [output(0)])
  },
  Linear: (context, { inputs, output, attributes: { transposeA, transposeB, alpha } }) =>
    void context.node('Gemm', inputs, [output(0)], {
      transA: flag(transposeA),
      transB: flag(transposeB),
      alpha: { float: alpha },
    }),
  QuantizedMatMul: writeQuantized,
  CachedAttention: writeCachedAttention,
  Softmax: onAxis('Softmax'),
  LogSoftmax: onAxis('LogSoftmax'),
  ReduceSum: reduction('ReduceSum'),
  ReduceMean: reduction('ReduceMean'),
  ReduceMax: reduction('ReduceMax'),
  Reshape: (context, { inputs, output, attributes: { shape } }) =>
    void context.node('Reshape', [...inputs, context.int64s(shape)], [output(0)]),
  Transpose: (context, { inputs, output, attributes: { perm } }) =>
    void context.node('Transpose', inputs, [output(0)], { perm: { ints: perm } }),
  Concat: onAxis('Concat'),
  Slice: (context, { inputs, output, attributes: { axis, start, end } }) => {
    const range = [[start], [end], [axis]].map(list => context.int64s(list))
    context.node('Slice', [...inputs, ...range], [output(0)])
  },
  // inputs: data, pads, value (left out), axes
  Pad: (context, { inputs, output, attributes: { axis, before, after } }) =>
    void context.node('Pad', [...inputs, context.int64s([before, after]), '', context.int64s([axis])], [output(0)]),
  Split: (context, { inputs, output, attributes: { axis, sizes } }) => {
    const outputs = sizes.map((_, i) => output(i))
    context.node('Split', [...inputs, context.int64s(sizes)], outputs, { axis: { int: axis } })
  },
  Expand: (context, { inputs, output, attributes: { shape } }) =>
    void context.node('Expand', [...inputs, context.int64s(shape)], [output(0)]),
  Gather: onAxis('Gather'),
  // ScatterND would take whole rows, but ONNX Runtime 1.30 adds equal rows from several threads and loses updates;
  // ScatterElements adds on one thread, some 30 ns an element. (Summing equal rows by a product first: no faster.)
  ScatterAddRows: (context, { node, inputs: [base, ids, updates], output }) => {
    const row = node.shape.slice(1)
    const count = elementCount(node.inputs[1].shape)
    const column = context.node('Reshape', [ids, context.int64s([count, ...row.map(() => 1)])])
    const indices = context.node('Expand', [column, context.int64s([count, ...row])])
    const rows = context.node('Reshape', [updates, context.int64s([count, ...row])])
    context.node('ScatterElements', [base, indices, rows], [output(0)], {
      axis: { int: 0 },
      reduction: { text: 'add' },
    })
  },
  GatherElements: onAxis('GatherElements'),
  ScatterElementsAdd: (context, { inputs, output, attributes: { axis } }) =>
    void context.node('ScatterElements', inputs, [output(0)], { axis: { int: axis }, reduction: { text: 'add' } }),
  LayerNorm: layerNormBy(meanOfSquares),
  RmsNorm: rmsNormBy(meanOfSquares),
  CrossEntropy: crossEntropyIn('float32'),
}

/**
 * OpenVINO told to compute in bfloat16 keeps float32 on every path from the last product to a result. Gradients of biases
 * are such paths, sums of rows, and drag what they sum into float32 with them, with copies to and fro; a product with ones
 * ends the path. The paths of the loss hold softmax over the whole vocabulary; there the type is written down, also for the
 * product that makes logits, else values as large are copied into float32 and back. Norms are written in a form that is
 * not taken for one operation, which would compute the inverse root again for the backward pass and keep until then what
 * it comes from.
 */
const half: OnnxTable = {
  ...standard,
  Cast: (context, written) => {
    standard.Cast(context, written)
    if (written.node.inputs[0].dtype === 'bfloat16') context.setHalf(written.output(0), written.inputs[0])
  },
  MatMul: (context, written) => {
    const { attributes, inputs, output, readers } = written
    if (!readers.has('CrossEntropy') || attributes.alpha !== 1) return standard.MatMul(context, written)
    const factors = inputs.map(x => context.halfOf(x) ?? castTo(context, x, 'bfloat16'))
    standard.MatMul(context, { ...written, inputs: factors, output: () => `${output(0)}:half` })
    context.setHalf(output(0), `${output(0)}:half`)
    castTo(context, `${output(0)}:half`, 'float32', [output(0)])
  },
  Reshape: ofHalf(standard.Reshape),
  Slice: ofHalf(standard.Slice),
  ReduceSum: (context, written) => {
    const { node, inputs, output, attributes: { axes } } = written // prettier-ignore
    const { shape } = node.inputs[0]
    if (shape.length !== 2 || axes.length !== 1 || axes[0] !== 0) return standard.ReduceSum(context, written)
    const sums = context.node('MatMul', [onesOf(context, [1, shape[0]]), inputs[0]])
    context.node('Reshape', [sums, context.int64s(node.shape)], [output(0)])
  },
  LayerNorm: layerNormBy(sumOfSquares),
  RmsNorm: rmsNormBy(sumOfSquares),
  CrossEntropy: crossEntropyIn('bfloat16'),
}

/** ONNX Runtime has these fused, some outside the standard: fewer passes over memory and no transposed copies. */
const onnxruntime: OnnxTable = {
  ...standard,
  Silu: (context, { inputs, output }) =>
    void context.node('QuickGelu', inputs, [output(0)], { alpha: { float: 1 } }, contrib),
  MatMul: (context, { node, inputs, output, attributes: { transposeA, transposeB, alpha } }) => {
    const plain = !transposeA && !transposeB && alpha === 1
    const attributes = { transA: flag(transposeA), transB: flag(transposeB), alpha: { float: alpha } }
    if (node.inputs.every(({ shape }) => shape.length === 2)) context.node('Gemm', inputs, [output(0)], attributes)
    else if (plain) context.node('MatMul', inputs, [output(0)])
    else context.node('FusedMatMul', inputs, [output(0)], attributes, contrib)
  },
  QuantizedMatMul: writeQuantizedFused,
  CachedAttention: writeCachedAttentionFused,
  LayerNorm: (context, { inputs, output, attributes: { epsilon } }) =>
    void context.node('LayerNormalization', inputs, [output(0), output(1), output(2)], {
      axis: { int: -1 },
      epsilon: { float: epsilon },
    }),
  RmsNorm: (context, { inputs, output, attributes: { epsilon } }) =>
    void context.node('SimplifiedLayerNormalization', inputs, [output(0), output(1)], {
      axis: { int: -1 },
      epsilon: { float: epsilon },
    }),
}

/**
 * WebGPU of ONNX Runtime 1.30 leaves the second output of SimplifiedLayerNormalization unset, and gradients need it;
 * GroupQueryAttention is wrong by 3 % in one case of the tests; FusedMatMul is not there and would run on the processor.
 */
const webgpu: OnnxTable = {
  ...onnxruntime,
  RmsNorm: standard.RmsNorm,
  CachedAttention: standard.CachedAttention,
  MatMul: (context, written) => {
    const matrices = written.node.inputs.every(({ shape }) => shape.length === 2)
    ;(matrices ? onnxruntime : standard).MatMul(context, written)
  },
}

/** The rules of each dialect. */
export const onnxRules: { readonly [D in OnnxDialect]: OnnxTable } = {
  ...{ standard, half, onnxruntime, webgpu },
  'onnxruntime-int8': { ...onnxruntime, QuantizedMatMul: writeQuantizedRounded },
}

/**
 * Outputs: max z − log max p − z[label], p = softmax z, and log Σ eᶻ = max z − log max p, where max p ≥ 1/V cannot vanish.
 * @param type of the values that are as large as the logits
 */
function crossEntropyIn(type: 'float32' | 'bfloat16'): OnnxRule<'CrossEntropy'> {
  return (context, { inputs: [logits, labels], output }) => {
    const cast = (x: string, to: 'float32' | 'bfloat16', outputs?: readonly string[]): string =>
      type === 'float32' ? x : castTo(context, x, to, outputs)
    const short = context.halfOf(logits) ?? cast(logits, type)
    const shares = context.node('Softmax', [short], type === 'float32' ? [output(1)] : undefined, { axis: { int: -1 } })
    if (type === 'bfloat16') context.setHalf(output(1), shares)
    cast(shares, 'float32', [output(1)])
    const last = context.int64s([-1])
    const largest = (x: string): string =>
      cast(context.node('ReduceMax', [x, last], undefined, { keepdims: { int: 0 } }), 'float32')
    // written first, run last: then shares may take the place of logits that nobody else reads any more
    const logarithm = context.node('Log', [largest(shares)])
    context.node('Sub', [largest(short), logarithm], [output(2)])
    const column = context.node('Unsqueeze', [labels, last])
    const picked = cast(context.node('GatherElements', [short, column], undefined, { axis: { int: 1 } }), 'float32')
    context.node('Sub', [output(2), context.node('Squeeze', [picked, last])], [output(0)])
  }
}

function castTo(context: OnnxContext, x: string, to: 'float32' | 'bfloat16', outputs?: readonly string[]): string {
  return context.node('Cast', [x], outputs, { to: { int: onnxElementTypes[to] } })
}

/** An operation that only moves numbers: where they exist in bfloat16, those are moved. */
function ofHalf<Op extends 'Reshape' | 'Slice'>(rule: OnnxRule<Op>): OnnxRule<Op> {
  return (context, written) => {
    const [from, to] = [context.halfOf(written.inputs[0]), written.output(0)]
    if (from === undefined) return rule(context, written)
    rule(context, { ...written, inputs: [from], output: () => `${to}:half` })
    context.setHalf(to, `${to}:half`)
    castTo(context, `${to}:half`, 'float32', [to])
  }
}

/** The mean of x² over the last axis, which has `width` numbers. */
type SquaresRule = (context: OnnxContext, x: string, width: number) => string

function meanOfSquares(context: OnnxContext, x: string): string {
  return context.node('ReduceMean', [context.node('Mul', [x, x]), context.int64s([-1])])
}

function sumOfSquares(context: OnnxContext, x: string, width: number): string {
  const sum = context.node('ReduceSum', [context.node('Mul', [x, x]), context.int64s([-1])])
  return context.node('Mul', [sum, context.float(1 / width)])
}

/** Outputs: y, mean, inverse standard deviation. */
function layerNormBy(squares: SquaresRule): OnnxRule<'LayerNorm'> {
  return (context, { node, inputs: [x, weight, bias], output, attributes: { epsilon } }) => {
    const mean = context.node('ReduceMean', [x, context.int64s([-1])], [output(1)])
    const centred = context.node('Sub', [x, mean])
    const inverse = inverseRoot(context, squares(context, centred, node.inputs[1].shape[0]), epsilon, output(2))
    const scaled = context.node('Mul', [centred, inverse])
    context.node('Add', [context.node('Mul', [scaled, weight]), bias], [output(0)])
  }
}

/** Outputs: y, inverse root mean square. */
function rmsNormBy(squares: SquaresRule): OnnxRule<'RmsNorm'> {
  return (context, { node, inputs: [x, weight], output, attributes: { epsilon } }) => {
    const inverse = inverseRoot(context, squares(context, x, node.inputs[1].shape[0]), epsilon, output(1))
    context.node('Mul', [context.node('Mul', [x, inverse]), weight], [output(0)])
  }
}

/** 1 / sqrt(mean + epsilon) */
function inverseRoot(context: OnnxContext, mean: string, epsilon: number, name: string): string {
  const root = context.node('Sqrt', [context.node('Add', [mean, context.float(epsilon)])])
  return context.node('Reciprocal', [root], [name])
}

function swapLast(context: OnnxContext, x: string, rank: number): string {
  const perm = Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i))
  return context.node('Transpose', [x], undefined, { perm: { ints: perm } })
}

function flag(on: boolean): OnnxAttribute {
  return { int: Number(on) }
}
