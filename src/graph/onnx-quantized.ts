// Turns a product with a frozen matrix in codes into ONNX nodes: plain ones, or ONNX Runtime's own product of few bits.
import { onnxElementTypes } from '../formats/onnx.js'
import type { OnnxContext, Written } from './onnx-context.js'
import type { QuantizedProduct } from './ops.js'

type Quantized = Written<'QuantizedMatMul'>

/**
 * Only operations of the standard: the codes become float32 numbers at every run, as scale·code − scale·middle. (OpenVINO
 * 2026.4 knows scale·(code − middle), and fails where it finds it on one stored matrix in both directions.)
 */
export function writeQuantized(
  context: OnnxContext,
  { inputs: [x, codes, scales], output, attributes }: Quantized,
): void {
  const numbers = context.node('Cast', [codes], undefined, { to: { int: onnxElementTypes.float32 } })
  const each = attributes.bits === 8 ? numbers : unpackNibbles(context, numbers, attributes)
  const factors = context.node('Unsqueeze', [scales, context.int64s([2])])
  const middles = context.node('Mul', [factors, context.float(2 ** (attributes.bits - 1))])
  multiply(context, x, context.node('Sub', [context.node('Mul', [each, factors]), middles]), output(0), attributes)
}

/**
 * `MatMulNBits` takes stored codes; ONNX Runtime brings them into its own order once. The transposed product makes
 * float32 numbers of them at every run, which `DequantizeLinear` is never folded for.
 */
export function writeQuantizedFused(context: OnnxContext, written: Quantized): void {
  const { inputs: [x, codes, scales], output, attributes } = written // prettier-ignore
  const { inputs: wide, outputs, bits, block, activations } = attributes
  const shape = [outputs, Math.ceil(wide / block)]
  const each = context.view(codes, bits === 8 ? onnxElementTypes.uint8 : onnxElementTypes.uint4, [...shape, block])
  const factors = context.view(scales, onnxElementTypes.float32, [...shape, 1])
  if (each === undefined || factors === undefined) return writeQuantized(context, written)
  if (attributes.transposed) {
    const inputs = [each, factors, middle(context, attributes, [...shape, 1])]
    const options = { axis: { int: 2 }, block_size: { int: block } }
    return multiply(context, x, context.node('DequantizeLinear', inputs, undefined, options), output(0), attributes)
  }
  const options = {
    K: { int: wide },
    N: { int: outputs },
    bits: { int: bits },
    block_size: { int: block },
    accuracy_level: { int: activations === 'int8' ? 4 : 1 },
  }
  context.node('MatMulNBits', [x, codes, scales], [output(0)], options, 'com.microsoft')
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
