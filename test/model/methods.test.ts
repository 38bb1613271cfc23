import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import { input } from '../../src/graph/build.js'
import { loadAdapter, saveAdapter } from '../../src/model/adapter-files.js'
import { canMerge, createAdapter, mergeAdapter, unmergeAdapter, type Adapter } from '../../src/model/adapter.js'
import { createDecoder } from '../../src/model/decoder.js'
import { createDropout } from '../../src/model/dropout.js'
import type { AdapterMethod } from '../../src/model/method.js'
import type { Batch } from '../../src/model/step.js'
import { createTrainingStep, runForward } from '../../src/model/train-step.js'
import type { Model } from '../../src/model/weights.js'
import { relativeDifference, shakenAdapter, someIds, tinyBatch, tinyModel, tinyRuntime } from './tiny.js'

const runtime = await tinyRuntime()

const lora = { kind: 'lora', rank: 3, alpha: 6, targets: 'all-linear' } as const
const methods: Readonly<Record<string, AdapterMethod>> = {
  dora: { ...lora, dora: true },
  'patterns of ranks': {
    ...lora,
    layers: [1],
    rankPattern: { 'mlp\\..*': 2, [String.raw`.*\.1\..*proj`]: 5 },
    alphaPattern: { '.*_proj': 3 },
  },
  'biases of targets': { ...lora, targets: ['c_attn'], bias: 'lora_only' },
  'all biases': { ...lora, targets: ['c_fc'], modulesToSave: ['ln_f'], bias: 'all' },
  ia3: { kind: 'ia3' },
  prompt: { kind: 'prompt', tokens: 3, start: [4, 5] },
  'p-tuning': { kind: 'p-tuning', tokens: 3, hidden: 7 },
  prefix: { kind: 'prefix', tokens: 3 },
  'prefix, projected': { kind: 'prefix', tokens: 3, projection: 7 },
  houlsby: { kind: 'bottleneck', style: 'houlsby', reduction: 4 },
  pfeiffer: { kind: 'bottleneck', style: 'pfeiffer', reduction: 2, activation: 'gelu' },
  'adaption prompt': { kind: 'adaption-prompt', tokens: 3, layers: 1 },
}
const families: Readonly<Record<string, string>> = {
  dora: 'gpt2',
  'biases of targets': 'gpt2',
  'all biases': 'gpt2',
  ia3: 'gpt2',
  'p-tuning': 'gpt2',
  'prefix, projected': 'gpt2',
}
/** References of PyTorch cover each method on both families; here one will do. */
const cases = Object.keys(methods).map(name => [name, families[name] ?? 'llama'] as const)

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'methods-'))
})
afterAll(() => rm(root, { recursive: true }))

const oneRow = (ids: readonly number[]): Batch => tinyBatch([[{ segment: 1, ids }]])

async function logitsOf(model: Model, adapter?: Adapter, ids = someIds(9)): Promise<Float32Array> {
  return (await runForward(model, oneRow(ids), { runtime, adapter })).logits
}

test.each(cases)('%s on %s: written and read again it computes the same', async (name, family) => {
  const model = tinyModel(family)
  const adapter = shakenAdapter(model, methods[name])
  const folder = join(root, `${name} ${family}`)
  await saveAdapter(folder, adapter)
  const read = await loadAdapter(folder, model)
  expect(new Map(read.weights)).toEqual(new Map(adapter.weights))
  expect(await logitsOf(model, read)).toEqual(await logitsOf(model, adapter))
})

test.each(cases)('%s on %s: the cache gives the logits of a block', async (name, family) => {
  const model = tinyModel(family)
  const adapter = shakenAdapter(model, methods[name])
  const count = name === 'prefix' ? 140 : 20 // a cache that grows, for one of them
  const decoder = await createDecoder(model, { adapter, runtime, capacity: count + 4 })
  const ids = someIds(count)
  await decoder.append(ids.slice(0, 8))
  decoder.truncate(4)
  expect(decoder.length).toBe(4)
  const last = Float32Array.from(await decoder.append(ids.slice(4)))
  await decoder.close()
  const block = await logitsOf(model, adapter, ids)
  expect(relativeDifference(block.slice(-29), last)).toBeLessThan(1e-5)
  expect(relativeDifference(await logitsOf(model, undefined, ids), block)).toBeGreaterThan(0.01)
})

test('rows of a p-tuning network that is not known here are read as rows', async () => {
  const model = tinyModel('llama')
  const folder = join(root, 'lstm')
  await saveAdapter(folder, shakenAdapter(model, methods['p-tuning']))
  await rm(join(folder, 'prompt_encoder.safetensors'))
  const path = join(folder, 'adapter_config.json')
  const json = JSON.parse(await readFile(path, 'utf8')) as object
  await writeFile(path, JSON.stringify({ ...json, encoder_reparameterization_type: 'LSTM', encoder_num_layers: 2 }))
  const read = await loadAdapter(folder, model)
  expect(read.method).toEqual({ kind: 'prompt', tokens: 3 })
  const written = await logitsOf(model, shakenAdapter(model, methods['p-tuning']))
  expect(relativeDifference(written, await logitsOf(model, read))).toBeLessThan(1e-6)
})

