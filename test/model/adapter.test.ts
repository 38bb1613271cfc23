import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import { readSafetensors, writeSafetensors } from '../../src/formats/safetensors.js'
import { loadAdapter, saveAdapter } from '../../src/model/adapter-files.js'
import { AdapterConfigReader } from '../../src/model/adapter-config-reader.js'
import { createAdapter, mergeAdapter } from '../../src/model/adapter.js'
import { lora } from '../../src/model/lora.js'
import type { LoraMethod } from '../../src/model/method.js'
import { createModel } from '../../src/model/weights.js'
import { families, shakenAdapter, tinyAdapter, tinyModel } from './tiny.js'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'adapter-'))
})
afterAll(() => rm(root, { recursive: true }))

const plain: LoraMethod = { kind: 'lora', rank: 2, alpha: 4, targets: 'all-linear' }

test.each(families)('%s: an adapter written and read again merges to the same model', async family => {
  const model = tinyModel(family)
  const adapter = tinyAdapter(model, { rsLora: true, newTokenRows: [28, 4] })
  const folder = join(root, family)
  await saveAdapter(folder, adapter, { base: 'models/start' })
  const read = await loadAdapter(folder, model)
  expect(read.weights).toEqual(adapter.weights)
  expect(read.modules).toEqual(adapter.modules)
  expect(read.rows).toEqual(adapter.rows)
  expect(mergeAdapter(model, read).weights).toEqual(mergeAdapter(model, adapter).weights)
})

test('modules trained whole are written under their own names', async () => {
  const model = tinyModel('llama')
  const adapter = createAdapter(model, { ...plain, targets: ['q_proj'], modulesToSave: ['lm_head'] }, 1)
  adapter.weights.get('base_model.model.lm_head.weight')!.data[0] = 9
  expect(model.weights.get('lm_head.weight')!.data[0]).not.toBe(9)
  await saveAdapter(join(root, 'whole'), adapter)
  const merged = mergeAdapter(model, await loadAdapter(join(root, 'whole'), model))
  expect(merged.weights.get('lm_head.weight')!.data[0]).toBe(9)
})

test('adapter_config.json says what PEFT needs to know', async () => {
  const folder = join(root, 'config')
  await saveAdapter(folder, createAdapter(tinyModel('gpt2'), { ...plain, targets: ['c_attn'], newTokenRows: [5] }, 1), {
    base: 'b',
  })
  expect(JSON.parse(await readFile(join(folder, 'adapter_config.json'), 'utf8'))).toMatchInlineSnapshot(`
    {
      "alpha_pattern": {},
      "base_model_name_or_path": "b",
      "bias": "none",
      "ensure_weight_tying": false,
      "fan_in_fan_out": true,
      "inference_mode": true,
      "init_lora_weights": true,
      "lora_alpha": 4,
      "lora_dropout": 0,
      "modules_to_save": null,
      "peft_type": "LORA",
      "r": 2,
      "rank_pattern": {},
      "target_modules": [
        "transformer.h.0.attn.c_attn",
        "transformer.h.1.attn.c_attn",
      ],
      "task_type": "CAUSAL_LM",
      "trainable_token_indices": {
        "wte": [
          5,
        ],
      },
      "use_dora": false,
      "use_rslora": false,
    }
  `)
})

test('targets are names, ends of names, or everything but the head', () => {
  const model = tinyModel('gpt2')
  const modules = (targets: LoraMethod['targets']) => createAdapter(model, { ...plain, targets }, 1).modules
  expect(modules(['h.1.attn.c_proj', 'c_fc'])).toEqual([
    'transformer.h.0.mlp.c_fc',
    'transformer.h.1.attn.c_proj',
    'transformer.h.1.mlp.c_fc',
  ])
  expect(modules('all-linear')).toHaveLength(8)
})

