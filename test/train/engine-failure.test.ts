// A runtime that fails in the middle of a run: what is kept, what is said, and that the run goes on as if nothing had been.
import { mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import { readJson } from '../../src/base/files.js'
import type { TrainingStep } from '../../src/model/step.js'
import { trainModel, type TrainRun } from '../../src/train/loop.js'
import { createOptimizer } from '../../src/train/optimizer.js'
import { readRunLog } from '../../src/train/run-log.js'
import { createBigramStep, createToySource, noRuntime } from './bigram.mjs'

const size = 16
const settings = { learningRate: 0.05, schedule: 'constant', steps: 8, accumulate: 2, saveEvery: 3, evaluateEvery: 4 } as const // prettier-ignore
const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'engine-'))

function outOfMemory(): AppError {
  const words = 'std::bad_alloc'
  return new AppError('runtime-run', {
    kind: 'environment',
    what: { en: `ONNX Runtime failed while running: ${words}`, ru: `ONNX Runtime остановился с ошибкой: ${words}` },
  })
}

type Faults = Partial<Pick<TrainRun, 'engine'>> & {
  readonly step?: (step: TrainingStep) => Partial<TrainingStep>
  /** Number of the update, from 1, that stops between the two parameters. */
  readonly updateFails?: number
}

async function train(folder: string, { step: change, updateFails, engine }: Faults = {}) {
  const plain = createBigramStep(size) as TrainingStep
  const step = { ...plain, ...change?.(plain) }
  const optimizer = await createOptimizer({ kind: 'adamw' }, step.parameters, noRuntime)
  let updates = 0
  const halfUpdate = async (rate: number, scale?: number): Promise<void> => {
    if (++updates !== updateFails) return optimizer.step(rate, scale)
    step.parameters[0].data.fill(7) // one of two parameters is other than before
    throw outOfMemory()
  }
  const run = { source: createToySource(size, 6), heldOut: createToySource(size, 2), settings, folder, engine }
  const error = await trainModel({ ...run, step, optimizer: { ...optimizer, step: halfUpdate } }).then(
    () => undefined,
    (thrown: unknown) => thrown as AppError,
  )
  return { error, weights: step.parameters.map(({ data }) => data) }
}

const told = (error: AppError | undefined, folder: string, lang: 'en' | 'ru' = 'en') =>
  error?.render(lang).replaceAll(folder, 'RUN')

/** Fails in the n-th micro-batch, from 1. */
const failingRun = (n: number) => (plain: TrainingStep) => {
  let calls = 0
  const run: TrainingStep['run'] = (...given) => (++calls === n ? Promise.reject(outOfMemory()) : plain.run(...given))
  return { run }
}

it('a failure while computing saves the state after the last finished step, and the run goes on as an unbroken one', async () => {
  const [folder, unbroken] = [await newFolder(), await newFolder()]
  const { error } = await train(folder, { step: failingRun(10) }) // the second micro-batch of step 5
  expect(error).toMatchObject({ code: 'engine-failed', kind: 'environment' })
  expect(told(error, folder)).toMatchInlineSnapshot(
    `"step 5: the engine failed (ONNX Runtime failed while running: std::bad_alloc); the state after step 4 is saved in RUN/checkpoints/step-000004. If memory ran out, close other programs; the same command goes on from there."`,
  )
  expect(told(error, folder, 'ru')).toMatchInlineSnapshot(
    `"шаг 5: движок не справился (ONNX Runtime остановился с ошибкой: std::bad_alloc); состояние после шага 4 сохранено в RUN/checkpoints/step-000004. Если кончилась память, закройте другие программы; та же команда продолжит оттуда."`,
  )
  expect(await readdir(join(folder, 'checkpoints'))).toEqual(['step-000003', 'step-000004'])
  expect((await train(folder)).weights).toEqual((await train(unbroken)).weights)
})

it('a failure in the first step saves the untouched model', async () => {
  const folder = await newFolder()
  expect(told((await train(folder, { step: failingRun(1) })).error, folder)).toMatch(
    /^step 1: .*the state after step 0 is saved in RUN\/checkpoints\/step-000000/u,
  )
})

it('a failure in an evaluation keeps the steps before it', async () => {
  const folder = await newFolder()
  let calls = 0
  const { error } = await train(folder, {
    step: plain => ({ evaluate: batch => (++calls > 2 ? Promise.reject(new RangeError('Array buffer allocation failed')) : plain.evaluate(batch)) }), // prettier-ignore
  })
  expect(told(error, folder)).toContain('(Array buffer allocation failed); the state after step 4 is saved in RUN')
})

it('a failure in the middle of an update saves nothing: the last good checkpoint stays and continues bit-equal', async () => {
  const [folder, unbroken] = [await newFolder(), await newFolder()]
  const { error } = await train(folder, { updateFails: 5 })
  expect(told(error, folder)).toMatchInlineSnapshot(
    `"step 5: the engine failed (ONNX Runtime failed while running: std::bad_alloc); the weights were being updated, so what is in memory is not saved; the last good checkpoint is RUN/checkpoints/step-000003. If memory ran out, close other programs; the same command goes on from there."`,
  )
  expect(await readdir(join(folder, 'checkpoints'))).toEqual(['step-000003'])
  expect((await train(folder)).weights).toEqual((await train(unbroken)).weights)
})

it('a failure in the middle of the first update says that there is nothing to go on from', async () => {
  const folder = await newFolder()
  expect(told((await train(folder, { updateFails: 1 })).error, folder)).toMatchInlineSnapshot(
    `"step 1: the engine failed (ONNX Runtime failed while running: std::bad_alloc); there is no checkpoint of this run yet. If memory ran out, close other programs; the same command begins anew."`,
  )
})

it('the log and the checkpoints say which engine computed from which step on', async () => {
  const folder = await newFolder()
  let computed = 0
  const count = (plain: TrainingStep): Partial<TrainingStep> => ({
    run: (...given) => (computed++, plain.run(...given)),
  })
  await train(folder, { step: count, engine: () => (computed < 10 ? 'fast 1' : 'reference 2') })
  const events = (await readRunLog(join(folder, 'events.jsonl'))).filter(({ event }) => event === 'engine')
  expect(events).toEqual([
    { event: 'engine', step: 0, engine: 'fast 1' },
    { event: 'engine', step: 5, engine: 'reference 2' },
  ])
  const { engines } = (await readJson(join(folder, 'checkpoints', 'step-000008', 'state.json'))) as { engines: unknown }
  expect(engines).toEqual([
    { engine: 'fast 1', since: 0 },
    { engine: 'reference 2', since: 5 },
  ])
})
