// The seam behind which native code runs graphs; a runtime is one file that fills this interface.
import type { Graph } from '../graph/graph.js'
import type { OnnxDialect } from '../graph/onnx-rules.js'
import type { WrittenGraph } from '../graph/onnx.js'
import type { FrozenTensor, HostTensor } from '../graph/tensor.js'

/** In which numbers a runtime computes; arrays in and out are float32 in either. */
export type Precision = 'f32' | 'bf16'

export interface Runtime {
  /** e.g. `onnxruntime-cpu`. */
  readonly name: string
  /** Ends in the precision where that is not f32. */
  readonly version: string
  /**
   * In which programs frozen inputs become a part, in the order that it computes fastest with: in all of them, or in those
   * without gradients. Elsewhere they are fed.
   */
  readonly storesFrozen?: 'always' | 'inference'
  /** Whether tables of codes that products read in one direction become a part of every program. */
  readonly storesCodes?: boolean
  /** Whether products round their factors to bfloat16, so that matrices which never change had better be given in that type. */
  readonly computesHalf?: boolean
  /** Whether a training step had better compute again what costs little beside its products than keep it in memory. */
  readonly recomputes?: boolean
  /** Whether a result that the graph itself also reads is computed apart and copied at the end. */
  readonly copiesReadResults?: boolean
  /** Whether logits stay in memory beside their softmax, so that a large vocabulary had better go in stretches. */
  readonly keepsLogits?: boolean
  /** Whether this process will also compute the graph on the reference, to compare, before its first run here. */
  readonly willCheck?: (graph: Graph) => Promise<boolean>
  /** @throws AppError `runtime-compile` with the runtime's own words */
  compile(graph: Graph, options?: CompileOptions): Promise<Program>
}

/** What a file of this room creates: a runtime that can also be tried in a process of its own, with a model as bytes. */
export interface NativeRuntime extends Runtime {
  /** How models are written for it. */
  readonly dialect: OnnxDialect
  /**
   * Compiles a model that is written already; its runs must not share arrays between feeds and results.
   * @throws AppError `runtime-compile`
   */
  compileWritten(written: WrittenGraph, options?: CompileOptions): Promise<Program>
}

export interface CompileOptions {
  /** Inputs that never change, by name: they are given here and not to `run`. */
  readonly frozen?: ReadonlyMap<string, FrozenTensor>
  /** Whether the graph has no gradients, so that each matrix is used in one direction. Default false. */
  readonly inference?: boolean
  /** Worker threads inside one operation; default: all cores. */
  readonly threads?: number
  /**
   * Where the values of a run lie, for a runtime with a choice: in memory of the program's `own` (default), or in memory
   * `shared` with other programs that ask for it, which run one after another: then all of them need what the largest does.
   */
  readonly values?: 'own' | 'shared'
}

/** A compiled graph. Buffers given to `run` stay alive until `close`. */
export interface Program {
  /**
   * Runs once. `feeds` has every graph input by name; results are written in place into the arrays of `results`
   * (every graph output by name). An array may stand in both: then it is updated in place where the runtime allows it.
   */
  run(feeds: Readonly<Record<string, HostTensor>>, results: Readonly<Record<string, HostTensor>>): Promise<void>
  close(): Promise<void>
}
