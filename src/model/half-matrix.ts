// Float32 matrices that never change to bfloat16 ones, each made once for all programs over a model.
import { toBfloat16 } from '../formats/half.js'
import type { FloatTensor, HostTensor } from '../graph/tensor.js'

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
