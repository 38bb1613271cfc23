// The training loop: micro-batches → accumulated gradients → clipped update → log, evaluation, samples, checkpoints.
import { join } from 'node:path'
import { ensurePrivateFolder } from '../base/files.js'
import type { Text } from '../base/errors.js'
import type { WorkOptions } from '../base/progress.js'
import type { Batch, OnGroup, StepResult, TrainingStep } from '../model/step.js'
import type { BatchSource } from './batches.js'
import { evaluateBatches, type Evaluation } from './bits-per-byte.js'
import { boardLogFile, joinLogs, openBoardLog } from './board-log.js'
import {
  findCheckpoint,
  loadCheckpoint,
  removeLeftovers,
  saveCheckpoint,
  type EngineSpan,
  type RunIdentity,
} from './checkpoint.js'
import { runMicroBatches } from './accumulation.js'
import { clipFactor, type Optimizer } from './optimizer.js'
import { openRunLog, readRunLog, type RunLog } from './run-log.js'
import { checkSchedule, learningRateAt, warmupStepsOf, type ScheduleName, type ScheduleShape } from './schedule.js'
import {
  badTrainSetting,
  engineFailed,
  gradientsByGroups,
  halfGradientsSummed,
  interrupted,
  isEngineFailure,
  lossNotFinite,
} from './loop-errors.js'

export interface TrainSettings extends ScheduleShape {
  readonly learningRate: number
  readonly schedule: ScheduleName
  /** Share of the steps spent warming up. Default 0. */
  readonly warmup?: number
  /** Passes over the data, fractions allowed; one of `epochs` and `steps` must be given, `steps` wins. */
  readonly epochs?: number
  readonly steps?: number
  /** Micro-batches of one step. Default 1. */
  readonly accumulate?: number
  /** Largest global gradient norm. Default: none. */
  readonly clip?: number
  /** Steps between checkpoints; one is always written at the end. Default 500. */
  readonly saveEvery?: number
  /** Checkpoints kept. Default 2. */
  readonly saveTotalLimit?: number
  /** Steps between evaluations on held-out batches; also before the first and after the last step. Default 50. */
  readonly evaluateEvery?: number
  /** Steps between samples, and after the last step. Default: as evaluateEvery. */
  readonly sampleEvery?: number
}

interface TrainHooks {
  /** Texts for the log, from the model as it is now; must be a pure function of the weights for resumed logs to be equal. */
  readonly sample?: (step: number) => Promise<readonly { readonly prompt: string; readonly text: string }[]>
  /** A damaged checkpoint that was passed over. */
  readonly onWarning?: (warning: Text) => void
  /** A checkpoint was loaded; told before anything is computed. */
  readonly onContinue?: (step: number, steps: number) => void
}

export interface TrainRun extends WorkOptions {
  readonly step: TrainingStep
  readonly optimizer: Optimizer
  readonly source: BatchSource
  readonly heldOut?: BatchSource
  readonly settings: TrainSettings
  /** Receives events.jsonl and checkpoints/; a folder with checkpoints is continued. */
  readonly folder: string
  /** Writes an event file of TensorBoard beside events.jsonl. Default false. */
  readonly tensorBoard?: boolean
  readonly hooks?: TrainHooks
  /** Other facts that a continued run must share: base model, tokenizer, runtime and precision. */
  readonly identity?: RunIdentity
  /** What computes now, e.g. `openvino 2026.4.1`; a change is logged, and checkpoints say what computed since when. */
  readonly engine?: () => string
}

export interface TrainResult {
  readonly steps: number
  /** Step the run was continued from; 0 when it was new. */
  readonly resumedFrom: number
  /** Mean loss of the last step; undefined when the run was already complete. */
  readonly lossNats?: number
  /** Held-out evaluation after the last step, when it was made in this call. */
  readonly evaluation?: Evaluation
  /** The checkpoint after the last step. */
  readonly checkpoint: string
}

/** What the settings come to for this data. */
interface Plan {
  readonly steps: number
  readonly stepsPerEpoch: number
  readonly accumulate: number
  readonly rateAt: (step: number) => number
  readonly saveEvery: number
  readonly keep: number
  readonly evaluateEvery: number
  readonly sampleEvery: number
}

interface Session {
  readonly run: TrainRun
  readonly plan: Plan
  readonly log: RunLog
  readonly identity: RunIdentity
  readonly checkpoints: string
  /** What computed so far; grows. */
  readonly engines: EngineSpan[]
  /** The newest checkpoint; changes. */
  saved: { readonly step: number; readonly path: string } | undefined
}

