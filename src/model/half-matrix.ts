// Float32 matrices that never change to bfloat16 ones, in either layout; each is made once for all programs over a model.
import { toBfloat16 } from '../formats/half.js'
import type { FloatTensor, HostTensor } from '../graph/tensor.js'
import { transposed } from './frozen-tensor.js'

/** Input of a matrix in bfloat16. */
export function halfName(name: string): string {
  return `${name}.bfloat16`
}

const halves = new WeakMap<FloatTensor, HostTensor>()

/** The matrix rounded to bfloat16. */
export function halfOf(tensor: FloatTensor): HostTensor {
  const known = halves.get(tensor) ?? { dtype: 'bfloat16', shape: tensor.shape, data: toBfloat16(tensor.data) }
  halves.set(tensor, known)
  return known
}

const transposes = new WeakMap<HostTensor, HostTensor>()

/** The transpose of what `halfOf` gave. */
export function transposedHalf(half: HostTensor): HostTensor {
  const [height, width] = half.shape
  const known = transposes.get(half)
  if (known) return known
  const data = transposed(half.data as Uint16Array, height, width)
  const made: HostTensor = { dtype: 'bfloat16', shape: [width, height], data }
  transposes.set(half, made)
  return made
}
