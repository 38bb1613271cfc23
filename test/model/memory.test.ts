import { expect, test } from 'vitest'
import * as g from '../../src/graph/build.js'
import { peakBytes } from '../../src/graph/liveness.js'
import { predictMemory } from '../../src/model/memory.js'
import { createTrainingStep } from '../../src/model/train-step.js'
import { tinyModel, tinyRuntime } from './tiny.js'

const shape = { batch: 2, length: 64, stateBytes: 8 }
const lora = { kind: 'lora', rank: 2, alpha: 4, targets: 'all-linear' } as const

test('values that live at one time are added up, those written over are not', () => {
  const x = g.input('x', [100])
  const long = g.exp(x) // kept until the end
  const y = g.add(g.tanh(g.sin(g.mul(long, x))), long)
  expect(peakBytes({ outputs: { y: g.reduceSum(y) } })).toBe(2 * 400)
  expect(peakBytes({ outputs: { y: g.exp(g.sin(x)) } })).toBe(400)
  expect(peakBytes({ outputs: { y: g.exp(x) } })).toBe(0)
})

test('weights, gradients and optimizer state are what the step holds', async () => {
  const model = tinyModel('gpt2')
  const need = predictMemory(model, { kind: 'full' }, shape)
  const step = await createTrainingStep(model, { kind: 'full' }, { ...shape, runtime: await tinyRuntime() })
  const numbers = step.parameters.reduce((sum, { data }) => sum + data.length, 0)
  await step.close()
  expect([need.weights, need.gradients, need.optimizerState]).toEqual([4 * numbers, 4 * numbers, 8 * numbers])
  const { total, ...parts } = need
  expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).toBe(total)
})

test('checkpointing, shorter blocks and pieces of logits lower the activations, LoRA gradients and state', () => {
  const model = tinyModel('gpt2')
  const full = predictMemory(model, { kind: 'full' }, shape)
  const activations = (settings: object): number =>
    predictMemory(model, { kind: 'full' }, { ...shape, ...settings }).activations
  expect(activations({ checkpointing: true })).toBeLessThan(0.75 * full.activations)
  expect(activations({ length: 32 })).toBeLessThan(0.6 * full.activations)
  expect(activations({ lossRows: 16 })).toBeLessThan(full.activations)
  const adapted = predictMemory(model, lora, shape)
  expect(adapted.gradients).toBeLessThan(0.3 * full.gradients)
  expect(adapted.optimizerState).toBe(2 * adapted.gradients)
})
