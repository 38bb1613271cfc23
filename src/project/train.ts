// Stage `train`: fine-tunes the base model on the dataset in runs/<name>/, continuing what was interrupted.
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, type Lang, type Text } from '../base/errors.js'
import { exists, writeFolderAtomic } from '../base/files.js'
import { canonicalJson, sha256 } from '../base/hash.js'
import type { StageReport } from '../base/report.js'
import type { Example } from '../dataset/example.js'
import { readExamples } from '../dataset/store.js'
import { loadAdapter, saveAdapter } from '../model/adapter-files.js'
import { createAdapter, type Adapter } from '../model/adapter.js'
import { openFrozenModel } from '../model/quantised-model.js'
import { createBlockStep } from '../model/block-step.js'
import { createTrainingStep, type ModelStep } from '../model/train-step.js'
import { loadModel, saveModel, type Model } from '../model/weights.js'
import { loadTokenizer } from '../tokenizer/files.js'
import type { Tokenizer } from '../tokenizer/tokenizer.js'
import { createBatches, type BatchSource } from '../train/batches.js'
import { trainModel, type TrainResult } from '../train/loop.js'
import type { RunIdentity } from '../train/checkpoint.js'
import { createOptimizer } from '../train/optimizer.js'
import { buildDataset } from './dataset.js'
import { checkBaseBits, trainingMethod } from './method-settings.js'
import { checkLeast, memoryCheck } from './memory-check.js'
import { withProjectLock } from './lock.js'
import type { TellOptions } from './people.js'
import type { Plan } from './plan.js'
import { paths, type Project } from './project.js'
import { checkRunBase } from './run-base.js'
import { openRunEngine, type RunEngine } from './run-engine.js'
import { runStage, type Stage, type StageOutcome } from './stage.js'
import { fingerprintModel, tokenizerStage } from './tokenizer.js'

export interface TrainProjectOptions extends TellOptions {
  /** Name of the run. Default `main`. */
  readonly run?: string
  /** Forget a run of that name. */
  readonly fresh?: boolean
  readonly onNotice?: (text: Text) => void
}

export interface Trained {
  /** runs/<name> */
  readonly folder: string
  readonly outcomes: readonly StageOutcome[]
}

export const defaultRun = 'main'

/** Only the examples decide; the database beside them may differ in bytes. */
const examplesPath = join(paths.dataset, 'examples.jsonl')

/**
 * Everything up to a trained model: earlier stages where they are not done, then the run.
 * @throws AppError `bad-run-name`, and what the stages throw
 */
