// What training, evaluation and generation ask of a model: one micro-batch forward and backward, or one token more.

/** One micro-batch; every array is row-major [B, T] with its own ArrayBuffer. */
export interface Batch {
  readonly batch: number
  readonly length: number
  readonly ids: BigInt64Array
  /** Token id that position t must predict, already shifted: labels[t] is the token after ids[t]; -100 does not count. */
  readonly labels: BigInt64Array
  /** Position inside its example, from 0. */
  readonly positions: BigInt64Array
  /** Example number inside the row, from 1; 0 is padding. A position sees only earlier positions of its own segment. */
  readonly segments: BigInt64Array
}

/** Positions whose loss counts. */
export function countTokens({ labels }: Batch): number {
  let count = 0
  for (const label of labels) if (label !== -100n) count++
  return count
}

/** A trained tensor; `data` and `gradient` are the live buffers, updated in place. */
export interface Parameter {
  readonly name: string
  readonly shape: readonly number[]
  readonly data: Float32Array
  readonly gradient: Float32Array
  /** Where the step gives the gradient in bfloat16: its bits. `gradient` makes new float32 numbers of them at every reading. */
  readonly halfGradient?: Uint16Array
  /** Whether weight decay applies (Hugging Face groups: not to biases and norms). */
  readonly decay: boolean
}

export interface StepResult {
  /** Sum of the counted positions' losses, in nats. */
  readonly lossSum: number
  /** Counted positions. */
  readonly tokens: number
}

/** Told of parameters whose gradients are whole; they stay as they are until it is done. */
export type OnGroup = (group: readonly Parameter[], result: StepResult) => Promise<void>

export interface TrainingStep {
  readonly parameters: readonly Parameter[]
  /** Where gradients do not all exist at once: the parameters in the groups of which `run` tells, in its order. */
  readonly groups?: readonly (readonly Parameter[])[]
  /**
   * Forward and backward: overwrites each parameter's gradient with d(scale · lossSum)/dp.
   * @param update number of the optimizer step, from 0: what dropout leaves out depends on it
   * @param onGroup told of each of the `groups`, whose gradients the next group's may overwrite; it may change their
   * parameters, which the rest of the run does not read
   */
  run(batch: Batch, scale: number, update?: number, onGroup?: OnGroup): Promise<StepResult>
  /** Forward only. */
  evaluate(batch: Batch): Promise<StepResult>
  close(): Promise<void>
}

/** Next-token logits with a key-value cache, one sequence. */
export interface Decoder {
  /** Tokens in the cache. */
  readonly length: number
  readonly capacity: number
  /** Appends tokens and returns the logits [V] after the last one (a buffer reused by the next call). */
  append(ids: ArrayLike<number>): Promise<Float32Array>
  /** Forgets everything after the first `length` tokens. */
  truncate(length: number): void
  close(): Promise<void>
}

/** Next-token logits of several sequences at once, each in a row of its own. */
export interface BatchDecoder {
  readonly rows: number
  /** Most tokens of a row. */
  readonly capacity: number
  /** Tokens in the cache of a row. */
  length(row: number): number
  /** Appends tokens to one row and returns the logits [V] after the last one (a buffer reused by the next call). */
  append(row: number, ids: ArrayLike<number>): Promise<Float32Array>
  /** Appends one token to each of several rows; the logits [V] of each (buffers reused by the next call). */
  step(tokens: readonly RowToken[]): Promise<readonly Float32Array[]>
  /** Forgets everything after the first `length` tokens of a row. */
  truncate(row: number, length: number): void
  close(): Promise<void>
}

interface RowToken {
  readonly row: number
  readonly id: number
}
