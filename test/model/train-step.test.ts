import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { fromBfloat16, toBfloat16 } from '../../src/formats/half.js'
import { createAdapter, mergeAdapter } from '../../src/model/adapter.js'
import type { Method } from '../../src/model/method.js'
import type { Batch } from '../../src/model/step.js'
import { createTrainingStep, runForward, type StepOptions } from '../../src/model/train-step.js'
import type { Model } from '../../src/model/weights.js'
import { createCheckedRuntime } from '../../src/runtime/checked.js'
import { findOpenvinoLibraries } from '../../src/runtime/openvino-libraries.js'
import { createRuntime } from '../../src/runtime/registry.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import {
  families,
  relativeDifference,
  shakenAdapter,
  someIds,
  tinyAdapter,
  tinyBatch,
  tinyModel,
  tinyRuntime,
} from './tiny.js'

const runtime: Runtime = await tinyRuntime()

async function gradientsOf(
  model: Model,
  method: Method,
  batches: readonly Batch[],
  scale = 1,
  options: Partial<StepOptions> = {},
) {
  const { batch, length } = batches[0]
  const step = await createTrainingStep(model, method, { batch, length, runtime, ...options })
  const sums = new Map(step.parameters.map(({ name, gradient }) => [name, new Float64Array(gradient.length)]))
  let [lossSum, tokens] = [0, 0]
  for (const batch of batches) {
    const result = await step.run(batch, scale)
    lossSum += result.lossSum
    tokens += result.tokens
    for (const { name, gradient } of step.parameters) gradient.forEach((g, i) => (sums.get(name)![i] += g))
  }
  await step.close()
  return { sums, lossSum, tokens }
}

function expectSameGradients(a: ReadonlyMap<string, Float64Array>, b: ReadonlyMap<string, Float64Array>): void {
  expect([...a.keys()]).toEqual([...b.keys()])
  for (const [name, gradient] of a)
    expect([name, relativeDifference(gradient, b.get(name)!) < 2e-5]).toEqual([name, true])
}

test.each(families)('%s: a later token never moves an earlier logit', async family => {
  const model = tinyModel(family)
  const ids = someIds(12)
  const logits = async (last: number) =>
    (await runForward(model, tinyBatch([[{ segment: 1, ids: [...ids, last] }]]), { runtime })).logits
  const [a, b] = [await logits(1), await logits(20)]
  expect(a.subarray(0, 12 * 29)).toEqual(b.subarray(0, 12 * 29))
  expect(a.subarray(12 * 29)).not.toEqual(b.subarray(12 * 29))
})

test.each(families)('%s: packed examples train as the same examples one to a row', async family => {
  const model = tinyModel(family)
  const [a, b, c] = [someIds(5, 1), someIds(7, 2), someIds(4, 3)]
  const packed = tinyBatch([[{ segment: 1, ids: a }, { segment: 2, ids: b }, { segment: 3, ids: c }]]) // prettier-ignore
  const padded = [a, b, c].map(ids => [
    { segment: 1, ids },
    { segment: 0, ids: new Array<number>(16 - ids.length).fill(0) },
  ])
  const one = await gradientsOf(model, { kind: 'full' }, [packed])
  const many = await gradientsOf(model, { kind: 'full' }, [tinyBatch(padded)])
  expect(one.tokens).toBe(13)
  expect(many.tokens).toBe(13)
  expect(many.lossSum).toBeCloseTo(one.lossSum, 4)
  expectSameGradients(one.sums, many.sums)
})

test.each(families)('%s: frozen matrices in bfloat16 give the gradients of their rounded numbers', async family => {
  const model = tinyModel(family)
  for (const { data } of model.weights.values()) data.set(fromBfloat16(toBfloat16(data)))
  const method = { kind: 'lora', rank: 2, alpha: 4, targets: 'all-linear' } as const
  const adapter = shakenAdapter(model, method)
  const batches = [tinyBatch([[{ segment: 1, ids: someIds(9) }]])]
  const plain = await gradientsOf(model, method, batches, 1, { adapter })
  const half = await gradientsOf(model, method, batches, 1, { adapter, runtime: { ...runtime, computesHalf: true } })
  expect(half.lossSum).toBeCloseTo(plain.lossSum, 4)
  expectSameGradients(plain.sums, half.sums)
})

test.each(families)('%s: micro-batches add up to the big batch', async family => {
  const model = tinyModel(family)
  const rows = [1, 2, 3, 4].map(seed => [{ segment: 1, ids: someIds(9, seed) }])
  const big = await gradientsOf(model, { kind: 'full' }, [tinyBatch(rows)], 0.25)
  const small = await gradientsOf(model, { kind: 'full' }, rows.map(row => tinyBatch([row])), 0.25) // prettier-ignore
  expect(small.lossSum).toBeCloseTo(big.lossSum, 4)
  expectSameGradients(big.sums, small.sums)
})