/**
 * Trains until the planned number of steps, continuing from the folder's last good checkpoint. A continued run is bit-equal
 * to an unbroken one: weights, moments and log (timings aside).
 * @throws AppError `interrupted` after saving, when the signal was aborted; `loss-not-finite` naming step and examples;
 * `engine-failed` when the runtime failed, after saving where weights and moments are those of the last step;
 * `other-settings`, `checkpoint-model`, `no-good-checkpoint`; `bad-train-setting`; `disk-full`
 */
export async function trainModel(run: TrainRun): Promise<TrainResult> {
  const plan = planRun(run)
  const identity = identityOf(run, plan)
  const checkpoints = join(run.folder, 'checkpoints')
  await ensurePrivateFolder(run.folder)
  await removeLeftovers(checkpoints)
  const found = await findCheckpoint(checkpoints, run.hooks?.onWarning)
  if (found) await loadCheckpoint(found, identity, run.optimizer)
  const resumedFrom = found?.state.step ?? 0
  if (resumedFrom > 0) run.hooks?.onContinue?.(resumedFrom, plan.steps)
  const logPath = join(run.folder, 'events.jsonl')
  const log = await openLogs(run, logPath, found ? resumedFrom : -1)
  try {
    const engines = [...(found?.state.engines ?? [])]
    const saved = found && { step: resumedFrom, path: found.path }
    const session: Session = { run, plan, log, identity, checkpoints, engines, saved }
    if (!found) await log.append(startEvent(run, plan))
    const logged = (await readRunLog(logPath)).some(
      ({ event, step }) => step === resumedFrom && (event === 'evaluation' || event === 'sample'),
    )
    // An interrupted step saves before its evaluation; it is made up for here.
    const evaluation = logged ? undefined : await keepState(session, resumedFrom, lookAtModel(session, resumedFrom))
    if (run.signal?.aborted) throw interrupted(resumedFrom, plan.steps, await save(session, resumedFrom))
    const result = await takeSteps(session, resumedFrom)
    return { evaluation, ...result, steps: plan.steps, resumedFrom, checkpoint: result.checkpoint ?? found!.path }
  } finally {
    await log.close()
  }
}

async function openLogs({ folder, tensorBoard = false }: TrainRun, path: string, step: number): Promise<RunLog> {
  const log = await openRunLog(path, step)
  return tensorBoard ? joinLogs([log, await openBoardLog(join(folder, boardLogFile), step)]) : log
}

async function takeSteps(
  session: Session,
  first: number,
): Promise<{ lossNats?: number; evaluation?: Evaluation; checkpoint?: string }> {
  const { run, plan } = session
  let lossNats: number | undefined
  let evaluation: Evaluation | undefined
  let checkpoint: string | undefined
  for (let step = first; step < plan.steps; step++) {
    lossNats = await takeStep(session, step)
    const done = step + 1
    evaluation = await keepState(session, done, lookAtModel(session, done))
    if (run.signal?.aborted) throw interrupted(done, plan.steps, await save(session, done))
    if (done % plan.saveEvery === 0 || done === plan.steps) checkpoint = await save(session, done)
  }
  return { lossNats, evaluation, checkpoint }
}

/** A checkpoint after `done` steps, unless it is there; the log is made to last first, so that it is never behind. */
async function save(session: Session, done: number): Promise<string> {
  const { run, plan, log, identity, checkpoints, engines } = session
  if (session.saved?.step === done) return session.saved.path
  await log.sync()
  const epoch = Math.floor(done / plan.stepsPerEpoch)
  const position = (done % plan.stepsPerEpoch) * plan.accumulate
  const state = { step: done, epoch, position, identity, engines: engines.length > 0 ? engines : undefined }
  const path = await saveCheckpoint(checkpoints, state, run.optimizer, plan.keep)
  session.saved = { step: done, path }
  return path
}

/** Work that leaves weights and moments as they are after `done` steps: when the engine fails in it, they are saved. */
async function keepState<T>(session: Session, done: number, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (thrown) {
    if (!isEngineFailure(thrown)) throw thrown
    const saved = await save(session, done).catch(() => session.saved?.path)
    throw engineFailed({ step: done + 1, failure: thrown, saved, whole: true })
  }
}

/** What the log says of a step. */
interface Moved extends StepResult {
  /** Of all gradients, before clipping. */
  readonly norm: number
}

/** @throws AppError `loss-not-finite` */
type Check = (lossNats: number, norm: number) => void

