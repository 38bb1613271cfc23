// What every method of adapting a model must tell: its tensors, what it changes in the graph, how it folds in, its file.
import { AppError, type Text } from '../base/errors.js'
import type { Node } from '../graph/graph.js'
import type { FloatTensor } from '../graph/tensor.js'
import type { Attend, Prefix } from './attention.js'
import type { AdapterConfigReader } from './adapter-config-reader.js'
import type { ConfigJson, ModelConfig } from './model-config.js'
import type { AdapterMethod } from './method.js'
import type { Model } from './weights.js'

/** What a method adds to a model, without the numbers. */
export interface AdapterForm<M extends AdapterMethod = AdapterMethod> {
  readonly method: M
  /** Modules whose product the method changes, by full name. */
  readonly modules: readonly string[]
  /** Token ids of each module whose rows are replaced. */
  readonly rows: ReadonlyMap<string, readonly number[]>
  /** Modules replaced whole. */
  readonly saved: readonly string[]
  /** Biases replaced, by the name of their tensor. */
  readonly biases: readonly string[]
  /** Of the model it was made for. */
  readonly config: ModelConfig
}

/** What a method adds to a model. Training changes the arrays of `weights` in place. */
export interface Adapter<M extends AdapterMethod = AdapterMethod> extends AdapterForm<M> {
  /** By the name in the file. */
  readonly weights: Map<string, FloatTensor>
}

/** A tensor that an adapter must have. */
export interface AdapterSpec {
  readonly name: string
  readonly shape: readonly number[]
  /** Values before training. */
  start(): Float32Array
}

/** What a method may ask of the graph that it changes. */
export interface GraphContext<M extends AdapterMethod> {
  readonly model: Model
  readonly adapter: Adapter<M>
  /** A tensor of model or adapter as a graph input. */
  tensor(name: string): Node
  /** x [N, in] through a module as the model has it: [N, out]. */
  linear(x: Node, module: string, options?: { readonly bias: boolean }): Node
  /** x with what this training step leaves out of a module's input, or x itself. */
  dropout(x: Node, module: string): Node
}

/** What becomes different; the rest of the graph stays as the model has it. */
export interface GraphChanges {
  /** Stands for the product of the adapter's modules. */
  readonly linear?: (x: Node, module: string) => Node
  /** Rows [N, C] of the embedding for ids [N] with what is added to them, where the embedding is one of the modules. */
  readonly embed?: (rows: Node, ids: Node, module: string) => Node
  /** Rows [P, C] that stand before the tokens of every example. */
  readonly virtual?: Node
  /** Keys and values that stand before those of every example. */
  readonly prefix?: Prefix
  /** Stands for what a branch adds to the stream [N, C]; `module` is its last product. */
  readonly branch?: (result: Node, stream: Node, module: string) => Node
  /** Stands for the attention of every layer. */
  readonly attend?: (inner: Attend) => Attend
}

/** A method: one row of `adapterKinds`. */
export interface AdapterKind<M extends AdapterMethod> {
  /** `peft_type` of adapter_config.json; undefined where the file is that of the `adapters` library. */
  readonly peftType: string | undefined
  /** @throws AppError `bad-setting`, `unsupported-adapter` for a model that the method cannot change */
  check(config: ModelConfig, method: M): void
  /** @throws AppError `unknown-target` */
  modules(config: ModelConfig, method: M): string[]
  /** The tensors of its own, beside rows and modules trained whole. */
  tensors(model: Model, form: AdapterForm<M>, seed: number): AdapterSpec[]
  graph(context: GraphContext<M>): GraphChanges
  /** Weights of a module after the method is folded in; absent where no weights can do the same. */
  readonly fold?: (model: Model, adapter: Adapter<M>, module: string) => [string, FloatTensor][]
  /** The way back; absent where folding loses what it needs. */
  readonly unfold?: (model: Model, adapter: Adapter<M>, module: string) => [string, FloatTensor][]
  /** Keys of adapter_config.json beside those of every method. */
  toJson(form: AdapterForm<M>): ConfigJson
  /** The method that goes on with what was read. @param stored the file of weights */
  fromJson(json: AdapterConfigReader, config: ModelConfig, stored: ReadonlyMap<string, FloatTensor>): AdapterMethod
  /** What PEFT keeps of a network that training alone needs; absent where the file has every tensor. */
  readonly stored?: (adapter: Adapter<M>) => Map<string, FloatTensor> | undefined
}

/** Names of the tensors that stand for the model's own, as PEFT writes them. */
export const adapterNames = {
  rows: (module: string): string => `base_model.model.${module}.token_adapter.trainable_tokens_delta`,
  saved: (tensor: string): string => `base_model.model.${tensor}`,
}

/** A tensor's start from one number. */
export function filled(shape: readonly number[], value: number): () => Float32Array {
  return () => new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(value)
}

export function unsupportedHere(where: string, what: Text): AppError {
  return new AppError('unsupported-adapter', {
    where,
    what,
    fix: { en: 'Choose LoRA or another base model', ru: 'Возьмите LoRA или другую базовую модель' },
  })
}
