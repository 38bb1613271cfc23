// Models that turn otherwise in texts beyond their first context: one choice for a text, the same in training and over a cache.
import { expect, test } from 'vitest'
import type { ConfigJson } from '../../src/model/model-config.js'
import { createDecoder } from '../../src/model/decoder.js'
import { runForward } from '../../src/model/train-step.js'
import { createModel, type Model } from '../../src/model/weights.js'
import { relativeDifference, someIds, tinyBatch, tinyConfigs, tinyRuntime } from './tiny.js'

const runtime = await tinyRuntime()
const first = 20
const vocabulary = 29
const factors = { short_factor: [1.2, 3], long_factor: [2, 9] }
const longrope = { rope_type: 'longrope', ...factors, original_max_position_embeddings: first, attention_factor: 1.5 }

function modelWith(rope_scaling: ConfigJson): Model {
  return createModel({ ...tinyConfigs.llama, rope_scaling }, 3)
}

const model = modelWith(longrope)
const alwaysShort = modelWith({ ...longrope, long_factor: factors.short_factor })
const alwaysLong = modelWith({ ...longrope, short_factor: factors.long_factor })

async function logitsOf(model: Model, ...texts: readonly (readonly number[])[]): Promise<Float32Array> {
  const longest = Math.max(...texts.map(({ length }) => length))
  const rows = texts.map(ids => {
    const padding = new Array<number>(longest - ids.length).fill(0)
    return [{ segment: 1, ids }, { segment: 0, ids: padding }] // prettier-ignore
  })
  return (await runForward(model, tinyBatch(rows), { runtime })).logits
}

test('a text up to the first context turns by the short factors, a longer one by the long factors from its first token', async () => {
  const [short, long] = [someIds(first), someIds(first + 1)]
  expect(await logitsOf(model, short)).toEqual(await logitsOf(alwaysShort, short))
  expect(await logitsOf(model, long)).toEqual(await logitsOf(alwaysLong, long))
  expect(relativeDifference(await logitsOf(alwaysLong, long), await logitsOf(alwaysShort, long))).toBeGreaterThan(0.01)
})

test('short examples that are packed into a long block turn by the short factors', async () => {
  const [one, two] = [someIds(14, 1), someIds(14, 2)]
  const packed = tinyBatch([[{ segment: 1, ids: one }, { segment: 2, ids: two }]]) // prettier-ignore
  const { logits } = await runForward(model, packed, { runtime })
  expect(relativeDifference(await logitsOf(model, two), logits.slice(14 * vocabulary))).toBeLessThan(1e-5)
})

test.each([
  ['its first context by itself', undefined, alwaysShort],
  ['as many tokens as its first context', first, alwaysShort],
  ['more', first + 1, alwaysLong],
] as const)('a decoder that holds %s turns its texts in one way', async (_title, capacity, same) => {
  const ids = someIds(15)
  const decoder = await createDecoder(model, { runtime, capacity })
  expect(decoder.capacity).toBe(capacity ?? first)
  await decoder.append(ids.slice(0, 6))
  const logits = await decoder.append(ids.slice(6))
  await decoder.close()
  const whole = await logitsOf(same, ids)
  expect(relativeDifference(whole.slice(14 * vocabulary), logits)).toBeLessThan(2e-5)
})
