// Turns a product with a frozen matrix in codes into ONNX nodes: plain ones, or ONNX Runtime's own product of few bits.
import { onnxElementTypes } from '../formats/onnx.js'
import type { OnnxContext, Written } from './onnx-context.js'
import type { QuantizedProduct } from './ops.js'
import { evenStretches, type Stretch } from './stretches.js'

const contrib = 'com.microsoft'

type Quantized = Written<'QuantizedMatMul'>

/**
 * Only operations of the standard. A matrix whose transpose has codes of its own, and so one scale for each output, is written
 * in the form that OpenVINO multiplies by as it is, where it is stored: bytes, their middle and the scales; the transposed
 * product takes x times the scales. Other codes become float32 numbers at every run, as scale·code − scale·middle. (OpenVINO
 * 2026.4 fails where it finds scale·(code − middle) on one stored matrix in both directions.)
 */
export function writeQuantized(context: OnnxContext, written: Quantized): void {
  const { inputs: [x, codes, scales, mirror], output, attributes } = written // prettier-ignore
  const { outputs, bits, transposed } = attributes
  if (bits === 8 && mirror !== undefined) {
    const factors = outputScales(context, scales, outputs)
    const [left, table, each] = transposed ? [context.node('Mul', [x, factors]), mirror, context.float(1)] : [x, codes, factors] // prettier-ignore
    context.node('Gemm', [left, numbersOf(context, table, each, attributes)], [output(0)], { transB: { int: 1 } })
    return
  }
  const numbers = context.node('Cast', [codes], undefined, { to: { int: onnxElementTypes.float32 } })
  const each = bits === 8 ? numbers : unpackNibbles(context, numbers, attributes)
  const factors = context.node('Unsqueeze', [scales, context.int64s([2])])
  const middles = context.node('Mul', [factors, context.float(2 ** (bits - 1))])
  multiply(context, x, context.node('Sub', [context.node('Mul', [each, factors]), middles]), output(0), attributes)
}

/** Codes of 8 bits [rows, blocks, block] times the scales of their rows, or one for all. */
function numbersOf(context: OnnxContext, codes: string, scales: string, attributes: QuantizedProduct): string {
  const { inputs, outputs, block, transposed } = attributes
  const [rows, width] = transposed ? [inputs, outputs] : [outputs, inputs]
  const wide = Math.ceil(width / block) * block
  const whole = context.node('Reshape', [codes, context.int64s([rows, wide])])
  const matrix = wide === width ? whole : withoutFilling(context, whole, width)
  const shape = transposed ? [] : [rows]
  const middle = context.bytes(`middles:${shape.join()}`, onnxElementTypes.uint8, shape, () => new Uint8Array(shape[0] ?? 1).fill(128)) // prettier-ignore
  return context.node('DequantizeLinear', [matrix, scales, middle], undefined, { axis: { int: 0 } })
}

/** The first columns of codes whose last block is filled up. */
function withoutFilling(context: OnnxContext, codes: string, width: number): string {
  const range = [[0], [width], [1]].map(list => context.int64s(list))
  return context.node('Slice', [codes, ...range])
}

/**
 * `MatMulNBits` takes stored codes; ONNX Runtime brings them into its own order once. The transposed product takes those of
 * the transpose where they are stored, for x times the scales; else it makes float32 numbers of the codes at every run,
 * which `DequantizeLinear` is never folded for.
 */
export function writeQuantizedFused(context: OnnxContext, written: Quantized): void {
  const { inputs: [x, codes, scales, mirror], output, attributes } = written // prettier-ignore
  const { inputs: wide, outputs, bits, block } = attributes
  const shape = [outputs, Math.ceil(wide / block)]
  const each = context.view(codes, bits === 8 ? onnxElementTypes.uint8 : onnxElementTypes.uint4, [...shape, block])
  const factors = context.view(scales, onnxElementTypes.float32, [...shape, 1])
  if (each === undefined || factors === undefined) return writeQuantized(context, written)
  if (attributes.transposed && mirror !== undefined) {
    const scaled = context.node('Mul', [x, outputScales(context, scales, outputs)])
    const ones = onesOf(context, [wide, Math.ceil(outputs / block)])
    const swapped = { ...attributes, inputs: outputs, outputs: wide }
    return multiplyBits(context, [scaled, mirror, ones], output(0), swapped)
  }
  if (attributes.transposed) {
    const inputs = [each, factors, middle(context, attributes, [...shape, 1])]
    const options = { axis: { int: 2 }, block_size: { int: block } }
    return multiply(context, x, context.node('DequantizeLinear', inputs, undefined, options), output(0), attributes)
  }
  multiplyBits(context, [x, codes, scales], output(0), attributes)
}

