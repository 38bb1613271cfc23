import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import { writeSafetensors } from '../../src/formats/safetensors.js'
import { resizeEmbeddings } from '../../src/model/vocabulary.js'
import { createModel, loadModel, saveModel } from '../../src/model/weights.js'
import { families, tinyConfigs, tinyModel } from './tiny.js'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'weights-'))
})
afterAll(() => rm(root, { recursive: true }))

async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof AppError)) throw new Error('expected an AppError', { cause: error })
  return `${error.code} | ${error.message} | ${error.render('ru')}`.replaceAll(root, '')
}

test.each(families)('%s: saved and loaded again, everything is equal', async family => {
  const model = { ...tinyModel(family), generation: { eos_token_id: 2 } }
  const folder = join(root, family)
  await saveModel(folder, model)
  const loaded = await loadModel(folder)
  expect(loaded.config).toEqual(model.config)
  expect(loaded.json).toEqual({ ...model.json, torch_dtype: 'float32' })
  expect(loaded.generation).toEqual({ eos_token_id: 2 })
  expect([...loaded.weights.keys()].sort()).toEqual([...model.weights.keys()].sort())
  for (const [name, tensor] of model.weights) expect(loaded.weights.get(name)).toEqual(tensor)
})

test('half precision is written, named in config.json and read back rounded; other files stay', async () => {
  const folder = join(root, 'half')
  const model = tinyModel('llama')
  await saveModel(folder, model)
  await writeFile(join(folder, 'tokenizer.json'), '{}')
  await saveModel(folder, model, { dtype: 'float16' })
  expect(await readFile(join(folder, 'tokenizer.json'), 'utf8')).toBe('{}')
  const loaded = await loadModel(folder)
  expect(loaded.json.torch_dtype).toBe('float16')
  for (const [name, { data }] of model.weights) {
    const worst = loaded.weights.get(name)!.data.reduce((max, x, i) => Math.max(max, Math.abs(x - data[i])), 0)
    expect(worst).toBeLessThan(1e-3)
  }
})

test('numbers that transformers takes for floats alone keep a point, in config.json and in what stands within it', async () => {
  const folder = join(root, 'floats')
  const config = { final_logit_softcapping: 30, attn_logit_softcapping: 50, attention_dropout: 0, rope_theta: 10000 }
  const scaled = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 32 } // prettier-ignore
  const model = tinyModel('llama')
  await saveModel(folder, { ...model, json: { ...model.json, ...config, rms_norm_eps: 1e-7, rope_scaling: scaled } })
  const lines = (await readFile(join(folder, 'config.json'), 'utf8'))
    .split('\n')
    .map(line => line.trim().replace(',', ''))
  for (const line of [
    '"final_logit_softcapping": 30.0',
    '"attn_logit_softcapping": 50.0',
    '"attention_dropout": 0',
    '"rms_norm_eps": 1e-7',
    '"factor": 8.0',
    '"low_freq_factor": 1.0',
    '"original_max_position_embeddings": 32',
  ])
    expect(lines).toContain(line)
})

test('names saved from the bare model get their prefix, old buffers and a repeated tied head are passed over', async () => {
  const folder = join(root, 'bare')
  const model = tinyModel('gpt2')
  await saveModel(folder, model)
  const bare = new Map([...model.weights].map(([name, tensor]) => [name.replace(/^transformer\./, ''), tensor]))
  bare.set('h.0.attn.bias', { dtype: 'float32', shape: [1], data: new Float32Array(1) })
  bare.set('lm_head.weight', model.weights.get('transformer.wte.weight')!)
  await writeSafetensors(join(folder, 'model.safetensors'), bare)
  expect([...(await loadModel(folder)).weights.keys()]).toEqual([...model.weights.keys()])
})

test('a tied model may store its matrix as the head, and a head that differs is one of its own', async () => {
  const folder = join(root, 'tied')
  const model = tinyModel('llama-tied')
  const embedding = model.weights.get('model.embed_tokens.weight')!
  const write = (change: Map<string, typeof embedding>, json = model.json) => {
    const weights = new Map([...model.weights, ...change])
    if (change.has('none')) for (const name of ['none', 'model.embed_tokens.weight']) weights.delete(name)
    return saveModel(folder, { ...model, json, weights })
  }
  await write(new Map([['lm_head.weight', embedding], ['none', embedding]])) // prettier-ignore
  const renamed = await loadModel(folder)
  expect(renamed.config).toEqual(model.config)
  expect(renamed.weights).toEqual(model.weights)
  const other = { ...embedding, data: embedding.data.map((value, i) => (i === 100 ? value + 1 : value)) }
  await write(new Map([['lm_head.weight', other]]))
  const untied = await loadModel(folder)
  expect([untied.config.tied, untied.json.tie_word_embeddings]).toEqual([false, false])
  expect(untied.weights.get('lm_head.weight')).toEqual(other)
  await saveModel(folder, untied)
  expect(await loadModel(folder)).toEqual(untied)
})

