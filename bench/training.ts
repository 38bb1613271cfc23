// A model, a method and a runtime to the cost of whole optimizer steps: forward, backward and update, in this process.
import { clipFactor, createOptimizer, type Optimizer } from '../src/train/optimizer.js'
import { runMicroBatches } from '../src/train/accumulation.js'
import { createRuntime } from '../src/runtime/registry.js'
import type { Precision } from '../src/runtime/runtime.js'
import { createBlockStep } from '../src/model/block-step.js'
import { createTrainingStep, type ModelStep } from '../src/model/train-step.js'
import type { Method } from '../src/model/method.js'
import type { Batch, OnGroup } from '../src/model/step.js'
import type { Outcome } from './case.js'
import { median, peakBytes, timed, type Timed } from './measure.js'
import { randomBatch, threads, type StepSize } from './models.js'
import { openBase, type Base } from './stored.js'

export interface TrainingWork {
  readonly program: 'training'
  readonly runtime: string
  readonly precision: Precision
  readonly method: Method
  /** One, or the points of a sweep, named by `x`. */
  readonly sizes: readonly (StepSize & { readonly x?: number })[]
  readonly steps: number
  readonly warmup: number
  /**
   * Computes the insides of the blocks again in the backward pass. Default false. Where all weights are trained, each block is
   * updated before the gradients of the next one come, as the product does it without clipping.
   */
  readonly checkpointing?: boolean
  /** Where the frozen base comes from; default random weights in memory. */
  readonly base?: Base
}

export async function runTraining(work: TrainingWork): Promise<Outcome> {
  const runtime = await createRuntime({ name: work.runtime, precision: work.precision })
  const figures: Record<string, number> = {}
  const startBytes = peakBytes()
  for (const size of work.sizes) {
    const one = await measureSize(work, size, runtime)
    const end = size.x === undefined ? '' : `@${size.x}`
    for (const [name, value] of Object.entries(one)) figures[name + end] = value
  }
  return { figures: { ...figures, ...memory(startBytes) }, about: { [runtime.name]: runtime.version } }
}

const rate = 1e-4

async function measureSize(
  { method, steps, warmup, base, checkpointing = false }: TrainingWork,
  { config, batch, length }: StepSize,
  runtime: Awaited<ReturnType<typeof createRuntime>>,
): Promise<Record<string, number>> {
  const model = await openBase(config, base)
  const data = randomBatch(model.config.vocabulary, batch, length)
  const started = performance.now()
  const options = { batch, length, runtime, threads, checkpointing, halfGradients: true }
  const step = await (checkpointing ? createBlockStep : createTrainingStep)(model, method, options)
  const { parameters, groups } = step
  const optimizer = await createOptimizer({ kind: 'adamw', weightDecay: 0.01 }, parameters, runtime, {
    threads,
    groups,
  })
  const compileSeconds = (performance.now() - started) / 1000
  const losses: number[] = []
  const parts: { gradient: Timed; update: Timed }[] = []
  const take = groups ? takeByGroups : takeAtOnce
  for (let number = 0; number < warmup + steps; number++) {
    const { loss, ...taken } = await take(step, optimizer, data, number)
    losses.push(loss)
    if (number >= warmup) parts.push(taken)
  }
  const clip = await timed(async () => clipFactor(await optimizer.gradientNorm(), 1))
  await optimizer.close()
  await step.close()
  return { ...summarize(parts, batch * length), compileSeconds, clipSeconds: clip.seconds, lossNats: losses[0], lastLossNats: losses.at(-1)! } // prettier-ignore
}

interface Taken {
  readonly gradient: Timed
  readonly update: Timed
  /** Mean, in nats. */
  readonly loss: number
}

async function takeAtOnce(step: ModelStep, optimizer: Optimizer, data: Batch, number: number): Promise<Taken> {
  let loss = NaN
  const gradient = await timed(async () => {
    const { lossSum, tokens } = await runMicroBatches(step, [data], number)
    loss = lossSum / tokens
  })
  return { gradient, update: await timed(() => optimizer.step(rate)), loss }
}

async function takeByGroups(step: ModelStep, optimizer: Optimizer, data: Batch, number: number): Promise<Taken> {
  let loss = NaN
  const updates: Timed[] = []
  const updateGroup = optimizer.stepByGroups(rate)
  const whole = await timed(async () => {
    const onGroup: OnGroup = async group => void updates.push(await timed(() => updateGroup(group)))
    const { lossSum, tokens } = await runMicroBatches(step, [data], number, onGroup)
    loss = lossSum / tokens
  })
  const sum = (of: (one: Timed) => number): number => updates.reduce((total, one) => total + of(one), 0)
  const update = { seconds: sum(one => one.seconds), cpuSeconds: sum(one => one.cpuSeconds) }
  const gradient = { seconds: whole.seconds - update.seconds, cpuSeconds: whole.cpuSeconds - update.cpuSeconds }
  return { gradient, update, loss }
}

function summarize(parts: readonly { gradient: Timed; update: Timed }[], tokens: number): Record<string, number> {
  const stepSeconds = median(parts.map(({ gradient, update }) => gradient.seconds + update.seconds))
  const updateSeconds = median(parts.map(({ update }) => update.seconds))
  return {
    stepSeconds,
    updateSeconds,
    updateShare: updateSeconds / stepSeconds,
    cpuSeconds: median(parts.map(({ gradient, update }) => gradient.cpuSeconds + update.cpuSeconds)),
    tokensPerSecond: tokens / stepSeconds,
  }
}

/** The peak of this process, and how much of it came after its libraries were loaded. */
function memory(startBytes: number): Record<string, number> {
  const peak = peakBytes()
  return { peakBytes: peak, ownBytes: peak - startBytes }
}