test.each(families)('%s: padding leaves loss and gradients alone and is never NaN', async family => {
  const model = tinyModel(family)
  const ids = someIds(6)
  const short = await gradientsOf(model, { kind: 'full' }, [tinyBatch([[{ segment: 1, ids }]])])
  const rows = [
    [
      { segment: 1, ids },
      { segment: 0, ids: [0, 0, 0] },
    ],
    [{ segment: 0, ids: new Array<number>(9).fill(0) }],
  ]
  const padded = await gradientsOf(model, { kind: 'full' }, [tinyBatch(rows)])
  expect(padded.lossSum).toBeCloseTo(short.lossSum, 5)
  expectSameGradients(short.sums, padded.sums)
})

test('the scale multiplies gradients and leaves the loss alone', async () => {
  const model = tinyModel('llama')
  const batch = tinyBatch([[{ segment: 1, ids: someIds(8) }]])
  const one = await gradientsOf(model, { kind: 'full' }, [batch], 1)
  const third = await gradientsOf(model, { kind: 'full' }, [batch], 1 / 3)
  expect(third.lossSum).toBe(one.lossSum)
  const tripled = new Map([...third.sums].map(([name, sum]) => [name, sum.map(g => 3 * g)]))
  expectSameGradients(one.sums, tripled)
})

test('evaluate gives the loss of run and touches no gradient', async () => {
  const model = tinyModel('gpt2')
  const batch = tinyBatch([[{ segment: 1, ids: someIds(8) }]])
  const step = await createTrainingStep(model, { kind: 'full' }, { batch: 1, length: 8, runtime })
  const before = await step.evaluate(batch)
  expect(step.parameters.every(({ gradient }) => gradient.every(g => g === 0))).toBe(true)
  const { lossSum } = await step.run(batch, 1)
  expect(before.lossSum).toBeCloseTo(lossSum, 5)
  step.parameters[0].data[5 * 16] += 3 // the live buffer of the embedding
  expect((await step.evaluate(batch)).lossSum).not.toBeCloseTo(lossSum, 3)
  await step.close()
})

test.each(families)('%s: LoRA that has learned nothing is the base', async family => {
  const model = tinyModel(family)
  const batch = tinyBatch([[{ segment: 1, ids: someIds(9) }]])
  const method = { kind: 'lora', rank: 2, alpha: 4, targets: 'all-linear', newTokenRows: [5, 28] } as const
  const base = await runForward(model, batch, { runtime })
  const adapted = await runForward(model, batch, { runtime, adapter: createAdapter(model, method, 1) })
  expect(relativeDifference(base.logits, adapted.logits)).toBeLessThan(1e-6)
})

test.each(families)('%s: a merged adapter computes what the unmerged one does', async family => {
  const model = tinyModel(family)
  const adapter = tinyAdapter(model, { rsLora: true, newTokenRows: [28, 5, 6] })
  const batch = tinyBatch([[{ segment: 1, ids: [5, 28, 6, ...someIds(9)] }]])
  const unmerged = await runForward(model, batch, { runtime, adapter })
  const merged = await runForward(mergeAdapter(model, adapter), batch, { runtime })
  const base = await runForward(model, batch, { runtime })
  expect(relativeDifference(merged.logits, unmerged.logits)).toBeLessThan(5e-6)
  expect(relativeDifference(merged.logits, base.logits)).toBeGreaterThan(0.01)
})

test('frozen groups are no parameters, the others get the gradients of full training', async () => {
  const model = tinyModel('gpt2')
  const batch = tinyBatch([[{ segment: 1, ids: someIds(8) }]])
  const all = await gradientsOf(model, { kind: 'full' }, [batch])
  const some = await gradientsOf(model, { kind: 'full', freeze: ['transformer.h.0.*'] }, [batch])
  expect([...some.sums.keys()].some(name => name.startsWith('transformer.h.0.'))).toBe(false)
  expectSameGradients(some.sums, new Map([...all.sums].filter(([name]) => some.sums.has(name))))
})

test('decay is for matrices, not for biases and norms', async () => {
  const step = await createTrainingStep(tinyModel('gpt2'), { kind: 'full' }, { batch: 1, length: 4, runtime })
  const decayed = step.parameters.filter(({ decay }) => decay).map(({ name }) => name)
  expect(decayed.filter(name => name.includes('.0.') || !name.includes('.h.'))).toEqual([
    'transformer.wte.weight',
    'transformer.wpe.weight',
    'transformer.h.0.attn.c_attn.weight',
    'transformer.h.0.attn.c_proj.weight',
    'transformer.h.0.mlp.c_fc.weight',
    'transformer.h.0.mlp.c_proj.weight',
  ])
  await step.close()
})

