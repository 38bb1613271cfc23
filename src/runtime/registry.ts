// Turns the name of a runtime into the runtime, loading its native library only then.
import { AppError, type Text } from '../base/errors.js'
import { nearestName } from '../base/nearest.js'
import { feedFrozen } from './frozen-feeds.js'
import { createOnnxRuntime } from './onnxruntime.js'
import { createOpenvino } from './openvino.js'
import type { NativeRuntime, Precision } from './runtime.js'
import { tryRuntime } from './trial.js'
import { createWebgpu, webgpuNeeds } from './webgpu.js'

interface RuntimeRow {
  readonly precisions: readonly Precision[]
  readonly create: (precision: Precision) => Promise<NativeRuntime>
  /** What it needs of the machine, when only a trial in a process of its own can tell whether that is here. */
  readonly trial?: Text
}

/** Every runtime this version can start; the first is the reference that others are measured against. */
const runtimes: Readonly<Record<string, RuntimeRow>> = {
  'onnxruntime-cpu': { precisions: ['f32'], create: createOnnxRuntime },
  openvino: { precisions: ['f32', 'bf16'], create: createOpenvino },
  'onnxruntime-webgpu': { precisions: ['f32'], create: createWebgpu, trial: webgpuNeeds },
}

/** Names that `createRuntime` accepts. */
export const runtimeNames: readonly string[] = Object.keys(runtimes)

/** What every other runtime is measured against. */
export const referenceName = runtimeNames[0]

export interface RuntimeOptions {
  /** One of `runtimeNames`; default `onnxruntime-cpu`. */
  readonly name?: string
  /** Default `f32`. */
  readonly precision?: Precision
  /** Worker threads of every program that does not ask for its own number. Default: all cores. */
  readonly threads?: number
}

/**
 * Starts a runtime, where that may end the process only after a trial in another.
 * @throws AppError `unknown-runtime`; `unsupported-precision`; `runtime-load` (environment) when it does not start
 */
export async function createRuntime(options: RuntimeOptions = {}): Promise<NativeRuntime> {
  const { name = referenceName, precision = 'f32' } = options
  const { precisions, trial } = findRow(name)
  if (!precisions.includes(precision)) throw unsupportedPrecision(name, precision, precisions)
  if (trial) await tryRuntime(name, trial)
  const runtime = await startRuntime(name, precision)
  return options.threads === undefined ? runtime : limitThreads(runtime, options.threads)
}

function limitThreads(runtime: NativeRuntime, threads: number): NativeRuntime {
  return {
    ...runtime,
    compile: (graph, options = {}) => runtime.compile(graph, { ...options, threads: options.threads ?? threads }),
  }
}

/** Starts a runtime at once, whatever may happen. @throws AppError `unknown-runtime`, `runtime-load` */
export async function startRuntime(name: string, precision: Precision): Promise<NativeRuntime> {
  return feedFrozen(await findRow(name).create(precision))
}

function findRow(name: string): RuntimeRow {
  if (!Object.hasOwn(runtimes, name)) throw unknownRuntime(name)
  return runtimes[name]
}

function unknownRuntime(name: string): AppError {
  const near = nearestName(name, runtimeNames)
  const names = runtimeNames.join(', ')
  return new AppError('unknown-runtime', {
    what: {
      en: `there is no runtime "${name}" in this version; available: ${names}`,
      ru: `среды выполнения «${name}» в этой версии нет; доступны: ${names}`,
    },
    fix: { en: `Choose ${near ?? runtimeNames[0]}`, ru: `Выберите ${near ?? runtimeNames[0]}` },
  })
}

function unsupportedPrecision(name: string, precision: string, known: readonly Precision[]): AppError {
  return new AppError('unsupported-precision', {
    where: name,
    what: {
      en: `does not compute in "${precision}", only in ${known.join(', ')}`,
      ru: `не считает в «${precision}», только в ${known.join(', ')}`,
    },
    fix: { en: 'Choose precision f32, or the runtime openvino', ru: 'Выберите точность f32 или среду openvino' },
  })
}
