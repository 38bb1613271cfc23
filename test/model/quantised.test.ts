import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test, vi } from 'vitest'
import type { Text } from '../../src/base/errors.js'
import { normalAt } from '../../src/base/random.js'
import { createDecoder } from '../../src/model/decoder.js'
import type { FrozenWeight } from '../../src/model/frozen-tensor.js'
import type { LoraMethod } from '../../src/model/method.js'
import { dequantiseMatrix, quantiseMatrix, type Bits } from '../../src/model/quantise.js'
import { openFrozenModel, quantiseModel } from '../../src/model/quantised-model.js'
import { createTrainingStep, runForward } from '../../src/model/train-step.js'
import { createModel, saveModel, type Model } from '../../src/model/weights.js'
import { createCheckedRuntime } from '../../src/runtime/checked.js'
import { findOpenvinoLibraries } from '../../src/runtime/openvino-libraries.js'
import { createRuntime } from '../../src/runtime/registry.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { createOptimizer } from '../../src/train/optimizer.js'
import { describeRuntimes } from '../runtime/available.js'
import { relativeDifference, shakenAdapter, someIds, tinyAdapter, tinyBatch, tinyModel, tinyRuntime } from './tiny.js'

const runtime = await tinyRuntime()
const lora: LoraMethod = { kind: 'lora', rank: 3, alpha: 6, targets: 'all-linear' }
const batch = tinyBatch([[{ segment: 1, ids: someIds(12) }], [{ segment: 1, ids: someIds(12, 3) }]])

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quantised-'))
})
afterAll(() => rm(root, { recursive: true }))

/** A model with the numbers that the codes of another stand for, as plain arrays. */
function plain(model: Model): Model {
  const weights = [...model.weights].map(([name, { shape, data }]) => [name, { dtype: 'float32', shape, data: data.slice() }] as const) // prettier-ignore
  return { ...model, weights: new Map(weights) }
}

function normals(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => normalAt(1, 2, i))
}

function rootMeanSquare(a: ArrayLike<number>, b?: ArrayLike<number>): number {
  return Math.sqrt(Array.from(a).reduce((sum, x, i) => sum + (x - (b?.[i] ?? 0)) ** 2, 0) / a.length)
}

test.each([
  [8, 0.0095],
  [4, 0.1],
] as const)('%s bits move normal numbers by less than half a step, %s of their size on average', (bits, bound) => {
  const [outputs, inputs] = [70, 100]
  const rows = normals(outputs * inputs)
  const matrix = quantiseMatrix(rows, outputs, inputs, bits, 32)
  const found = dequantiseMatrix(matrix)
  const scales = matrix.scales.data as Float32Array
  found.forEach((x, at) => {
    const block = Math.floor(at / inputs) * 4 + Math.floor((at % inputs) / 32)
    // the end of four bits that has no code of its own may be a whole step away
    expect(Math.abs(x - rows[at])).toBeLessThanOrEqual(Math.abs(scales[block]) * (bits === 8 ? 0.5001 : 1.0001))
  })
  const error = rootMeanSquare(rows, found) / rootMeanSquare(rows)
  expect(error).toBeLessThan(bound)
  expect(error).toBeGreaterThan(bound / 3)
})

it('eight bits stand for the same numbers in both directions', () => {
  const matrix = quantiseMatrix(normals(70 * 100), 70, 100, 8, 32)
  const ones = { ...matrix.scales, data: new Float32Array(100 * 3).fill(1) }
  const back = dequantiseMatrix({ ...matrix, inputs: 70, outputs: 100, codes: matrix.mirror!, scales: ones })
  const scales = matrix.scales.data as Float32Array
  dequantiseMatrix(matrix).forEach((x, at) => {
    const row = Math.floor(at / 100)
    expect(Math.fround(back[(at % 100) * 70 + row] * scales[row * 4])).toBe(x)
  })
})

it('keeps zeros and copes with a matrix of nothing else', () => {
  for (const bits of [8, 4] as const)
    expect(new Set(dequantiseMatrix(quantiseMatrix(new Float32Array(40), 2, 20, bits)))).toEqual(new Set([0]))
})

/** @param size of what is added to a fresh adapter */
async function gradientsOf(model: Model, on = runtime, size = 0.2): Promise<Record<string, Float32Array>> {
  const adapter = shakenAdapter(model, lora, size)
  const step = await createTrainingStep(model, lora, { batch: 2, length: 12, runtime: on, adapter })
  const { lossSum } = await step.run(batch, 1)
  const found = Object.fromEntries(step.parameters.map(({ name, gradient }) => [name, gradient.slice()]))
  await step.close()
  return { ...found, loss: Float32Array.of(lossSum) }
}

/** Of all gradients of a model in codes, and of the numbers that the codes stand for: their cosine. */
async function turn(model: Model, on: Runtime, size?: number): Promise<number> {
  const [found, expected] = [await gradientsOf(model, on, size), await gradientsOf(plain(model), runtime, size)].map(all => Object.values(all).flatMap(values => [...values])) // prettier-ignore
  const product = found.reduce((sum, x, i) => sum + x * expected[i], 0)
  return product / (rootMeanSquare(found) * rootMeanSquare(expected) * found.length)
}