test.each(['llama', 'llama-tied'])('%s: only the rows of new tokens move beside the low ranks', async family => {
  const model = tinyModel(family)
  const method = { kind: 'lora', rank: 2, alpha: 4, targets: ['q_proj'], newTokenRows: [28] } as const
  const step = await createTrainingStep(model, method, { batch: 1, length: 9, runtime })
  await step.run(tinyBatch([[{ segment: 1, ids: [28, ...someIds(8)] }]]), 1)
  const names = step.parameters.map(({ name }) => name)
  expect(names.filter(name => !name.includes('lora_'))).toEqual([
    'base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta',
    ...(family === 'llama' ? ['base_model.model.lm_head.token_adapter.trainable_tokens_delta'] : []),
  ])
  for (const { name, gradient } of step.parameters) {
    if (!name.includes('lora_A')) expect([name, gradient.some(g => g !== 0)]).toEqual([name, true]) // A waits for B
  }
  for (const { data } of step.parameters) data.fill(0.5)
  const before = tinyModel(family)
  expect(
    mergeAdapter(model, step.adapter!)
      .weights.get('model.embed_tokens.weight')!
      .data.slice(28 * 16),
  ).toEqual(new Float32Array(16).fill(0.5))
  for (const [name, { data }] of model.weights) expect(data).toEqual(before.weights.get(name)!.data)
  await step.close()
})

test('wrong sizes are refused with what to do', async () => {
  const model = tinyModel('gpt2')
  const step = await createTrainingStep(model, { kind: 'full' }, { batch: 1, length: 4, runtime })
  await expect(step.run(tinyBatch([[{ segment: 1, ids: [1, 2, 3] }]]), 1)).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: batch: a batch of [1, 3], the step was compiled for [1, 4]. Fill the batch with padding up to its size.]`,
  )
  await expect(
    createTrainingStep(model, { kind: 'full' }, { batch: 1, length: 601, runtime }),
  ).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: blocks of 601 tokens, the model has 600 positions. Choose a length up to 600.]`,
  )
  await step.close()
})

describe.skipIf(!findOpenvinoLibraries())('gradients in bfloat16', () => {
  const batch = tinyBatch([[{ segment: 1, ids: someIds(9) }], [{ segment: 1, ids: someIds(9, 2) }]])
  const full = { kind: 'full' } as const
  const on = async (chosen: Runtime, halfGradients: boolean) => {
    const step = await createTrainingStep(tinyModel('gpt2'), full, { batch: 2, length: 9, runtime: chosen, halfGradients }) // prettier-ignore
    await step.run(batch, 0.1)
    const found = step.parameters.map(({ name, shape, gradient, halfGradient }) => ({ name, shape, gradient, isHalf: halfGradient !== undefined })) // prettier-ignore
    await step.close()
    return found
  }

  test('are those of float32, rounded; tables whose rows are added, and vectors, keep float32', async () => {
    const openvino = await createRuntime({ name: 'openvino', precision: 'bf16', threads: 1 })
    const [halves, whole] = [await on(openvino, true), await on(openvino, false)]
    expect(whole.some(({ isHalf }) => isHalf)).toBe(false)
    expect(halves.filter(({ isHalf }) => isHalf).map(({ name }) => name)).toEqual(
      halves.flatMap(({ name, shape }) => (shape.length === 2 && !/wte|wpe/u.test(name) ? [name] : [])),
    )
    halves.forEach(({ name, gradient }, i) => expect([name, relativeDifference(whole[i].gradient, gradient) < 2 ** -8]).toEqual([name, true])) // prettier-ignore
  })

  test('pass the self-check, and are made by the reference where that fails', async () => {
    vi.stubEnv('DVOYNIK_CACHE', await mkdtemp(join(tmpdir(), 'half-gradients-')))
    const openvino = await createRuntime({ name: 'openvino', precision: 'bf16', threads: 1 })
    const expected = await on(openvino, true)
    for (const name of ['openvino', 'nowhere']) {
      const onWarning = vi.fn()
      const checked = createCheckedRuntime({ candidate: { ...openvino, name }, reference: runtime, precision: 'bf16', onWarning }) // prettier-ignore
      const found = await on(checked, true)
      expect(onWarning).toHaveBeenCalledTimes(name === 'nowhere' ? 1 : 0)
      expected.forEach(({ name, gradient }, i) => expect([name, relativeDifference(gradient, found[i].gradient) < 0.1]).toEqual([name, true])) // prettier-ignore
    }
    await rm(process.env.DVOYNIK_CACHE!, { recursive: true })
    vi.unstubAllEnvs()
  })

  test('are not for a runtime that computes in float32', async () => {
    expect((await on(runtime, true)).some(({ isHalf }) => isHalf)).toBe(false)
  })
})
