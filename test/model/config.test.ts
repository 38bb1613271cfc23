import { expect, test } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import { parseConfig, supportedModelTypes } from '../../src/model/config.js'
import type { ConfigJson } from '../../src/model/model-config.js'
import { parameterCount } from '../../src/model/weight-specs.js'
import { published } from './published.js'
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
const phi3 = { ...tinyConfigs['llama-tied'], model_type: 'phi3' }
const falcon = published['Falcon 7B'][0]

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

test('where both spellings are written the old one is taken, with its own rope_theta', () => {
  const rope_parameters = { rope_type: 'default', rope_theta: 500 }
  const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64 }
  const both = { ...llama, rope_parameters, rope_scaling: yarn }
  expect(parseConfig({ ...both, rope_theta: 77 })).toEqual(
    parseConfig({ ...llama, rope_theta: 77, rope_scaling: yarn }),
  )
  expect(parseConfig({ ...both, rope_scaling: {} })).toEqual(parseConfig({ ...llama, rope_parameters }))
  expect(failure(both)).toMatchInlineSnapshot(
    `"unsupported-config | config.json, key rope_scaling: the value {"rope_type":"yarn","factor":4,"original_max_position_embeddings":64} is not supported. Choose a model with rope_theta inside. | config.json, ключ rope_scaling: значение {"rope_type":"yarn","factor":4,"original_max_position_embeddings":64} не поддерживается. Выберите модель, где здесь: rope_theta inside."`,
  )
  const gemma = { ...phi3, model_type: 'gemma3_text', head_dim: 8 }
  const layered = { full_attention: rope_parameters, sliding_attention: { rope_type: 'default', rope_theta: 50 } }
  const mixed = { full_attention: { ...yarn, rope_theta: 500 }, sliding_attention: layered.sliding_attention }
  expect(parseConfig({ ...gemma, rope_parameters: layered, rope_scaling: yarn })).toEqual(
    parseConfig({ ...gemma, rope_parameters: mixed }),
  )
})

test('an unknown key is refused with its value and the nearest known one', () => {
  expect(failure({ ...llama, rms_norm_esp: 1e-5 })).toMatchInlineSnapshot(
    `"unknown-config-key | config.json, key rms_norm_esp: unknown key with value 0.00001; it could change what the model computes. Remove the key if the model does not need it. Did you mean "rms_norm_eps"? | config.json, ключ rms_norm_esp: неизвестный ключ со значением 0.00001; от него может зависеть, что вычисляет модель. Удалите ключ, если модели он не нужен. Может быть, «rms_norm_eps»?"`,
  )
})

test('quantised weights are refused with the way to the original, not as a key to take out', () => {
  expect(failure({ ...llama, quantization_config: { quant_method: 'gptq', bits: 4 } })).toMatchInlineSnapshot(
    `"unsupported-config | config.json, key quantization_config: the weights are quantised ("gptq"), which is not supported. Take the original that this model was made from; train.baseBits: 8 or 4 saves memory here. | config.json, ключ quantization_config: веса квантованы ("gptq"), это не поддерживается. Возьмите исходную модель, из которой эта сделана; память здесь бережёт train.baseBits: 8 или 4."`,
  )
  expect(parseConfig({ ...llama, quantization_config: null })).toEqual(parseConfig(llama))
})

test('an unsupported family is refused with the supported ones', () => {
  expect(failure({ model_type: 'toString' })).toMatchInlineSnapshot(
    `"unsupported-model | config.json, key model_type: model_type "toString" is not supported. Choose a base model of one of these types: gpt2, gpt_neo, gptj, gpt_neox, bloom, falcon, llama, mistral, mixtral, qwen2, qwen3, gemma, gemma2, gemma3_text, glm, glm4, phi3, stablelm. | config.json, ключ model_type: model_type "toString" не поддерживается. Выберите базовую модель одного из типов: gpt2, gpt_neo, gptj, gpt_neox, bloom, falcon, llama, mistral, mixtral, qwen2, qwen3, gemma, gemma2, gemma3_text, glm, glm4, phi3, stablelm."`,
  )
})

