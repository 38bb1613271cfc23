// Turns a graph of pointwise operations into a program that passes over its arrays once, whatever their length.
import type { Graph } from '../graph/graph.js'
import { writeLoop } from '../graph/wasm.js'
import type { LoopWork } from './loop-work.js'
import { copyRooms, memoryOf, roomLength } from './wasm-memory.js'
import { compileWasm, startWasm, type WasmModule } from './wasm.js'

/** Numbers of a loop: float32, or bfloat16 where it was compiled for that. */
export type LoopArray = Float32Array | Uint16Array

type Arrays = Readonly<Record<string, LoopArray>>
type Scalars = Readonly<Record<string, number>>

export interface PointwiseProgram {
  /**
   * Runs over arrays of one length. An array may be both fed and a result: each number is read before it is written.
   * @param feeds every input of rank 1 or more by name
   * @param scalars every input of rank 0 by name
   * @param results every output by name, written in place
   */
  run(feeds: Arrays, scalars: Scalars, results: Arrays): void
  /** For arrays that stay the same from run to run. */
  bind(feeds: Arrays, results: Arrays): BoundLoop
}

/** A program on its arrays: a part that any thread may run where it lies, and a part for this one. */
export interface BoundLoop {
  /** Undefined where the arrays do not lie in one memory. */
  readonly inPlace: LoopWork | undefined
  /** The scalars as the function takes them. */
  numbers(scalars: Scalars): readonly number[]
  /** Runs what is not in place over copies, a stretch at a time. */
  runRest(numbers: readonly number[]): void
}

/**
 * One fused loop where a runtime would make one pass over memory for every operation. The same numbers on every machine.
 * @param halves inputs that are fed in bfloat16
 * @throws AppError `not-pointwise`
 */
export function compilePointwise(graph: Graph, halves: ReadonlySet<string> = new Set()): PointwiseProgram {
  const written = writeLoop(graph, halves)
  const module = compileWasm(written.bytes)
  const bind = (feeds: Arrays, results: Arrays): BoundLoop => {
    const given = [...written.inputs.map(name => feeds[name]), ...written.outputs.map(name => results[name])]
    const inPlace = workOf(module, given)
    return {
      inPlace,
      numbers: scalars => written.scalars.map(name => scalars[name]),
      runRest(numbers) {
        const start = inPlace?.length ?? 0
        if (start < given[0].length) runCopied(module, given, written.inputs.length, start, numbers)
      },
    }
  }
  return {
    bind,
    run(feeds, scalars, results) {
      const { inPlace, numbers, runRest } = bind(feeds, results)
      const values = numbers(scalars)
      if (inPlace) startWasm(module, inPlace.memory)(4 * inPlace.length, ...inPlace.begins, ...values)
      runRest(values)
    },
  }
}

/** What may run in place. A loop takes four numbers at a time, so that it would write beyond an array if it took the rest. */
function workOf(module: WasmModule, arrays: readonly LoopArray[]): LoopWork | undefined {
  const memory = memoryOf(arrays[0])?.memory
  const length = arrays[0].length - (arrays[0].length % 4)
  if (!memory || length === 0 || arrays.some(array => memoryOf(array)?.memory !== memory)) return undefined
  const [begins, widths] = [arrays.map(array => array.byteOffset), arrays.map(array => array.BYTES_PER_ELEMENT)]
  return { module, memory, begins, widths, length }
}

/** From a number on through rooms: inputs are copied in, outputs out. */
function runCopied(
  module: WasmModule,
  given: readonly LoopArray[],
  inputs: number,
  from: number,
  numbers: readonly number[],
): void {
  const { memory, rooms } = copyRooms(given.length)
  const run = startWasm(module, memory)
  const begins = rooms.map(({ byteOffset }) => byteOffset)
  const { length } = given[0]
  for (let start = from; start < length; start += roomLength) {
    const end = Math.min(start + roomLength, length)
    for (let i = 0; i < inputs; i++) roomFor(given[i], rooms[i]).set(given[i].subarray(start, end))
    run(16 * Math.ceil((end - start) / 4), ...begins, ...numbers)
    for (let i = inputs; i < given.length; i++) given[i].set(rooms[i].subarray(0, end - start), start)
  }
}

/** A room as an array of the same type. */
function roomFor(array: LoopArray, room: Float32Array): LoopArray {
  return array instanceof Float32Array ? room : new Uint16Array(room.buffer, room.byteOffset, room.length)
}
