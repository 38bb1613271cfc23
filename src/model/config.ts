// A Hugging Face config.json to the shape of one decoder; a key that could change the mathematics is never passed over.
import { AppError } from '../base/errors.js'
import { nearestName } from '../base/nearest.js'
import { architectures, type ModelType } from './architectures.js'
import { ConfigReader } from './config-reader.js'

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
    /** Factor of the scores. */
    readonly scale: number
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
export interface RotaryPositions {
  readonly kind: 'rotary'
  readonly frequencies: readonly number[]
  /** Frequencies of layers with a window, where they differ (Gemma 3). */
  readonly windowFrequencies?: readonly number[]
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

/** Keys of every family that do not change the numbers of a causal language model. Dropout is not applied in training. */
const harmlessKeys: readonly string[] = [
  'architectures', 'model_type', 'transformers_version', 'dtype', 'torch_dtype', '_name_or_path', '_attn_implementation_autoset',
  'bos_token_id', 'eos_token_id', 'pad_token_id', 'unk_token_id', 'sep_token_id', 'cls_token_id', 'decoder_start_token_id',
  'use_cache', 'output_attentions', 'output_hidden_states', 'return_dict', 'return_dict_in_generate', 'torchscript',
  'chunk_size_feed_forward', 'is_encoder_decoder', 'is_decoder', 'id2label', 'label2id', 'problem_type', 'num_labels', 'task_specific_params',
  'attention_dropout', 'hidden_dropout', 'embd_pdrop', 'attn_pdrop', 'resid_pdrop', 'classifier_dropout', 'gradient_checkpointing', 'pretraining_tp',
  'summary_activation', 'summary_first_dropout', 'summary_proj_to_labels', 'summary_type', 'summary_use_proj', 'finetuning_task', 'tokenizer_class',
  'resid_dropout', 'embed_dropout', 'embedding_dropout', 'cache_implementation', 'cross_attention_hidden_size',
  'auto_map', 'reorder_and_upcast_attn', 'prefix', 'max_length', 'temperature', 'top_k', 'top_p', 'do_sample', 'repetition_penalty', 'num_beams',
] // prettier-ignore

/**
 * @param where file to name in errors
 * @throws AppError `unsupported-model` naming the supported ones; `unknown-config-key` for a key of unknown effect;
 * `unsupported-config` for a value that this version cannot compute; `bad-config` for a missing or malformed value
 */
export function parseConfig(json: ConfigJson, where = 'config.json'): ModelConfig {
  const modelType = json.model_type
  if (typeof modelType !== 'string' || !isModelType(modelType)) throw unsupportedModel(modelType, where)
  const reader = new ConfigReader(json, where)
  const config = { modelType, ...architectures[modelType].read(reader) }
  const unknown = reader.unread(harmlessKeys)
  if (unknown.length > 0) throw unknownKey(unknown[0], json, reader, where)
  checkDivisors(config, where)
  return config
}

/** The model_type values this version computes. */
export function supportedModelTypes(): readonly string[] {
  return Object.keys(architectures)
}

function isModelType(name: string): name is ModelType {
  return Object.hasOwn(architectures, name)
}

function checkDivisors(config: ModelConfig, where: string): void {
  const { positions, headWidth } = config
  const turned = positions.kind === 'rotary' ? 2 * positions.frequencies.length : 0
  if (config.heads % config.keyHeads === 0 && turned <= headWidth) return
  const got = `${config.heads} heads, ${config.keyHeads} key heads, head width ${config.headWidth}`
  throw new AppError('bad-config', {
    where,
    what: { en: `heads do not divide: ${got}`, ru: `головы не делятся нацело: ${got}` },
    fix: { en: 'Correct the numbers of heads', ru: 'Исправьте числа голов' },
  })
}

function unsupportedModel(modelType: unknown, where: string): AppError {
  const known = supportedModelTypes().join(', ')
  const got = JSON.stringify(modelType)
  return new AppError('unsupported-model', {
    where: `${where}, key model_type`,
    what: { en: `model_type ${got} is not supported`, ru: `model_type ${got} не поддерживается` },
    fix: {
      en: `Choose a base model of one of these types: ${known}`,
      ru: `Выберите базовую модель одного из типов: ${known}`,
    },
  })
}

function unknownKey(key: string, json: ConfigJson, reader: ConfigReader, where: string): AppError {
  const near = nearestName(key, reader.asked())
  const hint =
    near === undefined ? { en: '', ru: '' } : { en: ` Did you mean "${near}"?`, ru: ` Может быть, «${near}»?` }
  const value = JSON.stringify(json[key])
  return new AppError('unknown-config-key', {
    where: `${where}, key ${key}`,
    what: {
      en: `unknown key with value ${value}; it could change what the model computes`,
      ru: `неизвестный ключ со значением ${value}; от него может зависеть, что вычисляет модель`,
    },
    fix: {
      en: `Remove the key if the model does not need it.${hint.en}`,
      ru: `Удалите ключ, если модели он не нужен.${hint.ru}`,
    },
  })
}