const cases = ['gpt2', 'llama'].flatMap(family => ([8, 4] as const).map(bits => [family, bits] as const))
/** A tied head in codes is another matrix than the embedding, which plain arrays cannot say. */
const untied = (family: string): boolean => family !== 'gpt2'

describeRuntimes('trains over quantised weights', name => {
  test.each(cases)('%s in %s bits: loss and gradients are those of what the codes stand for', async (family, bits) => {
    const on = await createRuntime({ name })
    const model = quantiseModel(tinyModel(family), { bits, head: untied(family), activations: 'float32' })
    const [found, expected] = [await gradientsOf(model, on), await gradientsOf(plain(model))]
    for (const [key, values] of Object.entries(expected))
      expect(relativeDifference(values, found[key]), key).toBeLessThan(2e-5)
  })

  test.each(cases)('%s in %s bits: rounding activations to 8 bits hardly turns the gradient', async (family, bits) => {
    const model = quantiseModel(tinyModel(family), { bits, head: untied(family) })
    const cosine = await turn(model, await createRuntime({ name }))
    expect(cosine).toBeGreaterThan(0.998)
    // OpenVINO rounds runs of 128 numbers; the matrices here are narrower
    if (name !== 'openvino') expect(cosine).toBeLessThan(1 - 1e-9)
  })
})

/** Two layers of 256: wide enough for OpenVINO to round. With large numbers in the adapter its gradients would be chaos. */
const gentle = 0.02
const wide = { model_type: 'gpt2', vocab_size: 29, n_embd: 256, n_layer: 2, n_head: 4, n_positions: 16 }

describe.skipIf(!findOpenvinoLibraries())('OpenVINO with codes as part of its programs', () => {
  beforeEach(() => void vi.stubEnv('DVOYNIK_CACHE', join(root, `check-${Math.random()}`)))
  afterEach(() => void vi.unstubAllEnvs())

  test.each(['f32', 'bf16'] as const)(
    'in %s: rounds, and its self-check computes with the same codes',
    async precision => {
      const model = quantiseModel(createModel(wide, 5), { bits: 8, head: false })
      const candidate = await createRuntime({ name: 'openvino', precision })
      const warnings: Text[] = []
      const onWarning = (text: Text): void => void warnings.push(text)
      const checked = createCheckedRuntime({ candidate, reference: runtime, precision, onWarning })
      const cosine = await turn(model, checked, gentle)
      expect(warnings).toEqual([])
      expect(checked.current()).toBe(candidate)
      expect(cosine).toBeGreaterThan(0.998)
      expect(cosine).toBeLessThan(1 - 1e-6)
      const found = await gradientsOf(model, candidate, gentle)
      for (const [key, values] of Object.entries(await gradientsOf(model, checked, gentle)))
        expect(values, key).toEqual(found[key])
    },
  )

  it('is left for the reference, codes and all, when the self-check fails', async () => {
    const model = quantiseModel(createModel(wide, 5), { bits: 8, head: false })
    const candidate = { ...(await createRuntime({ name: 'openvino' })), name: 'nowhere' }
    const onWarning = vi.fn()
    const checked = createCheckedRuntime({ candidate, reference: runtime, precision: 'f32', onWarning })
    const found = await gradientsOf(model, checked)
    expect(onWarning).toHaveBeenCalledOnce()
    for (const [key, values] of Object.entries(await gradientsOf(model))) expect(found[key], key).toEqual(values)
  })
})

it('a tied head in codes leaves the embedding alone', async () => {
  const model = tinyModel('llama-tied')
  const short = quantiseModel(model, { bits: 8 })
  const name = 'model.embed_tokens.weight'
  expect(short.weights.get(name)!.data).toBe(model.weights.get(name)!.data)
  const [all, blocks] = [await logitsOf(short), await logitsOf(quantiseModel(model, { bits: 8, head: false }))]
  const error = rootMeanSquare(blocks, all) / rootMeanSquare(blocks)
  expect(error).toBeGreaterThan(1e-4)
  expect(error).toBeLessThan(0.03)
})

async function losses(model: Model, count: number): Promise<number[]> {
  const step = await createTrainingStep(model, lora, { batch: 2, length: 12, runtime, seed: 4 })
  const optimizer = await createOptimizer({ kind: 'adamw' }, step.parameters, runtime)
  const list: number[] = []
  for (let i = 0; i < count; i++) {
    const { lossSum, tokens } = await step.run(batch, 1 / 22)
    list.push(lossSum / tokens)
    await optimizer.step(0.01)
  }
  await optimizer.close()
  await step.close()
  return list
}

test.each([
  [8, 0.01],
  [4, 0.1],
] as const)('LoRA over %s bits learns as LoRA over float32 does, within %s', async (bits, bound) => {
  const model = tinyModel('llama')
  const [exact, short] = [await losses(model, 30), await losses(quantiseModel(model, { bits }), 30)]
  expect(exact.at(-1)! / exact[0]).toBeLessThan(0.7)
  short.forEach((loss, i) => expect(Math.abs(loss - exact[i]) / exact[0]).toBeLessThan(bound))
  expect(await losses(quantiseModel(model, { bits }), 30)).toEqual(short) // what a resumed run rests on
})

