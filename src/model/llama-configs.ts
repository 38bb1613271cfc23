// config.json of the families that descend from LLaMA to the shape of one decoder.
import type { Activation, ModelConfig } from './model-config.js'
import type { ConfigReader } from './config-reader.js'
import { readLayeredTurning, readTurning, type RotaryDefaults } from './rotary.js'

/** What a row of the table reads; the type is the row's name. */
export type FamilyConfig = Omit<ModelConfig, 'modelType'>

export const activations: Readonly<Record<string, Activation>> = {
  silu: 'silu',
  swish: 'silu',
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu-tanh',
  gelu_pytorch_tanh: 'gelu-tanh',
  gelu_fast: 'gelu-tanh',
  gelu_accurate: 'gelu-tanh',
  gelu_python_tanh: 'gelu-tanh',
  relu: 'relu',
}

/** What most families have in common; a row names what it does otherwise. */
export const plain = {
  headNorm: 'none',
  branches: 'serial',
  mlpNorm: true,
  residual: 'stream',
  embeddingScale: 1,
} as const

const noBias = { qkv: false, attentionOut: false, mlp: false, head: false }

/** Values that stand where nothing is written, where a family differs from LLaMA. */
interface Defaults {
  readonly maxPositions?: number
  readonly keyHeads?: number
  readonly headWidth?: number
  readonly epsilon?: number
  readonly tied?: boolean
  readonly rotary?: RotaryDefaults
  readonly pairs?: 'halves' | 'neighbours'
}

function readBlocks(config: ConfigReader, defaults: Defaults = {}): Omit<FamilyConfig, 'activation'> {
  const shape = readShape(config, defaults)
  const turning = readTurning(config, shape, defaults.rotary)
  return { ...shape, positions: { kind: 'rotary', ...turning, pairs: defaults.pairs ?? 'halves' } }
}

function readShape(config: ConfigReader, defaults: Defaults): Omit<FamilyConfig, 'activation' | 'positions'> {
  const width = config.size('hidden_size')
  const heads = config.size('num_attention_heads')
  const headWidth = config.size('head_dim', defaults.headWidth ?? Math.floor(width / heads))
  const layers = config.size('num_hidden_layers')
  return {
    ...plain,
    vocabulary: config.size('vocab_size'),
    width,
    layers,
    heads,
    keyHeads: config.size('num_key_value_heads', defaults.keyHeads ?? heads),
    headWidth,
    innerWidth: config.size('intermediate_size'),
    maxPositions: config.size('max_position_embeddings', defaults.maxPositions ?? 2048),
    norm: { kind: 'rms', epsilon: config.number('rms_norm_eps', defaults.epsilon ?? 1e-6), offset: 0 },
    attention: { scales: allLayers(layers, headWidth ** -0.5), windows: allLayers(layers, null) },
    bias: noBias,
    tied: config.flag('tie_word_embeddings', defaults.tied ?? false),
    initializerRange: config.number('initializer_range', 0.02),
  }
}

function readLlamaBlocks(config: ConfigReader, defaults: Defaults = {}): FamilyConfig {
  return { ...readBlocks(config, defaults), activation: config.choice('hidden_act', activations, 'silu') }
}

/** The same value for every layer. */
export function allLayers<Value>(layers: number, value: Value): Value[] {
  return Array.from({ length: layers }, () => value)
}

function withWindows(config: FamilyConfig, windows: readonly (number | null)[]): FamilyConfig {
  return { ...config, attention: { ...config.attention, windows } }
}

export function readLlama(config: ConfigReader): FamilyConfig {
  const attention = config.flag('attention_bias', false)
  const bias = { ...noBias, qkv: attention, attentionOut: attention, mlp: config.flag('mlp_bias', false) }
  return { ...readLlamaBlocks(config), bias }
}

export function readMistral(config: ConfigReader): FamilyConfig {
  const blocks = readLlamaBlocks(config, { maxPositions: 4096 * 32, keyHeads: 8 })
  return withWindows(blocks, allLayers(blocks.layers, config.optionalSize('sliding_window', 4096) ?? null))
}

