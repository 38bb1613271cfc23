// Turns the folders of a finished run into the facts that its model card states.
import { dirname, join } from 'node:path'
import { readJson } from '../../src/base/files.js'
import { findCheckpoint } from '../../src/train/checkpoint.js'
import { readRunLog, type RunEvent } from '../../src/train/run-log.js'
import type { OptimizerChoice, RunPlan } from './model.js'
import type { CorpusPart } from './token-file.js'

export interface CurvePoint {
  /** Steps of all phases so far. */
  readonly step: number
  readonly tokens: number
  readonly bitsPerByte: number
  readonly learningRate: number
}

export interface PhaseFacts {
  readonly steps: number
  readonly rate: number
  readonly warmupSteps: number
  readonly decays: boolean
  readonly optimizer: OptimizerChoice
  /** On OpenVINO, products in bf16. */
  readonly bf16: boolean
}

export interface RunFacts {
  readonly phases: readonly PhaseFacts[]
  readonly batch: number
  readonly parameters: number
  /** Tokens trained on, repeats counted. */
  readonly tokens: number
  /** Time inside training steps, without evaluation and loading. */
  readonly seconds: number
  readonly curve: readonly CurvePoint[]
}

export interface Baselines {
  readonly order: number
  readonly ngramBitsPerByte: number
  readonly xzBitsPerByte: number
  readonly xzAfterTrainingTextBitsPerByte: number
}

export interface CorpusFacts {
  readonly train: CorpusPart
  readonly heldout: CorpusPart
}

/** Follows the run back through the runs it continued. */
export async function readRunFacts(run: string): Promise<RunFacts> {
  const plan = (await readJson(join(run, 'run.json'))) as RunPlan
  const events = await readRunLog(join(run, 'events.jsonl'))
  const before = plan.after
    ? cutAt(await readRunFacts(dirname(dirname(plan.after.checkpoint))), plan.after.step)
    : undefined
  const own = summarise(events, plan, await usesBf16(run))
  if (!before) return own
  return {
    ...own,
    phases: [...before.phases, ...own.phases],
    tokens: before.tokens + own.tokens,
    seconds: before.seconds + own.seconds,
    curve: [
      ...before.curve,
      ...own.curve
        .filter(({ step }) => step > 0)
        .map(point => ({ ...point, step: point.step + plan.after!.step, tokens: point.tokens + before.tokens })),
    ],
  }
}

/** A run that was stopped early counts for the steps that its successor began with. */
function cutAt(facts: RunFacts, step: number): RunFacts {
  const phases = facts.phases.map((phase, i) =>
    i === facts.phases.length - 1 ? { ...phase, steps: step - stepsBefore(facts, i) } : phase,
  )
  return { ...facts, phases, curve: facts.curve.filter(point => point.step <= step) }
}

function stepsBefore({ phases }: RunFacts, index: number): number {
  return phases.slice(0, index).reduce((sum, phase) => sum + phase.steps, 0)
}

/** What the run's newest checkpoint says of its engine. */
async function usesBf16(run: string): Promise<boolean> {
  const found = await findCheckpoint(join(run, 'checkpoints'))
  return String(found?.state.identity.runtime).endsWith(' bf16')
}

function summarise(events: readonly RunEvent[], plan: RunPlan, bf16: boolean): RunFacts {
  const steps = events.flatMap(event => (event.event === 'step' ? [event] : []))
  const tokensUpTo = (last: number): number =>
    steps.reduce((sum, { step, tokens }) => sum + (step <= last ? tokens : 0), 0)
  const curve = events.flatMap(event => {
    if (event.event !== 'evaluation' || event.bitsPerByte === undefined) return []
    const learningRate = steps.find(({ step }) => step === event.step)?.learningRate ?? 0
    return [{ step: event.step, tokens: tokensUpTo(event.step), bitsPerByte: event.bitsPerByte, learningRate }]
  })
  return {
    phases: [
      {
        steps: steps.at(-1)?.step ?? 0,
        rate: plan.learningRate,
        warmupSteps: plan.warmupSteps,
        decays: plan.phase === 'decay',
        optimizer: plan.optimizer,
        bf16,
      },
    ],
    batch: plan.batch,
    parameters: events.find(event => event.event === 'start')?.parameters ?? 0,
    tokens: tokensUpTo(Infinity),
    seconds: timeOf(steps.map(({ tokens, tokensPerSecond }) => tokens / tokensPerSecond)),
    curve,
  }
}

/** A process that was paused for a while has a step of many times the usual length: it counts as one of the usual. */
function timeOf(seconds: readonly number[]): number {
  const usual = seconds.toSorted((a, b) => a - b)[seconds.length >> 1]
  return seconds.reduce((sum, one) => sum + (one > 5 * usual ? usual : one), 0)
}
