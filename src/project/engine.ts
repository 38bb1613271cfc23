// What engines this machine has, and which one a run gets, with the reason in words.
import { AppError, asError, type Text } from '../base/errors.js'
import { createCheckedRuntime } from '../runtime/checked.js'
import { hasBf16 } from '../runtime/processor.js'
import { findOpenvinoLibraries } from '../runtime/openvino-libraries.js'
import { createRuntime, referenceName, runtimeNames } from '../runtime/registry.js'
import type { NativeRuntime, Precision, Runtime } from '../runtime/runtime.js'

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

export interface EngineChoice {
  /** A name of `dvoynik engine list`, or `auto` (default): openvino where its libraries are, else the reference. */
  readonly name?: string
  /** `auto` (default) is bf16 on openvino where the processor has it in hardware, else f32. */
  readonly precision?: Precision | 'auto'
  /** Worker threads; default: all cores. */
  readonly threads?: number
}

export interface ChosenEngine {
  readonly runtime: Runtime
  /** One line: engine, precision and why. */
  readonly reason: Text
  /** What computes now, e.g. `openvino 2026.4.1`: an engine that fails is left for the reference. */
  readonly current: () => string
  /** What `auto` came to. */
  readonly precision: Precision
}

/**
 * Starts the engine for a run. Any engine but the reference is checked against it before its first step; one that fails,
 * there or later, is left for the reference, with a warning.
 * @param signal ends a self-check that is under way
 * @throws AppError `unknown-runtime`, `unsupported-precision`, `runtime-load` when an engine asked for by name is missing
 */
export async function openEngine(
  { name = 'auto', precision: asked = 'auto', threads }: EngineChoice,
  onWarning: (text: Text) => void,
  signal?: AbortSignal,
): Promise<ChosenEngine> {
  const precision = asked === 'auto' ? await bestPrecision(name) : asked
  const settings = { precision, threads }
  const candidate = name === 'auto' ? await openBest(settings, onWarning) : await createRuntime({ name, ...settings })
  const reason = explainChoice(name, candidate)
  if (candidate.name === referenceName)
    return { runtime: candidate, reason, precision: 'f32', current: () => engineLabel(candidate) }
  const reference = await createRuntime({ threads })
  const runtime = createCheckedRuntime({ candidate, reference, precision, onWarning, signal })
  return { runtime, reason, precision, current: () => engineLabel(runtime.current()) }
}

/** How checkpoints and logs name an engine. */
export function engineLabel({ name, version }: Runtime): string {
  return `${name} ${version}`
}

/** What the automatic choice takes where it starts. */
const preferred = 'openvino'

/** Losses of runs in bf16 stay within .1 % of those in f32 (docs/engines.md), at up to twice the speed. */
async function bestPrecision(name: string): Promise<Precision> {
  return (name === 'auto' || name === preferred) && (await hasBf16()) ? 'bf16' : 'f32'
}

/** Nobody asked for this engine by name, so one that does not start is no failure. */
async function openBest(
  settings: { readonly precision: Precision; readonly threads?: number },
  onWarning: (text: Text) => void,
): Promise<NativeRuntime> {
  try {
    if (findOpenvinoLibraries()) return await createRuntime({ name: preferred, ...settings })
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown
    onWarning({ en: thrown.render('en'), ru: thrown.render('ru') })
  }
  return createRuntime({ threads: settings.threads })
}

function explainChoice(asked: string, chosen: NativeRuntime): Text {
  const why =
    asked !== 'auto'
      ? { en: asked === referenceName ? 'the reference' : 'as asked', ru: asked === referenceName ? 'эталон' : 'как указано' } // prettier-ignore
      : chosen.name === referenceName
        ? { en: 'openvino is not installed', ru: 'openvino не установлен' }
        : { en: 'its libraries are here', ru: 'его библиотеки установлены' }
  return { en: `Engine: ${engineLabel(chosen)} (${why.en})`, ru: `Движок: ${engineLabel(chosen)} (${why.ru})` }
}
