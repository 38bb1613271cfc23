// Turns a sample into a graph, its inputs' values and a scalar loss that weighs every output element differently.
import { uniformAt } from '../../src/base/random.js'
import * as g from '../../src/graph/build.js'
import type { Node } from '../../src/graph/graph.js'
import { elementCount } from '../../src/graph/tensor.js'
import type { Sample } from './samples.js'

export interface Drawn {
  readonly inputs: readonly Node[]
  readonly outputs: readonly Node[]
  /** Σ weight·output over all floating outputs; undefined when there is none, or no gradient of it. */
  readonly loss: Node | undefined
  /** float32 numbers, held in float64. */
  readonly feeds: Readonly<Record<string, Float64Array>>
}

export function draw({ shapes, build, gradient, range: [low, high] = [-2, 2] }: Sample): Drawn {
  const inputs = shapes.map((shape, i) => g.input(`x${i}`, shape))
  const built = build(...inputs)
  const outputs = 'op' in built ? [built] : built
  const floating = outputs.filter(({ dtype }) => dtype === 'float32')
  const weighed = floating.map(y => g.reduceSum(g.mul(y, g.constant({ ...y, data: random(y.shape, 99, -1, 1) }))))
  const loss = weighed.length === 0 || gradient === 'none' ? undefined : weighed.reduce(g.add)
  const feeds = Object.fromEntries(shapes.map((shape, i) => [`x${i}`, Float64Array.from(random(shape, i, low, high))]))
  return { inputs, outputs, loss, feeds }
}

function random(shape: readonly number[], stream: number, low: number, high: number): Float32Array {
  return Float32Array.from({ length: elementCount(shape) }, (_, i) => low + (high - low) * uniformAt(7, stream, i))
}
