// Adapters that take a tied head apart from the embedding, as PEFT does without ensure_weight_tying.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readSafetensors, writeSafetensors } from '../../src/formats/safetensors.js'
import { loadAdapter, saveAdapter } from '../../src/model/adapter-files.js'
import { adapterNames, mergeAdapter, type Adapter } from '../../src/model/adapter.js'
import { createDecoder } from '../../src/model/decoder.js'
import type { AdapterMethod } from '../../src/model/method.js'
import { createTrainingStep, runForward } from '../../src/model/train-step.js'
import { loadModel, saveModel, untiedModel, type Model } from '../../src/model/weights.js'
import { convertModel } from '../../src/project/convert-model.js'
import { relativeDifference, shakenAdapter, someIds, tinyBatch, tinyModel, tinyRuntime } from './tiny.js'

const runtime = await tinyRuntime()
const base = tinyModel('llama-tied')
const [embedding, head] = ['model.embed_tokens.weight', 'lm_head.weight'].map(adapterNames.saved)

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tied-'))
})
afterAll(() => rm(root, { recursive: true }))

const lora = { kind: 'lora', rank: 3, alpha: 6, targets: ['q_proj'], untied: true } as const
const methods: Readonly<Record<string, AdapterMethod>> = {
  head: { ...lora, modulesToSave: ['lm_head'] },
  embedding: { ...lora, modulesToSave: ['embed_tokens'] },
  both: { ...lora, modulesToSave: ['embed_tokens', 'lm_head'] },
  'both of (IA)³': { kind: 'ia3', untied: true, modulesToSave: ['embed_tokens', 'lm_head'] },
}

const batch = tinyBatch([[{ segment: 1, ids: someIds(9) }]])

async function logitsOf(model: Model, adapter?: Adapter): Promise<Float32Array> {
  return (await runForward(model, batch, { runtime, adapter })).logits
}

/** The base written with a head of its own, which holds the same numbers. */
function untiedBase(): Model {
  const [model, weights] = untiedModel(base, base.weights)
  return { ...model, weights }
}

test.each(Object.entries(methods))('%s: it computes and trains as on a model whose head was never tied', async (_, method) => {
  const results = await Promise.all(
    [base, untiedBase()].map(async model => {
      const adapter = shakenAdapter(model, method)
      const step = await createTrainingStep(model, method, { batch: 1, length: 9, runtime, adapter })
      await step.run(batch, 1)
      await step.close()
      return { logits: await logitsOf(model, adapter), gradients: step.parameters.map(({ name, gradient }) => [name, gradient]) }
    }),
  )
  expect(results[0]).toEqual(results[1])
}) // prettier-ignore

test.each(Object.entries(methods))('%s: written, read, decoded, merged and converted it computes the same', async (name, method) => {
  const adapter = shakenAdapter(base, method)
  const folder = join(root, name)
  await saveAdapter(folder, adapter)
  const read = await loadAdapter(folder, base)
  expect(read.weights).toEqual(adapter.weights)
  const logits = await logitsOf(base, adapter)
  expect(await logitsOf(base, read)).toEqual(logits)
  const decoder = await createDecoder(base, { adapter, runtime, capacity: 9 })
  expect(relativeDifference(logits.slice(-29), await decoder.append(someIds(9)))).toBeLessThan(1e-5)
  await decoder.close()
  const merged = mergeAdapter(base, read)
  expect(merged.config.tied).toBe(false)
  expect(relativeDifference(logits, await logitsOf(merged))).toBeLessThan(5e-6)
  await saveModel(join(folder, 'base'), base)
  await convertModel(join(folder, 'base'), join(folder, 'converted'), { adapter: folder })
  const converted = await loadModel(join(folder, 'converted'))
  expect(converted.weights).toEqual(merged.weights)
  expect(converted.json.tie_word_embeddings).toBe(false)
}) // prettier-ignore

async function written(method: AdapterMethod, change: (weights: Adapter['weights']) => void, json = {}): Promise<string> {
  const folder = join(root, 'changed')
  await saveAdapter(folder, shakenAdapter(base, method))
  const [weights, config] = ['adapter_model.safetensors', 'adapter_config.json'].map(file => join(folder, file))
  const tensors = new Map(await readSafetensors(weights))
  change(tensors)
  await writeSafetensors(weights, tensors)
  await writeFile(config, JSON.stringify({ ...(JSON.parse(await readFile(config, 'utf8')) as object), ...json }))
  return folder
} // prettier-ignore

test('what was trained together is in the file twice, and stays together', async () => {
  const folder = await written({ ...lora, untied: false, modulesToSave: ['embed_tokens'] }, () => {})
  const { config, saved } = await loadAdapter(folder, base)
  expect([config.tied, saved]).toEqual([true, ['model.embed_tokens']])
})

test('with ensure_weight_tying, a head that the file lacks is the one of the base', async () => {
  const folder = await written({ ...lora, untied: false, modulesToSave: ['embed_tokens'] }, weights => weights.delete(head))
  const { config, saved } = await loadAdapter(folder, base)
  expect([config.tied, saved]).toEqual([false, ['model.embed_tokens']])
}) // prettier-ignore

test("embedding and head that are the base's own are no part of the adapter, others are", async () => {
  const table = base.weights.get('model.embed_tokens.weight')!
  const other = { ...table, data: table.data.map(x => x + 1) }
  const put = (mine: typeof table) => (weights: Adapter['weights']) => weights.set(embedding, table).set(head, mine)
  const same = await loadAdapter(await written({ ...lora, untied: false }, put(table)), base)
  expect([same.config.tied, same.saved, same.weights.has(head)]).toEqual([true, [], false])
  const changed = await loadAdapter(await written({ ...lora, untied: false }, put(other)), base)
  expect([changed.config.tied, changed.saved]).toEqual([false, ['lm_head']])
})

test('new rows beside a head that is taken apart are refused', async () => {
  const folder = await written(methods.head, () => {}, { trainable_token_indices: [3] })
  await expect(loadAdapter(folder, base)).rejects.toThrow('key trainable_token_indices: the value [3] is not supported')
})
