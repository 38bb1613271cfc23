// config.json of the families with layer norms and plain MLPs (GPT, Falcon, BLOOM) to the shape of one decoder.
import type { AlibiPositions } from './model-config.js'
import type { ConfigReader } from './config-reader.js'
import { activations, allLayers, plain, type FamilyConfig } from './llama-configs.js'
import { alibiSlopes, plainTurning, readTurning } from './rotary.js'

const allBias = { qkv: true, attentionOut: true, mlp: true, head: false }

/** Names and default of each size; families differ in both. */
interface SizeKeys {
  readonly vocabulary?: number
  readonly width: readonly [key: string | readonly string[], fallback?: number]
  readonly layers: readonly [key: string | readonly string[], fallback?: number]
  readonly heads: readonly [key: string | readonly string[], fallback?: number]
  readonly inner?: string
  readonly epsilon: string
}

/** Sizes, and what all these families share: layer norms, as many key heads as heads, an inner width of 4 C. */
function readSizes(config: ConfigReader, keys: SizeKeys) {
  const width = config.size(...keys.width)
  const heads = config.size(...keys.heads)
  const layers = config.size(...keys.layers)
  const headWidth = Math.floor(width / heads)
  return {
    ...plain,
    vocabulary: config.size('vocab_size', keys.vocabulary),
    width,
    layers,
    heads,
    keyHeads: heads,
    headWidth,
    innerWidth: keys.inner === undefined ? 4 * width : config.size(keys.inner, 4 * width),
    norm: { kind: 'layer' as const, epsilon: config.number(keys.epsilon, 1e-5), offset: 0 as const },
    attention: { scales: allLayers(layers, headWidth ** -0.5), windows: allLayers(layers, null) },
    bias: allBias,
    initializerRange: config.number('initializer_range', 0.02),
  }
}

/** Some were trained with scores that are not scaled by the head, or divided by the number of the layer too. */
export function readGpt2(config: ConfigReader): FamilyConfig {
  config.ignore('n_ctx') // the old name of n_positions; the weights decide
  const sizes = readSizes(config, {
    vocabulary: 50257,
    width: ['n_embd', 768],
    layers: ['n_layer', 12],
    heads: ['n_head', 12],
    inner: 'n_inner',
    epsilon: 'layer_norm_epsilon',
  })
  const byHead = config.flag('scale_attn_weights', true)
  const byLayer = config.flag('scale_attn_by_inverse_layer_idx', false)
  const scales = sizes.attention.scales.map((scale, layer) => (byHead ? scale : 1) / (byLayer ? layer + 1 : 1))
  return {
    ...sizes,
    attention: { ...sizes.attention, scales },
    maxPositions: config.size('n_positions', 1024),
    positions: { kind: 'learned' },
    activation: config.choice('activation_function', activations, 'gelu_new'),
    tied: config.flag('tie_word_embeddings', true),
  }
}

/** Scores are not scaled; layers named "local" have a window. */
export function readGptNeo(config: ConfigReader): FamilyConfig {
  const sizes = readSizes(config, {
    width: ['hidden_size', 2048],
    layers: [['num_layers', 'num_hidden_layers'], 24],
    heads: [['num_heads', 'num_attention_heads'], 16],
    inner: 'intermediate_size',
    epsilon: 'layer_norm_epsilon',
  })
  const window = config.size('window_size', 256)
  const kinds = readGptNeoLayers(config, sizes.layers)
  return {
    ...sizes,
    maxPositions: config.size('max_position_embeddings', 2048),
    positions: { kind: 'learned' },
    attention: { scales: kinds.map(() => 1), windows: kinds.map(kind => (kind === 'local' ? window : null)) },
    activation: config.choice('activation_function', activations, 'gelu_new'),
    bias: { ...allBias, qkv: false },
    tied: config.flag('tie_word_embeddings', true),
  }
}

/** [[[kinds, ...], times], ...] spelled out; `attention_layers` says the same and is not read. */
function readGptNeoLayers(config: ConfigReader, layers: number): string[] {
  config.ignore('attention_layers')
  const types = (config.value('attention_types') ?? [[['global', 'local'], 12]]) as [string[], number][]
  const isPair = (item: unknown): boolean =>
    Array.isArray(item) && Array.isArray(item[0]) && Number.isSafeInteger(item[1])
  const kinds =
    Array.isArray(types) && types.every(isPair) ? types.flatMap(([kinds, times]) => allLayers(times, kinds).flat()) : []
  if (kinds.length === layers && kinds.every(kind => kind === 'global' || kind === 'local')) return kinds
  throw config.unsupported('attention_types', `"global" or "local" for each of ${layers} layers`)
}

/** One norm, attention and MLP side by side; the first places of each head turn in neighbouring pairs. */
export function readGptJ(config: ConfigReader): FamilyConfig {
  config.expect('rotary', true)
  config.expect('scale_attn_weights', true)
  const sizes = readSizes(config, {
    width: ['n_embd', 4096],
    layers: ['n_layer', 28],
    heads: ['n_head', 16],
    inner: 'n_inner',
    epsilon: 'layer_norm_epsilon',
  })
  const turned = config.size('rotary_dim', 64)
  const maxPositions = config.size('n_positions', 2048)
  const { frequencies } = plainTurning(10000, turned, maxPositions)
  if (turned % 2 !== 0) throw config.unsupported('rotary_dim', 'an even rotary_dim')
  return {
    ...sizes,
    maxPositions,
    positions: { kind: 'rotary', frequencies, pairs: 'neighbours' },
    branches: 'parallel',
    mlpNorm: false,
    activation: config.choice('activation_function', activations, 'gelu_new'),
    bias: { qkv: false, attentionOut: false, mlp: true, head: true },
    tied: config.flag('tie_word_embeddings', false),
  }
}

