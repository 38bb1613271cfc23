import { expect, test } from 'vitest'
import { uniformAt } from '../../src/base/random.js'
import type { CacheOptions } from '../../src/model/cache.js'
import { createBatchDecoder, createDecoder } from '../../src/model/decoder.js'
import { createFusedCache } from '../../src/model/fused-cache.js'
import { createPlainCache } from '../../src/model/plain-cache.js'
import { runForward } from '../../src/model/train-step.js'
import { createModel, type Model } from '../../src/model/weights.js'
import { relativeDifference, someIds, tinyBatch, tinyConfigs, tinyModel, tinyRuntime } from './tiny.js'

const runtime = await tinyRuntime()

/** Heads of eight places, which ONNX Runtime's own attention takes; the others are computed by plain operations. */
const wide: Readonly<Record<string, Model>> = {
  gpt2: createModel({ ...tinyConfigs.gpt2, n_embd: 32 }, 3),
  llama: createModel({ ...tinyConfigs.llama, hidden_size: 32 }, 4),
  qwen3: createModel({ ...tinyConfigs.qwen3, head_dim: 8 }, 5),
  mistral: createModel({ ...tinyConfigs['llama-tied'], model_type: 'mistral', hidden_size: 32, sliding_window: 7 }, 6),
} // prettier-ignore
const models = { ...Object.fromEntries(Object.entries(wide).map(([name, model]) => [`${name}, wide`, model])), llama: tinyModel('llama') } // prettier-ignore

function cacheOptions(model: Model): CacheOptions {
  return { model, adapter: undefined, start: { length: 0, tensors: {} }, rows: 1, places: 500, runtime }
}

async function uncached(model: Model, ids: readonly number[]): Promise<Float32Array> {
  return (await runForward(model, tinyBatch([[{ segment: 1, ids }]]), { runtime })).logits.slice(-29)
}

test.each(Object.entries(wide))('%s: fused and plain caches agree', async (_, model) => {
  const fused = await createFusedCache(cacheOptions(model))
  expect(fused).toBeDefined()
  const plain = await createPlainCache(cacheOptions(model))
  const ids = someIds(300)
  let filled = 0
  for (const count of [1, 2, 140, 1, 1, 30, 1]) {
    const piece = ids.slice(filled, filled + count)
    const [a, b] = [await fused!.append(0, filled, piece), await plain.append(0, filled, piece)]
    expect(relativeDifference(a, b)).toBeLessThan(2e-5)
    filled += count
  }
  expect(relativeDifference(await uncached(model, ids.slice(0, filled)), await fused!.append(0, filled - 1, [ids[filled - 1]]))).toBeLessThan(2e-5) // prettier-ignore
  await fused!.close()
  await plain.close()
})

test.each(Object.entries(models))('%s: rows of a batch do not see each other', async (_, model) => {
  const rows = 4
  const batch = await createBatchDecoder(model, { runtime, rows, capacity: 400 })
  const single = await createDecoder(model, { runtime, capacity: 400 })
  const texts = Array.from({ length: rows }, (__, row) => someIds(5 + 60 * row, row))
  for (const [row, text] of texts.entries()) await batch.append(row, text)
  for (let round = 0; round < 12; round++) {
    // any rows in any order; some fall behind, some outgrow the first cache
    const order = [0, 1, 2, 3].sort((a, b) => uniformAt(round, 1, a) - uniformAt(round, 1, b))
    const chosen = order.slice(0, 1 + (round % rows))
    const tokens = chosen.map(row => ({ row, id: (round * 5 + row) % 29 }))
    const logits = (await batch.step(tokens)).map(x => x.slice())
    for (const [i, { row, id }] of tokens.entries()) {
      texts[row].push(id)
      expect(batch.length(row)).toBe(texts[row].length)
      if (round % 4 > 0) continue
      single.truncate(0)
      expect(relativeDifference(await single.append(texts[row]), logits[i])).toBeLessThan(2e-5)
    }
  }
  await batch.close()
  await single.close()
})

test.each(Object.entries(models))('%s: what was truncated leaves no trace, wherever it is cut', async (_, model) => {
  const decoder = await createDecoder(model, { runtime, capacity: 300 })
  let text: number[] = []
  for (let round = 0; round < 8; round++) {
    const kept = Math.floor(uniformAt(round, 2, 0) * (text.length + 1))
    const more = someIds(1 + Math.floor(uniformAt(round, 2, 1) * 40), round)
    decoder.truncate(kept)
    text = [...text.slice(0, kept), ...more]
    expect(relativeDifference(await uncached(model, text), await decoder.append(more))).toBeLessThan(2e-5)
  }
  await decoder.close()
})

test('a row that is full refuses one token more, the others go on', async () => {
  const decoder = await createBatchDecoder(wide.gpt2, { runtime, rows: 2, capacity: 6 })
  await decoder.append(0, someIds(6))
  await decoder.append(1, someIds(3))
  await expect(decoder.step([{ row: 1, id: 1 }, { row: 0, id: 1 }])).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: the conversation needs 7 tokens, the context holds 6. Drop the oldest turns or choose a larger capacity.]`,
  ) // prettier-ignore
  await decoder.step([{ row: 1, id: 1 }])
  expect([decoder.length(0), decoder.length(1)]).toEqual([6, 4])
  await decoder.close()
})

test.each(Object.entries(models))('%s: in 8 bits the logits are nearly the same, in a batch too', async (_, model) => {
  const [decoder, coded] = [
    await createDecoder(model, { runtime, capacity: 100 }),
    await createBatchDecoder(model, { runtime, capacity: 100, rows: 2, weights: 'int8' }),
  ]
  const exact = (await decoder.append(someIds(40))).slice()
  await coded.append(0, someIds(3, 1))
  await coded.append(1, someIds(39))
  const [, logits] = await coded.step([{ row: 0, id: 5 }, { row: 1, id: someIds(40)[39] }]) // prettier-ignore
  const difference = relativeDifference(exact, logits)
  expect(difference).toBeGreaterThan(1e-6)
  expect(difference).toBeLessThan(0.06)
  await decoder.close()
  await coded.close()
})
