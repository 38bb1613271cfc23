// What the rules that write ONNX are given: the operation with the names of its values, and the model to write into.
import type { OnnxAttribute } from '../formats/onnx.js'
import type { Node } from './graph.js'
import type { OpAttributes, OpName } from './ops.js'

/** What a rule may write. */
export interface OnnxContext {
  /** Adds a node and returns the name of its first output; outputs are temporary values by default. */
  node(
    opType: string,
    inputs: readonly string[],
    outputs?: readonly string[],
    attributes?: Readonly<Record<string, OnnxAttribute>>,
    domain?: string,
  ): string
  /** The name of a stored int64 list. */
  int64s(list: readonly number[]): string
  /** The name of a stored float32 number. */
  float(value: number): string
  /** Stores bytes under a name, once, and returns the name. */
  bytes(name: string, elementType: number, shape: readonly number[], make: () => Uint8Array): string
  /**
   * The name of a second view of stored bytes, as another type and shape; undefined for what is fed at every run.
   * @param bytes where a part of them begins and ends; all by default
   */
  view(
    name: string,
    elementType: number,
    shape: readonly number[],
    bytes?: readonly [number, number],
  ): string | undefined
  /** The name under which a value exists in bfloat16 already, if it does. */
  halfOf(name: string): string | undefined
  /** Says that a value exists in bfloat16, under another name. */
  setHalf(name: string, half: string): void
}

/** The operation to write, with the names of its values. */
export interface Written<Op extends OpName> {
  readonly node: Node
  readonly attributes: OpAttributes[Op]
  readonly inputs: readonly string[]
  readonly output: (index: number) => string
  /** Operations that read the first output. */
  readonly readers: ReadonlySet<OpName>
}