async function logitsOf(model: Model): Promise<Float32Array> {
  return (await runForward(model, batch, { runtime })).logits
}

const stored = [['gpt2', 8], ['llama', 4], ['llama-tied', 8], ['llama', 32]] as const // prettier-ignore

test.each(stored)('%s opened in %s bits computes as when it is quantised in memory', async (family, bits) => {
  const folder = join(root, `${family}-${bits}`)
  const model = tinyModel(family)
  await saveModel(folder, model)
  const opened = await openFrozenModel(folder, { bits, cache: join(folder, 'cache') })
  const expected = bits === 32 ? model : quantiseModel(model, { bits })
  expect(await logitsOf(opened)).toEqual(await logitsOf(expected))
  for (const [name, { data }] of opened.weights) expect(data, name).toEqual(expected.weights.get(name)!.data)
})

it('opens shards of bfloat16 as float32 or in codes', async () => {
  const folder = join(root, 'shards')
  await saveModel(folder, tinyModel('llama'), { dtype: 'bfloat16', maxShardBytes: 3000 })
  const whole = await openFrozenModel(folder, { bits: 32, cache: join(folder, 'cache') })
  const short = await openFrozenModel(folder, { bits: 8, cache: join(folder, 'cache8') })
  const [expected, found] = [await logitsOf(whole), await logitsOf(short)]
  expect(rootMeanSquare(expected, found) / rootMeanSquare(expected)).toBeLessThan(0.05)
  expect(await readdir(join(folder, 'cache8'))).toHaveLength(1)
})

it('makes the cache once, and again when the model or the settings change', async () => {
  const folder = join(root, 'cached')
  const cache = join(folder, 'cache')
  await saveModel(folder, tinyModel('llama'))
  const open = async (bits: Bits): Promise<string[]> => {
    await openFrozenModel(folder, { bits, cache })
    return readdir(cache)
  }
  const first = await open(8)
  expect(await open(8)).toEqual(first)
  await utimes(join(folder, 'model.safetensors'), 1, 1)
  const second = await open(8)
  expect(second).toHaveLength(1)
  expect(second).not.toEqual(first)
  expect(await open(4)).not.toEqual(second)
})

it('makes a cache anew that is no longer what was written', async () => {
  const folder = join(root, 'damaged')
  const cache = join(folder, 'cache')
  await saveModel(folder, tinyModel('llama'))
  const open = async (): Promise<Buffer> => {
    await openFrozenModel(folder, { bits: 8, cache })
    const names = await readdir(cache)
    expect(names).toHaveLength(1)
    return readFile(join(cache, names[0]))
  }
  const written = await open()
  const [name] = await readdir(cache)
  const flipped = Uint8Array.from(written, (byte, i) => (i === written.length - 9 ? byte ^ 1 : byte))
  for (const damage of [flipped, written.subarray(0, -100), new Uint8Array()]) {
    await writeFile(join(cache, name), damage)
    expect((await open()).equals(written)).toBe(true)
  }
})

it('refuses to train weights that stand in codes', async () => {
  const model = quantiseModel(tinyModel('llama'), { bits: 8 })
  const step = createTrainingStep(model, { kind: 'full' }, { batch: 1, length: 4, runtime })
  await expect(step).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: model.layers.0.self_attn.q_proj.weight: this weight is quantised or stored, and cannot be trained. Choose an adapter method such as lora, or load the model in 32 bits.]`,
  )
})

test.each(['gpt2', 'llama'])(
  '%s: the cache of a decoder gives the logits of a block, an adapter beside the codes',
  async family => {
    const model = quantiseModel(tinyModel(family), { bits: 8, head: untied(family), activations: 'float32' })
    const adapter = tinyAdapter(model, { newTokenRows: [3, 7] })
    const decoder = await createDecoder(model, { adapter, runtime, capacity: 30 })
    const ids = someIds(12)
    await decoder.append(ids.slice(0, 5))
    const last = Float32Array.from(await decoder.append(ids.slice(5)))
    await decoder.close()
    const one = tinyBatch([[{ segment: 1, ids }]])
    const { logits } = await runForward(plain(model), one, { runtime, adapter })
    expect(relativeDifference(logits.slice(-29), last)).toBeLessThan(1e-5)
  },
)

it('DoRA computes over codes what it computes over their numbers', async () => {
  const model = quantiseModel(tinyModel('gpt2'), { bits: 8, head: false, activations: 'float32' })
  const adapter = tinyAdapter(model, { dora: true })
  const [found, expected] = await Promise.all(
    [model, plain(model)].map(one => runForward(one, batch, { runtime, adapter })),
  )
  expect(relativeDifference(expected.logits, found.logits)).toBeLessThan(1e-5)
  expect((model.weights.get('transformer.h.0.mlp.c_fc.weight') as FrozenWeight).quantised?.bits).toBe(8)
})