/** All gradients, then the update. */
async function moveAtOnce(session: Session, step: number, batches: readonly Batch[], check: Check): Promise<Moved> {
  const { run, plan, saved } = session
  const result = await keepState(session, step, runMicroBatches(run.step, batches, step))
  const norm = await run.optimizer.gradientNorm()
  check(result.lossSum / result.tokens, norm)
  const scale = run.settings.clip === undefined ? 1 : clipFactor(norm, run.settings.clip)
  try {
    await run.optimizer.step(plan.rateAt(step), scale)
  } catch (thrown) {
    if (!isEngineFailure(thrown)) throw thrown
    throw engineFailed({ step: step + 1, failure: thrown, saved: saved?.path, whole: false })
  }
  return { ...result, norm }
}

/** Each group of parameters is updated as soon as its gradients are whole: the next group's may take their place. */
async function moveByGroups(session: Session, step: number, batches: readonly Batch[], check: Check): Promise<Moved> {
  const { run, plan } = session
  const update = run.optimizer.stepByGroups(plan.rateAt(step))
  let squares = 0
  let hasBegun = false
  const onGroup: OnGroup = async (group, { lossSum, tokens }) => {
    check(lossSum / tokens, 0)
    hasBegun = true
    squares += await update(group)
    check(lossSum / tokens, Math.sqrt(squares))
  }
  try {
    const result = await runMicroBatches(run.step, batches, step, onGroup)
    return { ...result, norm: Math.sqrt(squares) }
  } catch (thrown) {
    if (!isEngineFailure(thrown)) throw thrown
    // what some groups were updated of is not saved: their weights and those of the others are of different steps
    const saved = hasBegun ? session.saved?.path : await save(session, step).catch(() => session.saved?.path)
    throw engineFailed({ step: step + 1, failure: thrown, saved, whole: !hasBegun })
  }
}

/** Notes what computes, where that has changed. */
async function noteEngine({ run, log, engines }: Session, step: number): Promise<void> {
  const engine = run.engine?.()
  if (engine === undefined || engines.at(-1)?.engine === engine) return
  engines.push({ engine, since: step })
  await log.append({ event: 'engine', step, engine })
}

/** One optimizer step; returns its mean loss. `step` counts from 0. */
async function takeStep(session: Session, step: number): Promise<number> {
  const { run, plan, log } = session
  const started = performance.now()
  const epoch = Math.floor(step / plan.stepsPerEpoch)
  const from = (step % plan.stepsPerEpoch) * plan.accumulate
  const to = Math.min(from + plan.accumulate, run.source.count)
  const batches = await Promise.all(Array.from({ length: to - from }, (_, i) => run.source.batch(epoch, from + i)))
  const check = (lossNats: number, norm: number): void => {
    if (Number.isFinite(lossNats) && Number.isFinite(norm)) return
    const examples = [...new Set(batches.flatMap(batch => batch.examples))]
    throw lossNotFinite({ step: step + 1, lossNats, norm, examples, folder: join(run.folder, 'checkpoints') })
  }
  const move = run.step.groups ? moveByGroups : moveAtOnce
  const { lossSum, tokens, norm } = await move(session, step, batches.map(({ batch }) => batch), check) // prettier-ignore
  const lossNats = lossSum / tokens
  await noteEngine(session, step + 1)
  const seconds = (performance.now() - started) / 1000
  const seen = batches.reduce(
    (sum, { batch }) => sum + batch.segments.reduce((n, segment) => n + (segment > 0n ? 1 : 0), 0),
    0,
  )
  const tokensPerSecond = Math.round(seen / seconds)
  const rssBytes = process.memoryUsage.rss()
  await log.append({
    event: 'step',
    step: step + 1,
    lossNats,
    learningRate: plan.rateAt(step),
    gradientNorm: norm,
    tokens,
    tokensPerSecond,
    rssBytes,
  })
  const note = `loss ${lossNats.toFixed(3)}, ${tokensPerSecond} tok/s, ${secondsLeft(seconds * (plan.steps - step - 1))}`
  tellProgress(session, step + 1, note)
  return lossNats
}

/** A note beside the steps; after the last of them a stage of its own, since theirs has ended. */
function tellEvaluation(session: Session, step: number, done: number, total: number): void {
  const { run, plan } = session
  if (step < plan.steps) tellProgress(session, step, `evaluating ${done}/${total}`)
  else run.onProgress?.({ stage: 'evaluate', done, total, unit: 'batches' })
}

