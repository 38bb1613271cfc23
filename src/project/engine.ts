// What engines this machine has, and which one a run gets, with the reason in words.
import { AppError, asError, type Text } from '../base/errors.js'
import { createCheckedRuntime } from '../runtime/checked.js'
import { findOpenvinoLibraries } from '../runtime/openvino-libraries.js'
import { createRuntime, referenceName, runtimeNames } from '../runtime/registry.js'
import type { Precision, Runtime } from '../runtime/runtime.js'

/** One row of `dvoynik engine list`. */
export interface EngineStatus {
  readonly name: string
  readonly ready: boolean
  readonly version?: string
  /** Where its libraries were found, or why it does not start. */
  readonly note: Text
}

/** Starts every engine once, to see which of them this machine has. */
export async function listEngines(): Promise<readonly EngineStatus[]> {
  const rows: EngineStatus[] = []
  for (const name of runtimeNames) rows.push(await probe(name))
  return rows
}

async function probe(name: string): Promise<EngineStatus> {
  try {
    const { version } = await createRuntime({ name })
    return { name, ready: true, version, note: origin(name) }
  } catch (thrown) {
    const error = asError(thrown)
    const told = (lang: 'en' | 'ru') => (error instanceof AppError ? error.render(lang) : error.message)
    return { name, ready: false, note: { en: told('en'), ru: told('ru') } }
  }
}

/** Where the libraries of an engine come from. */
function origin(name: string): Text {
  const libraries = name === 'openvino' ? findOpenvinoLibraries() : undefined
  if (!libraries) return name === referenceName ? isReference : comesAlong
  const { folder, from } = libraries
  return {
    environment: { en: `libraries named by DVOYNIK_OPENVINO_LIBS: ${folder}`, ru: `библиотеки из DVOYNIK_OPENVINO_LIBS: ${folder}` }, // prettier-ignore
    download: { en: `libraries in ${folder}`, ru: `библиотеки в ${folder}` },
    python: { en: `libraries of a Python package in ${folder}`, ru: `библиотеки пакета Python в ${folder}` },
  }[from]
}

const isReference: Text = { en: 'comes with the package; the reference', ru: 'входит в пакет; эталон' }
const comesAlong: Text = { en: 'comes with the package; a graphics card was found', ru: 'входит в пакет; видеокарта найдена' } // prettier-ignore

interface EngineChoice {
  /** A name of `dvoynik engine list`, or `auto`: openvino where its libraries are. Default `onnxruntime-cpu`. */
  readonly name?: string
  /** Default `f32`. */
  readonly precision?: Precision
}

interface ChosenEngine {
  readonly runtime: Runtime
  /** One line: engine, precision and why. */
  readonly reason: Text
}

/**
 * Starts the engine for a run. Any engine but the reference is checked against it before its first step, and a program
 * that fails the check runs on the reference, with a warning.
 * @throws AppError `unknown-runtime`, `unsupported-precision`, `runtime-load` when an engine asked for by name is missing
 */
export async function openEngine(
  { name = reference, precision = 'f32' }: EngineChoice,
  onWarning: (text: Text) => void,
): Promise<ChosenEngine> {
  const chosen = name === 'auto' ? (findOpenvinoLibraries() ? 'openvino' : reference) : name
  const candidate = await createRuntime({ name: chosen, precision: chosen === reference && name === 'auto' ? 'f32' : precision }) // prettier-ignore
  const runtime =
    chosen === reference
      ? candidate
      : createCheckedRuntime({ candidate, reference: await createRuntime({ name: reference }), precision, onWarning })
  return { runtime, reason: explainChoice(name, chosen, runtime) }
}

/** What every other engine is measured against, and the default. */
const reference = 'onnxruntime-cpu'

function explainChoice(asked: string, chosen: string, { version }: Runtime): Text {
  const why =
    asked !== 'auto'
      ? { en: asked === reference ? 'the reference' : 'as asked', ru: asked === reference ? 'эталон' : 'как указано' }
      : chosen === reference
        ? { en: 'openvino is not installed', ru: 'openvino не установлен' }
        : { en: 'its libraries are here', ru: 'его библиотеки установлены' }
  return { en: `Engine: ${chosen} ${version} (${why.en})`, ru: `Движок: ${chosen} ${version} (${why.ru})` }
}
