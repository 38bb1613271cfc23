// The small network behind virtual tokens while they are trained: rows through dense layers, in the graph and on the host.
import { linear } from '../graph/build.js'
import type { Node } from '../graph/graph.js'
import type { FloatTensor } from '../graph/tensor.js'
import type { AdapterSpec } from './adapter-kind.js'
import { normals, uniform } from './draws.js'

/** Rows [tokens, widths[0]] through layers of the following widths; tensors are named as PEFT's modules. */
export interface PromptEncoder {
  readonly tokens: number
  readonly widths: readonly number[]
  /** Of the layers in PEFT: `mlp_head` or `transform`. */
  readonly module: string
  /** Between layers, in the graph and on the host. */
  readonly activate: (x: Node) => Node
  readonly activateNumber: (x: number) => number
}

const rowsName = 'prompt_encoder.embedding.weight'

/** Layers stand at even places: activations take the others. */
function layerNames({ module, widths }: PromptEncoder): { weight: string; bias: string }[] {
  return widths.slice(1).map((_, i) => {
    const at = `prompt_encoder.${module}.${2 * i}`
    return { weight: `${at}.weight`, bias: `${at}.bias` }
  })
}

/** Rows standard normal, layers uniform in ±1/√in, as PyTorch draws them. */
export function encoderTensors(encoder: PromptEncoder, seed: number): AdapterSpec[] {
  const { tokens, widths } = encoder
  const layers = layerNames(encoder).flatMap(({ weight, bias }, i): AdapterSpec[] => {
    const [inputs, outputs] = [widths[i], widths[i + 1]]
    const bound = 1 / Math.sqrt(inputs)
    return [
      { name: weight, shape: [outputs, inputs], start: () => uniform(outputs * inputs, bound, seed, weight) },
      { name: bias, shape: [outputs], start: () => uniform(outputs, bound, seed, bias) },
    ]
  })
  const rows = { name: rowsName, shape: [tokens, widths[0]], start: () => normals(tokens * widths[0], seed, rowsName) }
  return [rows, ...layers]
}

/** [tokens, last width] */
export function encoded(encoder: PromptEncoder, tensor: (name: string) => Node): Node {
  const layers = layerNames(encoder)
  return layers.reduce((x, { weight, bias }, i) => {
    const y = linear(x, tensor(weight), tensor(bias), { transposeB: true })
    return i === layers.length - 1 ? y : encoder.activate(y)
  }, tensor(rowsName))
}

/** What `encoded` computes, from the arrays: the rows that PEFT keeps. */
export function encodeRows(encoder: PromptEncoder, weights: ReadonlyMap<string, FloatTensor>): FloatTensor {
  const { tokens, widths } = encoder
  const layers = layerNames(encoder)
  const last = layers.length - 1
  const data = new Float32Array(tokens * widths.at(-1)!)
  for (let t = 0; t < tokens; t++) {
    let row = Array.from(weights.get(rowsName)!.data.subarray(t * widths[0], (t + 1) * widths[0]))
    layers.forEach(({ weight, bias }, i) => {
      const sums = dense(row, weights.get(weight)!.data, weights.get(bias)!.data)
      row = i === last ? sums : sums.map(encoder.activateNumber)
    })
    data.set(row, t * row.length)
  }
  return { dtype: 'float32', shape: [tokens, widths.at(-1)!], data }
}

function dense(x: readonly number[], weight: Float32Array, bias: Float32Array): number[] {
  return Array.from(bias, (start, o) => x.reduce((sum, value, i) => sum + value * weight[o * x.length + i], start))
}
