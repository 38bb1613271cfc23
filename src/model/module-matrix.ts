// The weight of a module in either layout to one way of counting: element (output, input).
import type { FloatTensor } from '../graph/tensor.js'
import { architectures } from './architectures.js'
import type { ModelConfig } from './model-config.js'

/** Element (o, i) of the data is at o·outStride + i·inStride. */
export interface ModuleMatrix {
  readonly outputs: number
  readonly inputs: number
  readonly outStride: number
  readonly inStride: number
}

export function moduleMatrix(config: ModelConfig, { shape }: Pick<FloatTensor, 'shape'>, module: string): ModuleMatrix {
  return isInOut(config, module)
    ? { outputs: shape[1], inputs: shape[0], outStride: 1, inStride: shape[1] }
    : { outputs: shape[0], inputs: shape[1], outStride: shape[1], inStride: 1 }
}

/** Whether the weight of a module is [in, out]; embeddings and heads are [V, C] in every family. */
export function isInOut({ modelType }: ModelConfig, module: string): boolean {
  const { layout, embedding, head } = architectures[modelType].names
  return layout === 'in-out' && module !== head && module !== embedding
}

/** The weight with every row of an output replaced: `change` gets its inputs in float64 and alters them in place. */
export function mapRows(
  config: ModelConfig,
  weight: FloatTensor,
  module: string,
  change: (row: Float64Array, output: number) => void,
): FloatTensor {
  const { outputs, inputs, outStride, inStride } = moduleMatrix(config, weight, module)
  const data = new Float32Array(weight.data.length)
  const row = new Float64Array(inputs)
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) row[i] = weight.data[o * outStride + i * inStride]
    change(row, o)
    for (let i = 0; i < inputs; i++) data[o * outStride + i * inStride] = row[i]
  }
  return { dtype: 'float32', shape: weight.shape, data }
}

/** Length of the row of each output, in float64. */
export function rowLengths(config: ModelConfig, weight: FloatTensor, module: string): Float64Array {
  const { outputs, inputs, outStride, inStride } = moduleMatrix(config, weight, module)
  return Float64Array.from({ length: outputs }, (_, o) => {
    let sum = 0
    for (let i = 0; i < inputs; i++) sum += weight.data[o * outStride + i * inStride] ** 2
    return Math.sqrt(sum)
  })
}
