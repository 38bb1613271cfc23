import { expect, test } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import { parseConfig, supportedModelTypes, type ConfigJson } from '../../src/model/config.js'
import { parameterCount } from '../../src/model/weight-specs.js'
import { tinyConfigs } from './tiny.js'

function failure(json: ConfigJson): string {
  try {
    parseConfig(json)
  } catch (error) {
    if (error instanceof AppError) return `${error.code} | ${error.message} | ${error.render('ru')}`
  }
  throw new Error('expected an AppError')
}

const llama = tinyConfigs.llama

/** Sizes published with the models, and the counts their pages name. */
const published: Readonly<Record<string, [ConfigJson, number]>> = {
  'GPT-2': [{ model_type: 'gpt2' }, 124_439_808],
  'GPT-2 medium': [{ model_type: 'gpt2', n_embd: 1024, n_layer: 24, n_head: 16, n_ctx: 1024, n_inner: null }, 354_823_168],
  'LLaMA 7B': [
    { model_type: 'llama', vocab_size: 32000, hidden_size: 4096, intermediate_size: 11008, num_hidden_layers: 32, num_attention_heads: 32 },
    6_738_415_616,
  ],
  'Llama 3.2 1B': [
    {
      model_type: 'llama', vocab_size: 128256, hidden_size: 2048, intermediate_size: 8192, num_hidden_layers: 16, num_attention_heads: 32,
      num_key_value_heads: 8, head_dim: 64, tie_word_embeddings: true, rope_theta: 500000.0, max_position_embeddings: 131072,
      rope_scaling: { factor: 32.0, high_freq_factor: 4.0, low_freq_factor: 1.0, original_max_position_embeddings: 8192, rope_type: 'llama3' },
    },
    1_235_814_400,
  ],
  'Mistral 7B 0.3': [
    {
      model_type: 'mistral', vocab_size: 32768, hidden_size: 4096, intermediate_size: 14336, num_hidden_layers: 32, num_attention_heads: 32,
      num_key_value_heads: 8, sliding_window: null, rope_theta: 1000000.0, max_position_embeddings: 32768,
    },
    7_248_023_552,
  ],
  'Qwen2 0.5B': [
    {
      model_type: 'qwen2', vocab_size: 151936, hidden_size: 896, intermediate_size: 4864, num_hidden_layers: 24, num_attention_heads: 14,
      num_key_value_heads: 2, tie_word_embeddings: true, sliding_window: 32768, use_sliding_window: false, max_window_layers: 24,
    },
    494_032_768,
  ],
  'Qwen3 0.6B': [
    {
      model_type: 'qwen3', vocab_size: 151936, hidden_size: 1024, intermediate_size: 3072, num_hidden_layers: 28, num_attention_heads: 16,
      num_key_value_heads: 8, head_dim: 128, tie_word_embeddings: true, max_window_layers: 28,
    },
    596_049_920,
  ],
} // prettier-ignore

test.each(Object.keys(published))('%s has the published number of parameters', name => {
  const [json, count] = published[name]
  expect(parameterCount(parseConfig(json))).toBe(count)
})

test('every supported family has a published model above', () => {
  expect(
    supportedModelTypes().filter(type => !Object.values(published).some(([json]) => json.model_type === type)),
  ).toEqual([])
})

test('old and new spellings of rotary positions mean the same', () => {
  const scaled = { factor: 4, original_max_position_embeddings: 64, low_freq_factor: 1, high_freq_factor: 4 }
  const old = parseConfig({ ...llama, rope_theta: 500, rope_scaling: { type: 'llama3', ...scaled } })
  const now = parseConfig({ ...llama, rope_parameters: { rope_theta: 500, rope_type: 'llama3', ...scaled } })
  expect(old).toEqual(now)
  expect(old).not.toEqual(parseConfig({ ...llama, rope_theta: 500 }))
})

test('an unknown key is refused with its value and the nearest known one', () => {
  expect(failure({ ...llama, rms_norm_esp: 1e-5 })).toMatchInlineSnapshot(
    `"unknown-config-key | config.json, key rms_norm_esp: unknown key with value 0.00001; it could change what the model computes. Remove the key if the model does not need it. Did you mean "rms_norm_eps"? | config.json, key rms_norm_esp: неизвестный ключ со значением 0.00001; от него может зависеть, что вычисляет модель. Удалите ключ, если модели он не нужен. Может быть, «rms_norm_eps»?"`,
  )
})

test('an unsupported family is refused with the supported ones', () => {
  expect(failure({ model_type: 'toString' })).toMatchInlineSnapshot(
    `"unsupported-model | config.json, key model_type: model_type "toString" is not supported. Choose a base model of one of these types: gpt2, llama, mistral, qwen2, qwen3. | config.json, key model_type: model_type "toString" не поддерживается. Выберите базовую модель одного из типов: gpt2, llama, mistral, qwen2, qwen3."`,
  )
})

test.each<[string, ConfigJson, string]>([
  [
    'a window shorter than the context',
    { ...llama, model_type: 'mistral', attention_bias: undefined, sliding_window: 64 },
    'unsupported-config',
  ],
  ['a window that is used', { ...llama, model_type: 'qwen3', use_sliding_window: true }, 'unsupported-config'],
  ['layers with a window', { ...llama, model_type: 'qwen3', layer_types: ['sliding_attention'] }, 'unsupported-config'],
  ['another scaling of positions', { ...llama, rope_scaling: { rope_type: 'yarn', factor: 2 } }, 'unsupported-config'],
  ['scaling without its factor', { ...llama, rope_scaling: { rope_type: 'linear' } }, 'unsupported-config'],
  [
    'rotation of a part of the head',
    { ...llama, rope_parameters: { partial_rotary_factor: 0.5 } },
    'unsupported-config',
  ],
  ['another activation', { ...llama, hidden_act: 'mish' }, 'unsupported-config'],
  ['scores scaled by layer', { model_type: 'gpt2', scale_attn_by_inverse_layer_idx: true }, 'unsupported-config'],
  ['unscaled scores', { model_type: 'gpt2', scale_attn_weights: false }, 'unsupported-config'],
  ['a size that is missing', { model_type: 'llama', hidden_size: 8 }, 'bad-config'],
  ['a size that is no number', { ...llama, vocab_size: '29' }, 'bad-config'],
  ['a flag that is no flag', { ...llama, tie_word_embeddings: 'no' }, 'bad-config'],
  ['heads that do not divide', { ...llama, num_key_value_heads: 3 }, 'bad-config'],
])('%s is refused', (_title, json, code) => {
  expect(failure(JSON.parse(JSON.stringify(json)) as ConfigJson)).toMatch(new RegExp(`^${code} \\| config.json`))
})

test('a window no shorter than the context hides nothing and is let through', () => {
  const { attention_bias, mlp_bias, ...plain } = llama
  expect([attention_bias, mlp_bias]).toEqual([true, true]) // keys that Mistral does not have
  expect(parseConfig({ ...plain, model_type: 'mistral', sliding_window: 600 }).maxPositions).toBe(600)
})
