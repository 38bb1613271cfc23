// The training loop over a step that gives its gradients block by block: the same run, resumed, interrupted and failing.
import { mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import type { Progress } from '../../src/base/progress.js'
import { createBlockStep } from '../../src/model/block-step.js'
import { createTrainingStep } from '../../src/model/train-step.js'
import { trainModel, type TrainSettings } from '../../src/train/loop.js'
import { createOptimizer } from '../../src/train/optimizer.js'
import { readRunLog, timingFields } from '../../src/train/run-log.js'
import type { OptimizerSettings } from '../../src/train/update-rules.js'
import { relativeDifference, tinyModel, tinyRuntime } from '../model/tiny.js'
import { createToySource } from './bigram.mjs'

const runtime = await tinyRuntime()
const size = 29
const settings: TrainSettings = { learningRate: 0.01, schedule: 'cosine', steps: 6, saveEvery: 2, evaluateEvery: 3 }
const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'blocks-'))

interface Toy {
  readonly isWhole?: boolean
  readonly optimizer?: OptimizerSettings
  readonly settings?: Partial<TrainSettings>
  /** Step after which the run is stopped. */
  readonly stopAfter?: number
  /** Number of the group, counted over all steps from 1, at which the engine fails. */
  readonly failsAt?: number
  /** Number of the step whose forward pass fails, from 1. */
  readonly forwardFailsAt?: number
  /** Number of the group whose gradients are infinite. */
  readonly overflowsAt?: number
}

/** A run with everything made anew, as a new process would. */
async function run(folder: string, toy: Toy = {}) {
  const create = toy.isWhole ? createTrainingStep : createBlockStep
  const step = await create(tinyModel('gpt2'), { kind: 'full' }, { batch: 2, length: 12, runtime, checkpointing: true })
  const optimizer = await createOptimizer(toy.optimizer ?? { kind: 'adamw', weightDecay: 0.03 }, step.parameters, runtime, { groups: step.groups }) // prettier-ignore
  const stop = new AbortController()
  let [groups, steps] = [0, 0]
  const failure = new AppError('runtime-run', { what: { en: 'out of memory', ru: 'память кончилась' } })
  const runStep: typeof step.run = (...given) =>
    ++steps === toy.forwardFailsAt ? Promise.reject(failure) : step.run(...given)
  const stepByGroups: typeof optimizer.stepByGroups = rate => {
    const update = optimizer.stepByGroups(rate)
    return async group => {
      if (++groups === toy.failsAt) throw failure
      if (groups === toy.overflowsAt) group[0].gradient[0] = Infinity
      return update(group)
    }
  }
  const error = await trainModel({
    step: {
      ...step,
      groups: step.groups,
      parameters: step.parameters,
      run: runStep,
      evaluate: data => step.evaluate(data),
    },
    optimizer: { ...optimizer, stepByGroups },
    source: createToySource(size, 7),
    heldOut: createToySource(size, 2),
    settings: { ...settings, ...toy.settings },
    folder,
    signal: stop.signal,
    onProgress: ({ done }: Progress): void => (done === toy.stopAfter ? stop.abort() : undefined),
  }).then(
    () => undefined,
    (thrown: unknown) => thrown as AppError,
  )
  const { step: updates, moments } = optimizer.state()
  const weights = step.parameters.map(({ name, data }) => [name, data] as const)
  await optimizer.close()
  await step.close()
  return { error, state: { updates, weights, moments: [...moments] } }
}

/** The log without what differs between equal runs. */
async function logOf(folder: string): Promise<unknown[]> {
  const events = await readRunLog(join(folder, 'events.jsonl'))
  return events.map(event =>
    Object.fromEntries(Object.entries(event).filter(([name]) => !(timingFields as readonly string[]).includes(name))),
  )
}

const told = (error: AppError | undefined, folder: string) => error?.render('en').replaceAll(folder, 'RUN')
const checkpointsOf = (folder: string): Promise<string[]> => readdir(join(folder, 'checkpoints'))

