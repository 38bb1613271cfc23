import { afterAll, beforeAll, expect, test } from 'vitest'
import { generateBatch, type BatchOptions } from '../../src/generate/batch.js'
import { generateTokens } from '../../src/generate/generate.js'
import type { SamplerSettings } from '../../src/generate/sampler-settings.js'
import { createBatchDecoder, createDecoder } from '../../src/model/decoder.js'
import type { BatchDecoder, Decoder } from '../../src/model/step.js'
import { createModel } from '../../src/model/weights.js'
import { createRuntime } from '../../src/runtime/registry.js'

const config = { model_type: 'gpt2', vocab_size: 29, n_embd: 32, n_layer: 2, n_head: 4, n_positions: 200, initializer_range: 0.3 } // prettier-ignore
const prompts = [[3, 4, 5], [7], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [20, 21], [3, 4, 5]]
let batch: BatchDecoder
let single: Decoder

beforeAll(async () => {
  const model = createModel(config, 2)
  const runtime = await createRuntime()
  batch = await createBatchDecoder(model, { runtime, rows: 3, capacity: 60 })
  single = await createDecoder(model, { runtime, capacity: 60 })
})
afterAll(async () => {
  await batch.close()
  await single.close()
})

/** Each prompt on its own. */
async function oneByOne(options: BatchOptions) {
  const texts = []
  for (const [i, prompt] of prompts.entries()) {
    single.truncate(0)
    const ids: number[] = []
    const stream = generateTokens(single, prompt, { ...options, seed: options.seeds?.[i] ?? options.seed })
    for (;;) {
      const { value, done } = await stream.next()
      if (done) {
        texts.push({ ids, finished: value })
        break
      }
      ids.push(value)
    }
  }
  return texts
}

const settings: Readonly<Record<string, SamplerSettings>> = {
  greedy: { temperature: 0 },
  sampling: { temperature: 1.2, topK: 0, topP: 0.9 },
  penalties: { temperature: 0.9, repetitionPenalty: 1.3, dryMultiplier: 0.5 },
  mirostat: { mirostatTau: 3 },
}

test.each(Object.entries(settings))('%s: a batch says what each prompt says on its own', async (_, sampling) => {
  for (const options of [
    { sampling, maxTokens: 25, stopIds: [11, 12], seeds: [1, 2, 3, 4, 5] },
    { sampling, maxTokens: 100, seed: 7 },
  ]) {
    const together = await generateBatch(batch, prompts, options)
    expect(together).toEqual(await oneByOne(options))
  }
})

test('texts end for different reasons, and the rows they leave are used again', async () => {
  const tokens = prompts.map((): number[] => [])
  const onToken = (prompt: number, id: number): void => void tokens[prompt].push(id)
  const made = await generateBatch(batch, prompts, {
    seeds: [1, 2, 3, 4, 5],
    maxTokens: 8,
    stopIds: [1, 11, 12, 13, 14],
    onToken,
  })
  expect(tokens).toEqual(made.map(({ ids }) => ids))
  expect(new Set(made.map(({ finished }) => finished)).size).toBeGreaterThan(1)
})

test('an abort leaves what was made so far', async () => {
  const control = new AbortController()
  const onToken = (prompt: number): void => void (prompt === 2 && control.abort())
  const made = await generateBatch(batch, prompts, { onToken, signal: control.signal })
  expect(made.map(({ finished }) => finished)).toContain('aborted')
  expect(made.slice(3)).toEqual([3, 4].map(() => ({ ids: [], finished: 'aborted' })))
})

test('nothing to make, nothing to continue, and a prompt that does not fit', async () => {
  expect(await generateBatch(batch, [])).toEqual([])
  expect(await generateBatch(batch, [[1]], { maxTokens: 0 })).toEqual([{ ids: [], finished: 'max-tokens' }])
  await expect(generateBatch(batch, [[1], []])).rejects.toThrow(expect.objectContaining({ code: 'prompt-empty' }))
  await expect(generateBatch(batch, [new Array<number>(61).fill(1)])).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: the prompt makes 61 tokens and the context holds 60. Shorten the prompt.]`,
  )
})