/** x times the transpose of a matrix [outputs, inputs] in codes. */
function multiplyBits(context: OnnxContext, factors: readonly string[], y: string, attributes: QuantizedProduct): void {
  const { inputs, outputs, bits, block, activations } = attributes
  const options = {
    K: { int: inputs },
    N: { int: outputs },
    bits: { int: bits },
    block_size: { int: block },
    accuracy_level: { int: activations === 'int8' ? 4 : 1 },
  }
  context.node('MatMulNBits', factors, [y], options, contrib)
}

/**
 * Gradients of logits have a few large numbers among thousands of small ones that matter together, so their rows are rounded
 * in stretches: such products add up many times more numbers than they give. Gradient of pocket-ru, as a cosine with that of
 * float32: stretches of 1,024 0.997, 512 0.9982, 256 0.9987.
 */
const [manyTimes, stretch] = [8, 256]

/**
 * For processors with 8-bit products: each row of x is rounded to 8 bits and multiplied by the codes as they are, which takes
 * half the time of `MatMulNBits` with its scale for every block.
 */
export function writeQuantizedRounded(context: OnnxContext, written: Quantized): void {
  const { node, inputs: [x, codes, scales, mirror], output, attributes } = written // prettier-ignore
  const { inputs, outputs, block, activations, transposed } = attributes
  const [length, width] = transposed ? [outputs, inputs] : [inputs, outputs]
  const wide = Math.ceil(width / block) * block
  const count = length < manyTimes * width ? 1 : Math.ceil(length / stretch)
  const stretches = evenStretches(length, count)
  const rowsOf = ({ start, end, size }: Stretch): string | undefined =>
    mirror && context.view(transposed ? codes : mirror, onnxElementTypes.uint8, [size, wide], [start * wide, end * wide]) // prettier-ignore
  const rows = activations === 'int8' ? stretches.flatMap(one => rowsOf(one) ?? []) : []
  if (rows.length < count) return writeQuantizedFused(context, written)
  const sizes = context.int64s(stretches.map(({ size }) => size))
  const cut = (whole: string, axis: number): readonly string[] => {
    const names = stretches.map((_, i) => `${output(0)}:${whole}:${i}`)
    if (count > 1) context.node('Split', [whole, sizes], names, { axis: { int: axis } })
    return count > 1 ? names : [whole]
  }
  const factors = outputScales(context, scales, outputs)
  const [pieces, pieceFactors] = [cut(x, 1), transposed ? cut(factors, 0) : []]
  const parts = pieces.map((piece, i) => {
    const left = transposed ? context.node('Mul', [piece, pieceFactors[i]]) : piece
    const right = [signed(context, rows[i], wide, width), transposed ? context.float(1) : factors] as const // prettier-ignore
    return multiplyRows(context, left, right, node.shape[0], count > 1 ? undefined : [output(0)])
  })
  parts.reduce((sum, part, i) => context.node('Add', [sum, part], i === count - 1 ? [output(0)] : undefined))
}

