// The step that consumes gradients block by block against the one that has them all: the same losses, norms and weights.
import { describe, expect, test } from 'vitest'
import type { Graph } from '../../src/graph/graph.js'
import { createBlockStep } from '../../src/model/block-step.js'
import type { ConfigJson } from '../../src/model/model-config.js'
import type { StepNeeds } from '../../src/model/memory.js'
import type { Method } from '../../src/model/method.js'
import type { Batch } from '../../src/model/step.js'
import { createTrainingStep } from '../../src/model/train-step.js'
import { createModel } from '../../src/model/weights.js'
import { createRuntime } from '../../src/runtime/registry.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { createOptimizer } from '../../src/train/optimizer.js'
import { describeRuntimes } from '../runtime/available.js'
import { relativeDifference, someIds, tinyBatch, tinyConfigs, tinyRuntime } from './tiny.js'

const runtime = await tinyRuntime()
const full: Method = { kind: 'full' }

/** Two rows of packed examples, one with padding at its end. */
const packed = (seed: number): Batch =>
  tinyBatch([
    [{ segment: 1, ids: someIds(5, seed) }, { segment: 2, ids: someIds(7, seed + 1) }],
    [{ segment: 1, ids: someIds(9, seed + 2) }, { segment: 0, ids: [0, 0, 0] }],
  ]) // prettier-ignore
const shape = { batch: 2, length: 12 }

const { llama, gpt2, 'llama-tied': tied } = tinyConfigs
const sizes = { ...tied, tie_word_embeddings: false }
const layer_types = ['sliding_attention', 'full_attention', 'sliding_attention']

/** Models with the number of structures that their blocks have. */
const models: Readonly<Record<string, [ConfigJson, number]>> = {
  ...Object.fromEntries(Object.entries(tinyConfigs).map(([name, config]) => [name, [config, 1]])),
  'gpt2, a matrix as large as the table': [{ ...gpt2, vocab_size: 64 }, 1],
  'gemma3, windows in two of three blocks': [{ ...sizes, model_type: 'gemma3_text', num_hidden_layers: 3, head_dim: 6, sliding_window: 5, layer_types }, 2],
  bloom: [{ model_type: 'bloom', vocab_size: 29, hidden_size: 18, n_layer: 2, n_head: 6, initializer_range: 0.3 }, 1],
  mixtral: [{ ...sizes, model_type: 'mixtral', num_local_experts: 3, sliding_window: null }, 1],
} // prettier-ignore

/** Momentum lets every number move in proportion to its gradient, those that are zero in theory too. */
const momentum = { kind: 'sgd', momentum: 0.9, weightDecay: 0.01 } as const

interface Taken {
  readonly losses: readonly number[]
  readonly norms: readonly number[]
  readonly weights: readonly (readonly [string, Float32Array])[]
  readonly evaluated: number
}

async function train(config: ConfigJson, isByBlock: boolean, on: Runtime = runtime, method = full): Promise<Taken> {
  const create = isByBlock ? createBlockStep : createTrainingStep
  const step = await create(createModel(config, 1), method, { ...shape, runtime: on, checkpointing: true })
  const { parameters, groups } = step
  const optimizer = await createOptimizer(momentum, parameters, on, { groups })
  const [losses, norms]: number[][] = [[], []]
  for (let number = 0; number < 4; number++) {
    const update = optimizer.stepByGroups(0.05)
    let squares = 0
    const onGroup = async (group: typeof parameters): Promise<void> => void (squares += await update(group))
    const { lossSum, tokens } = await step.run(packed(number), 1 / 18, number, onGroup)
    if (!groups) await onGroup(parameters)
    losses.push(lossSum / tokens)
    norms.push(Math.sqrt(squares))
  }
  const { lossSum: evaluated } = await step.evaluate(packed(9))
  await optimizer.close()
  await step.close()
  return { losses, norms, evaluated, weights: parameters.map(({ name, data }) => [name, data] as const) }
}

function expectSame(whole: Taken, byBlock: Taken, bound: number): void {
  expect(relativeDifference(whole.losses, byBlock.losses)).toBeLessThan(bound)
  expect(relativeDifference(whole.norms, byBlock.norms)).toBeLessThan(bound)
  expect(byBlock.evaluated / whole.evaluated).toBeCloseTo(1, 4)
  expect(byBlock.weights.map(([name]) => name)).toEqual(whole.weights.map(([name]) => name))
  whole.weights.forEach(([name, data], i) =>
    expect([name, relativeDifference(data, byBlock.weights[i][1]) < bound]).toEqual([name, true]),
  )
}

describe('block by block training takes the same steps', () => {
  test.each(Object.entries(models))('%s', async (_, [config]) => {
    const whole = await train(config, false)
    expect(new Set(whole.losses).size).toBe(4)
    expectSame(whole, await train(config, true), 2e-5)
  })

  const frozen: readonly (readonly string[])[] = [
    ['transformer.wte.weight', 'transformer.wpe.weight'],
    ['transformer.wte.weight', 'transformer.wpe.weight', 'transformer.h.0.*'],
    ['transformer.h.1.*', 'transformer.ln_f.*'],
  ]

  test.each(frozen)('gpt2 without %s and %s', async (...freeze) => {
    const method: Method = { kind: 'full', freeze }
    expectSame(await train(gpt2, false, runtime, method), await train(gpt2, true, runtime, method), 2e-5)
  })
})

describeRuntimes('computes block by block what it computes at once', name => {
  test('llama and gpt2', async () => {
    const on = await createRuntime({ name: name as 'openvino' })
    for (const config of [llama, gpt2]) expectSame(await train(config, false, on), await train(config, true, on), 1e-4)
  })
})

test.each(Object.entries(models))(
  '%s: blocks of one structure share their programs',
  async (_, [config, structures]) => {
    const compiled: Graph[] = []
    const counting: Runtime = {
      ...runtime,
      compile(graph, options) {
        compiled.push(graph)
        return runtime.compile(graph, options)
      },
    }
    await (await createBlockStep(createModel(config, 1), full, { ...shape, runtime: counting })).close()
    expect(compiled).toHaveLength(3 + 2 * structures)
  },
)

test('gradients of the blocks take one place', async () => {
  const deep = { ...gpt2, n_layer: 6 }
  const needs: StepNeeds[] = []
  const onNeeds = (step: StepNeeds): Promise<void> => Promise.resolve(void needs.push(step))
  for (const create of [createTrainingStep, createBlockStep])
    await (await create(createModel(deep, 1), full, { ...shape, runtime, onNeeds })).close()
  const table = (29 + 600) * 16
  const block = 12 * 16 * 16 + 13 * 16
  expect(needs.map(({ gradientBytes }) => gradientBytes / 4)).toEqual([table + 6 * block + 32, table + block])
})

test('an adapter is trained at once', async () => {
  const method = { kind: 'lora', rank: 2, alpha: 4, targets: 'all-linear' } as const
  const step = await createBlockStep(createModel(gpt2, 1), method, { ...shape, runtime })
  expect(step.groups).toBeUndefined()
  expect(step.adapter?.method).toEqual(method)
  await step.close()
})
