import { expect, test } from 'vitest'
import { mergeAdapter } from '../../src/model/adapter.js'
import { createDecoder } from '../../src/model/decoder.js'
import { runForward } from '../../src/model/train-step.js'
import type { Model } from '../../src/model/weights.js'
import { families, relativeDifference, someIds, tinyAdapter, tinyBatch, tinyModel, tinyRuntime } from './tiny.js'

const runtime = await tinyRuntime()

/** Logits [T, V] of all ids at once, without a cache. */
async function uncached(model: Model, ids: readonly number[]): Promise<Float32Array> {
  return (await runForward(model, tinyBatch([[{ segment: 1, ids }]]), { runtime })).logits
}

test.each(families)('%s: with the cache and without it the logits are the same', async family => {
  const model = tinyModel(family)
  const decoder = await createDecoder(model, { runtime })
  const ids = someIds(560)
  const whole = await uncached(model, ids)
  let filled = 0
  // single tokens, padded pieces, whole pieces, and past the first two sizes of the cache
  for (const count of [1, 3, 1, 8, 22, 40, 60, 200, 1, 190, 1]) {
    const logits = await decoder.append(ids.slice(filled, filled + count))
    filled += count
    expect(decoder.length).toBe(filled)
    expect(relativeDifference(whole.subarray((filled - 1) * 29, filled * 29), logits)).toBeLessThan(2e-5)
  }
  await decoder.close()
})

test('a truncated decoder goes on as if the rest had never been', async () => {
  const model = tinyModel('llama')
  const decoder = await createDecoder(model, { runtime, capacity: 200 })
  await decoder.append(someIds(150))
  decoder.truncate(9)
  expect(decoder.length).toBe(9)
  const logits = await decoder.append([4, 5])
  expect(relativeDifference((await uncached(model, [...someIds(9), 4, 5])).slice(-29), logits)).toBeLessThan(1e-5)
  decoder.truncate(0)
  expect(relativeDifference(await uncached(model, [6]), await decoder.append([6]))).toBeLessThan(1e-5)
  await decoder.close()
})

test('an adapter is folded in', async () => {
  const model = tinyModel('gpt2')
  const adapter = tinyAdapter(model, { newTokenRows: [3] })
  const decoder = await createDecoder(model, { runtime, adapter })
  const logits = await decoder.append([3, 8, 3])
  expect(relativeDifference((await uncached(mergeAdapter(model, adapter), [3, 8, 3])).slice(-29), logits)).toBeLessThan(
    1e-5,
  )
  await decoder.close()
})

test('capacity is filled to the last place, and one more is refused', async () => {
  const decoder = await createDecoder(tinyModel('llama'), { runtime, capacity: 131 })
  await decoder.append(someIds(131))
  await expect(decoder.append([1])).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: the conversation needs 132 tokens, the context holds 131. Drop the oldest turns or choose a larger capacity.]`,
  )
  await expect(decoder.append([])).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: no tokens to append. Give at least one token, such as bos.]`,
  )
  expect(decoder.length).toBe(131)
  await decoder.close()
  await expect(createDecoder(tinyModel('gpt2'), { runtime, capacity: 601 })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: a context of 601 tokens, the model has 600 positions. Choose a capacity up to 600.]`,
  )
})
