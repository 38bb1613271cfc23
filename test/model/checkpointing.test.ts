import { describe, expect, test } from 'vitest'
import type { Adapter } from '../../src/model/adapter.js'
import type { AdapterMethod } from '../../src/model/method.js'
import type { Batch } from '../../src/model/step.js'
import type { StepSettings } from '../../src/model/step-graph.js'
import { createTrainingStep } from '../../src/model/train-step.js'
import type { Model } from '../../src/model/weights.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { createRuntime } from '../../src/runtime/registry.js'
import { describeRuntimes } from '../runtime/available.js'
import { families, relativeDifference, shakenAdapter, someIds, tinyBatch, tinyModel, tinyRuntime } from './tiny.js'

const runtime = await tinyRuntime()

/** Two rows of packed examples, one with padding at its end. */
const packed = tinyBatch([
  [{ segment: 1, ids: someIds(5, 1) }, { segment: 2, ids: someIds(7, 2) }],
  [{ segment: 1, ids: someIds(9, 3) }, { segment: 0, ids: [0, 0, 0] }],
]) // prettier-ignore

/** The worst relative difference that a recomputed product may make: none on the reference, rounding where others fuse. */
const bounds: Readonly<Record<string, number>> = { 'onnxruntime-cpu': 0 }

async function gradientsOf(model: Model, adapter: Adapter | undefined, on: Runtime, settings: Partial<StepSettings>) {
  const shape: Pick<Batch, 'batch' | 'length'> = packed
  const step = await createTrainingStep(model, adapter?.method ?? { kind: 'full' }, {
    ...{ batch: shape.batch, length: shape.length, adapter, seed: 4 },
    ...{ runtime: on, ...settings },
  })
  const { lossSum } = await step.run(packed, 0.5, 3)
  const result = step.parameters.map(({ name, gradient }) => [name, gradient] as const)
  await step.close()
  return [['loss', Float32Array.of(lossSum)] as const, ...result]
}

async function expectSame(
  model: Model,
  on: Runtime,
  adapter?: Adapter,
  settings: Partial<StepSettings> = { checkpointing: true },
): Promise<void> {
  const plain = await gradientsOf(model, adapter, on, {})
  const again = await gradientsOf(model, adapter, on, settings)
  expect(plain.some(([, gradient]) => gradient.some(g => g !== 0))).toBe(true)
  expect(again.map(([name]) => name)).toEqual(plain.map(([name]) => name))
  plain.forEach(([name, gradient], i) =>
    expect([name, relativeDifference(gradient, again[i][1]) <= (bounds[on.name] ?? 1e-6)]).toEqual([name, true]),
  )
}

const lora = { kind: 'lora', rank: 2, alpha: 4, targets: 'all-linear' } as const

const methods: Readonly<Record<string, AdapterMethod>> = {
  'LoRA with dropout and rows of new tokens': { ...lora, dropout: 0.3, newTokenRows: [5, 28] },
  'DoRA with dropout': { ...lora, dora: true, dropout: 0.2 },
  IA3: { kind: 'ia3' },
  'prompt tuning': { kind: 'prompt', tokens: 3 },
  'prefix tuning': { kind: 'prefix', tokens: 3, projection: 5 },
  adapters: { kind: 'bottleneck', style: 'houlsby' },
}

test.each([
  ['matrices are read again', { rereading: true }],
  ['matrices are read again in copies', { rereading: true, checkpointing: true }],
  ['the head comes last', { headFirst: false }],
])('%s: no gradient changes', async (_, settings) => {
  for (const family of ['gpt2', 'llama'] as const) await expectSame(tinyModel(family), runtime, undefined, settings)
})

describe('checkpointing changes no gradient', () => {
  test.each(families)('%s, full training', async family => {
    await expectSame(tinyModel(family), runtime)
  })

  test.each(Object.entries(methods))('%s', async (_, method) => {
    const model = tinyModel('gpt2')
    await expectSame(model, runtime, shakenAdapter(model, method))
  })
})

describeRuntimes('computes with checkpointing what it computes without', name => {
  test('llama, full training', async () => {
    await expectSame(tinyModel('llama'), await createRuntime({ name: name as 'openvino' }))
  })
})
