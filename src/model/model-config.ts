// What a decoder is made of, whatever its family calls it: plain data that every file of the room reads.

/** The `model_type` of every family that this version computes. */
export type ModelType =
  | 'gpt2'
  | 'gpt_neo'
  | 'gptj'
  | 'gpt_neox'
  | 'bloom'
  | 'falcon'
  | 'llama'
  | 'mistral'
  | 'mixtral'
  | 'qwen2'
  | 'qwen3'
  | 'gemma'
  | 'gemma2'
  | 'gemma3_text'
  | 'glm'
  | 'glm4'
  | 'phi3'
  | 'stablelm'

/** config.json as it is written. */
export type ConfigJson = Readonly<Record<string, unknown>>

export type Activation = 'gelu-tanh' | 'gelu' | 'silu' | 'relu'

/** What the blocks are built from, whatever the family calls it. */
export interface ModelConfig {
  readonly modelType: ModelType
  /** Rows of the embedding. */
  readonly vocabulary: number
  /** C, the width of the residual stream. */
  readonly width: number
  readonly layers: number
  readonly heads: number
  /** Heads of keys and values; a divisor of `heads`. */
  readonly keyHeads: number
  /** D, the width of one head. */
  readonly headWidth: number
  /** Width inside the MLP. */
  readonly innerWidth: number
  readonly maxPositions: number
  readonly norm: {
    readonly kind: 'layer' | 'rms'
    readonly epsilon: number
    /** Added to the stored weight: 1 where weights are kept as their distance from one (Gemma). */
    readonly offset: 0 | 1
  }
  /**
   * Norm of each head of queries and keys: none; RMS with one weight for all heads (Qwen 3, Gemma 3); a layer norm
   * without bias for each head (StableLM 2).
   */
  readonly headNorm: 'none' | 'shared' | 'each'
  readonly positions: Positions
  readonly attention: {
    /** Of each layer: factor of the scores. */
    readonly scales: readonly number[]
    /** Scores pass through cap · tanh(score / cap). */
    readonly cap?: number
    /** Of each layer: how many positions a query sees, itself included; null for all before it. */
    readonly windows: readonly (number | null)[]
  }
  /** MLP after attention, or both from the same stream, added together. */
  readonly branches: 'serial' | 'parallel'
  /** Whether the MLP has a norm of its own; else it reads what attention reads. */
  readonly mlpNorm: boolean
  /** What a branch is added to: the stream, or what the norm before the branch made of it. */
  readonly residual: 'stream' | 'normed'
  readonly activation: Activation
  /** A mixture in place of the MLP: each position takes its `chosen` likeliest of `count` experts, shares rescaled to one. */
  readonly experts?: { readonly count: number; readonly chosen: number }
  readonly bias: {
    readonly qkv: boolean
    readonly attentionOut: boolean
    readonly mlp: boolean
    readonly head: boolean
  }
  /** Factor of the embedding rows. */
  readonly embeddingScale: number
  /** Logits pass through cap · tanh(logit / cap). */
  readonly logitCap?: number
  /** Whether the head is the embedding itself. */
  readonly tied: boolean
  /** Deviation of freshly drawn weights. */
  readonly initializerRange: number
}

/** Learned rows; rotation of queries and keys; or a penalty of each score that grows with the distance of the key. */
type Positions = { readonly kind: 'learned' } | RotaryPositions | AlibiPositions

/** Pair i of a head turns by `position * frequencies[i]` radians; what the pairs do not cover stays. */
export interface Turning {
  readonly frequencies: readonly number[]
  /** Factor of the turned pairs; absent is 1. */
  readonly gain?: number
  /** Frequencies of texts with positions beyond so many, where they differ. */
  readonly long?: { readonly frequencies: readonly number[]; readonly beyond: number }
}

export interface RotaryPositions extends Turning {
  readonly kind: 'rotary'
  /** Of layers with a window, where they turn differently (Gemma 3). */
  readonly window?: Turning
  /** Pair i is (i, i + R/2) of the R turned places, or (2i, 2i + 1). */
  readonly pairs: 'halves' | 'neighbours'
}

/** A key at position p gets `factor * slopes[head] * p`. */
export interface AlibiPositions {
  readonly kind: 'alibi'
  readonly slopes: readonly number[]
  readonly factor: number
  /** Whether slope · p is rounded to bfloat16, as Falcon's code does. */
  readonly rounded: boolean
}
