import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import type { Progress } from '../../src/base/progress.js'
import type { Batch } from '../../src/model/step.js'
import type { TrainingStep } from '../../src/model/step.js'
import { decodeBoardEvents } from '../../src/formats/events.js'
import { boardLogFile } from '../../src/train/board-log.js'
import { runMicroBatches } from '../../src/train/accumulation.js'
import { saveCheckpoint } from '../../src/train/checkpoint.js'
import { trainModel, type TrainRun, type TrainSettings } from '../../src/train/loop.js'
import { createOptimizer } from '../../src/train/optimizer.js'
import { readRunLog, timingFields } from '../../src/train/run-log.js'
import { createBigramStep, createToySource, noRuntime } from './bigram.mjs'

const size = 16
const settings: TrainSettings = {
  learningRate: 0.05,
  schedule: 'cosine',
  warmup: 0.1,
  steps: 20,
  accumulate: 3,
  clip: 1,
  saveEvery: 2,
  saveTotalLimit: 2,
  evaluateEvery: 4,
}

const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'train-'))

interface Toy extends Partial<Omit<TrainRun, 'settings' | 'folder'>> {
  readonly settings?: Partial<TrainSettings>
  readonly step?: TrainingStep
}

/** A run with everything made anew, as a new process would. */
async function runToy(folder: string, toy: Toy = {}) {
  const step = toy.step ?? createBigramStep(size)
  const optimizer = await createOptimizer({ kind: 'adamw', weightDecay: 0.03 }, step.parameters, noRuntime)
  const sample = () =>
    Promise.resolve([{ prompt: 'sum', text: String(step.parameters[0].data.reduce((a, b) => a + b)) }])
  const common = { source: createToySource(size, 7), heldOut: createToySource(size, 2), hooks: { sample } }
  const result = await trainModel({
    ...common,
    ...toy,
    step,
    optimizer,
    folder,
    settings: { ...settings, ...toy.settings },
  })
  return { result, state: stateOf(step, optimizer.state()) }
}

function stateOf(
  step: TrainingStep,
  { step: updates, moments }: { step: number; moments: ReadonlyMap<string, ArrayLike<number>> },
) {
  return { updates, weights: step.parameters.map(({ data }) => data), moments: [...moments] }
}

/** The log without what differs between equal runs. */
async function logOf(folder: string): Promise<unknown[]> {
  const events = await readRunLog(join(folder, 'events.jsonl'))
  return events.map(event =>
    Object.fromEntries(Object.entries(event).filter(([name]) => !(timingFields as readonly string[]).includes(name))),
  )
}

const message = (folder: string, error: unknown): string => (error as Error).message.replaceAll(folder, 'RUN')

/** Aborts as soon as `step` is done, and returns the error. */
async function interruptAfter(folder: string, step: number, toy: Toy = {}): Promise<AppError> {
  const stop = new AbortController()
  const onProgress = ({ done }: Progress): void => (done === step ? stop.abort() : undefined)
  return runToy(folder, { ...toy, signal: stop.signal, onProgress }).then(
    () => expect.fail('was not interrupted'),
    (error: AppError) => error,
  )
}

