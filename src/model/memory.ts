// A model, a method and the settings of a step to the memory that training will need, before anything is trained.
import { peakBytes } from '../graph/liveness.js'
import type { Node } from '../graph/graph.js'
import { topologicalOrder } from '../graph/order.js'
import { elementBytes, elementCount, type TensorType } from '../graph/tensor.js'
import { createAdapter, type Adapter } from './adapter.js'
import { createDropout } from './dropout.js'
import { trainableNames, type Method } from './method.js'
import { bindParts } from './parts.js'
import { stepGraph, type StepSettings } from './step-graph.js'
import type { Model } from './weights.js'

/** Bytes that a run needs at its peak, by what they are for. */
export interface MemoryNeed {
  /** Numbers of the model and of what is trained beside it. */
  readonly weights: number
  readonly gradients: number
  /** What the optimizer keeps beside each trained number. */
  readonly optimizerState: number
  /** Most that values between inputs and gradients need at one time. */
  readonly activations: number
  /** The program itself, libraries and the compiled graph. */
  readonly runtime: number
  readonly total: number
}

export interface MemorySettings extends StepSettings {
  /** Training goes on with this adapter; by default a fresh one. */
  readonly adapter?: Adapter
  /** Bytes that the optimizer keeps for each trained number: 8 for AdamW, 2 for its 8-bit form. */
  readonly stateBytes: number
}

/** Resident before a model is read, with one session open: Node.js, the native library and its compiled graph. */
const processBytes = 104 * 2 ** 20
/** What a node of the compiled graph takes. */
const operationBytes = 2 ** 13

/**
 * Peak memory of a run on ONNX Runtime that returns freed memory at once. Walks the graph of the step; nothing is compiled.
 * @throws AppError as `createTrainingStep`
 */
export function predictMemory(model: Model, method: Method, settings: MemorySettings): MemoryNeed {
  const adapter = method.kind === 'full' ? undefined : (settings.adapter ?? createAdapter(model, method, 0))
  const rate = adapter && 'dropout' in adapter.method ? (adapter.method.dropout ?? 0) : 0
  const parts = bindParts(model, adapter, { dropout: rate > 0 ? createDropout(rate, 0).apply : undefined })
  const names = method.kind === 'full' ? trainableNames(model.config, method) : [...adapter!.weights.keys()]
  const graph = stepGraph(model, parts, names, settings)
  const ends = [graph.lossSum, ...graph.gradients.flatMap(({ base, added }) => [base, ...added.flatMap(({ rows, ids }) => [rows, ids])])] // prettier-ignore
  const outputs = Object.fromEntries(ends.flatMap((node, i) => (node ? [[String(i), node] as const] : [])))
  const nodes = topologicalOrder(Object.values(outputs))
  const inputs = nodes.filter(({ op }) => op === 'Input')
  const weighs = ({ attributes }: Node): boolean => parts.feeds.has(attributes.name as string)
  const trained = names.map(name => parts.feeds.get(name)!)
  const numbers = sum(trained.map(({ shape }) => elementCount(shape)))
  const need = {
    weights: sum(inputs.filter(weighs).map(bytesOf)) + sum([...parts.frozen.values()].map(bytesOf)),
    gradients: 4 * numbers,
    optimizerState: settings.stateBytes * numbers,
    activations: peakBytes({ outputs }) + sum(inputs.filter(node => !weighs(node)).map(bytesOf)),
    runtime: processBytes + operationBytes * nodes.length,
  }
  return { ...need, total: sum(Object.values(need)) }
}

function bytesOf({ shape, dtype }: TensorType): number {
  return elementCount(shape) * elementBytes[dtype]
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