test('weights that are not those of the configuration are refused by name', async () => {
  const folder = join(root, 'wrong')
  const model = tinyModel('llama')
  const write = (change: (weights: typeof model.weights) => void) => {
    const weights = new Map(model.weights)
    change(weights)
    return writeSafetensors(join(folder, 'model.safetensors'), weights)
  }
  await saveModel(folder, model)
  await write(weights => weights.delete('model.norm.weight'))
  expect(await failure(loadModel(folder))).toMatchInlineSnapshot(
    `"missing-tensor | /wrong: the weights lack the tensor model.norm.weight. config.json and the weights do not belong together; fetch the model again. | /wrong: в весах нет тензора model.norm.weight. config.json и веса не подходят друг к другу; скачайте модель заново."`,
  )
  await write(weights => weights.set('model.extra.weight', model.weights.get('model.norm.weight')!))
  expect(await failure(loadModel(folder))).toMatchInlineSnapshot(
    `"unknown-tensor | /wrong: the weights have a tensor model.extra.weight that the configuration does not use. config.json and the weights do not belong together; fetch the model again. | /wrong: в весах есть тензор model.extra.weight, которого нет в конфигурации. config.json и веса не подходят друг к другу; скачайте модель заново."`,
  )
  await write(weights => weights.set('lm_head.weight', tinyModel('llama').weights.get('model.norm.weight')!))
  expect(await failure(loadModel(folder))).toMatchInlineSnapshot(
    `"weight-shape | /wrong: tensor lm_head.weight is [16], the configuration asks for [29, 16]. config.json and the weights do not belong together; fetch the model again. | /wrong: тензор lm_head.weight имеет форму [16], а по конфигурации нужна [29, 16]. config.json и веса не подходят друг к другу; скачайте модель заново."`,
  )
})

test('pickles are refused with the way to convert them', async () => {
  const folder = join(root, 'pickle')
  await saveModel(folder, tinyModel('gpt2'))
  await rm(join(folder, 'model.safetensors'))
  expect(await failure(loadModel(folder))).toMatch('file-not-found | /pickle/model.safetensors')
  await writeFile(join(folder, 'pytorch_model.bin'), 'x')
  expect(await failure(loadModel(folder))).toMatchInlineSnapshot(
    `"pickle-weights | /pickle/pytorch_model.bin: the weights are a Python pickle, which can run any code when it is opened. Take the safetensors file of the same model, or convert it in Python once: AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, safe_serialization=True). | /pickle/pytorch_model.bin: веса записаны как pickle языка Python, а он при открытии может выполнить любой код. Возьмите safetensors той же модели или один раз преобразуйте в Python: AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, safe_serialization=True)."`,
  )
})

test('fresh weights have the deviations of their roles and depend on the seed alone', () => {
  const json = { ...tinyConfigs.gpt2, n_embd: 64, initializer_range: 0.02 }
  const model = createModel(json, 3)
  const deviation = (name: string) => {
    const { data } = model.weights.get(name)!
    return Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length)
  }
  expect(deviation('transformer.h.0.attn.c_attn.weight')).toBeCloseTo(0.02, 3)
  expect(deviation('transformer.h.1.mlp.c_proj.weight')).toBeCloseTo(0.02 / 2, 3) // two layers, two branches each
  expect(deviation('transformer.ln_f.weight')).toBe(1)
  expect(deviation('transformer.h.0.attn.c_attn.bias')).toBe(0)
  expect(createModel(json, 3)).toEqual(model)
  expect(createModel(json, 4).weights.get('transformer.wte.weight')).not.toEqual(
    model.weights.get('transformer.wte.weight'),
  )
})

test('a new vocabulary keeps old rows by the map and fills new ones as told', () => {
  const model = tinyModel('llama')
  const from = Int32Array.of(28, -1, 3, -1, -1)
  const init = new Map([
    [1, { kind: 'subtokens', ids: Uint32Array.of(4, 6) } as const],
    [3, { kind: 'zero' } as const],
  ])
  const resized = resizeEmbeddings(model, { oldTokens: 20, oldRows: 29, newRows: 6, from, init })
  expect(resized.config.vocabulary).toBe(6)
  expect(resized.json.vocab_size).toBe(6)
  const rowsOf = (table: Float32Array) => (id: number) => [...table.subarray(id * 16, (id + 1) * 16)]
  const mean = (rows: number[][]) =>
    rows[0].map((_, j) => expect.closeTo(rows.reduce((sum, row) => sum + row[j], 0) / rows.length, 6) as number)
  for (const name of ['model.embed_tokens.weight', 'lm_head.weight']) {
    const [old, now] = [model, resized].map(({ weights }) => rowsOf(weights.get(name)!.data))
    const global = mean(Array.from({ length: 20 }, (_, id) => old(id)))
    expect(now(0)).toEqual(old(28))
    expect(now(2)).toEqual(old(3))
    expect(now(1)).toEqual(name === 'lm_head.weight' ? global : mean([old(4), old(6)]))
    expect(now(3)).toEqual(new Array(16).fill(0))
    expect(now(4)).toEqual(global)
    expect(now(5)).toEqual(global) // beyond the map
  }
  expect(resized.weights.get('model.norm.weight')).toBe(model.weights.get('model.norm.weight'))
  expect(model.config.vocabulary).toBe(29)
})

test('a map for another number of rows is refused', () => {
  const map = { oldTokens: 3, oldRows: 3, newRows: 3, from: Int32Array.of(0, 1, 2), init: new Map() }
  expect(() => resizeEmbeddings(tinyModel('llama'), map)).toThrowErrorMatchingInlineSnapshot(
    `[AppError: the id map starts from 3 rows, the model's embedding has 29. Make the map from the tokenizer that belongs to this model, with its number of rows.]`,
  )
})
