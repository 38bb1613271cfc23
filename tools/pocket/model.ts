// The pocket model's configuration, and what its training run is made of.
import type { ConfigJson } from '../../src/model/model-config.js'
import { createModel, type Model } from '../../src/model/weights.js'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.js'
import type { TrainSettings } from '../../src/train/loop.js'
import type { OptimizerSettings } from '../../src/train/update-rules.js'

/** What must stay the same when the command is run again; written once as run.json. */
export interface RunPlan {
  readonly phase: Phase
  readonly optimizer: OptimizerChoice
  readonly warmupSteps: number
  readonly steps: number
  readonly learningRate: number
  readonly batch: number
  readonly seed: number
  /** Where another run left off. */
  readonly after?: { readonly checkpoint: string; readonly step: number }
}

/** Tokens of a block in training; the model's own limit is `max_position_embeddings`. */
export const blockLength = 256

const adam = { beta1: 0.9, beta2: 0.98, weightDecay: 0.1 } as const

export const optimizerSettings: { readonly [Choice in OptimizerChoice]: OptimizerSettings } = {
  adamw: { kind: 'adamw', ...adam },
  muon: { kind: 'muon', ...adam },
}

/** A small LLaMA with tied embeddings. */
export function createPocketModel({ size, special }: Tokenizer, seed: number): Model {
  const json: ConfigJson = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: size,
    hidden_size: 256,
    intermediate_size: 688,
    num_hidden_layers: 5,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    head_dim: 64,
    hidden_act: 'silu',
    max_position_embeddings: 512,
    rope_theta: 10000,
    rms_norm_eps: 1e-5,
    initializer_range: 0.02,
    tie_word_embeddings: true,
    attention_bias: false,
    mlp_bias: false,
    bos_token_id: special.bos ?? null,
    eos_token_id: special.eos ?? null,
  }
  return createModel(json, seed)
}

/** `plateau` holds the rate after its warm-up until it is stopped or its steps are done, `decay` lowers it to zero. The speed of a shared machine cannot be foretold, so the second begins when the time is nearly up. */
export const optimizerChoices = ['adamw', 'muon'] as const
export type OptimizerChoice = (typeof optimizerChoices)[number]

export type Phase = 'plateau' | 'decay'

export function runSettings({ phase, steps, learningRate, warmupSteps }: RunPlan): TrainSettings {
  return {
    learningRate,
    ...(phase === 'plateau'
      ? { schedule: 'constant-with-warmup', warmup: Math.min(1, warmupSteps / steps) }
      : { schedule: 'linear' }),
    steps,
    clip: 1,
    saveEvery: 100,
    saveTotalLimit: 2,
    evaluateEvery: 300,
    sampleEvery: 600,
  }
}
