import { expect, test } from 'vitest'
import { createTrainingStep } from '../../src/model/train-step.js'
import type { Batch } from '../../src/model/step.js'
import { relativeDifference, someIds, tinyAdapter, tinyBatch, tinyModel, tinyRuntime } from './tiny.js'

const runtime = await tinyRuntime()

async function gradientsOf(family: string, batch: Batch, recomputing: boolean) {
  const model = tinyModel(family)
  const adapter = tinyAdapter(model)
  const step = await createTrainingStep(model, adapter.method, { ...batch, runtime, adapter, recomputing })
  const { lossSum } = await step.run(batch, 1)
  const found = new Map(step.parameters.map(({ name, gradient }) => [name, gradient.slice()]))
  await step.close()
  return { lossSum, found }
}

// 200 places are two stretches of queries, 140 are two others, and 100 are one
const [first, second] = [someIds(60, 1), someIds(140, 2)]
const packed = tinyBatch([[{ segment: 1, ids: first }, { segment: 2, ids: second }]]) // prettier-ignore
const padded = tinyBatch([
  [{ segment: 1, ids: first }, { segment: 0, ids: new Array<number>(80).fill(0) }],
  [{ segment: 1, ids: second }],
]) // prettier-ignore

test.each([
  ['gpt2', true],
  ['llama', true],
  ['llama', false],
  ['qwen3', false],
] as const)(
  '%s, recomputing %s: long blocks train the same wherever their stretches end',
  async (family, recomputing) => {
    const [one, other] = [
      await gradientsOf(family, packed, recomputing),
      await gradientsOf(family, padded, recomputing),
    ]
    expect(Math.abs(one.lossSum / other.lossSum - 1)).toBeLessThan(1e-6)
    for (const [name, gradient] of one.found)
      expect([name, relativeDifference(gradient, other.found.get(name)!) < 2e-5]).toEqual([name, true])
  },
)

test('the end of a long block is nothing to its first tokens', async () => {
  const short = tinyBatch([[{ segment: 1, ids: someIds(100) }]])
  const long = tinyBatch([[{ segment: 1, ids: someIds(200) }]])
  const labels = long.labels.map((label, i) => (i < 99 ? label : -100n))
  const [one, other] = [await gradientsOf('llama', short, true), await gradientsOf('llama', { ...long, labels }, true)]
  expect(Math.abs(one.lossSum / other.lossSum - 1)).toBeLessThan(1e-6)
  for (const [name, gradient] of one.found)
    expect([name, relativeDifference(gradient, other.found.get(name)!) < 2e-5]).toEqual([name, true])
})
