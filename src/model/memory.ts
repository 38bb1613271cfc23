// The graph of a training step and what a process holds already to the memory that training will need at its peak.
import type { Graph } from '../graph/graph.js'
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

export interface MemorySettings {
  readonly engine: MemoryEngine
  /** Bytes that the process holds: its weights are loaded, nothing is compiled. */
  readonly resident: number
  /** Bytes of the weights among them. */
  readonly weights: number
  /** Inputs that become part of the program. */
  readonly frozen?: ReadonlyMap<string, FrozenTensor>
  /** Numbers that are trained. */
  readonly trained: number
  /** Bytes that the optimizer keeps for each of them: 8 for AdamW, 2 for its 8-bit form. */
  readonly stateBytes: number
  /** Micro-batches of a step: from two on, gradients have a sum beside them. */
  readonly accumulate: number
}

/** What a runtime takes beside the values that a graph needs at one time, fitted to the peaks of whole runs. */
interface Engine {
  /** Code of its library, its threads and buffers, those of the update; all compiled programs. */
  readonly programBytes: number
  readonly nodeBytes: number
  /** Whether values of the step and those of the evaluation lie in memory of their own. */
  readonly apart: boolean
  /** Share of the bytes that values in float32 would have, with the holes between them. */
  readonly width: number
}

const engines = {
  onnxruntime: { programBytes: 60e6, nodeBytes: 5e3, apart: false, width: 1.2 },
  openvino: { programBytes: 150e6, nodeBytes: 5e3, apart: true, width: 1.1 },
  'openvino-bf16': { programBytes: 150e6, nodeBytes: 5e3, apart: true, width: 0.9 },
} as const satisfies Record<string, Engine>

export type MemoryEngine = keyof typeof engines

/**
 * Peak of a run of training with evaluation.
 * @param graph of the step, as it is compiled, with the output `loss`
 */
export function predictMemory(graph: Graph, settings: MemorySettings): MemoryNeed {
  const { resident, weights, frozen = new Map<string, FrozenTensor>(), trained, stateBytes, accumulate } = settings
  const { programBytes, nodeBytes, apart, width } = engines[settings.engine]
  const nodes = topologicalOrder(Object.values(graph.outputs))
  const stored = sum([...frozen.values()].map(bytesOf))
  const mirrors = new Set(nodes.filter(({ op }) => op === 'QuantizedMatMul').flatMap(({ inputs }) => inputs.slice(3)))
  const rewritten = sum([...mirrors].map(bytesOf)) // codes as signed bytes, while they are brought into order
  const evaluation = apart ? peakBytes({ outputs: { loss: graph.outputs.loss } }) : 0
  const need = {
    weights: weights + 2 * stored + rewritten, // step and evaluation each have theirs
    gradients: 4 * trained * (accumulate > 1 ? 2 : 1),
    optimizerState: stateBytes * trained,
    activations: width * (peakBytes(graph) + evaluation),
    program: resident - weights + programBytes + nodeBytes * nodes.length,
  }
  return { ...need, total: sum(Object.values(need)) }
}

function bytesOf({ shape, dtype }: TensorType): number {
  return elementCount(shape) * elementBytes[dtype]
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