export function readMixtral(config: ConfigReader): FamilyConfig {
  const defaults = { maxPositions: 4096 * 32, keyHeads: 8, epsilon: 1e-5, rotary: { theta: 1e6 } }
  const blocks = readLlamaBlocks(config, defaults)
  config.expect('output_router_logits', false) // adds a loss of the router in training
  config.expect('router_jitter_noise', 0)
  config.ignore('router_aux_loss_coef')
  const count = config.size(['num_local_experts', 'num_experts'], 8)
  const chosen = config.size('num_experts_per_tok', 2)
  if (chosen > count) throw config.unsupported('num_experts_per_tok', `at most ${count}`)
  const window = config.optionalSize('sliding_window') ?? null
  return { ...withWindows(blocks, allLayers(blocks.layers, window)), experts: { count, chosen } }
}

export function readQwen2(config: ConfigReader): FamilyConfig {
  const blocks = readLlamaBlocks(config, { maxPositions: 32768 })
  return { ...withWindows(blocks, readQwenWindows(config, blocks.layers)), bias: { ...noBias, qkv: true } }
}

export function readQwen3(config: ConfigReader): FamilyConfig {
  const blocks = readLlamaBlocks(config, { maxPositions: 32768, headWidth: 128 })
  const attention = config.flag('attention_bias', false)
  const bias = { ...noBias, qkv: attention, attentionOut: attention }
  return { ...withWindows(blocks, readQwenWindows(config, blocks.layers)), bias, headNorm: 'shared' }
}

/** Layers from `max_window_layers` on have a window when it is switched on at all, unless `layer_types` names them. */
function readQwenWindows(config: ConfigReader, layers: number): (number | null)[] {
  const from = config.value('max_window_layers') ?? 28
  const written = config.optionalSize('sliding_window', 4096)
  const window = config.flag('use_sliding_window', false) ? (written ?? null) : null
  return readLayerWindows(config, layers, window, layer => typeof from === 'number' && layer >= from)
}

/** @throws AppError `unsupported-config` for other kinds of layers, or a window without its length */
function readLayerWindows(
  config: ConfigReader,
  layers: number,
  window: number | null,
  isLocal: (layer: number) => boolean,
): (number | null)[] {
  const types = config.value('layer_types')
  if (types === undefined) return Array.from({ length: layers }, (_, layer) => (isLocal(layer) ? window : null))
  const known = ['full_attention', 'sliding_attention']
  if (!Array.isArray(types) || types.length !== layers || types.some(type => !known.includes(type as string)))
    throw config.unsupported('layer_types', `${layers} times ${known.join(' or ')}`)
  if (window === null && types.includes('sliding_attention'))
    throw config.unsupported('layer_types', 'full_attention in every layer where no window is set')
  return types.map(type => (type === 'sliding_attention' ? window : null))
}

export function readGemma(config: ConfigReader): FamilyConfig {
  config.expect('hidden_activation', 'gelu_pytorch_tanh')
  const act = config.choice('hidden_act', { ...activations, gelu: 'gelu-tanh' as const }, 'gelu_pytorch_tanh')
  return { ...readGemmaBlocks(config, readBlocks(config, gemmaDefaults)), activation: act }
}

const gemmaDefaults: Defaults = { headWidth: 256, tied: true, maxPositions: 8192 }

function readGemmaBlocks<Blocks extends Pick<FamilyConfig, 'width' | 'norm'>>(config: ConfigReader, blocks: Blocks) {
  config.expect('use_bidirectional_attention', false)
  const attention = config.flag('attention_bias', false)
  return {
    ...blocks,
    norm: { ...blocks.norm, offset: 1 as const },
    embeddingScale: Math.fround(Math.sqrt(blocks.width)),
    bias: { ...noBias, qkv: attention, attentionOut: attention },
  }
}

