// Loops over arrays in shared memory, cut into chunks that any thread may take: the numbers are the same whoever does.
import { startWasm, type WasmMemory, type WasmModule } from './wasm.js'

/** A loop over arrays of one length in one memory. It may be sent to other threads. */
export interface LoopWork {
  /** Its function takes bytes of one array, where each array begins, then what is given for a run. */
  readonly module: WasmModule
  readonly memory: WasmMemory
  /** In bytes, one for each array. */
  readonly begins: readonly number[]
  /** Bytes of a number, one for each array. */
  readonly widths: readonly number[]
  /** Numbers of each array, a multiple of 4. */
  readonly length: number
}

/** Loops that run together. */
export interface LoopSet {
  readonly works: readonly LoopWork[]
  /** Numbers of each array that are taken at once, a multiple of 16 so that threads do not write one line of the cache. */
  readonly chunk: number
}

/** A set with what its threads share. */
export interface SharedLoops extends LoopSet {
  /** The number of the chunk that is taken next. */
  readonly next: Int32Array
  /** What each chunk's function returned, in the order of works and of chunks. */
  readonly results: Float64Array
}

export function shareLoops(set: LoopSet): SharedLoops {
  const chunks = set.works.reduce((sum, { length }) => sum + Math.ceil(length / set.chunk), 0)
  const next = new Int32Array(new SharedArrayBuffer(4))
  return { ...set, next, results: new Float64Array(new SharedArrayBuffer(8 * chunks)) }
}

/**
 * Takes chunks until none is left; other threads may do the same meanwhile.
 * @param numbers for each work, what its function takes after the arrays
 */
export function takeChunks(
  { works, chunk, next, results }: SharedLoops,
  numbers: readonly (readonly number[])[],
): void {
  let taken = Atomics.add(next, 0, 1)
  let first = 0
  for (const [i, { module, memory, begins, widths, length }] of works.entries()) {
    const end = first + Math.ceil(length / chunk)
    const run = taken < end ? startWasm(module, memory) : undefined
    for (; run && taken < end; taken = Atomics.add(next, 0, 1)) {
      const start = (taken - first) * chunk
      const bytes = 4 * Math.min(chunk, length - start)
      results[taken] = run(bytes, ...begins.map((begin, k) => begin + widths[k] * start), ...numbers[i]) ?? 0
    }
    first = end
  }
}