test('settings that make no adapter are refused with what to do', () => {
  const changes: Partial<LoraMethod>[] = [
    { targets: ['q_porj'] },
    { rank: 0 },
    { dropout: 1.5 },
    { newTokenRows: [29] },
    { targets: ['q_proj'], newTokenRows: [1], modulesToSave: ['embed_tokens'] },
  ]
  const messages = changes.map(change => {
    try {
      createAdapter(tinyModel('llama'), { ...plain, ...change }, 1)
    } catch (error) {
      if (error instanceof AppError) return [error.code, error.message, error.render('ru')]
    }
    throw new Error('expected an AppError')
  })
  expect(messages).toMatchInlineSnapshot(`
    [
      [
        "unknown-target",
        "targets: "q_porj" names nothing in this model. Did you mean "q_proj"? Known names: model.layers.*.self_attn.q_proj, model.layers.*.self_attn.k_proj, model.layers.*.self_attn.v_proj, model.layers.*.self_attn.o_proj, model.layers.*.mlp.gate_proj, model.layers.*.mlp.up_proj, model.layers.*.mlp.down_proj, model.embed_tokens, lm_head.",
        "targets: «q_porj» ничего в этой модели не называет. Может быть, «q_proj»? Известные имена: model.layers.*.self_attn.q_proj, model.layers.*.self_attn.k_proj, model.layers.*.self_attn.v_proj, model.layers.*.self_attn.o_proj, model.layers.*.mlp.gate_proj, model.layers.*.mlp.up_proj, model.layers.*.mlp.down_proj, model.embed_tokens, lm_head.",
      ],
      [
        "bad-setting",
        "lora, key rank: expected a positive whole number, received 0. Correct the value.",
        "lora, ключ rank: нужно: положительное целое число; получено: 0. Исправьте значение.",
      ],
      [
        "bad-setting",
        "lora, key dropout: expected a share from 0 up to 1, received 1.5. Correct the value.",
        "lora, ключ dropout: нужно: доля от 0 до 1; получено: 1.5. Исправьте значение.",
      ],
      [
        "bad-setting",
        "lora, key newTokenRows: expected token ids from 0 to 28, received 29. Correct the value.",
        "lora, ключ newTokenRows: нужно: номера токенов от 0 до 28; получено: 29. Исправьте значение.",
      ],
      [
        "bad-setting",
        "lora, key modulesToSave: model.embed_tokens is also a target or has new token rows. Name it in one place.",
        "lora, ключ modulesToSave: model.embed_tokens указан и среди целей или строк новых токенов. Назовите его в одном месте.",
      ],
    ]
  `)
})

async function withConfig(change: Record<string, unknown>): Promise<string> {
  const folder = join(root, 'changed')
  await saveAdapter(folder, tinyAdapter(tinyModel('llama')))
  const path = join(folder, 'adapter_config.json')
  const json = JSON.parse(await readFile(path, 'utf8')) as object
  await writeFile(path, JSON.stringify({ ...json, ...change }))
  return folder
}

test.each([
  [{ peft_type: 'VERA' }, 'key peft_type: the value "VERA" is not supported'],
  [{ use_qalora: true }, 'key use_qalora: the value true is not supported'],
  [{ rank_pattern: { q_proj: 'eight' } }, 'key rank_pattern: the value {"q_proj":"eight"} is not supported'],
  [{ bias: 'some' }, 'key bias: the value "some" is not supported'],
  [{ init_lora_weights: 'pissa' }, 'key init_lora_weights: the value "pissa" means that the adapter belongs to a base'],
  [{ init_lora_weights: 'pissa_niter_16' }, 'path_initial_model_for_weight_conversion'],
  [{ init_lora_weights: 'olora' }, 'the value "olora" means'],
  [{ some_future_scale: 2 }, 'key some_future_scale: the value 2 is not supported'],
])('a variant of LoRA that is not computed here is refused: %j', async (change, words) => {
  await expect(loadAdapter(await withConfig(change), tinyModel('llama'))).rejects.toThrow(words)
})

test('regular expressions, empty variants and future keys that are off are read', async () => {
  const folder = await withConfig({
    target_modules: 'model\\.layers\\.\\d+\\..*_proj',
    alpha_pattern: {},
    use_something_new: false,
    init_lora_weights: 'Gaussian',
    bias: 'lora_only', // as older PEFT writes it, without the biases
  })
  expect((await loadAdapter(folder, tinyModel('llama'))).modules).toHaveLength(14)
})

