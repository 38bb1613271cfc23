// LoRA on the embedding and the head, which stand before and behind the blocks.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readSafetensors, writeSafetensors } from '../../src/formats/safetensors.js'
import { loadAdapter, saveAdapter } from '../../src/model/adapter-files.js'
import { createAdapter, mergeAdapter, unmergeAdapter, type Adapter } from '../../src/model/adapter.js'
import { createDecoder } from '../../src/model/decoder.js'
import type { LoraMethod } from '../../src/model/method.js'
import { createTrainingStep, runForward } from '../../src/model/train-step.js'
import { createModel, type Model } from '../../src/model/weights.js'
import { relativeDifference, shakenAdapter, someIds, tinyBatch, tinyConfigs, tinyRuntime } from './tiny.js'

const runtime = await tinyRuntime()
let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'ends-'))
})
afterAll(() => rm(root, { recursive: true }))

const lora = { kind: 'lora', rank: 3, alpha: 6, dropout: 0.3 } as const
const cases: Readonly<Record<string, { readonly family: string; readonly tied: boolean; readonly method: LoraMethod }>> = {
  'both ends': { family: 'llama', tied: false, method: { ...lora, targets: ['q_proj', 'embed_tokens', 'lm_head'] } },
  'both ends of a tied model': { family: 'gpt2', tied: true, method: { ...lora, untied: true, targets: ['wte', 'c_fc', 'lm_head'], rsLora: true } },
  'the head of a tied model': { family: 'llama', tied: true, method: { ...lora, untied: true, targets: ['lm_head'], rankPattern: { lm_head: 2 } } },
  'the head with DoRA': { family: 'gpt2', tied: false, method: { ...lora, targets: ['lm_head', 'c_attn'], dora: true } },
} // prettier-ignore

const batch = tinyBatch([[{ segment: 1, ids: someIds(9) }]])

function modelOf(name: string): Model {
  const { family, tied } = cases[name]
  return createModel({ ...tinyConfigs[family], tie_word_embeddings: tied }, 1)
}

async function logitsOf(model: Model, adapter?: Adapter): Promise<Float32Array> {
  return (await runForward(model, batch, { runtime, adapter })).logits
}

test.each(Object.keys(cases))('%s: fresh it is the base', async name => {
  const model = modelOf(name)
  const fresh = await logitsOf(model, createAdapter(model, cases[name].method, 1))
  expect(relativeDifference(await logitsOf(model), fresh)).toBeLessThan(2e-6)
})

test.each(Object.keys(cases))('%s: written, read, decoded and merged it computes the same', async name => {
  const [model, { method }] = [modelOf(name), cases[name]]
  const adapter = shakenAdapter(model, method)
  const folder = join(root, name)
  await saveAdapter(folder, adapter)
  const read = await loadAdapter(folder, model)
  const logits = await logitsOf(model, adapter)
  expect(await logitsOf(model, read)).toEqual(logits)
  expect(relativeDifference(await logitsOf(model), logits)).toBeGreaterThan(0.01)
  const decoder = await createDecoder(model, { adapter, runtime, capacity: 9 })
  expect(relativeDifference(logits.slice(-29), await decoder.append(someIds(9)))).toBeLessThan(1e-5)
  await decoder.close()
  const merged = mergeAdapter(model, read)
  expect(relativeDifference(logits, await logitsOf(merged))).toBeLessThan(5e-6)
  if (method.dora) return
  const base = unmergeAdapter(merged, read)
  for (const [tensor, { data }] of model.weights)
    expect([tensor, relativeDifference(data, base.weights.get(tensor)!.data) < 1e-5]).toEqual([tensor, true])
})

test.each(Object.keys(cases))('%s: logits in pieces of rows give the gradients of all rows at once', async name => {
  const gradients = await Promise.all(
    [2, 9].map(async lossRows => {
      const model = modelOf(name)
      const adapter = shakenAdapter(model, cases[name].method)
      const step = await createTrainingStep(model, adapter.method, { batch: 1, length: 9, runtime, adapter, lossRows })
      await step.run(batch, 1)
      await step.close()
      return new Map(step.parameters.map(({ name: tensor, gradient }) => [tensor, gradient]))
    }),
  )
  for (const [tensor, whole] of gradients[1]) {
    expect(whole.some(value => value !== 0)).toBe(true)
    expect([tensor, relativeDifference(whole, gradients[0].get(tensor)!) < 1e-5]).toEqual([tensor, true])
  }
})

test("the model's own tables under those of an adapter are passed over, also in bfloat16; others are refused", async () => {
  const model = modelOf('both ends of a tied model')
  const adapter = shakenAdapter(model, cases['both ends of a tied model'].method)
  const folder = join(root, 'copies')
  await saveAdapter(folder, adapter)
  const path = join(folder, 'adapter_model.safetensors')
  const put = async (change: (x: number) => number): Promise<void> => {
    const { shape, data } = model.weights.get('transformer.wte.weight')!
    const table = { dtype: 'float32', shape, data: data.map(change) } as const
    const name = 'base_model.model.lm_head.base_layer.weight'
    await writeSafetensors(path, new Map(await readSafetensors(path)).set(name, table))
  }
  await put(x => x * (1 + 1 / 300))
  expect(new Map((await loadAdapter(folder, model)).weights)).toEqual(new Map(adapter.weights))
  await put(x => x * 1.01)
  await expect(loadAdapter(folder, model)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: adapter, base_model.model.lm_head.base_layer.weight: its numbers are not the model's own. Use the adapter with the base model it was trained on.]`,
  )
})

test('an embedding with DoRA, and new rows in a table with a low-rank addition, are refused', () => {
  const model = modelOf('both ends')
  const create = (change: Partial<LoraMethod>) => () => createAdapter(model, { ...lora, targets: ['embed_tokens'], ...change }, 1)
  expect(create({ dora: true })).toThrow('lora, key dora: expected false with a target that is an embedding, received true')
  expect(create({ newTokenRows: [3] })).toThrow('model.embed_tokens is also a target or has new token rows')
}) // prettier-ignore