/** Rows of x rounded to bytes times a matrix of signed bytes with scales for its columns, or one. */
function multiplyRows(
  context: OnnxContext,
  x: string,
  [matrix, scales]: readonly [string, string],
  rows: number,
  y: readonly string[] | undefined,
): string {
  const last = context.int64s([-1])
  const ends = ['ReduceMax', 'ReduceMin'].map(op => context.node(op, [x, last], undefined, { keepdims: { int: 0 } }))
  const largest = context.node('Max', [ends[0], context.node('Neg', [ends[1]]), context.float(1e-30)])
  const steps = context.node('Mul', [largest, context.float(1 / 127)])
  const middles = context.bytes(`middles:${rows}`, onnxElementTypes.uint8, [rows], () => new Uint8Array(rows).fill(128))
  const middle = context.bytes('middle', onnxElementTypes.uint8, [], () => Uint8Array.of(128))
  const bytes = context.node('QuantizeLinear', [x, steps, middles], undefined, { axis: { int: 0 } })
  const factors = [bytes, matrix, context.float(1), scales, middle]
  const sums = context.node('MatMulIntegerToFloat', factors, undefined, {}, contrib)
  return context.node('Mul', [sums, context.node('Unsqueeze', [steps, last])], y)
}

/** Codes as signed bytes, which processors multiply by, without what fills the last block: made once, when the model is loaded. */
function signed(context: OnnxContext, codes: string, wide: number, width: number): string {
  const top = context.bytes('top', onnxElementTypes.uint8, [], () => Uint8Array.of(128))
  const turned = context.node('BitwiseXor', [wide === width ? codes : withoutFilling(context, codes, width), top])
  return context.node('Cast', [turned], undefined, { to: { int: onnxElementTypes.int8 } })
}

/** The scales of outputs whose blocks share them: [outputs] */
function outputScales(context: OnnxContext, scales: string, outputs: number): string {
  const range = [[0], [1], [1]].map(list => context.int64s(list))
  return context.node('Reshape', [context.node('Slice', [scales, ...range]), context.int64s([outputs])])
}

/** The name of ones of this shape. */
export function onesOf(context: OnnxContext, shape: readonly number[]): string {
  const count = shape.reduce((product, size) => product * size, 1)
  const make = (): Uint8Array => new Uint8Array(new Float32Array(count).fill(1).buffer)
  return context.bytes(`ones:${shape.join()}`, onnxElementTypes.float32, shape, make)
}

/** Two codes of a byte beside each other, the low one first: [outputs, blocks, block/2] to [outputs, blocks, block]. */
function unpackNibbles(context: OnnxContext, bytes: string, { inputs, outputs, block }: QuantizedProduct): string {
  const high = context.node('Floor', [context.node('Div', [bytes, context.float(16)])])
  const low = context.node('Sub', [bytes, context.node('Mul', [high, context.float(16)])])
  const last = context.int64s([3])
  const pairs = [low, high].map(half => context.node('Unsqueeze', [half, last]))
  const stacked = context.node('Concat', pairs, undefined, { axis: { int: 3 } })
  return context.node('Reshape', [stacked, context.int64s([outputs, Math.ceil(inputs / block), block])])
}

/** The code that stands for zero, for every block. */
function middle(context: OnnxContext, { bits }: QuantizedProduct, shape: readonly number[]): string {
  const count = shape.reduce((product, size) => product * size, 1)
  const type = bits === 8 ? onnxElementTypes.uint8 : onnxElementTypes.uint4
  const bytes = (): Uint8Array => new Uint8Array(Math.ceil((count * bits) / 8)).fill(bits === 8 ? 0x80 : 0x88)
  return context.bytes(`zeros${bits}:${shape.join()}`, type, shape, bytes)
}

/** x times the numbers [outputs, blocks, block] of a matrix. */
function multiply(context: OnnxContext, x: string, numbers: string, y: string, attributes: QuantizedProduct): void {
  const { inputs, outputs, block, transposed } = attributes
  const wide = Math.ceil(inputs / block) * block
  const rows = context.node('Reshape', [numbers, context.int64s([outputs, wide])])
  const range = [[0], [inputs], [1]].map(list => context.int64s(list))
  const matrix = wide === inputs ? rows : context.node('Slice', [rows, ...range])
  const factor = transposed ? matrix : context.node('Transpose', [matrix], undefined, { perm: { ints: [1, 0] } })
  context.node('MatMul', [x, factor], [y])
}
