// The families of models: how each one's config.json reads and what its weights are called. A new family is a row.
import type { Activation, ModelConfig, Positions } from './config.js'
import type { ConfigReader } from './config-reader.js'
import { rotaryFrequencies } from './rotary.js'

export interface Architecture {
  /** The code that the row restates. */
  readonly source: string
  readonly names: WeightNames
  read(config: ConfigReader): Omit<ModelConfig, 'modelType'>
}

/** Names of modules; inside a block they follow `block.<number>.`. A module's tensors end in `.weight` and `.bias`. */
interface WeightNames {
  readonly embedding: string
  readonly positions?: string
  readonly block: string
  readonly attentionNorm: string
  /** One module for queries, keys and values side by side, or three. */
  readonly qkv: { readonly fused: string } | { readonly query: string; readonly key: string; readonly value: string }
  readonly queryNorm?: string
  readonly keyNorm?: string
  readonly attentionOut: string
  readonly mlpNorm: string
  readonly gate?: string
  readonly up: string
  readonly down: string
  readonly finalNorm: string
  readonly head: string
  /** `out-in`: [out, in] as torch Linear; `in-out`: [in, out] as GPT-2's Conv1D. The head is always [V, C]. */
  readonly layout: 'out-in' | 'in-out'
  /** What checkpoints saved from the bare model leave out in front of the names. */
  readonly prefix: string
  /** Buffers that old checkpoints carry beside their weights. */
  readonly ignored: RegExp
}

const activations: Readonly<Record<string, Activation>> = {
  silu: 'silu',
  swish: 'silu',
  gelu: 'gelu',
  gelu_new: 'gelu-tanh',
  gelu_pytorch_tanh: 'gelu-tanh',
  gelu_fast: 'gelu-tanh',
  relu: 'relu',
}

const llamaNames: WeightNames = {
  embedding: 'model.embed_tokens',
  block: 'model.layers',
  attentionNorm: 'input_layernorm',
  qkv: { query: 'self_attn.q_proj', key: 'self_attn.k_proj', value: 'self_attn.v_proj' },
  attentionOut: 'self_attn.o_proj',
  mlpNorm: 'post_attention_layernorm',
  gate: 'mlp.gate_proj',
  up: 'mlp.up_proj',
  down: 'mlp.down_proj',
  finalNorm: 'model.norm',
  head: 'lm_head',
  layout: 'out-in',
  prefix: 'model.',
  ignored: /\.rotary_emb\.inv_freq$/,
}

const gpt2Names: WeightNames = {
  embedding: 'transformer.wte',
  positions: 'transformer.wpe',
  block: 'transformer.h',
  attentionNorm: 'ln_1',
  qkv: { fused: 'attn.c_attn' },
  attentionOut: 'attn.c_proj',
  mlpNorm: 'ln_2',
  up: 'mlp.c_fc',
  down: 'mlp.c_proj',
  finalNorm: 'transformer.ln_f',
  head: 'lm_head',
  layout: 'in-out',
  prefix: 'transformer.',
  ignored: /\.attn\.(?:masked_)?bias$/,
}

const modeling = 'https://github.com/huggingface/transformers/blob/main/src/transformers/models'

const rows = {
  gpt2: { source: `${modeling}/gpt2/modeling_gpt2.py`, names: gpt2Names, read: readGpt2 },
  llama: {
    source: `${modeling}/llama/modeling_llama.py`,
    names: llamaNames,
    read: config => {
      const attention = config.flag('attention_bias', false)
      const bias = { qkv: attention, attentionOut: attention, mlp: config.flag('mlp_bias', false) }
      return { ...readLlamaFamily(config), bias, headNorm: false }
    },
  },
  mistral: {
    source: `${modeling}/mistral/modeling_mistral.py`,
    names: llamaNames,
    read: config => {
      refuseWindow(config, 4096)
      return { ...readLlamaFamily(config), bias: noBias, headNorm: false }
    },
  },
  qwen2: {
    source: `${modeling}/qwen2/modeling_qwen2.py`,
    names: llamaNames,
    read: config => {
      refuseQwenWindow(config)
      return { ...readLlamaFamily(config, { maxPositions: 32768 }), bias: { ...noBias, qkv: true }, headNorm: false }
    },
  },
  qwen3: {
    source: `${modeling}/qwen3/modeling_qwen3.py`,
    names: { ...llamaNames, queryNorm: 'self_attn.q_norm', keyNorm: 'self_attn.k_norm' },
    read: config => {
      refuseQwenWindow(config)
      const attention = config.flag('attention_bias', false)
      const bias = { qkv: attention, attentionOut: attention, mlp: false }
      return { ...readLlamaFamily(config, { maxPositions: 32768, headWidth: 128 }), bias, headNorm: true }
    },
  },
} satisfies Record<string, Architecture>