async function gradientsOf(model: Model, adapter: Adapter, batches: readonly Batch[], update = 0, seed = 3) {
  const { batch, length } = batches[0]
  const step = await createTrainingStep(model, adapter.method, { batch, length, runtime, adapter, seed })
  const sums = new Map(step.parameters.map(({ name, gradient }) => [name, new Float64Array(gradient.length)]))
  let lossSum = 0
  for (const micro of batches) {
    lossSum += (await step.run(micro, 1, update)).lossSum
    for (const { name, gradient } of step.parameters) gradient.forEach((g, i) => (sums.get(name)![i] += g))
  }
  const evaluated = (await step.evaluate(batches.at(-1)!)).lossSum
  await step.close()
  return { sums, lossSum, evaluated }
}

const examples = [someIds(5, 1), someIds(7, 2), someIds(4, 3)]
const packed = tinyBatch([examples.map((ids, i) => ({ segment: i + 1, ids }))])
const padded = examples.map(ids => [
  { segment: 1, ids },
  { segment: 0, ids: new Array<number>(16 - ids.length).fill(0) },
])

const dropping: AdapterMethod = { ...lora, dropout: 0.4 }
const droppingDora: AdapterMethod = { ...lora, dora: true, dropout: 0.4 }

test.each([
  ...cases.map(([name, family]) => [name, methods[name], family] as const),
  ['dropout', dropping, 'llama'] as const,
  ['dropout in DoRA', droppingDora, 'gpt2'] as const,
])(
  // prettier-ignore
  '%s: packed examples train as the same examples one to a row and one to a batch',
  async (_, method, family) => {
    const model = tinyModel(family)
    const adapter = shakenAdapter(model, method)
    const one = await gradientsOf(model, adapter, [packed], 4)
    for (const batches of [[tinyBatch(padded)], padded.map(row => tinyBatch([row]))]) {
      const many = await gradientsOf(model, adapter, batches, 4)
      expect(many.lossSum).toBeCloseTo(one.lossSum, 4)
      for (const [name, sum] of one.sums)
        expect([name, relativeDifference(sum, many.sums.get(name)!) < 2e-5]).toEqual([name, true])
    }
  },
)

test('dropout is the same for a seed and an update, another for others, and absent in evaluation', async () => {
  const model = tinyModel('llama')
  const adapter = shakenAdapter(model, dropping)
  const loss = async (update: number, seed = 3) => (await gradientsOf(model, adapter, [packed], update, seed)).lossSum
  const first = await loss(0)
  expect(await loss(0)).toBe(first)
  expect(await loss(1)).not.toBeCloseTo(first, 3)
  expect(await loss(0, 4)).not.toBeCloseTo(first, 3)
  const whole = shakenAdapter(model, lora)
  const { evaluated } = await gradientsOf(model, adapter, [packed])
  expect(evaluated).toBeCloseTo((await gradientsOf(model, whole, [packed])).lossSum, 4)
})

test('dropout leaves out its share of the numbers and grows the rest', () => {
  const dropout = createDropout(0.25, 7)
  const x = input('x', [16, 301])
  dropout.apply(x, 'some.module')
  const [mask, next] = [0, 1].map(update => Uint8Array.from(dropout.masks(packed, update)['dropout:some.module'].data as Uint8Array)) // prettier-ignore
  const kept = mask.reduce((sum, bit) => sum + bit, 0) / mask.length
  expect(Math.abs(kept - 0.75)).toBeLessThan(0.02) // 3 deviations of 4816 draws
  const both = mask.reduce((sum, bit, i) => sum + bit * next[i], 0) / mask.length
  expect(Math.abs(both - 0.75 ** 2)).toBeLessThan(0.022)
  for (let row = 0; row < 16; row++) {
    const share = mask.slice(row * 301, (row + 1) * 301).reduce((sum, bit) => sum + bit, 0) / 301
    expect(Math.abs(share - 0.75)).toBeLessThan(0.1)
  }
})

test.each(
  cases.filter(
    ([name]) => !['prompt', 'p-tuning', 'prefix', 'prefix, projected', 'houlsby', 'pfeiffer'].includes(name),
  ),
)('%s on %s: one that has learned nothing is the base', async (name, family) => {
  const model = tinyModel(family)
  const fresh = await logitsOf(model, createAdapter(model, methods[name], 1))
  expect(relativeDifference(await logitsOf(model), fresh)).toBeLessThan(2e-6)
})

