// One parity case to its relative errors: logits, loss, gradients, ten AdamW losses and a greedy continuation.
import { basename, join } from 'node:path'
import { AppError } from '../../src/base/errors.js'
import { exists } from '../../src/base/files.js'
import type { Adapter } from '../../src/model/adapter.js'
import { createDecoder } from '../../src/model/decoder.js'
import { loadAdapter } from '../../src/model/adapter-files.js'
import type { Parameter, TrainingStep } from '../../src/model/step.js'
import { createTrainingStep, runForward } from '../../src/model/train-step.js'
import { loadModel, type Model } from '../../src/model/weights.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { clipFactor, createOptimizer } from '../../src/train/optimizer.js'
import { fileGradients } from './gradients.js'
import { baseFolder, readReference, type CaseResult, type ParityErrors, type Reference } from './cases.js'

const tolerances: ParityErrors = { logits: 1e-4, loss: 1e-4, gradients: 1e-4, losses: 1e-3 }
const promptLength = 6
/** Models this small gain nothing from a second thread. */
const threads = 1

/** Never throws for a wrong or unsupported case: that is its result. */
export async function checkCase(folder: string, runtime: Runtime): Promise<CaseResult> {
  const name = basename(folder)
  try {
    const model = await loadModel(await baseFolder(folder))
    const hasAdapter = await exists(join(folder, 'adapter'))
    const adapter = hasAdapter ? await loadAdapter(join(folder, 'adapter'), model) : undefined
    const reference = await readReference(folder)
    const result = await compare(model, adapter, reference, runtime)
    const eager = result.status === 'failed' ? asEager(await loadModel(await baseFolder(folder))) : undefined
    if (eager === undefined) return { name, ...result }
    const second = await compare(eager, adapter, reference, runtime)
    return second.status === 'failed' ? { name, ...result } : { name, ...second, note: `${second.note}; ${eagerNote}` }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return { name, status: error.code.startsWith('unsupported-') ? 'unsupported' : 'failed', note: error.message }
  }
}

const eagerNote = "the reference is of transformers' eager attention, which adds Falcon's penalty of distance twice"

/**
 * PyTorch has two answers for Falcon with ALiBi: its usual attention adds the penalty once, as in training, the eager one
 * twice. The engine computes the first; the model as the second has it, undefined for other models.
 */
function asEager(model: Model): Model | undefined {
  const { config } = model
  if (config.modelType !== 'falcon' || config.positions.kind !== 'alibi') return undefined
  return { ...model, config: { ...config, positions: { ...config.positions, factor: 2 * config.positions.factor } } }
}

async function compare(
  model: Model,
  adapter: Adapter | undefined,
  reference: Reference,
  runtime: Runtime,
): Promise<Omit<CaseResult, 'name'>> {
  const { batch } = reference
  const logits = logitsError(reference, (await runForward(model, batch, { runtime, adapter, threads })).logits)
  const greedy = await greedyIds(model, adapter, reference.greedy, runtime) // before training changes the weights
  const method = adapter?.method ?? { kind: 'full' as const }
  const step = await createTrainingStep(model, method, {
    batch: batch.batch,
    length: batch.length,
    runtime,
    adapter: adapter && reference.dropoutSeed === undefined ? withoutDropout(adapter) : adapter,
    seed: reference.dropoutSeed,
    threads,
  })
  const { lossSum, tokens } = await step.run(batch, 1 / countTokens(reference))
  const [gradients, worst] = gradientsError(reference, step.parameters)
  const losses = await trainTen(step, reference, runtime)
  await step.close()
  const errors: ParityErrors = {
    logits,
    loss: Math.abs(lossSum / tokens - reference.loss) / reference.loss,
    gradients,
    losses: Math.max(...losses.map((loss, i) => Math.abs(loss - reference.losses[i]) / reference.losses[i])),
  }
  const sameGreedy = greedy.join() === reference.greedy.join()
  const within = (Object.keys(tolerances) as (keyof ParityErrors)[]).every(key => errors[key] <= tolerances[key])
  return {
    status: within && sameGreedy ? 'passed' : 'failed',
    errors,
    greedy: sameGreedy,
    note: `worst gradient ${worst}`,
  }
}

/** References are made in evaluation mode. */
function withoutDropout(adapter: Adapter): Adapter {
  return adapter.method.kind === 'lora' ? { ...adapter, method: { ...adapter.method, dropout: 0 } } : adapter
}

function countTokens({ batch }: Reference): number {
  return batch.labels.filter(label => label !== -100n).length
}

/** Padding positions are left out: their logits mean nothing. */
function logitsError({ tensors, visible }: Reference, logits: Float32Array): number {
  const { data, shape } = tensors.get('logits')!
  const width = shape[2]
  let worst = 0
  let largest = 0
  for (let i = 0; i < data.length; i++) {
    if (!visible[Math.floor(i / width)]) continue
    worst = Math.max(worst, Math.abs(data[i] - logits[i]))
    largest = Math.max(largest, Math.abs(data[i]))
  }
  return worst / largest
}

/** Every reference gradient must have its parameter and the other way round. */
function gradientsError({ tensors }: Reference, parameters: readonly Parameter[]): [number, string] {
  const expected = fileGradients(tensors)
  const bare = expected.size === 1 && parameters.some(({ name }) => name === 'prompt_embeddings')
  const names = bare ? new Map([...expected.values()].map(data => ['prompt_embeddings', data])) : expected
  let worst: [number, string] = [0, 'none']
  for (const { name, gradient } of parameters) {
    const truth = names.get(name)
    if (!truth) return [Infinity, `${name} is not in the reference`]
    names.delete(name)
    const error = relativeError(truth, gradient)
    if (!(error <= worst[0])) worst = [error, name]
  }
  const [missing] = names.keys()
  return missing === undefined ? worst : [Infinity, `${missing} is not trained`]
}

function relativeError(truth: Float32Array, got: Float32Array): number {
  let worst = truth.length === got.length ? 0 : Infinity
  let largest = 0
  for (let i = 0; i < truth.length; i++) {
    worst = Math.max(worst, Math.abs(truth[i] - got[i]))
    largest = Math.max(largest, Math.abs(truth[i]))
  }
  return largest === 0 ? worst : worst / largest
}

async function greedyIds(
  model: Model,
  adapter: Adapter | undefined,
  expected: readonly number[],
  runtime: Runtime,
): Promise<number[]> {
  const decoder = await createDecoder(model, { adapter, runtime, capacity: expected.length, threads })
  const ids = expected.slice(0, promptLength)
  let logits = await decoder.append(ids)
  while (ids.length < expected.length) {
    ids.push(logits.reduce((best, value, id) => (value > logits[best] ? id : best), 0))
    if (ids.length < expected.length) logits = await decoder.append(ids.slice(-1))
  }
  await decoder.close()
  return ids
}

/** AdamW as the references use it: lr 1e-2, betas 0.9 and 0.999, eps 1e-8, weight decay 0.1, clipping to norm 1. */
async function trainTen(step: TrainingStep, reference: Reference, runtime: Runtime): Promise<number[]> {
  const optimizer = await createOptimizer({ kind: 'adamw', weightDecay: 0.1 }, step.parameters, runtime)
  const losses: number[] = []
  for (let time = 1; time <= 10; time++) {
    const { lossSum, tokens } = await step.run(reference.batch, 1 / countTokens(reference), time - 1)
    losses.push(lossSum / tokens)
    await optimizer.step(1e-2, clipFactor(await optimizer.gradientNorm(), 1))
  }
  await optimizer.close()
  return losses
}
