// Trains the pocket model on token files with the product's own engine; the same command goes on where it was stopped.
// npm run pocket:train -- --data DIR --tokenizer DIR --run DIR [--minutes N | --steps N] [--rate R] [--batch N] [--threads N] [--optimizer adamw|muon] [--engine NAME] [--precision f32|bf16]
// With --after RUN it goes on from that run's last checkpoint; with --decay the learning rate falls to zero.
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { AppError, asError } from '../../src/base/errors.js'
import { exists, fileNotFound, readJson, writeFileAtomic } from '../../src/base/files.js'
import { sha256File } from '../../src/base/hash.js'
import type { Progress } from '../../src/base/progress.js'
import type { Model } from '../../src/model/weights.js'
import { createTrainingStep, type ModelStep } from '../../src/model/train-step.js'
import { openEngine } from '../../src/project/engine.js'
import type { Precision, Runtime } from '../../src/runtime/runtime.js'
import { loadTokenizer } from '../../src/tokenizer/files.js'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.js'
import type { BatchSource } from '../../src/train/batches.js'
import { findCheckpoint, loadCheckpoint, type RunIdentity } from '../../src/train/checkpoint.js'
import { trainModel } from '../../src/train/loop.js'
import { createOptimizer, type Optimizer } from '../../src/train/optimizer.js'
import { openJudgedBlocks, openTrainingBlocks } from './data.js'
import {
  blockLength,
  createPocketModel,
  optimizerChoices,
  optimizerSettings,
  runSettings,
  type OptimizerChoice,
  type RunPlan,
} from './model.js'
import { sampleTexts } from './samples.js'

interface Options {
  readonly data: string
  readonly tokenizer: string
  readonly run: string
  readonly threads: number
  readonly minutes?: number
  readonly steps?: number
  readonly rate: number
  readonly batch: number
  readonly after?: string
  readonly decay: boolean
  readonly optimizer: OptimizerChoice
  readonly engine: string
  readonly precision: Precision
}

const seed = 20261122
const prompts = ['— Кто там? — спросил', 'Доктор вошел в комнату и']

async function main(): Promise<void> {
  const options = readOptions()
  const tokenizer = await loadTokenizer(options.tokenizer)
  const { engine: name, precision, threads } = options
  const { runtime, reason } = await openEngine({ name, precision, threads }, ({ en }) => console.log(en))
  console.log(reason.en)
  const model = createPocketModel(tokenizer, seed)
  const known = await readPlan(options.run)
  const { batch } = known ?? options
  const source = await openTrainingBlocks(options.data, batch, seed, tokenizer)
  const heldOut = await openJudgedBlocks(join(options.data, 'heldout-slice.bin'), batch, tokenizer)
  const step = await createTrainingStep(model, { kind: 'full' }, { batch, length: blockLength, runtime })
  const plan = known ?? (await makePlan(options, step, source, runtime))
  await mkdir(options.run, { recursive: true })
  await writeFileAtomic(planPath(options.run), JSON.stringify(plan, undefined, 2) + '\n')
  const optimizer = await createOptimizer(optimizerSettings[plan.optimizer], step.parameters, runtime, { threads })
  if (plan.after) await continueFrom(plan.after.checkpoint, optimizer)
  const started = performance.now()
  const result = await trainModel({
    step,
    optimizer,
    source: skipBatches(source, plan.after?.step ?? 0),
    heldOut,
    settings: runSettings(plan),
    folder: options.run,
    identity: {
      ...describeModel(model, runtime),
      optimizer: plan.optimizer,
      tokenizer: await sha256File(join(options.tokenizer, 'tokenizer.model')),
    },
    hooks: { sample: sampler(model, tokenizer, runtime), onWarning: ({ en }) => console.log(en) },
    signal: stopOnInterrupt(),
    onProgress: printProgress,
  })
  const seconds = Math.round((performance.now() - started) / 1000)
  console.log(`done: ${result.steps} steps, ${seconds} s, ${JSON.stringify(result.evaluation)}, ${result.checkpoint}`)
  await optimizer.close()
  await step.close()
}

function planPath(run: string): string {
  return join(run, 'run.json')
}

async function readPlan(run: string): Promise<RunPlan | undefined> {
  return (await exists(planPath(run))) ? ((await readJson(planPath(run))) as RunPlan) : undefined
}

async function makePlan(options: Options, step: ModelStep, source: BatchSource, runtime: Runtime): Promise<RunPlan> {
  const { batch, after, decay, optimizer } = options
  const steps = await chooseSteps(options, step, source, runtime)
  const phase = decay ? 'decay' : 'plateau'
  const plan = { phase, steps, learningRate: options.rate, optimizer, batch, seed } as const
  if (after === undefined) return { ...plan, warmupSteps: 100 }
  const found = await findCheckpoint(join(after, 'checkpoints'))
  const before = await readPlan(after)
  if (!found || !before) throw fileNotFound(join(after, 'checkpoints'))
  const read = found.state.step + (before.after?.step ?? 0)
  return { ...plan, warmupSteps: 20, after: { checkpoint: found.path, step: read } }
}