test("the head of GPT-NeoX is lm_head in PEFT's files, and embed_out is understood", async () => {
  const sizes = { vocab_size: 29, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 4, max_position_embeddings: 64 } // prettier-ignore
  const model = createModel({ model_type: 'gpt_neox', ...sizes }, 1)
  const folder = join(root, 'neox')
  const names = ['adapter_model.safetensors', 'adapter_config.json'].map(name => join(folder, name))
  for (const method of [
    { ...plain, targets: ['dense'], modulesToSave: ['embed_out'] },
    { ...plain, targets: ['dense', 'embed_out'] },
    { ...plain, targets: ['dense'], newTokenRows: [3] },
  ]) {
    const adapter = shakenAdapter(model, method)
    await saveAdapter(folder, adapter)
    const [stored, settings] = [await readSafetensors(names[0]), await readFile(names[1], 'utf8')]
    expect([...stored.keys()].filter(name => name.includes('embed_out'))).toEqual([])
    expect([settings.includes('"lm_head"'), settings.includes('embed_out')]).toEqual([true, false])
    expect((await loadAdapter(folder, model)).weights).toEqual(adapter.weights)
    await writeSafetensors(names[0], adapter.weights)
    await writeFile(names[1], settings.replaceAll('"lm_head"', '"embed_out"'))
    expect((await loadAdapter(folder, model)).weights).toEqual(adapter.weights)
  }
})

/** The targets of a file; its tensors are those of the modules that are found. */
async function modulesOf(change: Record<string, unknown>): Promise<readonly string[]> {
  const model = tinyModel('llama')
  const folder = join(root, 'targets')
  const read = new AdapterConfigReader({ peft_type: 'LORA', r: 2, lora_alpha: 4, ...change }, 'adapter_config.json')
  const method = lora.fromJson(read, model.config, new Map())
  await saveAdapter(folder, createAdapter(model, method, 1))
  return (await loadAdapter(folder, model)).modules
}

const attention = (layer: number, ...names: string[]): string[] =>
  names.map(name => `model.layers.${layer}.self_attn.${name}`)

// what PEFT 0.21 chooses in a LLaMA of two layers
test.each([
  [{ target_modules: '(?i)model\\.layers\\.1\\.self\\_attn\\.Q_PROJ' }, attention(1, 'q_proj')],
  [{ target_modules: 'model\\.layers\\.(?P<layer>\\d+)\\.self_attn\\.o_proj\\Z' }, [...attention(0, 'o_proj'), ...attention(1, 'o_proj')]],
  [{ target_modules: '(?:\\bmodel\\.layers\\.[\\d]{1,}\\.self_attn\\.(?:(?:q_proj|[k\\]]_proj)))', exclude_modules: '.*\\.0\\..*' }, attention(1, 'q_proj', 'k_proj')],
  [{ target_modules: ['q_proj', 'query_key_value'], layers_to_transform: 0, layers_pattern: '' }, attention(0, 'q_proj')],
  [{ target_modules: ['q_proj'], layers_to_transform: [1], layers_pattern: ['h', 'lay[e]rs'] }, attention(1, 'q_proj')],
  [{ target_modules: ['k_proj', 'v_proj'], modules_to_save: ['v_proj'] }, [...attention(0, 'k_proj'), ...attention(1, 'k_proj')]],
])('%j chooses the modules that PEFT chooses', async (change, modules) => {
  expect(await modulesOf(change)).toEqual(modules)
}) // prettier-ignore

test('ranks stand under expressions of Python', async () => {
  const folder = await withConfig({ rank_pattern: { 'self\\_attn\\.q\\_proj': 5 } })
  await expect(loadAdapter(folder, tinyModel('llama'))).rejects.toThrow(
    'layers.0.self_attn.q_proj.lora_A.weight: is [3, 16], the model asks for [5, 16]',
  )
})

test.each([
  [{ target_modules: '.*+proj' }, 'key target_modules: the regular expression ".*+proj" is not one that can be read'],
  [{ alpha_pattern: { '(?x)q_proj': 2 } }, 'key alpha_pattern: the regular expression "(?x)q_proj" is not one'],
  [{ target_modules: ['q_porj'] }, '"q_porj" names nothing in this model. Did you mean "q_proj"?'],
  [{ target_modules: null }, 'key target_modules: the value null is not supported'],
  [{ target_modules: null, target_parameters: ['experts.down_proj'] }, 'key target_parameters: the value ["experts'],
])('%j is refused by name', async (change, words) => {
  await expect(loadAdapter(await withConfig(change), tinyModel('llama'))).rejects.toThrow(words)
})

test('an adapter of another model is refused by the first tensor that differs', async () => {
  const folder = join(root, 'other')
  await saveAdapter(folder, createAdapter(tinyModel('llama'), { ...plain, targets: ['q_proj'] }, 1))
  await expect(loadAdapter(folder, tinyModel('qwen3'))).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: adapter, base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight: is [16, 2], the model asks for [24, 2]. Use the adapter with the base model it was trained on.]`,
  )
})
