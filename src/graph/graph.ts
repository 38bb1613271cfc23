// A computation as plain data: nodes that name their op, inputs, attributes and type; no runtime is known here.
import type { OpName } from './ops.js'
import type { HostTensor, TensorType } from './tensor.js'

export interface Node extends TensorType {
  /** `Input`, `Constant`, or an operation. */
  readonly op: OpName
  readonly inputs: readonly Node[]
  readonly attributes: Readonly<Record<string, AttributeValue>>
  /** Which output of the operation this is; 0 but for operations with several. */
  readonly output: number
}

export type AttributeValue = number | string | boolean | readonly number[] | HostTensor

/** Inputs are found from the outputs; the order of `outputs` is kept. */
export interface Graph {
  readonly outputs: Readonly<Record<string, Node>>
}
