// A batch and the number of an update to what dropout leaves of the inputs of an adapter's modules.
import { streamOf, uniformAt } from '../base/random.js'
import { input, mul, scalar, where } from '../graph/build.js'
import type { Node } from '../graph/graph.js'
import type { HostTensor } from '../graph/tensor.js'
import type { Batch } from './step.js'

export interface Dropout {
  /** x [N, in] of a module, with a share of its numbers zero and the rest grown by 1/(1 − rate). */
  apply(x: Node, module: string): Node
  /** Values of the inputs that `apply` has made; the same buffers every time. */
  masks(batch: Batch, update: number): Readonly<Record<string, HostTensor>>
}

/**
 * A mask is a pure function of seed, update, module, example and place in it, so that a resumed run draws the same,
 * and packing or accumulation change nothing. An example is known by its token ids.
 * @param rate share of numbers that become zero, in steps of 1/65536
 */
export function createDropout(rate: number, seed: number): Dropout {
  const made = new Map<string, HostTensor & { readonly data: Uint8Array; readonly stream: number }>()
  const threshold = Math.round(rate * 65536)
  return {
    apply(x, module) {
      const name = `dropout:${module}`
      const [rows, width] = x.shape
      if (!made.has(name)) {
        const data = new Uint8Array(new ArrayBuffer(Math.max(128, rows * width)), 0, rows * width)
        made.set(name, { dtype: 'bool', shape: x.shape, data, stream: streamOf(name) })
      }
      return mul(where(input(name, x.shape, 'bool'), x, scalar(0)), scalar(1 / (1 - rate)))
    },
    masks(batch, update) {
      const keys = tokenKeys(batch)
      for (const { data, shape, stream } of made.values()) {
        const place = Math.trunc(uniformAt(seed, stream, update) * 2 ** 32)
        fillMask(data, shape[1], keys, place, threshold)
      }
      return Object.fromEntries(made)
    },
  }
}

/** Two numbers from each hash: 1 where the number stays. */
function fillMask(mask: Uint8Array, width: number, keys: Int32Array, place: number, threshold: number): void {
  for (let row = 0; row < keys.length; row++) {
    const key = keys[row]
    const from = row * width
    for (let column = 0; column < width; column += 2) {
      const bits = Math.trunc(uniformAt(place, key, column) * 2 ** 32)
      mask[from + column] = (bits & 0xffff) >= threshold ? 1 : 0
      if (column + 1 < width) mask[from + column + 1] = bits >>> 16 >= threshold ? 1 : 0
    }
  }
}

/** A number for each token: of the ids of its example, and its position there. */
function tokenKeys({ batch, length, ids, positions, segments }: Batch): Int32Array {
  const keys = new Int32Array(batch * length)
  for (let row = 0; row < batch; row++) {
    const end = (row + 1) * length
    for (let from = row * length; from < end;) {
      let to = from
      let example = 0
      for (; to < end && segments[to] === segments[from]; to++) {
        example = Math.imul(example ^ Number(ids[to]), 0x01000193) + 0x9e3779b9
      }
      for (; from < to; from++) keys[from] = Math.trunc(uniformAt(example, Number(positions[from]), 0) * 2 ** 32)
    }
  }
  return keys
}
