// Turns a graph of pointwise operations into a program that passes over its arrays once, whatever their length.
import type { Graph } from '../graph/graph.js'
import { writeLoop } from '../graph/wasm.js'
import { memoryOf, openArrayMemory, type ArrayMemory } from './wasm-memory.js'
import { compileWasm, startWasm } from './wasm.js'

type Arrays = Readonly<Record<string, Float32Array>>

export interface PointwiseProgram {
  /**
   * Runs over arrays of one length: where they lie when one memory holds them all, else over copies of a stretch at a time.
   * An array may be both fed and a result: each number is read before it is written.
   * @param feeds every input of rank 1 or more by name
   * @param scalars every input of rank 0 by name
   * @param results every output by name, written in place
   */
  run(feeds: Arrays, scalars: Readonly<Record<string, number>>, results: Arrays): void
}

/** Numbers of each array that are copied at once, so that they stay in the processor's cache. */
const stretch = 1 << 13

/**
 * One fused loop where a runtime would make one pass over memory for every operation. The same numbers on every machine.
 * @throws AppError `not-pointwise`
 */
export function compilePointwise(graph: Graph): PointwiseProgram {
  const { bytes, inputs, outputs, scalars: scalarNames } = writeLoop(graph)
  const module = compileWasm(bytes)
  let rooms: Rooms | undefined
  return {
    run(feeds, scalars, results) {
      const given = [...inputs.map(name => feeds[name]), ...outputs.map(name => results[name])]
      const numbers = scalarNames.map(name => scalars[name])
      const { length } = given[0]
      const memory = commonMemory(given)
      // four numbers at a time: what is left over is copied, as a loop would write beyond it
      const whole = memory ? length - (length % 4) : 0
      if (memory && whole > 0) startWasm(module, memory.memory)(4 * whole, ...given.map(x => x.byteOffset), ...numbers)
      if (whole === length) return
      rooms ??= openRooms(given.length)
      const run = startWasm(module, rooms.memory)
      for (let start = whole; start < length; start += stretch) {
        const end = Math.min(start + stretch, length)
        given.slice(0, inputs.length).forEach((array, i) => rooms!.arrays[i].set(array.subarray(start, end)))
        run(16 * Math.ceil((end - start) / 4), ...rooms.arrays.map(room => room.byteOffset), ...numbers)
        for (let i = inputs.length; i < given.length; i++) given[i].set(rooms.arrays[i].subarray(0, end - start), start)
      }
    },
  }
}

/** The memory that all arrays were taken from, if it is one. */
function commonMemory(arrays: readonly Float32Array[]): ArrayMemory | undefined {
  const first = memoryOf(arrays[0])
  return arrays.every(array => memoryOf(array) === first) ? first : undefined
}

/** Where stretches of arrays are copied. */
interface Rooms extends Pick<ArrayMemory, 'memory'> {
  readonly arrays: readonly Float32Array[]
}

function openRooms(count: number): Rooms {
  const { memory, allocate } = openArrayMemory()
  return { memory, arrays: Array.from({ length: count }, () => allocate(stretch)!) }
}