test.each<[string, ConfigJson, string]>([
  [
    'a window without its length',
    { ...llama, model_type: 'qwen3', layer_types: ['sliding_attention', 'full_attention'] },
    'unsupported-config',
  ],
  [
    'fewer kinds of layers than layers',
    { ...llama, model_type: 'qwen3', layer_types: ['full_attention'] },
    'unsupported-config',
  ],
  [
    'factors of longrope that are fewer than the pairs',
    { ...phi3, rope_scaling: { type: 'longrope', short_factor: [1], long_factor: [1] } },
    'unsupported-config',
  ],
  [
    'an unknown setting of positions',
    { ...llama, rope_parameters: { rope_type: 'linear', factor: 2, attention_factor: 2 } },
    'unsupported-config',
  ],
  [
    'attention in both directions',
    { ...llama, model_type: 'gemma', use_bidirectional_attention: true },
    'unsupported-config',
  ],
  ['a loss of the router', { ...phi3, model_type: 'mixtral', output_router_logits: true }, 'unsupported-config'],
  [
    'more experts chosen than there are',
    { ...phi3, model_type: 'mixtral', num_local_experts: 2, num_experts_per_tok: 3 },
    'unsupported-config',
  ],
  ['two norms in the old Falcon', { ...falcon, num_ln_in_parallel_attn: 2 }, 'unsupported-config'],
  [
    'a new Falcon one after the other',
    { ...falcon, new_decoder_architecture: true, parallel_attn: false },
    'unsupported-config',
  ],
  [
    'key heads that the old Falcon does not have',
    { ...falcon, multi_query: false, num_kv_heads: 2 },
    'unsupported-config',
  ],
  ['too few kinds of layers', { ...published['GPT-Neo 125M'][0], num_layers: 11 }, 'unsupported-config'],
  ['an odd number of turned places', { ...published['GPT-J 6B'][0], rotary_dim: 7 }, 'unsupported-config'],
  [
    'another scaling of positions',
    { ...llama, rope_scaling: { rope_type: 'dynamic', factor: 2 } },
    'unsupported-config',
  ],
  [
    'a setting of yarn in another kind',
    { ...llama, rope_scaling: { rope_type: 'linear', factor: 2, beta_fast: 2 } },
    'unsupported-config',
  ],
  ['scaling without its factor', { ...llama, rope_scaling: { rope_type: 'linear' } }, 'unsupported-config'],
  [
    'rotation of a part of the head',
    { ...llama, rope_parameters: { partial_rotary_factor: 0.5 } },
    'unsupported-config',
  ],
  ['another activation', { ...llama, hidden_act: 'mish' }, 'unsupported-config'],
  ['positions of three kinds', { ...llama, model_type: 'qwen2', use_mrope: true }, 'unsupported-config'],
  ['a bias of the head', { ...phi3, lm_head_bias: true }, 'unsupported-config'],
  ['unscaled scores', { ...published['GPT-J 6B'][0], scale_attn_weights: false }, 'unsupported-config'],
  ['a size that is missing', { model_type: 'llama', hidden_size: 8 }, 'bad-config'],
  ['a size that is no number', { ...llama, vocab_size: '29' }, 'bad-config'],
  ['a flag that is no flag', { ...llama, tie_word_embeddings: 'no' }, 'bad-config'],
  ['heads that do not divide', { ...llama, num_key_value_heads: 3 }, 'bad-config'],
])('%s is refused', (_title, json, code) => {
  expect(failure(JSON.parse(JSON.stringify(json)) as ConfigJson)).toMatch(new RegExp(`^${code} \\| config.json`))
})

test('a Mistral without the key has the window that its code supposes, null is none', () => {
  const windows = (json: ConfigJson): readonly unknown[] =>
    parseConfig({ ...phi3, model_type: 'mistral', ...json }).attention.windows
  expect(windows({})).toEqual([4096, 4096])
  expect(windows({ sliding_window: null })).toEqual([null, null])
  expect(windows({ sliding_window: 7 })).toEqual([7, 7])
})

test('layers with a window are named, or follow from their number', () => {
  const { attention } = parseConfig(published['Gemma 3 1B'][0])
  expect(attention.windows.slice(0, 7)).toEqual([512, 512, 512, 512, 512, null, 512])
  const qwen = { ...phi3, model_type: 'qwen3', use_sliding_window: true, sliding_window: 9 }
  expect(parseConfig({ ...qwen, max_window_layers: 1 }).attention.windows).toEqual([null, 9])
  const named = { ...qwen, layer_types: ['sliding_attention', 'full_attention'] }
  expect(parseConfig(named).attention.windows).toEqual([9, null])
})

test('Gemma 3 of before and of now has the same two kinds of positions', () => {
  const { rope_theta, rope_local_base_freq, rope_scaling, ...rest } = published['Gemma 3 1B'][0]
  const now = {
    full_attention: { rope_type: 'linear', factor: 8, rope_theta },
    sliding_attention: { rope_type: 'default', rope_theta: rope_local_base_freq },
  }
  const before = { ...rest, rope_theta, rope_local_base_freq, rope_scaling: { rope_type: 'linear', factor: 8 } }
  expect(rope_scaling).toBeNull()
  expect(parseConfig({ ...rest, rope_parameters: now })).toEqual(parseConfig(before))
})