test.each(cases.filter(([name, family]) => canMerge(createAdapter(tinyModel(family), methods[name], 1))))(
  '%s on %s: merged it computes the same, and unmerged the base is back',
  async (name, family) => {
    const model = tinyModel(family)
    const adapter = shakenAdapter(model, methods[name])
    const merged = mergeAdapter(model, adapter)
    expect(relativeDifference(await logitsOf(model, adapter), await logitsOf(merged))).toBeLessThan(5e-6)
    if (['dora', 'biases of targets', 'all biases'].includes(name))
      return expect(() => unmergeAdapter(merged, adapter)).toThrow('merging has overwritten')
    const base = unmergeAdapter(merged, adapter)
    for (const [tensor, { data }] of model.weights)
      expect([tensor, relativeDifference(data, base.weights.get(tensor)!.data) < 1e-5]).toEqual([tensor, true])
  },
)

test('settings and mergers that cannot be are refused with what to do', () => {
  const llama = tinyModel('llama')
  const create = (method: AdapterMethod) => () => createAdapter(llama, method, 1)
  const tries = [
    create({ kind: 'prompt', tokens: 0 }),
    create({ kind: 'prompt', tokens: 2, start: [29] }),
    create({ kind: 'prefix', tokens: 2, projection: 0 }),
    create({ kind: 'ia3', targets: ['q_proj'], feedforward: ['down_proj'] }),
    create({ kind: 'adaption-prompt', tokens: 2, layers: 3 }),
    create({ kind: 'bottleneck', style: 'houlsby', reduction: 17 }),
    create({ ...lora, dropout: 1 }),
    create({ ...lora, rankPattern: { q_proj: 0 } }),
    create({ ...lora, layers: [2] }),
    () => createAdapter(tinyModel('qwen3'), { kind: 'adaption-prompt', tokens: 2, layers: 1 }, 1),
    () => mergeAdapter(llama, createAdapter(llama, { kind: 'prefix', tokens: 2 }, 1)),
  ]
  const messages = tries.map(attempt => {
    try {
      attempt()
    } catch (error) {
      if (error instanceof AppError) return [error.code, error.message, error.render('ru')]
    }
    throw new Error('expected an AppError')
  })
  expect(messages).toMatchInlineSnapshot(`
    [
      [
        "bad-setting",
        "prompt, key tokens: expected a positive whole number, received 0. Correct the value.",
        "prompt, ключ tokens: нужно: положительное целое число; получено: 0. Исправьте значение.",
      ],
      [
        "bad-setting",
        "prompt, key start: expected token ids below 29, received 29. Correct the value.",
        "prompt, ключ start: нужно: номера токенов до 29; получено: 29. Исправьте значение.",
      ],
      [
        "bad-setting",
        "prefix, key projection: expected a positive whole number, received 0. Correct the value.",
        "prefix, ключ projection: нужно: положительное целое число; получено: 0. Исправьте значение.",
      ],
      [
        "bad-setting",
        "ia3, key feedforward: expected names of targets, received down_proj. Correct the value.",
        "ia3, ключ feedforward: нужно: имена целей; получено: down_proj. Исправьте значение.",
      ],
      [
        "bad-setting",
        "adaption-prompt, key layers: expected up to 2, received 3. Correct the value.",
        "adaption-prompt, ключ layers: нужно: не больше 2; получено: 3. Исправьте значение.",
      ],
      [
        "bad-setting",
        "bottleneck, key reduction: expected up to 16, received 17. Correct the value.",
        "bottleneck, ключ reduction: нужно: не больше 16; получено: 17. Исправьте значение.",
      ],
      [
        "bad-setting",
        "lora, key dropout: expected a share from 0 up to 1, received 1. Correct the value.",
        "lora, ключ dropout: нужно: доля от 0 до 1; получено: 1. Исправьте значение.",
      ],
      [
        "bad-setting",
        "lora, key rank: expected a positive whole number, received 0. Correct the value.",
        "lora, ключ rank: нужно: положительное целое число; получено: 0. Исправьте значение.",
      ],
      [
        "bad-setting",
        "lora, key layers: expected numbers of blocks from 0 to 1, received 2. Correct the value.",
        "lora, ключ layers: нужно: номера блоков от 0 до 1; получено: 2. Исправьте значение.",
      ],
      [
        "unsupported-adapter",
        "adaption-prompt: PEFT has it for llama, mistral, gpt2, the model is qwen3. Choose LoRA or another base model.",
        "adaption-prompt: в PEFT он есть для llama, mistral, gpt2, а модель — qwen3. Возьмите LoRA или другую базовую модель.",
      ],
      [
        "cannot-merge",
        "adapter, prefix: no weights of the model do the same. Keep the base model and the adapter side by side.",
        "adapter, prefix: никакие веса модели не заменят того, что он делает. Храните базовую модель и адаптер рядом.",
      ],
    ]
  `)
})

test('learned positions must hold the tokens and what stands before them', async () => {
  const model = tinyModel('gpt2')
  const adapter = createAdapter(model, { kind: 'prompt', tokens: 3 }, 1)
  const options = { runtime, adapter, batch: 1, length: 598 }
  await expect(createTrainingStep(model, adapter.method, options)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: blocks of 598 tokens and 3 before them, the model has 600 positions. Choose a length up to 597.]`,
  )
})
