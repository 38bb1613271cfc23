// What every row of the table must do, whatever its mathematics: cache, adapters, resizing, files, packing.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createAdapter } from '../../src/model/adapter.js'
import { supportedModelTypes } from '../../src/model/config.js'
import type { ConfigJson } from '../../src/model/model-config.js'
import { createDecoder } from '../../src/model/decoder.js'
import { runForward } from '../../src/model/train-step.js'
import { resizeEmbeddings } from '../../src/model/vocabulary.js'
import { linearModules, parameterCount } from '../../src/model/weight-specs.js'
import { createModel, loadModel, saveModel, type Model } from '../../src/model/weights.js'
import { relativeDifference, someIds, tinyBatch, tinyRuntime } from './tiny.js'

const runtime = await tinyRuntime()

const sizes = {
  vocab_size: 29, hidden_size: 16, intermediate_size: 20, num_hidden_layers: 2, num_attention_heads: 4, max_position_embeddings: 300,
  initializer_range: 0.3,
} // prettier-ignore
const grouped = { ...sizes, num_key_value_heads: 2 }
const falcon = { model_type: 'falcon', vocab_size: 29, hidden_size: 24, num_hidden_layers: 2, num_attention_heads: 6, initializer_range: 0.3 } // prettier-ignore
const gpt = { vocab_size: 29, n_embd: 16, n_layer: 2, n_head: 4, n_positions: 300, initializer_range: 0.3 }
const layer_types = ['sliding_attention', 'full_attention']

const rows: Readonly<Record<string, ConfigJson>> = {
  gpt2: { ...gpt, model_type: 'gpt2' },
  'gpt_neo, local layer': {
    model_type: 'gpt_neo', vocab_size: 29, hidden_size: 16, num_layers: 2, num_heads: 4, attention_types: [[['local', 'global'], 1]],
    window_size: 5, max_position_embeddings: 300, initializer_range: 0.3,
  },
  gptj: { ...gpt, model_type: 'gptj', rotary_dim: 2 },
  gpt_neox: { ...sizes, model_type: 'gpt_neox', rotary_pct: 0.5 },
  bloom: { model_type: 'bloom', vocab_size: 29, hidden_size: 18, n_layer: 2, n_head: 6, initializer_range: 0.3 },
  'falcon, 7B style': falcon,
  'falcon, 40B style': { ...falcon, new_decoder_architecture: true, num_kv_heads: 2 },
  'falcon, RW style': { ...falcon, alibi: true, multi_query: false, parallel_attn: false, bias: true },
  llama: { ...grouped, model_type: 'llama' },
  'mistral, window': { ...grouped, model_type: 'mistral', sliding_window: 5 },
  mixtral: { ...grouped, model_type: 'mixtral', num_local_experts: 3, sliding_window: null },
  'qwen2, window': { ...grouped, model_type: 'qwen2', use_sliding_window: true, sliding_window: 5, max_window_layers: 1 },
  qwen3: { ...grouped, model_type: 'qwen3', head_dim: 6 },
  gemma: { ...grouped, model_type: 'gemma', head_dim: 6 },
  gemma2: { ...grouped, model_type: 'gemma2', head_dim: 6, sliding_window: 5, attn_logit_softcapping: 2, final_logit_softcapping: 3 },
  gemma3_text: { ...grouped, model_type: 'gemma3_text', head_dim: 6, sliding_window: 5, layer_types },
  glm: { ...grouped, model_type: 'glm', head_dim: 8 },
  glm4: { ...grouped, model_type: 'glm4', head_dim: 8 },
  'phi3, window': { ...grouped, model_type: 'phi3', sliding_window: 5 },
  stablelm: { ...grouped, model_type: 'stablelm', partial_rotary_factor: 0.5, qk_layernorm: true, use_parallel_residual: true },
} // prettier-ignore

const names = Object.keys(rows)

async function logitsOf(model: Model, ids: readonly number[]): Promise<Float32Array> {
  return (await runForward(model, tinyBatch([[{ segment: 1, ids }]]), { runtime })).logits
}

test('every supported family has a row here', () => {
  const types = new Set(Object.values(rows).map(({ model_type }) => model_type))
  expect(supportedModelTypes().filter(type => !types.has(type))).toEqual([])
})

test.each(names)('%s: with the cache and without it the logits are the same', async name => {
  const model = createModel(rows[name], 3)
  const ids = someIds(45)
  const whole = await logitsOf(model, ids)
  const decoder = await createDecoder(model, { runtime })
  let filled = 0
  for (const count of [9, 1, 34, 1]) {
    const logits = await decoder.append(ids.slice(filled, filled + count))
    filled += count
    expect(relativeDifference(whole.subarray((filled - 1) * 29, filled * 29), logits)).toBeLessThan(2e-5)
  }
  await decoder.close()
})

test.each(names)('%s: packed examples do not see each other, and later tokens move nothing before them', async name => {
  const model = createModel(rows[name], 4)
  const [first, second] = [someIds(8), someIds(20).slice(8)]
  const packed = tinyBatch([[{ segment: 1, ids: first }, { segment: 2, ids: second }]]) // prettier-ignore
  const { logits } = await runForward(model, packed, { runtime })
  const apart = await logitsOf(model, second)
  expect(relativeDifference(apart, logits.slice(8 * 29))).toBeLessThan(2e-5)
  const changed = await logitsOf(model, [...second.slice(0, -1), 28])
  expect(relativeDifference(apart.slice(0, -29), changed.slice(0, -29))).toBeLessThan(1e-6)
})

test.each(names)('%s: a fresh LoRA on all products changes nothing, and has a place in each block', async name => {
  const model = createModel(rows[name], 5)
  const adapter = createAdapter(model, { kind: 'lora', rank: 2, alpha: 4, targets: 'all-linear' }, 1)
  const batch = tinyBatch([[{ segment: 1, ids: someIds(7) }]])
  const { logits } = await runForward(model, batch, { runtime, adapter })
  expect(relativeDifference(await logitsOf(model, someIds(7)), logits)).toBeLessThan(1e-6)
  expect(adapter.modules).toEqual(linearModules(model.config))
  for (const layer of [0, 1]) expect(adapter.modules.some(module => module.includes(`.${layer}.`))).toBe(true)
})

test.each(names)('%s: more rows leave the old logits as they were, and the file holds the whole model', async name => {
  const model = createModel(rows[name], 6)
  const from = Array.from({ length: 29 }, (_, id) => id)
  const larger = resizeEmbeddings(model, { oldTokens: 29, oldRows: 29, newRows: 32, from, init: new Map() })
  const folder = await mkdtemp(join(tmpdir(), 'dvoynik-family-'))
  await saveModel(folder, larger)
  const read = await loadModel(folder)
  await rm(folder, { recursive: true })
  expect(read.config).toEqual(larger.config)
  expect(read.weights).toEqual(larger.weights)
  expect([...read.weights.values()].reduce((sum, { data }) => sum + data.length, 0)).toBe(parameterCount(read.config))
  const [before, after] = [await logitsOf(model, someIds(5)), await logitsOf(read, someIds(5))]
  const old = Float32Array.from(before, (_, i) => after[Math.floor(i / 29) * 32 + (i % 29)])
  expect(relativeDifference(before, old)).toBeLessThan(1e-5)
})