test('Gemma 2 caps its scores, Gemma 3 only reads the key', () => {
  const capped = { ...phi3, head_dim: 4, attn_logit_softcapping: 2, final_logit_softcapping: 3 }
  const [second, third] = ['gemma2', 'gemma3_text'].map(model_type => parseConfig({ ...capped, model_type }))
  expect([second.attention.cap, third.attention.cap]).toEqual([2, undefined])
  expect([second.logitCap, third.logitCap]).toEqual([3, 3])
})

const scaled = (rope_scaling: ConfigJson): unknown =>
  parseConfig({ ...llama, hidden_size: 64, max_position_embeddings: 256, rope_scaling }).positions

test('yarn turns as in transformers', () => {
  const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64 }
  const close = (numbers: readonly number[]): readonly unknown[] => numbers.map(value => expect.closeTo(value, 7))
  expect(scaled(yarn)).toMatchObject({
    frequencies: close([1.0, 0.237170815, 0.049999997, 0.007905695, 0.0025, 0.000790569, 0.00025, 7.9057e-5]),
    gain: expect.closeTo(1.138629436, 7),
  })
  const other = { ...yarn, beta_fast: 8, beta_slow: 0.5, truncate: false, mscale: 0.7, mscale_all_dim: 1.2 }
  expect(scaled(other)).toMatchObject({
    frequencies: close([1.0, 0.238408461, 0.044248302, 0.007905695, 0.0025, 0.000790569, 0.00025, 7.9057e-5]),
    gain: expect.closeTo(0.940571525, 7),
  })
  expect(scaled({ ...other, attention_factor: 1.5 })).toMatchObject({ gain: 1.5 })
  expect(scaled({ ...yarn, factor: null })).toEqual(scaled(yarn)) // 256 / 64
})

test('longrope has the ratio of the contexts in its gain, unless a factor is written', () => {
  const factors = { short_factor: new Array(8).fill(1), long_factor: new Array(8).fill(2) }
  const longrope = { type: 'longrope', ...factors, original_max_position_embeddings: 64 }
  const gain = Math.sqrt(1 + Math.log(4) / Math.log(64))
  expect(scaled(longrope)).toMatchObject({ gain, long: { beyond: 64 } })
  expect(scaled({ ...longrope, factor: 64 })).toMatchObject({ gain: Math.SQRT2 })
  expect(scaled({ ...longrope, factor: 1 })).toMatchObject({ gain: 1 })
  expect(scaled({ ...longrope, attention_factor: 1.25 })).toMatchObject({ gain: 1.25 })
})

test('GPT-2 may leave its scores unscaled, and divide them by the number of the layer', () => {
  const scales = (json: ConfigJson): readonly number[] => parseConfig({ ...tinyConfigs.gpt2, ...json }).attention.scales
  const byLayer = { scale_attn_by_inverse_layer_idx: true }
  expect(scales({})).toEqual([0.5, 0.5])
  expect(scales(byLayer)).toEqual([0.5, 0.25])
  expect(scales({ ...byLayer, scale_attn_weights: false })).toEqual([1, 0.5])
})

test.each<[ConfigJson, readonly number[]]>([
  [
    { rope_type: 'default' },
    [
      1.0, 0.193922758102417, 0.03760603070259094, 0.00729266507551074, 0.001414213445968926, 0.00027424818836152554,
      5.3182957344688475e-5, 1.0313385246263351e-5,
    ],
  ],
  [
    { rope_type: 'linear', factor: 1.7 },
    [
      0.5882352590560913, 0.11407221108675003, 0.022121194750070572, 0.004289803095161915, 0.0008318902109749615,
      0.00016132245946209878, 3.128409298369661e-5, 6.066697096684948e-6,
    ],
  ],
  [
    {
      rope_type: 'llama3',
      factor: 8.0,
      low_freq_factor: 1.0,
      high_freq_factor: 4.0,
      original_max_position_embeddings: 64,
    },
    [
      1.0, 0.07940301299095154, 0.004700753837823868, 0.0009115831344388425, 0.00017677668074611574,
      3.428102354519069e-5, 6.647869668086059e-6, 1.289173155782919e-6,
    ],
  ],
  [
    {
      rope_type: 'yarn',
      factor: 4.0,
      beta_fast: 8.0,
      beta_slow: 0.5,
      truncate: false,
      original_max_position_embeddings: 64,
    },
    [
      1.0, 0.12054933607578278, 0.009401507675647736, 0.001823166268877685, 0.0003535533614922315, 6.856204709038138e-5,
      1.3295739336172119e-5, 2.578346311565838e-6,
    ],
  ],
])('frequencies of $rope_type are rounded on the way as transformers rounds them', (rope_scaling, expected) => {
  const { positions } = parseConfig({ ...llama, hidden_size: 64, rope_theta: 500000, rope_scaling })
  const frequencies = positions.kind === 'rotary' ? positions.frequencies : []
  expect(frequencies.map(Math.fround)).toEqual(expected)
})
