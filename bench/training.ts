// A model, a method and a runtime to the cost of whole optimizer steps: forward, backward and update, in this process.
import { clipFactor, createOptimizer } from '../src/train/optimizer.js'
import { runMicroBatches } from '../src/train/accumulation.js'
import { createRuntime } from '../src/runtime/registry.js'
import type { Precision } from '../src/runtime/runtime.js'
import { createTrainingStep } from '../src/model/train-step.js'
import type { Method } from '../src/model/method.js'
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
  /** Computes the insides of the blocks again in the backward pass. Default false. */
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

async function measureSize(
  { method, steps, warmup, base, checkpointing = false }: TrainingWork,
  { config, batch, length }: StepSize,
  runtime: Awaited<ReturnType<typeof createRuntime>>,
): Promise<Record<string, number>> {
  const model = await openBase(config, base)
  const data = randomBatch(model.config.vocabulary, batch, length)
  const started = performance.now()
  const options = { batch, length, runtime, threads, checkpointing }
  const step = await createTrainingStep(model, method, options)
  const optimizer = await createOptimizer({ kind: 'adamw', weightDecay: 0.01 }, step.parameters, runtime, { threads })
  const compileSeconds = (performance.now() - started) / 1000
  const losses: number[] = []
  const parts: { gradient: Timed; update: Timed }[] = []
  for (let number = 0; number < warmup + steps; number++) {
    const gradient = await timed(async () => {
      const { lossSum, tokens } = await runMicroBatches(step, [data], number)
      losses.push(lossSum / tokens)
    })
    const update = await timed(() => optimizer.step(1e-4))
    if (number >= warmup) parts.push({ gradient, update })
  }
  const clip = await timed(async () => clipFactor(await optimizer.gradientNorm(), 1))
  await optimizer.close()
  await step.close()
  return { ...summarize(parts, batch * length), compileSeconds, clipSeconds: clip.seconds, lossNats: losses[0], lastLossNats: losses.at(-1)! } // prettier-ignore
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