export type ModelType = keyof typeof rows

/** Every family that this version computes, by its `model_type`. */
export const architectures: { readonly [Type in ModelType]: Architecture } = rows

const noBias = { qkv: false, attentionOut: false, mlp: false }

type LlamaFamily = Omit<ModelConfig, 'modelType' | 'bias' | 'headNorm'>

function readLlamaFamily(
  config: ConfigReader,
  defaults: { maxPositions?: number; headWidth?: number } = {},
): LlamaFamily {
  const width = config.size('hidden_size')
  const heads = config.size('num_attention_heads')
  const headWidth = config.size('head_dim', defaults.headWidth ?? Math.floor(width / heads))
  const positions: Positions = { kind: 'rotary', frequencies: rotaryFrequencies(config, headWidth) }
  return {
    vocabulary: config.size('vocab_size'),
    width,
    layers: config.size('num_hidden_layers'),
    heads,
    keyHeads: config.size('num_key_value_heads', heads),
    headWidth,
    innerWidth: config.size('intermediate_size'),
    maxPositions: config.size('max_position_embeddings', defaults.maxPositions ?? 2048),
    norm: { kind: 'rms', epsilon: config.number('rms_norm_eps', 1e-6) },
    positions,
    activation: config.choice('hidden_act', activations, 'silu'),
    gated: true,
    tied: config.flag('tie_word_embeddings', false),
    initializerRange: config.number('initializer_range', 0.02),
  }
}

function readGpt2(config: ConfigReader): Omit<ModelConfig, 'modelType'> {
  const width = config.size('n_embd', 768)
  const heads = config.size('n_head', 12)
  config.expect('scale_attn_weights', true)
  config.expect('scale_attn_by_inverse_layer_idx', false)
  config.expect('add_cross_attention', false)
  config.value('n_ctx') // the old name of n_positions; the weights decide
  return {
    vocabulary: config.size('vocab_size', 50257),
    width,
    layers: config.size('n_layer', 12),
    heads,
    keyHeads: heads,
    headWidth: Math.floor(width / heads),
    innerWidth: config.size('n_inner', 4 * width),
    maxPositions: config.size('n_positions', 1024),
    norm: { kind: 'layer', epsilon: config.number('layer_norm_epsilon', 1e-5) },
    headNorm: false,
    positions: { kind: 'learned' },
    activation: config.choice('activation_function', activations, 'gelu_new'),
    gated: false,
    bias: { qkv: true, attentionOut: true, mlp: true },
    tied: config.flag('tie_word_embeddings', true),
    initializerRange: config.number('initializer_range', 0.02),
  }
}

/** A window at least as long as the context hides nothing, so it may stand; a shorter one is refused. */
function refuseWindow(config: ConfigReader, maxPositions: number): void {
  const window = config.value('sliding_window')
  if (window === undefined) return
  if (typeof window === 'number' && window >= config.size('max_position_embeddings', maxPositions)) return
  throw config.unsupported('sliding_window', 'null')
}

function refuseQwenWindow(config: ConfigReader): void {
  config.value('max_window_layers')
  config.value('sliding_window') // without use_sliding_window it is not read
  config.expect('use_sliding_window', false)
  const types = config.value('layer_types') ?? []
  if (!Array.isArray(types) || types.some(type => type !== 'full_attention')) {
    throw config.unsupported('layer_types', '"full_attention" in every layer')
  }
}
