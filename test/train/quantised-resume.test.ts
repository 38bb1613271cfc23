import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Example } from '../../src/dataset/example.js'
import { openFrozenModel } from '../../src/model/quantised-model.js'
import { createTrainingStep } from '../../src/model/train-step.js'
import { createModel, saveModel } from '../../src/model/weights.js'
import { createRuntime } from '../../src/runtime/registry.js'
import { createBatches } from '../../src/train/batches.js'
import { trainModel } from '../../src/train/loop.js'
import { createOptimizer } from '../../src/train/optimizer.js'
import { createLetters } from './letters.js'

const tokenizer = createLetters()
const examples: Example[] = ['я зажигаю маяк', 'к утру буря', 'кот уплыл'].map((text, i) => ({
  id: `lamp-${i}`,
  copy: 'original',
  turns: [{ speaker: 'смотритель', role: 'own', text, learn: true }],
  source: { file: 'lighthouse.txt' },
  split: 'train',
}))
const config = {
  model_type: 'llama', vocab_size: tokenizer.size, hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2,
  num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 64, initializer_range: 0.1,
} // prettier-ignore

/** The adapter and its moments after eight steps, stopped after `stopAfter` and continued by another sitting. */
async function train(root: string, name: string, bits: 8 | 4, stopAfter?: number) {
  const runtime = await createRuntime()
  const sit = async (stop?: number) => {
    const model = await openFrozenModel(join(root, 'model'), { bits, cache: join(root, `codes-${bits}`) })
    const method = { kind: 'lora', rank: 2, alpha: 4, targets: 'all-linear' } as const
    const step = await createTrainingStep(model, method, { batch: 2, length: 24, runtime, seed: 3, threads: 1 })
    const optimizer = await createOptimizer({ kind: 'adamw' }, step.parameters, runtime)
    const source = createBatches(examples, tokenizer, { batch: 2, length: 24, packing: false, seed: 2 })
    const control = new AbortController()
    const onProgress = ({ done }: { done: number }): void => (done === stop ? control.abort() : undefined)
    const settings = { learningRate: 1e-2, schedule: 'cosine', steps: 8, accumulate: 2, saveEvery: 100 } as const
    const run = { step, optimizer, source, settings, folder: join(root, name), onProgress, signal: control.signal }
    const outcome = await trainModel(run).catch((error: Error & { code?: string }) => error)
    const state = { weights: step.parameters.map(({ data }) => data.slice()), moments: [...optimizer.state().moments] }
    await optimizer.close()
    await step.close()
    return { outcome, ...state }
  }
  if (stopAfter !== undefined) expect((await sit(stopAfter)).outcome).toMatchObject({ code: 'interrupted' })
  return sit()
}

it.each([8, 4] as const)('a run over %s bits that was interrupted ends bit-equal to an unbroken one', async bits => {
  const root = await mkdtemp(join(tmpdir(), 'quantised-resume-'))
  await saveModel(join(root, 'model'), createModel(config, 3))
  const whole = await train(root, 'whole', bits)
  const broken = await train(root, 'broken', bits, 3)
  expect(broken.outcome).toMatchObject({ resumedFrom: 3, steps: 8 })
  expect(broken.weights).toEqual(whole.weights)
  expect(broken.moments).toEqual(whole.moments)
  await rm(root, { recursive: true })
})
