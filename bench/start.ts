// From a fresh process to the first answer: the runtime loaded, programs compiled, one step or one token made.
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDecoder } from '../src/model/decoder.js'
import type { ConfigJson } from '../src/model/model-config.js'
import type { Method } from '../src/model/method.js'
import { createTrainingStep } from '../src/model/train-step.js'
import { createRuntime } from '../src/runtime/registry.js'
import type { Precision } from '../src/runtime/runtime.js'
import type { Outcome } from './case.js'
import { peakBytes, timed } from './measure.js'
import { randomBatch, randomModel, threads } from './models.js'

export interface StartWork {
  readonly program: 'start'
  readonly runtime: string
  readonly precision: Precision
  readonly config: ConfigJson
  readonly method: Method
  readonly length: number
  /** Whether nothing that an engine kept from earlier starts is there. */
  readonly fresh: boolean
}

/** What engines keep goes into a folder of its own inside the bench's cache. */
function useCache(name: string, fresh: boolean): void {
  const folder = join(process.env.DVOYNIK_CACHE ?? tmpdir(), name)
  if (fresh) rmSync(folder, { recursive: true, force: true })
  process.env.DVOYNIK_CACHE = folder
}

export async function runStart({
  runtime: name,
  precision,
  config,
  method,
  length,
  fresh,
}: StartWork): Promise<Outcome> {
  useCache(`start-${name}-${precision}`, fresh)
  const model = randomModel(config)
  const opened = performance.now()
  const runtime = await createRuntime({ name, precision })
  const openSeconds = (performance.now() - opened) / 1000
  let decoder: Awaited<ReturnType<typeof createDecoder>> | undefined
  const token = await timed(async () => {
    decoder = await createDecoder(model, { runtime, capacity: length, threads })
    await decoder.append([1])
  })
  await decoder?.close()
  let step: Awaited<ReturnType<typeof createTrainingStep>> | undefined
  const compile = await timed(async () => {
    step = await createTrainingStep(model, method, { batch: 1, length, runtime, threads })
  })
  const first = await timed(() => step!.run(randomBatch(model.config.vocabulary, 1, length), 1))
  await step!.close()
  const figures = { openSeconds, firstTokenSeconds: token.seconds, compileSeconds: compile.seconds, firstStepSeconds: first.seconds } // prettier-ignore
  return { figures: { ...figures, peakBytes: peakBytes() }, about: { [runtime.name]: runtime.version } }
}
