// The graph of a training step and what a process holds already to the memory that training will need at its peak.
import type { Graph, Node } from '../graph/graph.js'
import { peakBytes } from '../graph/liveness.js'
import { topologicalOrder } from '../graph/order.js'
import { elementBytes, elementCount, type FrozenTensor, type TensorType } from '../graph/tensor.js'

/** Bytes that the process of a run needs at its peak, by what they are for. */
export interface MemoryNeed {
  /** Numbers of the model and of what is trained beside it. */
  readonly weights: number
  readonly gradients: number
  /** What the optimizer keeps beside each trained number. */
  readonly optimizerState: number
  /** Most that values between inputs and gradients need at one time. */
  readonly activations: number
  /** Everything else: Node.js, libraries, the texts and the compiled programs. */
  readonly program: number
  readonly total: number
}

/** What a step will compile and keep. */
export interface StepNeeds {
  /** Programs that run one after another; the values of one take the place of those of another. */
  readonly graphs: readonly Graph[]
  /** Inputs that become part of the programs. */
  readonly frozen?: ReadonlyMap<string, FrozenTensor>
  /** Bytes of the gradients that exist at one time. */
  readonly gradientBytes: number
  /** Bytes of what one program leaves for another. Default 0. */
  readonly between?: number
}

export interface MemorySettings {
  readonly engine: MemoryEngine
  /** Bytes that the process holds: its weights are loaded, nothing is compiled. */
  readonly resident: number
  /** Bytes of the weights among them. */
  readonly weights: number
  /** Numbers that are trained. */
  readonly trained: number
  /** Bytes that the optimizer keeps for each of them: 8 for AdamW, 2 for its 8-bit form. */
  readonly stateBytes: number
  /** Micro-batches of a step: from two on, gradients have a sum beside them. */
  readonly accumulate: number
}

export type MemoryEngine = 'onnxruntime' | 'openvino' | 'openvino-bf16'

/** What a runtime takes beside the values that a graph needs at one time, fitted to the peaks of whole runs. */
interface Engine {
  /** Code of its library, its threads and buffers, those of the update; all compiled programs. */
  readonly programBytes: number
  readonly nodeBytes: number
  /** Share of the bytes that values in float32 would have, with the holes between them. */
  readonly width: number
  /** Whether it keeps what is multiplied by a transpose in codes beside the same times the scales. */
  readonly keepsScaled?: boolean
}

const engines: Readonly<Record<MemoryEngine, Engine>> = {
  onnxruntime: { programBytes: 60e6, nodeBytes: 5e3, width: 1.2 },
  openvino: { programBytes: 150e6, nodeBytes: 5e3, width: 1.3, keepsScaled: true },
  'openvino-bf16': { programBytes: 150e6, nodeBytes: 5e3, width: 0.75 },
}

/** Peak of a run of training with evaluation. */
export function predictMemory(step: StepNeeds, settings: MemorySettings): MemoryNeed {
  const { graphs, frozen = new Map<string, FrozenTensor>(), gradientBytes, between = 0 } = step
  const { resident, weights, trained, stateBytes, accumulate } = settings
  const { programBytes, nodeBytes, width, keepsScaled } = engines[settings.engine]
  const nodes = nodesOf(step)
  const stored = sum([...frozen.values()].map(bytesOf))
  const mirrors = new Set(productsOf(nodes).flatMap(({ inputs }) => inputs.slice(3)))
  const rewritten = sum([...mirrors].map(bytesOf)) // codes as signed bytes, while they are brought into order
  const need = {
    weights: weights + 2 * stored + rewritten, // step and evaluation each have theirs
    gradients: gradientBytes * (accumulate > 1 ? 2 : 1),
    optimizerState: stateBytes * trained,
    activations: width * (Math.max(...graphs.map(peakBytes)) + (keepsScaled ? largestScaled(nodes) : 0)) + between,
    program: resident - weights + programBytes + nodeBytes * nodes.length,
  }
  return { ...need, total: sum(Object.values(need)) }
}

/**
 * Peak of a self-check: the reference computes the step in the same process, and gradients of both are there beside those of
 * the step; nothing has been updated yet. It is fed what is in codes, and makes numbers of them.
 */
export function predictCheck(step: StepNeeds, settings: MemorySettings): MemoryNeed {
  const need = predictMemory(step, { ...settings, engine: 'onnxruntime', trained: 0, accumulate: 1 })
  const nodes = nodesOf(step)
  const matrices = productsOf(nodes).map(({ attributes }) => 4 * Number(attributes.inputs) * Number(attributes.outputs))
  const gradients = 3 * need.gradients
  const activations = need.activations + largestScaled(nodes) + Math.max(0, ...matrices)
  return { ...need, gradients, activations, total: need.total + gradients - need.gradients + activations - need.activations } // prettier-ignore
}

function nodesOf({ graphs }: StepNeeds): readonly Node[] {
  return graphs.flatMap(({ outputs }) => topologicalOrder(Object.values(outputs)))
}

function productsOf(nodes: readonly Node[]): readonly Node[] {
  return nodes.filter(({ op }) => op === 'QuantizedMatMul')
}

/** Bytes of the largest value that is multiplied by a transpose with codes of its own: times the scales, and in codes itself. */
function largestScaled(nodes: readonly Node[]): number {
  const turned = productsOf(nodes).filter(
    ({ inputs, attributes }) => attributes.transposed === true && inputs.length > 3,
  )
  return 1.25 * Math.max(0, ...turned.map(({ inputs: [x] }) => bytesOf(x)))
}

function bytesOf({ shape, dtype }: TensorType): number {
  return elementCount(shape) * elementBytes[dtype]
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