/** Every second layer has a window; both scores and logits are capped. */
export function readGemma2(config: ConfigReader): FamilyConfig {
  const blocks = readBlocks(config, { ...gemmaDefaults, keyHeads: 4 })
  config.ignore('sliding_window_size') // an old name that published files repeat
  const window = config.optionalSize('sliding_window', 4096) ?? null
  const windows = readLayerWindows(config, blocks.layers, window, layer => layer % 2 === 0)
  return { ...readGemmaBlocks(config, blocks), ...readCaps(config, windows, { logits: 30, scores: 50 }) }
}

/** Five layers with a window of their own frequencies, then one without; each head has its norm. */
export function readGemma3(config: ConfigReader): FamilyConfig {
  const shape = readShape(config, { ...gemmaDefaults, keyHeads: 4, maxPositions: 131072 })
  const { local, global } = readLayeredTurning(config, shape, { local: 10000, global: 1e6 })
  const every = config.size(['sliding_window_pattern', '_sliding_window_pattern'], 6)
  const window = config.optionalSize('sliding_window', 4096) ?? null
  const windows = readLayerWindows(config, shape.layers, window, layer => (layer + 1) % every !== 0)
  const { attention, ...caps } = readCaps(config, windows)
  return {
    ...readGemmaBlocks(config, shape),
    ...caps,
    attention: { ...attention, cap: undefined }, // transformers reads attn_logit_softcapping and applies it to no score
    headNorm: 'shared',
    positions: { kind: 'rotary', ...global, window: local, pairs: 'halves' },
  }
}

function readCaps(
  config: ConfigReader,
  windows: readonly (number | null)[],
  defaults: { readonly logits?: number; readonly scores?: number } = {},
): Pick<FamilyConfig, 'attention' | 'logitCap' | 'activation'> {
  config.ignore('hidden_act') // only hidden_activation is read
  const scale = config.optionalNumber('query_pre_attn_scalar', 256)
  if (scale === undefined) throw config.unsupported('query_pre_attn_scalar', 'a positive number')
  const cap = config.optionalNumber('attn_logit_softcapping', defaults.scores)
  return {
    attention: { scales: windows.map(() => scale ** -0.5), cap, windows },
    logitCap: config.optionalNumber('final_logit_softcapping', defaults.logits),
    activation: config.choice('hidden_activation', activations, 'gelu_pytorch_tanh'),
  }
}

/** Half of each head turns, in neighbouring pairs. */
export function readGlm(config: ConfigReader): FamilyConfig {
  const blocks = readLlamaBlocks(config, {
    maxPositions: 131072,
    keyHeads: 2,
    headWidth: 128,
    epsilon: 1.5625e-7,
    rotary: { part: 0.5 },
    pairs: 'neighbours',
  })
  return { ...blocks, bias: { ...noBias, qkv: config.flag('attention_bias', true) } }
}

export function readPhi3(config: ConfigReader): FamilyConfig {
  const originalPositions = config.size('original_max_position_embeddings', 4096)
  const rotary = { part: 1, originalPositions }
  const blocks = readLlamaBlocks(config, { maxPositions: 4096, epsilon: 1e-5, rotary })
  for (const key of ['attention_bias', 'mlp_bias', 'lm_head_bias']) config.expect(key, false)
  for (const key of ['full_attn_mod', 'interpolate_factor']) config.expect(key, 1)
  return withWindows(blocks, allLayers(blocks.layers, config.optionalSize('sliding_window') ?? null))
}

/** A quarter of each head turns; the second generation may norm each head and set both branches side by side. */
export function readStableLm(config: ConfigReader): FamilyConfig {
  const blocks = readLlamaBlocks(config, { maxPositions: 4096, rotary: { part: 0.25 } })
  const parallel = config.flag('use_parallel_residual', false)
  const bias = { ...noBias, qkv: config.flag('use_qkv_bias', false) }
  return {
    ...blocks,
    norm: { kind: 'layer', epsilon: config.number('layer_norm_eps', 1e-5), offset: 0 },
    headNorm: config.flag('qk_layernorm', false) ? 'each' : 'none',
    branches: parallel ? 'parallel' : 'serial',
    mlpNorm: !parallel,
    bias,
  }
}