export async function trainProject(project: Project, options: TrainProjectOptions = {}): Promise<Trained> {
  const run = options.run ?? defaultRun
  checkRunName(run)
  checkBaseBits(project.plan.train.method, project.plan.train.baseBits)
  const folder = join(project.folder, paths.runs, run)
  const outcomes = [
    ...(await buildDataset(project, options)),
    await runStage('tokenizer', tokenizerStage, project, options),
  ]
  const stage = trainStage(run, options)
  if (options.fresh)
    await withProjectLock(project.folder, () => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
  outcomes.push(await runStage('train', stage, project, options))
  return { folder, outcomes }
}

/** Name of the manifest of a run. */
export function runManifest(run: string): string {
  return run === defaultRun ? 'train' : `train-${run}`
}

/** A run is a folder that --fresh deletes, so its name must not lead elsewhere. */
function checkRunName(run: string): void {
  if (/^[\p{L}\p{N}][\p{L}\p{N}._ -]*$/u.test(run)) return
  throw new AppError('bad-run-name', {
    kind: 'usage',
    what: { en: `"${run}" cannot be the name of a run`, ru: `«${run}» не годится в имена прогона` },
    fix: { en: 'Use letters, digits, - and _', ru: 'Возьмите буквы, цифры, - и _' },
  })
}

/** Eight digits of a hash show that two differ; what it was made from is what a user has changed. */
function explainHashes(text: string, lang: Lang): string {
  return text
    .replace(/"([0-9a-f]{8})[0-9a-f]{56}"/gu, '$1…')
    .replace(/(?<=[(; ])(data|start): /gu, (_, name: keyof typeof madeFrom) => `${name} (${madeFrom[name][lang]}): `)
}

const madeFrom = {
  data: { en: 'examples, tokenizer, batch, length or seed', ru: 'примеры, токенизатор, batch, length или seed' },
  start: { en: 'base model', ru: 'исходная модель' },
} as const

/** The loop knows nothing of commands; here they are named. */
function explainOtherSettings(thrown: unknown): never {
  if (!(thrown instanceof AppError) || thrown.code !== 'other-settings') throw thrown
  throw new AppError('other-settings', {
    what: { en: explainHashes(thrown.render('en'), 'en'), ru: explainHashes(thrown.render('ru'), 'ru') },
    fix: {
      en: 'Or `dvoynik train --fresh` forgets this run and begins anew',
      ru: 'Или `dvoynik train --fresh`: забыть этот прогон и начать заново',
    },
    cause: thrown,
  })
}

/** The train stage of one run. */
export function trainStage(run: string, options: TrainProjectOptions = {}): Stage {
  const result = join(paths.runs, run, 'model')
  return {
    manifest: runManifest(run),
    inputs: ({ plan }) => ({ options: { run, ...plan.train }, inputs: [examplesPath, paths.tokenizer, paths.start] }),
    outputs: () => [result],
    async work(project, work) {
      const folder = join(project.folder, paths.runs, run)
      return [await train(project, folder, { ...options, ...work }).catch(explainOtherSettings)]
    },
  }
}

/** What a run works with; everything is closed by `close`. */
interface Workshop {
  readonly model: Model
  readonly tokenizer: Tokenizer
  readonly engine: RunEngine
  readonly step: ModelStep
  readonly source: BatchSource
  readonly heldOut: BatchSource | undefined
}

async function train(project: Project, folder: string, options: TrainProjectOptions): Promise<StageReport> {
  const started = performance.now()
  // Loading and the first evaluation take a while; until then the user sees that training has begun.
  options.onProgress?.({ stage: 'train', done: 0, total: project.plan.train.steps, unit: 'steps', note: 'loading' })
  const shop = await openWorkshop(project, folder, options)
  try {
    const { trained, batches } = await runLoop(project, folder, shop, options)
    await writeResult(folder, shop)
    const seconds = (performance.now() - started) / 1000
    return {
      stage: 'train',
      unit: 'steps',
      input: trained.steps,
      kept: trained.steps,
      dropped: {},
      counts: { batches },
      seconds,
    }
  } finally {
    await shop.step.close()
  }
}

async function openWorkshop(project: Project, folder: string, options: TrainProjectOptions): Promise<Workshop> {
  const { train: settings, tokenizer: tokens } = project.plan
  const model = await loadBase(project)
  const tokenizer = await loadTokenizer(join(project.folder, paths.tokenizer))
  const examples = await readExamples(join(project.folder, paths.dataset))
  const { batch, length, seed, checkpointing, labelSmoothing, zLoss, lossRows } = settings
  const shape = { batch, length: Math.min(length, model.config.maxPositions), seed }
  const { vocabulary, maxPositions } = model.config
  if (length > maxPositions) options.onNotice?.(shorterRows(length, maxPositions))
  checkLeast(model.config, shape, settings)
  const source = createBatches(inSplit(examples, 'train'), tokenizer, { ...shape, vocabulary })
  const engine = await openRunEngine(folder, settings.engine, {
    onWarning: text => options.onWarning?.(text),
    onNotice: text => options.onNotice?.(text),
    signal: options.signal,
  })
  const held = inSplit(examples, 'held-out')
  const heldOut = held.length > 0 ? createBatches(held, tokenizer, { ...shape, vocabulary, shuffle: false }) : undefined
  const newRows = tokens.add.flatMap(token => tokenizer.id(token) ?? [])
  const method = trainingMethod(settings.method, newRows)
  const adapter = method.kind === 'full' ? undefined : createAdapter(model, method, seed)
  const { runtime } = engine
  const onNeeds = memoryCheck(runtime, { model, adapter, method, settings }, text => options.onNotice?.(text))
  const shaped = { ...shape, checkpointing, labelSmoothing, zLoss, lossRows }
  const createStep = updatesByBlock(settings) ? createBlockStep : createTrainingStep
  const halfGradients = settings.accumulate === 1
  const step = await createStep(model, method, { ...shaped, adapter, runtime, halfGradients, onNeeds })
  return { model, tokenizer, engine, step, source, heldOut }
}

function shorterRows(length: number, positions: number): Text {
  return {
    en: `train.length is ${length}, but the base model has ${positions} positions: rows are ${positions} tokens long.`,
    ru: `train.length: ${length}, но у исходной модели позиций ${positions}: в строке будет токенов ${positions}.`,
  }
}

/** Whether a block's gradients may go before the next one's come: nothing needs the norm of all, and none are summed. */
function updatesByBlock({ checkpointing, clip, accumulate }: Plan['train']): boolean {
  return checkpointing && clip === null && accumulate === 1
}

/** The base that is trained or adapted: in memory, or its codes in a file beside it. */
async function loadBase({
  folder,
  plan: {
    train: { baseBits, baseActivations, method },
  },
}: Project): Promise<Model> {
  const start = join(folder, paths.start)
  if (baseBits === 32) return loadModel(start, { trained: method.kind === 'full' })
  return openFrozenModel(start, { bits: baseBits, activations: baseActivations, cache: `${start}-codes` })
}

function inSplit(examples: readonly Example[], split: Example['split']): Example[] {
  return examples.filter(example => example.split === split)
}

async function runLoop(
  project: Project,
  folder: string,
  { step, engine, source, heldOut }: Workshop,
  { onProgress, signal, onWarning, onNotice }: TrainProjectOptions,
): Promise<{ trained: TrainResult; batches: number }> {
  const { optimizer: chosen, tensorBoard, ...settings } = project.plan.train
  const optimizer = await createOptimizer(chosen, step.parameters, engine.runtime, {
    ...settings.engine,
    groups: step.groups,
  })
  const identity = await identityOf(project, engine)
  const hooks = { onWarning, onContinue: (from: number, steps: number) => onNotice?.(continued(from, steps)) }
  try {
    const trained = await trainModel({
      step,
      optimizer,
      source,
      heldOut,
      settings: { ...settings, clip: settings.clip ?? undefined },
      tensorBoard,
      folder,
      identity,
      engine: engine.current,
      hooks,
      onProgress,
      signal,
    })
    return { trained, batches: source.count }
  } finally {
    await optimizer.close()
  }
}

/** What a run that goes on must find again. A setting that is off is left out: runs from before it existed go on. */
async function identityOf({ folder, plan: { train } }: Project, engine: RunEngine): Promise<RunIdentity> {
  const { baseBits, baseActivations, labelSmoothing, zLoss } = train
  return {
    method: canonicalJson(train.method),
    start: sha256(await fingerprintModel(join(folder, paths.start))),
    runtime: engine.identity,
    ...(baseBits === 32 ? {} : { base: `${baseBits} bits, ${baseActivations}` }),
    ...(labelSmoothing === 0 ? {} : { labelSmoothing }),
    ...(zLoss === 0 ? {} : { zLoss }),
  }
}

function continued(from: number, steps: number): Text {
  return from === steps
    ? { en: `All ${steps} steps were taken before.`, ru: `Все шаги (${steps}) уже пройдены.` }
    : { en: `Continuing from step ${from} of ${steps}.`, ru: `Продолжаю с шага ${from} из ${steps}.` }
}

/** runs/<name>/model: an adapter in PEFT's form, or the whole model. */
async function writeResult(folder: string, { model, step }: Workshop): Promise<void> {
  const { adapter } = step
  await writeFolderAtomic(join(folder, 'model'), target =>
    adapter ? saveAdapter(target, adapter, { base: join('models', 'start') }) : saveModel(target, model),
  )
}

/**
 * The model of a finished run: the whole model, or the base with an adapter beside it.
 * @throws AppError `no-run` naming the runs that exist; `other-base` when what it was trained with is no longer there
 */
export async function loadTrained(project: Project, run = defaultRun): Promise<{ model: Model; adapter?: Adapter }> {
  const folder = join(project.folder, paths.runs, run, 'model')
  const isWhole = await exists(join(folder, 'config.json'))
  if (!isWhole && !(await exists(join(folder, 'adapter_config.json'))))
    throw noRun(folder, run, await finishedRuns(project))
  const needs = isWhole ? [paths.tokenizer] : [paths.tokenizer, paths.start]
  await checkRunBase({ folder: project.folder, run, manifest: runManifest(run), needs })
  if (isWhole) return { model: await loadModel(folder) }
  const model = await loadModel(join(project.folder, paths.start))
  return { model, adapter: await loadAdapter(folder, model) }
}

async function finishedRuns(project: Project): Promise<string[]> {
  const runs = join(project.folder, paths.runs)
  const names = await readdir(runs).catch(() => [])
  const finished = await Promise.all(names.map(name => exists(join(runs, name, 'model'))))
  return names.filter((_, i) => finished[i])
}

function noRun(folder: string, run: string, others: readonly string[]): AppError {
  const train = run === defaultRun ? 'dvoynik train' : `dvoynik train --name ${run}`
  const talk = others.map(name => `--name ${name}`).join(', ')
  return new AppError('no-run', {
    where: folder,
    what: { en: `the run "${run}" is not finished or does not exist`, ru: `прогон «${run}» не закончен или его нет` },
    fix: {
      en: `Run \`${train}\` first` + (talk ? `, or talk to another one: ${talk}` : ''),
      ru: `Сначала выполните \`${train}\`` + (talk ? ` или выберите другой: ${talk}` : ''),
    },
  })
}
