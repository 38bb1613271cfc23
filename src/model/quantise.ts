// A matrix of float32 numbers to codes of 8 or 4 bits with a scale for every block of neighbours, and back.
import type { FrozenTensor, HostTensor, TensorType } from '../graph/tensor.js'

export type Bits = 8 | 4

/** A matrix [outputs, inputs] in codes, as the operation `QuantizedMatMul` takes them; arrays, or places in a file. */
export interface QuantisedMatrix<T extends FrozenTensor = FrozenTensor> {
  readonly inputs: number
  readonly outputs: number
  readonly bits: Bits
  readonly block: number
  /** uint8 [outputs, blocks, block·bits/8] */
  readonly codes: T
  /** float32 [outputs, blocks] */
  readonly scales: T
  /** The codes transposed, uint8 [inputs, blocks of outputs, block]; where there are 8 bits. */
  readonly mirror?: T
}

/** Sizes of codes and scales of a matrix, and of its transpose where that is kept too. */
export function quantisedTypes(outputs: number, inputs: number, bits: Bits, block = quantisedBlock[bits]) {
  const blocks = Math.ceil(inputs / block)
  const codesOf = (rows: number, columns: number): TensorType => ({
    dtype: 'uint8',
    shape: [rows, Math.ceil(columns / block), (block * bits) / 8],
  })
  const scales: TensorType = { dtype: 'float32', shape: [outputs, blocks] }
  return { codes: codesOf(outputs, inputs), scales, mirror: bits === 8 ? codesOf(inputs, outputs) : undefined }
}

/**
 * Neighbours that share a scale with four bits; with eight, where an output has one, numbers of the left side that products
 * of generation round together: a power of two.
 */
export const quantisedBlock: { readonly [B in Bits]: number } = { 8: 128, 4: 32 }

/**
 * Eight bits have one scale for each output, so that one set of codes serves W and Wᵀ (whose product begins with the scales)
 * and the gradient is that of the very weights which the forward pass used. Four bits have a scale for every `block` inputs
 * of one output: squares with one scale would lose half as much again (pocket-ru, squares of 32: relative error 0.138
 * against 0.087), and Wᵀ in codes of its own would be another matrix (0.08 away), so they have none.
 * @param rows [outputs, inputs]
 */
export function quantiseMatrix(
  rows: Float32Array,
  outputs: number,
  inputs: number,
  bits: Bits,
  block = quantisedBlock[bits],
): QuantisedMatrix<HostTensor> {
  return bits === 8 ? quantiseOutputs(rows, outputs, inputs, block) : quantiseRuns(rows, outputs, inputs, block)
}

/** The numbers that the codes stand for: [outputs, inputs]. */
export function dequantiseMatrix(matrix: QuantisedMatrix<HostTensor>): Float32Array {
  const { inputs, outputs, bits, block, codes, scales } = matrix
  const blocks = Math.ceil(inputs / block)
  const [bytes, factors] = [codes.data as Uint8Array, scales.data as Float32Array]
  const rows = new Float32Array(outputs * inputs)
  for (let o = 0, at = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++, at++) {
      const place = o * blocks * block + i
      const code = bits === 8 ? bytes[place] - 128 : ((bytes[place >> 1] >> (4 * (place & 1))) & 15) - 8
      rows[at] = code * factors[o * blocks + Math.floor(i / block)]
    }
  }
  return rows
}

/** Codes 1 to 255 around 128; the largest of an output has code 1 or 255. */
function quantiseOutputs(
  rows: Float32Array,
  outputs: number,
  inputs: number,
  block: number,
): QuantisedMatrix<HostTensor> {
  const types = quantisedTypes(outputs, inputs, 8, block)
  const [down, across] = [Math.ceil(outputs / block), Math.ceil(inputs / block)]
  const codes = new Uint8Array(outputs * across * block).fill(128)
  const mirrored = new Uint8Array(inputs * down * block).fill(128)
  const scales = new Float32Array(outputs * across)
  for (let o = 0; o < outputs; o++) {
    let largest = 0
    for (let i = o * inputs; i < (o + 1) * inputs; i++) largest = Math.max(largest, Math.abs(rows[i]))
    const scale = Math.fround(largest / 127)
    const factor = scale === 0 ? 0 : 1 / scale
    scales.fill(scale, o * across, (o + 1) * across)
    for (let i = 0; i < inputs; i++) codes[o * across * block + i] = Math.round(rows[o * inputs + i] * factor) + 128
  }
  turnRows([codes, across * block], [mirrored, down * block], outputs, inputs)
  return {
    ...{ inputs, outputs, bits: 8, block },
    codes: { ...types.codes, data: codes },
    scales: { ...types.scales, data: scales },
    mirror: { ...types.mirror!, data: mirrored },
  }
}

/** The first `width` of each of `height` rows, which begin `fromWidth` apart, to columns of rows that begin `toWidth` apart; in squares that fit a cache. */
export function turnRows<A extends Float32Array | Uint8Array>(
  [from, fromWidth]: readonly [A, number],
  [to, toWidth]: readonly [A, number],
  height: number,
  width: number,
): void {
  const side = 32
  for (let top = 0; top < height; top += side)
    for (let left = 0; left < width; left += side)
      for (let y = top; y < Math.min(height, top + side); y++)
        for (let x = left; x < Math.min(width, left + side); x++) to[x * toWidth + y] = from[y * fromWidth + x]
}

/** Codes 0 to 15 around 8; the largest of a run, whatever its sign, has code 0, so that all codes are used. */
function quantiseRuns(rows: Float32Array, outputs: number, inputs: number, block: number): QuantisedMatrix<HostTensor> {
  const blocks = Math.ceil(inputs / block)
  const codes = new Uint8Array((outputs * blocks * block) / 2).fill(0x88)
  const scales = new Float32Array(outputs * blocks)
  for (let o = 0; o < outputs; o++) {
    for (let b = 0; b < blocks; b++) {
      const [start, end] = [o * inputs + b * block, o * inputs + Math.min(inputs, (b + 1) * block)]
      let largest = 0
      for (let i = start; i < end; i++) if (Math.abs(rows[i]) > Math.abs(largest)) largest = rows[i]
      const scale = Math.fround(largest / -8)
      const factor = scale === 0 ? 0 : 1 / scale
      scales[o * blocks + b] = scale
      for (let i = start; i < end; i++) {
        const code = Math.min(15, Math.max(0, Math.round(rows[i] * factor) + 8))
        const place = (o * blocks + b) * block + i - start
        const byte = codes[place >> 1]
        codes[place >> 1] = place & 1 ? (byte & 15) | (code << 4) : (byte & 0xf0) | code
      }
    }
  }
  return {
    ...{ inputs, outputs, bits: 4, block },
    codes: { dtype: 'uint8', shape: [outputs, blocks, block / 2], data: codes },
    scales: { dtype: 'float32', shape: [outputs, blocks], data: scales },
  }
}
