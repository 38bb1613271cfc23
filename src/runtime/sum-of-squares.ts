// Turns an array into the sum of its squares, kept in float64, as fast as memory is read.
import { encodeWasm, instruction, place, repeatWhile, simd, vector } from '../formats/wasm.js'
import { startWasm, type WasmProgram } from './wasm.js'

/** Numbers that pass through the memory at once. */
const stretch = 1 << 14

/** Each holds two sums, so that no addition waits for the one before. */
const accumulators = 4

let program: WasmProgram | undefined

/** Σx² of float32 numbers, squared and added in float64; the order of additions depends on the length alone. */
export function sumOfSquares(x: Float32Array): number {
  program ??= startWasm(writeLoop())
  const inside = new Float32Array(program.memory.buffer, 0, stretch)
  const sums = new Float64Array(program.memory.buffer, 4 * stretch, 2 * accumulators)
  let total = 0
  for (let start = 0; start < x.length; start += stretch) {
    const part = x.subarray(start, start + stretch)
    inside.set(part)
    const whole = Math.ceil(part.length / 8) * 8
    inside.fill(0, part.length, whole)
    program.run(4 * whole)
    total += sums.reduce((a, b) => a + b)
  }
  return total
}

/** run(bytes): the squares of eight numbers a round go to four pairs of sums, stored behind the numbers. */
function writeLoop(): Uint8Array {
  const { get, set, loop, end } = instruction
  const [at, numbers, firstSum] = [1, 2, 3]
  const code: number[] = [...loop]
  for (let half = 0; half < 2; half++) {
    code.push(get, at, ...vector(simd.load), ...place(16 * half), set, numbers)
    for (let pair = 0; pair < 2; pair++) {
      const sum = firstSum + 2 * half + pair
      const two = [get, numbers, ...(pair === 1 ? upperHalf(numbers) : []), ...vector(simd.widen)]
      code.push(get, sum, ...two, ...two, ...vector(simd.mulDouble), ...vector(simd.addDouble), set, sum)
    }
  }
  code.push(...repeatWhile(at, 32), end)
  for (let i = 0; i < accumulators; i++)
    code.push(instruction.constant, 0, get, firstSum + i, ...vector(simd.store), ...place(4 * stretch + 16 * i)) // prettier-ignore
  const locals = ['i32' as const, 'v128' as const, ...Array.from({ length: accumulators }, () => 'v128' as const)]
  return encodeWasm({ parameters: ['i32'], locals, code, memoryBytes: 4 * stretch + 16 * accumulators })
}

/** Numbers 2 and 3 in the place of 0 and 1. */
function upperHalf(local: number): number[] {
  return [instruction.get, local, ...vector(simd.shuffle), ...Array.from({ length: 16 }, (_, i) => (i + 8) % 16)]
}