function tellProgress({ run, plan }: Session, done: number, note: string): void {
  run.onProgress?.({ stage: 'train', done, total: plan.steps, unit: 'steps', note })
}

function secondsLeft(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`
}

function isDue(step: number, every: number, { steps }: Plan): boolean {
  return step % every === 0 || step === steps
}

/** Evaluation and samples where they are due after this many steps; when aborted, neither is logged and both are made later. */
async function lookAtModel(session: Session, step: number): Promise<Evaluation | undefined> {
  const { run, plan, log } = session
  let evaluation: Evaluation | undefined
  if (run.heldOut !== undefined && isDue(step, plan.evaluateEvery, plan)) {
    const started = performance.now()
    const onBatch = (done: number, total: number): void => tellEvaluation(session, step, done, total)
    evaluation = await evaluateBatches(run.step, run.heldOut, { signal: run.signal, onBatch })
    if (!evaluation) return undefined
    await noteEngine(session, step)
    await log.append({ event: 'evaluation', step, ...evaluation, seconds: (performance.now() - started) / 1000 })
  }
  if (run.hooks?.sample && !run.signal?.aborted && isDue(step, plan.sampleEvery, plan)) {
    for (const { prompt, text } of await run.hooks.sample(step))
      await log.append({ event: 'sample', step, prompt, text })
  }
  return evaluation
}

function planRun({ settings, source, step }: TrainRun): Plan {
  const { epochs, accumulate = 1, warmup = 0, saveEvery = 500, saveTotalLimit = 2, evaluateEvery = 50 } = settings
  const wholes = {
    accumulate,
    saveEvery,
    saveTotalLimit,
    evaluateEvery,
    sampleEvery: settings.sampleEvery ?? evaluateEvery,
  }
  for (const [name, value] of Object.entries(wholes))
    if (!Number.isInteger(value) || value < 1) throw badTrainSetting(name, value)
  if (step.groups && accumulate > 1) throw gradientsByGroups('accumulate', accumulate)
  if (step.groups && settings.clip !== undefined) throw gradientsByGroups('clip', settings.clip)
  if (accumulate > 1 && step.parameters.some(({ halfGradient }) => halfGradient)) throw halfGradientsSummed(accumulate)
  const stepsPerEpoch = Math.ceil(source.count / accumulate)
  const steps = settings.steps ?? Math.ceil((epochs ?? 0) * stepsPerEpoch)
  if (!Number.isInteger(steps) || steps < 1)
    throw badTrainSetting(settings.steps === undefined ? 'epochs' : 'steps', settings.steps ?? epochs)
  const { schedule: kind, learningRate, minimum, cycles, decay, decayShape } = settings
  const shape = { kind, minimum, cycles, decay, decayShape }
  checkSchedule({ ...shape, warmup })
  const schedule = { ...shape, learningRate, steps, warmupSteps: warmupStepsOf(warmup, steps) }
  return {
    steps,
    stepsPerEpoch,
    accumulate,
    rateAt: step => learningRateAt(step, schedule),
    saveEvery,
    keep: saveTotalLimit,
    evaluateEvery,
    sampleEvery: wholes.sampleEvery,
  }
}

// saveEvery and saveTotalLimit may change between sittings: they leave weights and log alone.
function identityOf({ settings, optimizer, source, heldOut, identity }: TrainRun, plan: Plan): RunIdentity {
  const { learningRate, schedule, warmup = 0, minimum = 0, clip = null } = settings
  const { steps, accumulate, evaluateEvery, sampleEvery } = plan
  const optimizerSettings = Object.entries(optimizer.settings).map(([name, value]) => [
    `optimizer.${name}`,
    value as string | number,
  ])
  return {
    ...identity,
    ...Object.fromEntries(optimizerSettings),
    ...{ learningRate, schedule, warmup, minimum, clip, steps, accumulate, evaluateEvery, sampleEvery },
    ...shapeIdentity(settings),
    data: source.fingerprint,
    heldOut: heldOut?.fingerprint ?? null,
  }
}

// Only what was set: runs from before these settings existed go on.
function shapeIdentity({ cycles, decay, decayShape }: TrainSettings): RunIdentity {
  const given = Object.entries({ cycles, decay, decayShape }).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as RunIdentity
}

function startEvent({ optimizer }: TrainRun, { steps, stepsPerEpoch }: Plan) {
  const parameters = optimizer.parameters.reduce((sum, { data }) => sum + data.length, 0)
  return { event: 'start', step: 0, steps, stepsPerEpoch, parameters } as const
}