const optimizers: readonly OptimizerSettings[] = [
  { kind: 'adamw', epsilon: 1e-3, weightDecay: 0.03 },
  { kind: 'adamw-8bit', epsilon: 1e-3 },
  { kind: 'sgd', momentum: 0.9 },
  { kind: 'adafactor', epsilon: 1e-3 },
  { kind: 'muon', epsilon: 1e-3 },
  { kind: 'lion' },
]

describe('a run block by block', () => {
  test.each(optimizers)('$kind takes the steps that it takes with all gradients at once', async optimizer => {
    const [one, other] = [await newFolder(), await newFolder()]
    // every loss after the first says what the updates before it did
    const whole = await run(one, { optimizer, isWhole: true })
    const byBlock = await run(other, { optimizer })
    expect([whole.error, byBlock.error]).toEqual([undefined, undefined])
    expect(byBlock.state.updates).toBe(6)
    expect(byBlock.state.moments.map(([name]) => name)).toEqual(whole.state.moments.map(([name]) => name))
    const numbers = async (folder: string) =>
      (await readRunLog(join(folder, 'events.jsonl'))).flatMap(event =>
        event.event === 'step'
          ? [event.lossNats, event.gradientNorm]
          : event.event === 'evaluation'
            ? event.lossNats
            : [],
      )
    expect(relativeDifference(await numbers(one), await numbers(other))).toBeLessThan(1e-3)
    expect(await checkpointsOf(other)).toEqual(await checkpointsOf(one))
  })

  it('goes on bit-equal after it was stopped', async () => {
    const [unbroken, broken] = [await newFolder(), await newFolder()]
    const expected = await run(unbroken)
    expect((await run(broken, { stopAfter: 3 })).error?.code).toBe('interrupted')
    expect((await run(broken)).state).toEqual(expected.state)
    expect(await logOf(broken)).toEqual(await logOf(unbroken))
  })

  it('saves nothing of a step that failed after its first group', async () => {
    const [unbroken, broken] = [await newFolder(), await newFolder()]
    const expected = await run(unbroken)
    const { error } = await run(broken, { failsAt: 3 * 4 + 3 }) // the second block of step 4; groups: head, two blocks, embedding
    expect(told(error, broken)).toMatchInlineSnapshot(
      `"step 4: the engine failed (out of memory); the weights were being updated, so what is in memory is not saved; the last good checkpoint is RUN/checkpoints/step-000002. If memory ran out, close other programs; the same command goes on from there."`,
    )
    expect(await checkpointsOf(broken)).toEqual(['step-000002'])
    expect((await run(broken)).state).toEqual(expected.state)
    expect(await logOf(broken)).toEqual(await logOf(unbroken))
  })

  it('saves the state before a step that failed before its first group', async () => {
    const [unbroken, broken] = [await newFolder(), await newFolder()]
    const expected = await run(unbroken)
    expect((await run(broken, { forwardFailsAt: 4 })).error?.code).toBe('engine-failed')
    expect(await checkpointsOf(broken)).toEqual(['step-000002', 'step-000003'])
    expect((await run(broken)).state).toEqual(expected.state)
  })

  it('stops at gradients that are not finite, and leaves their parameters alone', async () => {
    const folder = await newFolder()
    const { error, state } = await run(folder, { overflowsAt: 2 })
    expect(told(error, folder)).toMatchInlineSnapshot(
      `"step 1: the loss is 3.818, the gradient norm Infinity; examples in this step: example-0. Lower learningRate or set clip, and start a new run; the checkpoints before this step stay in RUN/checkpoints."`,
    )
    expect(state.weights.flatMap(([, data]) => [...data]).every(Number.isFinite)).toBe(true)
  })

  test.each([{ clip: 1 }, { accumulate: 2 }])('refuses %o', async changed => {
    const folder = await newFolder()
    expect(told((await run(folder, { settings: changed })).error, folder)).toContain(
      'this step gives its gradients group by group',
    )
  })
})
