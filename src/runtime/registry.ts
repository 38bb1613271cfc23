// Turns the name of a runtime into the runtime, loading its native library only then.
import { AppError } from '../base/errors.js'
import { nearestName } from '../base/nearest.js'
import { createOnnxRuntime } from './onnxruntime.js'
import { createOpenvino } from './openvino.js'
import type { Precision, Runtime } from './runtime.js'

interface RuntimeRow {
  readonly precisions: readonly Precision[]
  readonly create: (precision: Precision) => Promise<Runtime>
}

/** Every runtime this version can start; the first is the reference that others are measured against. */
const runtimes: Readonly<Record<string, RuntimeRow>> = {
  'onnxruntime-cpu': { precisions: ['f32'], create: createOnnxRuntime },
  openvino: { precisions: ['f32', 'bf16'], create: createOpenvino },
}

/** Names that `createRuntime` accepts. */
export const runtimeNames: readonly string[] = Object.keys(runtimes)

export interface RuntimeOptions {
  /** One of `runtimeNames`; default `onnxruntime-cpu`. */
  readonly name?: string
  /** Default `f32`. */
  readonly precision?: Precision
}

/**
 * @throws AppError `unknown-runtime`; `unsupported-precision`; `runtime-load` (environment) when the native library does
 * not load
 */
export async function createRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  const { name = 'onnxruntime-cpu', precision = 'f32' } = options
  if (!Object.hasOwn(runtimes, name)) throw unknownRuntime(name)
  const { precisions, create } = runtimes[name]
  if (!precisions.includes(precision)) throw unsupportedPrecision(name, precision, precisions)
  return create(precision)
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
