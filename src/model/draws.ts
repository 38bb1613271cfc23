// Numbers of a fresh tensor: a pure function of seed and name.
import { normalAt, streamOf, uniformAt } from '../base/random.js'

/** Numbers in ±bound. */
export function uniform(count: number, bound: number, seed: number, name: string): Float32Array {
  const stream = streamOf(name)
  return Float32Array.from({ length: count }, (_, i) => bound * (2 * uniformAt(seed, stream, i) - 1))
}

/** Standard normal numbers. */
export function normals(count: number, seed: number, name: string): Float32Array {
  const stream = streamOf(name)
  return Float32Array.from({ length: count }, (_, i) => normalAt(seed, stream, i))
}
