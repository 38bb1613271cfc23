// What engines this machine has, and which one a run gets, with the reason in words.
import { AppError, asError, type Text } from '../base/errors.js'
import { findOpenvinoLibraries } from '../runtime/openvino-libraries.js'
import { createRuntime, runtimeNames } from '../runtime/registry.js'

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
  if (!libraries) return { en: 'comes with the package; the default', ru: 'входит в пакет; используется по умолчанию' }
  const { folder, from } = libraries
  return {
    environment: { en: `libraries named by DVOYNIK_OPENVINO_LIBS: ${folder}`, ru: `библиотеки из DVOYNIK_OPENVINO_LIBS: ${folder}` }, // prettier-ignore
    download: { en: `libraries in ${folder}`, ru: `библиотеки в ${folder}` },
    python: { en: `libraries of a Python package in ${folder}`, ru: `библиотеки пакета Python в ${folder}` },
  }[from]
}