describe('the loop', () => {
  it('learns the toy language, and the log shows it', async () => {
    const folder = await newFolder()
    const { result } = await runToy(folder)
    const log = await readRunLog(join(folder, 'events.jsonl'))
    const losses = log.filter(event => event.event === 'step').map(event => event.lossNats)
    const evaluations = log.filter(event => event.event === 'evaluation')
    expect(losses).toHaveLength(20)
    expect(losses[19]).toBeLessThan(0.8 * losses[0])
    expect(evaluations.map(({ step }) => step)).toEqual([0, 4, 8, 12, 16, 20])
    expect(evaluations.at(-1)!.bitsPerByte).toBeCloseTo(evaluations.at(-1)!.lossNats / Math.LN2 / 2, 12)
    expect(result).toMatchObject({ steps: 20, resumedFrom: 0, lossNats: losses[19] })
    expect(result.evaluation?.lossNats).toBe(evaluations.at(-1)!.lossNats)
  })

  it('writes for TensorBoard what it logs, and a resumed run goes on there too', async () => {
    const folder = await newFolder()
    await interruptAfter(folder, 7, { tensorBoard: true })
    await runToy(folder, { tensorBoard: true })
    const path = join(folder, boardLogFile)
    const shown = decodeBoardEvents(await readFile(path), path).map(({ event }) => event)
    const log = await readRunLog(join(folder, 'events.jsonl'))
    expect(shown.slice(1).map(({ step }) => step)).toEqual(log.slice(1).map(({ step }) => step))
    const losses = shown.flatMap(({ scalars }) => scalars?.['loss/train'] ?? [])
    expect(losses).toEqual(log.flatMap(event => (event.event === 'step' ? Math.fround(event.lossNats) : [])))
    expect(shown.filter(({ texts }) => texts !== undefined)).toHaveLength(6)
  })

  it('every micro-batch is told the number of its update, also after a resume', async () => {
    const folder = await newFolder()
    const told: (number | undefined)[] = []
    const spy = (): TrainingStep => {
      const step: TrainingStep = createBigramStep(size)
      return { ...step, run: (batch, scale, update) => (told.push(update), step.run(batch, scale, update)) }
    }
    await interruptAfter(folder, 2, { step: spy(), settings: { steps: 4, accumulate: 2 } })
    await runToy(folder, { step: spy(), settings: { steps: 4, accumulate: 2 } })
    expect(told).toEqual([0, 0, 1, 1, 2, 2, 3])
  })

  it('accumulated micro-batches give the gradient and loss of one big batch', async () => {
    const source = createToySource(size, 3)
    const batches: Batch[] = []
    for (let i = 0; i < 3; i++) batches.push((await source.batch(0, i)).batch)
    const join64 = (pick: (batch: Batch) => BigInt64Array): BigInt64Array =>
      BigInt64Array.from(batches.flatMap(batch => [...pick(batch)]))
    const big: Batch = { batch: 6, length: 12, ids: join64(b => b.ids), labels: join64(b => b.labels), positions: join64(b => b.positions), segments: join64(b => b.segments) } // prettier-ignore
    const [small, whole] = [createBigramStep(size), createBigramStep(size)]
    const result = await runMicroBatches(small, batches, 0)
    const expected = await runMicroBatches(whole, [big], 0)
    expect(result.tokens).toBe(expected.tokens)
    expect(result.lossSum).toBeCloseTo(expected.lossSum, 9)
    small.parameters.forEach(({ gradient }, k) =>
      gradient.forEach((g, i) => expect(g).toBeCloseTo(whole.parameters[k].gradient[i], 7)),
    )
    expect(Math.max(...small.parameters[0].gradient)).toBeGreaterThan(1e-4)
  })

  it('an epoch whose micro-batches do not divide evenly ends with a smaller step', async () => {
    const folder = await newFolder()
    const seen: string[] = []
    const source = createToySource(size, 7)
    const noting = {
      ...source,
      batch: (epoch: number, index: number) => (seen.push(`${epoch}:${index}`), source.batch(epoch, index)),
    }
    const { result } = await runToy(folder, { source: noting, settings: { steps: undefined, epochs: 2 } })
    expect(result.steps).toBe(6)
    expect(seen).toEqual([0, 1].flatMap(epoch => [0, 1, 2, 3, 4, 5, 6].map(index => `${epoch}:${index}`)))
  })

  it('progress counts steps and shows loss, rate and time left', async () => {
    const all: Progress[] = []
    await runToy(await newFolder(), { onProgress: progress => void all.push(progress) })
    const events = all.filter(({ note }) => note?.startsWith('loss'))
    expect(events.map(({ done }) => done)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
    expect(events[4]).toMatchObject({ stage: 'train', total: 20, unit: 'steps' })
    expect(events[4].note).toMatch(/^loss \d\.\d{3}, \d+ tok\/s, \d+ s$/u)
  })

  it('a loss that is not a number stops the run, names step and examples, and leaves the checkpoints', async () => {
    const folder = await newFolder()
    const step = createBigramStep(size)
    let calls = 0
    const run: TrainingStep['run'] = async (batch, scale) => {
      const result = await step.run(batch, scale)
      return ++calls === 14 ? { ...result, lossSum: NaN } : result
    }
    const error: unknown = await runToy(folder, { step: { ...step, run } }).catch((thrown: unknown) => thrown)
    expect(message(folder, error)).toMatchInlineSnapshot(
      `"step 6: the loss is NaN, the gradient norm 0.3704; examples in this step: example-6. Lower learningRate or set clip, and start a new run; the checkpoints before this step stay in RUN/checkpoints."`,
    )
    expect(await readdir(join(folder, 'checkpoints'))).toEqual(['step-000002', 'step-000004'])
  })

  it('gradients in bfloat16 are not summed', async () => {
    const step: TrainingStep = createBigramStep(size)
    const parameters = step.parameters.map(one => ({ ...one, halfGradient: new Uint16Array(one.data.length) }))
    const run = runToy(await newFolder(), { step: { ...step, parameters }, settings: { accumulate: 2 } })
    await expect(run).rejects.toThrowErrorMatchingInlineSnapshot(
      `[AppError: setting accumulate: received 2, but this step gives its gradients in bfloat16, which would lose small ones in a sum. Leave it out, or make the step without halfGradients.]`,
    )
  })

  it('a loss that is not a number before anything was learnt is laid to the base model', async () => {
    const folder = await newFolder()
    const step = createBigramStep(size)
    const run: TrainingStep['run'] = async (batch, scale) => ({ ...(await step.run(batch, scale)), lossSum: NaN })
    const error: unknown = await runToy(folder, { step: { ...step, run } }).catch((thrown: unknown) => thrown)
    expect((error as AppError).render('en')).toMatch(
      /^step 1: the loss is NaN, .* so it is the base model that computes this: fetch its weights again, or take another base\.$/u,
    )
    expect((error as AppError).render('ru')).toMatch(/^шаг 1: ошибка NaN, .* так считает сама исходная модель: /u)
  })

  it('settings that make no run are refused', async () => {
    const refuse = async (bad: Partial<TrainSettings>): Promise<string> =>
      runToy(await newFolder(), { settings: bad }).then(
        () => 'accepted',
        (error: Error) => error.message,
      )
    expect(await refuse({ accumulate: 0 })).toMatchInlineSnapshot(
      `"setting accumulate: received 0. Give a whole number from 1."`,
    )
    expect(await refuse({ steps: undefined, epochs: 0 })).toMatchInlineSnapshot(
      `"setting epochs: received 0. Give a number above 0, or steps."`,
    )
    expect(await refuse({ steps: 2.5 })).toMatchInlineSnapshot(
      `"setting steps: received 2.5. Give a whole number from 1."`,
    )
  })
})

describe('interrupt and resume', () => {
  it('aborting finishes the step, saves, and says how to go on', async () => {
    const folder = await newFolder()
    const error = await interruptAfter(folder, 5)
    expect(error.kind).toBe('interrupted')
    expect(message(folder, error)).toMatchInlineSnapshot(
      `"training stopped after step 5 of 20; everything is saved in RUN/checkpoints/step-000005. Run the same command again to go on from there."`,
    )
    expect(error.render('ru').replaceAll(folder, 'RUN')).toMatchInlineSnapshot(
      `"обучение остановлено после шага 5 из 20; всё сохранено в RUN/checkpoints/step-000005. Повторите ту же команду, чтобы продолжить оттуда."`,
    )
    expect(await readdir(join(folder, 'checkpoints'))).toEqual(['step-000004', 'step-000005'])
  })

  for (const k of [1, 4, 7, 19]) {
    it(`stopped after step ${k} and continued equals an unbroken run: weights, moments, log`, async () => {
      const [broken, unbroken] = [await newFolder(), await newFolder()]
      await interruptAfter(broken, k)
      const continued = await runToy(broken)
      const expected = await runToy(unbroken)
      expect(continued.result.resumedFrom).toBe(k)
      expect(continued.state).toEqual(expected.state)
      expect(await logOf(broken)).toEqual(await logOf(unbroken))
      expect(await sameFiles(broken, unbroken)).toBe(true)
    })
  }

  it('aborting during an evaluation gives it up, and the continued run makes it', async () => {
    for (const at of [0, 8]) {
      const [broken, unbroken] = [await newFolder(), await newFolder()]
      const [step, stop] = [createBigramStep(size), new AbortController()]
      let evaluations = 0
      const evaluate: TrainingStep['evaluate'] = batch => {
        if (evaluations++ === at / 2) stop.abort() // two held-out batches every four steps
        return step.evaluate(batch)
      }
      await expect(runToy(broken, { step: { ...step, evaluate }, signal: stop.signal })).rejects.toThrow(
        /stopped after step/u,
      )
      const continued = await runToy(broken)
      const expected = await runToy(unbroken)
      expect(continued.result.resumedFrom).toBe(at)
      expect(continued.state).toEqual(expected.state)
      expect(await logOf(broken)).toEqual(await logOf(unbroken))
    }
  })

  it('a full disk is noticed before anything is written', async () => {
    const folder = await newFolder()
    const optimizer = await createOptimizer({ kind: 'sgd' }, createBigramStep(size).parameters, noRuntime)
    const moments = new Map([['b.table', { length: 1e15 } as Float32Array]])
    const state = { step: 1, epoch: 0, position: 0, identity: {} }
    const saving = saveCheckpoint(folder, state, { ...optimizer, state: () => ({ step: 1, moments }) }, 2)
    await expect(saving).rejects.toMatchObject({ code: 'disk-full' })
    expect(await readdir(folder)).toEqual([])
  })

  it('a finished run does nothing more and says where it ended', async () => {
    const folder = await newFolder()
    const first = await runToy(folder)
    const again = await runToy(folder)
    expect(again.result).toEqual({
      steps: 20,
      resumedFrom: 20,
      checkpoint: first.result.checkpoint,
      evaluation: undefined,
      lossNats: undefined,
    })
    expect(again.state).toEqual(first.state)
  })

  it('other settings or data are refused by name', async () => {
    const folder = await newFolder()
    await interruptAfter(folder, 3)
    const toy = {
      settings: { learningRate: 0.1, clip: undefined },
      source: createToySource(size, 7, { fingerprint: 'other' }),
    }
    const error: unknown = await runToy(folder, toy).catch((thrown: unknown) => thrown)
    expect(message(folder, error)).toMatchInlineSnapshot(
      `"RUN/checkpoints/step-000003: this run was started with other settings (clip: 1 → null; data: "toy" → "other"; learningRate: 0.05 → 0.1). Set them back to continue, or start a new run under another name."`,
    )
  })

  it('how often to save may change between sittings', async () => {
    const folder = await newFolder()
    await interruptAfter(folder, 3)
    const { result } = await runToy(folder, { settings: { saveEvery: 100, saveTotalLimit: 1 } })
    expect(result.resumedFrom).toBe(3)
    expect(await readdir(join(folder, 'checkpoints'))).toEqual(['step-000020'])
  })

  it('another model is refused', async () => {
    const folder = await newFolder()
    await interruptAfter(folder, 3)
    const error: unknown = await runToy(folder, { step: createBigramStep(size, { name: 'other' }) }).catch(
      (thrown: unknown) => thrown,
    )
    expect(message(folder, error)).toMatchInlineSnapshot(
      `"RUN/checkpoints/step-000003: the checkpoint is of another model (other [16, 16]). Continue with the model and method the run was started with, or start a new run under another name."`,
    )
  })
})

/** Bytes of the last checkpoints of two runs are equal. */
async function sameFiles(a: string, b: string): Promise<boolean> {
  const names = await readdir(join(a, 'checkpoints', 'step-000020'))
  const read = (folder: string) =>
    Promise.all(names.map(name => readFile(join(folder, 'checkpoints', 'step-000020', name), 'base64')))
  return JSON.stringify(await read(a)) === JSON.stringify(await read(b))
}

const damages: [string, (folder: string) => Promise<void>][] = [
  ['a flipped byte', folder => flipByte(join(folder, 'optimizer.safetensors'))],
  ['a truncated file', folder => truncate(join(folder, 'parameters.safetensors'), 100)],
  ['a manifest that is not JSON', folder => writeFile(join(folder, 'manifest.json'), '{"files"')],
  ['a manifest that names no files', folder => writeFile(join(folder, 'manifest.json'), '{"files":[]}')],
]

async function flipByte(path: string): Promise<void> {
  const data = await readFile(path)
  data[data.length - 7] ^= 1
  await writeFile(path, data)
}

describe('damaged checkpoints', () => {
  for (const [name, damage] of damages) {
    it(`${name} in the newest checkpoint: the one before is used, loudly, and the result is the same`, async () => {
      const [folder, unbroken] = [await newFolder(), await newFolder()]
      await interruptAfter(folder, 8)
      await damage(join(folder, 'checkpoints', 'step-000008'))
      const warnings: string[] = []
      const onWarning = ({ en }: { en: string }): void => void warnings.push(en.replaceAll(folder, 'RUN'))
      const { result, state } = await runToy(folder, { hooks: { onWarning } })
      expect(result.resumedFrom).toBe(6)
      expect(warnings).toHaveLength(1)
      expect(warnings[0]).toContain('RUN/checkpoints/step-000008 is damaged')
      expect(state).toEqual((await runToy(unbroken, { hooks: {} })).state)
    })
  }

  it('the last good checkpoint survives saving while damaged newer ones lie about', async () => {
    const folder = await newFolder()
    await interruptAfter(folder, 8)
    await flipByte(join(folder, 'checkpoints', 'step-000008', 'parameters.safetensors'))
    const error = await interruptAfter(folder, 7, { settings: { saveTotalLimit: 1 } })
    expect(error.code).toBe('interrupted')
    expect(await readdir(join(folder, 'checkpoints'))).toEqual(['step-000007', 'step-000008'])
    expect((await runToy(folder)).result.resumedFrom).toBe(7)
  })

  it('when all are damaged the run stops and says so', async () => {
    const folder = await newFolder()
    await interruptAfter(folder, 3)
    for (const name of await readdir(join(folder, 'checkpoints')))
      await flipByte(join(folder, 'checkpoints', name, 'state.json'))
    const error: unknown = await runToy(folder).catch((thrown: unknown) => thrown)
    expect(message(folder, error)).toMatchInlineSnapshot(
      `"RUN/checkpoints: all 2 checkpoints are damaged. Delete this folder to train from the beginning, or put back a copy of a checkpoint."`,
    )
  })

  it('a half-written checkpoint of a killed process is removed and never read', async () => {
    const folder = await newFolder()
    await interruptAfter(folder, 3)
    await cp(join(folder, 'checkpoints', 'step-000003'), join(folder, 'checkpoints', '.step-000005.tmp-abc'), {
      recursive: true,
    })
    expect((await runToy(folder)).result.resumedFrom).toBe(3)
    expect(await readdir(join(folder, 'checkpoints'))).toEqual(['step-000018', 'step-000020'])
  })
})

const child = fileURLToPath(new URL('resume-child.mjs', import.meta.url))
const built = existsSync(fileURLToPath(new URL('../../dist/src/train/loop.js', import.meta.url)))

/** Runs the child until it ends or until `killAfterMs` after its first log line. */
async function runChild(folder: string, killAfterMs?: number): Promise<'killed' | 'ended'> {
  const running = spawn(process.execPath, [child, folder, killAfterMs === undefined ? '0' : '2'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = new Promise<'killed' | 'ended'>((resolve, reject) =>
    running.on('exit', (code, signal) =>
      signal === 'SIGKILL' ? resolve('killed') : code === 0 ? resolve('ended') : reject(new Error(`exit code ${code}`)),
    ),
  )
  if (killAfterMs !== undefined) {
    const before = (await readRunLog(join(folder, 'events.jsonl'))).length
    while (running.exitCode === null && (await readRunLog(join(folder, 'events.jsonl'))).length === before)
      await pause(1)
    await pause(killAfterMs)
    running.kill('SIGKILL')
  }
  return ended
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

describe.skipIf(!built)('kill -9 (needs npm run build)', () => {
  it('a process killed again and again ends with the bytes and the log of an unbroken one', async () => {
    const [broken, unbroken] = [await newFolder(), await newFolder()]
    await runChild(unbroken)
    let kills = 0
    for (let attempt = 0; attempt < 40; attempt++) {
      const killAfterMs = 10 + ((attempt * 37) % 90)
      if ((await runChild(broken, killAfterMs)) === 'ended') break
      kills++
    }
    await runChild(broken)
    expect(kills).toBeGreaterThan(1)
    expect(await logOf(broken)).toEqual(await logOf(unbroken))
    expect(await sameFiles(broken, unbroken)).toBe(true)
  })
})

describe('progress of a run', () => {
  it('tells the evaluation before the first step, and where it continues', async () => {
    const folder = await newFolder()
    const told: string[] = []
    const onProgress = ({ stage, done, total, note }: Progress): void => void told.push(`${stage} ${done}/${total} ${note?.split(',')[0] ?? ''}`.trim()) // prettier-ignore
    const hooks = { onContinue: (step: number, steps: number) => void told.push(`from ${step} of ${steps}`) }
    const stop = new AbortController()
    const stopAfterOne = (progress: Progress): void => {
      onProgress(progress)
      if (progress.done === 1) stop.abort()
    }
    const toy = { hooks, settings: { steps: 2, evaluateEvery: 2 } }
    await expect(runToy(folder, { ...toy, onProgress: stopAfterOne, signal: stop.signal })).rejects.toThrow(
      'after step 1',
    )
    await runToy(folder, { ...toy, onProgress })
    expect(told.map(line => line.replace(/loss .*/u, 'loss'))).toMatchInlineSnapshot(`
      [
        "train 0/2 evaluating 0/2",
        "train 0/2 evaluating 1/2",
        "train 0/2 evaluating 2/2",
        "train 1/2 loss",
        "from 1 of 2",
        "train 2/2 loss",
        "evaluate 0/2",
        "evaluate 1/2",
        "evaluate 2/2",
      ]
    `)
  })
})
