// Turns an array into the sum of its squares, kept in float64, as fast as memory is read.
import { fromBfloat16 } from '../formats/half.js'
import { encodeWasm, instruction, loadBfloat16, place, repeatWhile, simd, vector } from '../formats/wasm.js'
import type { LoopWork } from './loop-work.js'
import type { LoopArray } from './pointwise.js'
import { copyRooms, memoryOf } from './wasm-memory.js'
import { compileWasm, startWasm, type WasmModule } from './wasm.js'

/** Numbers that are summed at once, as many as a room has or fewer; sums in another order would end otherwise. */
export const stretch = 1 << 14

/** Each holds two sums, so that no addition waits for the one before. */
const accumulators = 4

const modules = new Map<number, WasmModule>()

/** Σx² of float32 numbers (or bfloat16), squared and added in float64; the order of additions depends on the length alone. */
export function sumOfSquares(x: LoopArray): number {
  const whole = wholeStretches(x)
  const sums: number[] = []
  if (whole) {
    const run = startWasm(whole.module, whole.memory)
    for (let at = 0; at < whole.length; at += stretch)
      sums.push(run(4 * stretch, whole.begins[0] + x.BYTES_PER_ELEMENT * at)!)
  }
  return totalOfSquares(x, sums)
}

/** The stretches of x that any thread may sum where they lie; undefined when there are none. */
export function wholeStretches(x: LoopArray): LoopWork | undefined {
  const memory = memoryOf(x)?.memory
  const length = x.length - (x.length % stretch)
  if (!memory || length === 0) return undefined
  const width = x.BYTES_PER_ELEMENT
  return { module: loop(width), memory, begins: [x.byteOffset], widths: [width], length }
}

/** `sumOfSquares(x)` from the sums of its first stretches. */
export function totalOfSquares(x: LoopArray, sums: ArrayLike<number>): number {
  let total = 0
  for (let i = 0; i < sums.length; i++) total += sums[i]
  for (let at = stretch * sums.length; at < x.length; at += stretch) total += sumCopy(x.subarray(at, at + stretch))
  return total
}

/** Through a room that is filled up with zeros to a round of the loop. */
function sumCopy(part: LoopArray): number {
  const { memory, rooms } = copyRooms(1)
  rooms[0].set(part instanceof Float32Array ? part : fromBfloat16(part))
  const round = Math.ceil(part.length / 8) * 8
  rooms[0].fill(0, part.length, round)
  return startWasm(loop(4), memory)(4 * round, rooms[0].byteOffset)!
}

/** @param width bytes of a number */
function loop(width: number): WasmModule {
  const known = modules.get(width) ?? compileWasm(writeLoop(width))
  modules.set(width, known)
  return known
}

/** run(bytes of float32, begin): the squares of eight numbers a round go to four pairs of sums, which are added one after another. */
function writeLoop(width: number): Uint8Array {
  const { get, set, add, addDouble, loop, end } = instruction
  const [begin, at, numbers, firstSum] = [1, 2, 3, 4]
  const code: number[] = [...loop]
  for (let half = 0; half < 2; half++) {
    if (width === 4) code.push(get, begin, get, at, add, ...vector(simd.load), ...place(16 * half), set, numbers)
    else code.push(...loadBfloat16(begin, at, 8 * half), set, numbers)
    for (let pair = 0; pair < 2; pair++) {
      const sum = firstSum + 2 * half + pair
      const two = [get, numbers, ...(pair === 1 ? upperHalf(numbers) : []), ...vector(simd.widen)]
      code.push(get, sum, ...two, ...two, ...vector(simd.mulDouble), ...vector(simd.addDouble), set, sum)
    }
  }
  code.push(...repeatWhile(at, 32), end)
  for (let i = 0; i < 2 * accumulators; i++) {
    code.push(get, firstSum + (i >> 1), ...vector(simd.laneDouble), i & 1)
    if (i > 0) code.push(addDouble)
  }
  const locals = ['i32' as const, 'v128' as const, ...Array.from({ length: accumulators }, () => 'v128' as const)]
  return encodeWasm({ parameters: ['i32', 'i32'], locals, code, result: 'f64' })
}

/** Numbers 2 and 3 in the place of 0 and 1. */
function upperHalf(local: number): number[] {
  return [instruction.get, local, ...vector(simd.shuffle), ...Array.from({ length: 16 }, (_, i) => (i + 8) % 16)]
}