/** Weights and moments of a checkpoint into the live buffers; the new run's own checkpoints replace them when it is resumed. */
async function continueFrom(checkpoint: string, optimizer: Optimizer): Promise<void> {
  const saved = await findCheckpoint(dirname(checkpoint))
  if (saved?.path !== checkpoint) throw fileNotFound(checkpoint)
  await loadCheckpoint(saved, saved.state.identity, optimizer)
}

/** The blocks after those that an earlier run of the same seed has read. */
function skipBatches(source: BatchSource, skipped: number): BatchSource {
  return {
    count: source.count,
    fingerprint: `${source.fingerprint}+${skipped}`,
    batch: (epoch, index) => {
      const place = epoch * source.count + index + skipped
      return source.batch(Math.floor(place / source.count), place % source.count)
    },
  }
}

function describeModel(model: Model, runtime: Runtime): RunIdentity {
  return { model: JSON.stringify(model.json), runtime: `${runtime.name} ${runtime.version}`, seed }
}

function readOptions(): Options {
  const string = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      data: string,
      tokenizer: string,
      run: string,
      threads: string,
      minutes: string,
      steps: string,
      rate: string,
      batch: string,
      after: string,
      optimizer: string,
      engine: string,
      precision: string,
      decay: { type: 'boolean', default: false },
    },
  })
  const { data, tokenizer, run } = values
  if (data === undefined || tokenizer === undefined || run === undefined) throw usage()
  const number = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text))
  return {
    data,
    tokenizer,
    run,
    threads: number(values.threads) ?? 2,
    minutes: number(values.minutes),
    steps: number(values.steps),
    rate: number(values.rate) ?? 2e-3,
    batch: number(values.batch) ?? 8,
    after: values.after,
    decay: values.decay,
    optimizer: readChoice(values.optimizer ?? 'adamw'),
    engine: values.engine ?? 'onnxruntime-cpu',
    precision: values.precision === 'bf16' ? 'bf16' : 'f32',
  }
}

function readChoice(text: string): OptimizerChoice {
  const choice = optimizerChoices.find(one => one === text)
  if (choice === undefined) throw usage()
  return choice
}

/** Steps given, or as many as fit into the minutes at the speed of a few measured steps. The weights do not move. */
async function chooseSteps(
  { steps, minutes = 75 }: Options,
  step: ModelStep,
  source: BatchSource,
  runtime: Runtime,
): Promise<number> {
  if (steps !== undefined) return steps
  const measured = 8
  await step.run((await source.batch(0, 0)).batch, 1)
  const started = performance.now()
  for (let i = 0; i < measured; i++) await step.run((await source.batch(0, i)).batch, 1)
  const seconds = (performance.now() - started) / 1000 / measured
  const chosen = Math.max(1, Math.floor((minutes * 60 * 0.92) / seconds))
  console.log(
    `${runtime.name}: ${seconds.toFixed(3)} s for forward and backward, so ${chosen} steps for ${minutes} minutes`,
  )
  return chosen
}

function sampler(model: Model, tokenizer: Tokenizer, runtime: Runtime) {
  return (): Promise<{ prompt: string; text: string }[]> =>
    sampleTexts({ model, tokenizer, runtime }, prompts, { maxTokens: 60 })
}

function stopOnInterrupt(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => controller.abort())
  return controller.signal
}

function printProgress({ done, total, note }: Progress): void {
  if (done % 20 === 0 || done === total)
    console.log(`${new Date().toISOString().slice(11, 19)} step ${done}/${total} ${note}`)
}

function usage(): AppError {
  return new AppError('usage', {
    kind: 'usage',
    what: { en: 'three folders and known options are needed', ru: 'нужны три папки и известные параметры' },
    fix: {
      en: 'pocket:train -- --data DIR --tokenizer DIR --run DIR [--minutes N | --steps N] [--rate R] [--batch N] [--threads N] [--optimizer adamw|muon] [--engine NAME] [--precision f32|bf16] [--after RUN [--decay]]',
      ru: 'pocket:train -- --data ДАННЫЕ --tokenizer ТОКЕНИЗАТОР --run ПРОГОН [--minutes N | --steps N] [--rate R] [--batch N] [--threads N] [--optimizer adamw|muon] [--engine NAME] [--precision f32|bf16] [--after RUN [--decay]]',
    },
  })
}

try {
  await main()
} catch (thrown) {
  const error = asError(thrown)
  console.error(error instanceof AppError ? error.message : error)
  process.exitCode = error instanceof AppError && error.kind === 'interrupted' ? 130 : 1
}