/** A part of each head turns; attention and MLP usually stand side by side, each with its norm. */
export function readGptNeoX(config: ConfigReader): FamilyConfig {
  const sizes = readSizes(config, {
    width: ['hidden_size'],
    layers: ['num_hidden_layers'],
    heads: ['num_attention_heads'],
    inner: 'intermediate_size',
    epsilon: 'layer_norm_eps',
  })
  const maxPositions = config.size('max_position_embeddings', 2048)
  const rotary = { thetaKey: 'rotary_emb_base', part: 0.25, partKey: 'rotary_pct' }
  const attention = config.flag('attention_bias', true)
  return {
    ...sizes,
    maxPositions,
    positions: { kind: 'rotary', ...readTurning(config, { ...sizes, maxPositions }, rotary), pairs: 'halves' },
    branches: config.flag('use_parallel_residual', true) ? 'parallel' : 'serial',
    activation: config.choice('hidden_act', activations, 'gelu'),
    bias: { ...allBias, qkv: attention, attentionOut: attention },
    tied: config.flag('tie_word_embeddings', false),
  }
}

/** Positions as a penalty of distance; the embedding has a norm. */
export function readBloom(config: ConfigReader): FamilyConfig {
  config.ignore('pretraining_tp', 'slow_but_exact', 'n_inner', 'seq_length', 'offset_alibi', 'skip_bias_add', 'skip_bias_add_qkv') // prettier-ignore
  config.ignore('attention_softmax_in_fp32', 'bias_dropout_fusion', 'masked_softmax_fusion', 'unk_token_id')
  const sizes = readSizes(config, {
    width: [['n_embed', 'hidden_size'], 64],
    layers: [['n_layer', 'num_hidden_layers'], 2],
    heads: [['n_head', 'num_attention_heads'], 8],
    epsilon: 'layer_norm_epsilon',
  })
  return {
    ...sizes,
    maxPositions: 2048, // of training; no limit
    positions: { kind: 'alibi', slopes: alibiSlopes(sizes.heads), factor: 1, rounded: false },
    residual: config.flag('apply_residual_connection_post_layernorm', false) ? 'normed' : 'stream',
    activation: 'gelu-tanh',
    tied: config.flag('tie_word_embeddings', true),
  }
}

/**
 * Three styles: 7B (side by side, one norm, one key head), 40B (side by side, two norms, several key heads),
 * RW (one after the other, a penalty of distance in place of turning).
 */
export function readFalcon(config: ConfigReader): FamilyConfig {
  const sizes = readSizes(config, {
    width: [['n_embed', 'hidden_size']],
    layers: ['num_hidden_layers'],
    heads: ['num_attention_heads'],
    inner: 'ffn_hidden_size',
    epsilon: 'layer_norm_epsilon',
  })
  const grouped = config.flag('new_decoder_architecture', false)
  const parallel = config.flag('parallel_attn', true)
  const norms = config.optionalSize('num_ln_in_parallel_attn') ?? (grouped ? 2 : 1)
  if (grouped && !parallel) throw config.unsupported('parallel_attn', 'true where new_decoder_architecture is true')
  if (norms > 2 || (parallel && norms === 2 && !grouped))
    throw config.unsupported('num_ln_in_parallel_attn', '1, or 2 where new_decoder_architecture is true')
  const bias = config.flag('bias', false)
  const keyHeads = readFalconKeyHeads(config, sizes.heads, grouped)
  const maxPositions = config.size('max_position_embeddings', 2048)
  return {
    ...sizes,
    keyHeads,
    maxPositions,
    positions: readFalconPositions(config, { ...sizes, maxPositions }),
    branches: parallel ? 'parallel' : 'serial',
    mlpNorm: !parallel || norms === 2,
    activation: config.choice('activation', activations, 'gelu'),
    bias: { qkv: bias, attentionOut: bias, mlp: bias, head: false },
    tied: config.flag('tie_word_embeddings', true),
  }
}

function readFalconKeyHeads(config: ConfigReader, heads: number, grouped: boolean): number {
  config.expect('apply_residual_connection_post_layernorm', false)
  const several = config.size('num_kv_heads', heads)
  const one = config.flag('multi_query', true)
  if (grouped) return several
  if (one) return 1
  if (several !== heads) throw config.unsupported('num_kv_heads', `${heads} where new_decoder_architecture is false`)
  return heads
}

function readFalconPositions(
  config: ConfigReader,
  { heads, headWidth, maxPositions }: Pick<FamilyConfig, 'heads' | 'headWidth' | 'maxPositions'>,
): FamilyConfig['positions'] {
  const turning = readTurning(config, { headWidth, maxPositions })
  if (!config.flag('alibi', false)) return { kind: 'rotary', ...turning, pairs: 'halves' }
  const alibi: AlibiPositions = { kind: 'alibi', slopes: alibiSlopes(heads), factor: headWidth ** -0.5, rounded: true }
  return alibi
}
