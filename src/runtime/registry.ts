// Turns the name of a runtime into the runtime, loading its native library only then.
import { AppError } from '../base/errors.js'
import { nearestName } from '../base/nearest.js'
import { createOnnxRuntime } from './onnxruntime.js'
import type { Runtime } from './runtime.js'

/** Every runtime this version can start. */
const runtimes: Readonly<Record<string, () => Promise<Runtime>>> = {
  'onnxruntime-cpu': createOnnxRuntime,
}

/** Names that `createRuntime` accepts. */
export const runtimeNames: readonly string[] = Object.keys(runtimes)

export interface RuntimeOptions {
  /** One of `runtimeNames`; default `onnxruntime-cpu`. */
  readonly name?: string
}

/** @throws AppError `unknown-runtime`; `runtime-load` (environment) when the native library does not load */
export async function createRuntime({ name = 'onnxruntime-cpu' }: RuntimeOptions = {}): Promise<Runtime> {
  if (Object.hasOwn(runtimes, name)) return runtimes[name]()
  const near = nearestName(name, runtimeNames)
  const names = runtimeNames.join(', ')
  throw new AppError('unknown-runtime', {
    what: {
      en: `there is no runtime "${name}" in this version; available: ${names}`,
      ru: `среды выполнения «${name}» в этой версии нет; доступны: ${names}`,
    },
    fix: { en: `Choose ${near ?? runtimeNames[0]}`, ru: `Выберите ${near ?? runtimeNames[0]}` },
  })
}
