// Turns a graph of pointwise operations into a program that passes over its arrays once, whatever their length.
import type { Graph } from '../graph/graph.js'
import { writeLoop } from '../graph/wasm.js'
import { startWasm } from './wasm.js'

type Arrays = Readonly<Record<string, Float32Array>>

export interface PointwiseProgram {
  /**
   * Runs over arrays of one length. An array may be both fed and a result: each number is read before it is written.
   * @param feeds every input of rank 1 or more by name
   * @param scalars every input of rank 0 by name
   * @param results every output by name, written in place
   */
  run(feeds: Arrays, scalars: Readonly<Record<string, number>>, results: Arrays): void
}

/** Numbers of each array that pass through the memory at once, so that they stay in the processor's cache. */
const stretch = 1 << 13

/**
 * One fused loop where a runtime would make one pass over memory for every operation. The same numbers on every machine.
 * @throws AppError `not-pointwise`
 */
export function compilePointwise(graph: Graph): PointwiseProgram {
  const written = writeLoop(graph, 4 * stretch)
  const { run, memory } = startWasm(written.bytes)
  const room = (place: number): Float32Array => new Float32Array(memory.buffer, place * 4 * stretch, stretch)
  const fed = written.inputs.map((name, i) => ({ name, inside: room(i) }))
  const made = written.outputs.map((name, i) => ({ name, inside: room(fed.length + i) }))
  return {
    run(feeds, scalars, results) {
      const numbers = written.scalars.map(name => scalars[name])
      const { length } = results[made[0].name]
      for (let start = 0; start < length; start += stretch) {
        const end = Math.min(start + stretch, length)
        for (const { name, inside } of fed) inside.set(feeds[name].subarray(start, end))
        run(4 * (end - start), ...numbers)
        for (const { name, inside } of made) copyOut(inside, end - start, results[name], start)
      }
    },
  }
}

function copyOut(inside: Float32Array, count: number, result: Float32Array, start: number): void {
  result.set(count === inside.length ? inside : inside.subarray(0, count), start)
}
