// Turns a graph of pointwise operations into a program that passes over its arrays once, whatever their length.
import type { Graph } from '../graph/graph.js'
import { topologicalOrder } from '../graph/order.js'
import { writeLoop } from '../graph/wasm.js'
import { startWasm } from './wasm.js'

type Arrays = Readonly<Record<string, Float32Array>>

export interface PointwiseProgram {
  /** Zeros; in the program's own memory, where they need no copying, as long as `ownNumbers` have not been given away. */
  allocate(length: number): Float32Array
  /**
   * Runs over arrays of one length. An array may be both fed and a result: each number is read before it is written.
   * @param feeds every input of rank 1 or more by name
   * @param scalars every input of rank 0 by name
   * @param results every output by name, written in place
   */
  run(feeds: Arrays, scalars: Readonly<Record<string, number>>, results: Arrays): void
}

/** Numbers of each array that are copied in at once, so that they stay in the processor's cache. */
const stretch = 1 << 13

/** A memory of WebAssembly ends at 4 GiB; some room is left for copies. */
const mostOwnBytes = 4e9

/**
 * One fused loop where a runtime would make one pass over memory for every operation. The same numbers on every machine.
 * @param ownNumbers numbers that `allocate` may give away, each array rounded up to a multiple of 4
 * @throws AppError `not-pointwise`
 */
export function compilePointwise(graph: Graph, { ownNumbers = 0 } = {}): PointwiseProgram {
  const arrays = Object.keys(graph.outputs).length + countInputs(graph)
  const copyBytes = 4 * stretch * arrays
  const ownBytes = Math.min(4 * ownNumbers, mostOwnBytes)
  const written = writeLoop(graph, copyBytes + ownBytes)
  const { run, memory } = startWasm(written.bytes)
  const { buffer } = memory
  const rooms = Array.from({ length: arrays }, (_, i) => new Float32Array(buffer, 4 * stretch * i, stretch))
  const names = [...written.inputs, ...written.outputs]
  let used = copyBytes
  return {
    allocate(length) {
      const begin = used
      const bytes = 16 * Math.ceil(length / 4)
      if (begin + bytes > copyBytes + ownBytes) return new Float32Array(length)
      used += bytes
      return new Float32Array(buffer, begin, length)
    },
    run(feeds, scalars, results) {
      const given = names.map((name, i) => (i < written.inputs.length ? feeds[name] : results[name]))
      const numbers = written.scalars.map(name => scalars[name])
      const begins = given.map((_, i) => 4 * stretch * i)
      for (let start = 0; start < given[0].length; start += stretch) {
        const count = Math.min(stretch, given[0].length - start)
        given.forEach((array, i) => {
          if (array.buffer === buffer) begins[i] = array.byteOffset + 4 * start
          else if (i < written.inputs.length) rooms[i].set(array.subarray(start, start + count))
        })
        run(16 * Math.ceil(count / 4), ...begins, ...numbers)
        for (let i = written.inputs.length; i < given.length; i++)
          if (given[i].buffer !== buffer)
            given[i].set(count === stretch ? rooms[i] : rooms[i].subarray(0, count), start)
      }
    },
  }
}

function countInputs({ outputs }: Graph): number {
  return topologicalOrder(Object.values(outputs)).filter(({ op, shape }) => op === 'Input' && shape.length > 0).length
}
