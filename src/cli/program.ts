// The end of every program: Ctrl-C asks the work to stop, and what it throws becomes a message and an exit code.
import { CommanderError } from 'commander'
import { AppError, asError, exitCodes, type Lang } from '../base/errors.js'
import { explainUsage } from './parser.js'
import { explainSystemError } from './system-error.js'

export interface ProgramOptions {
  readonly lang: Lang
  /** Words of the command line; `--json` and `--debug` are looked for. */
  readonly argv: readonly string[]
  /** Called before a failure is told, e.g. to end a progress bar. */
  readonly before?: () => void
}

/** @returns the exit code: 0, 1 user, 2 usage, 3 environment, 130 interrupted */
export async function runProgram(
  work: (signal: AbortSignal) => Promise<void>,
  options: ProgramOptions,
): Promise<number> {
  const interrupt = listenForInterrupt(options)
  try {
    await work(interrupt.signal)
    return interrupt.signal.aborted ? reportLateStop(options) : 0
  } catch (thrown) {
    options.before?.()
    return reportFailure(thrown, options)
  } finally {
    interrupt.close()
  }
}

/** The first Ctrl-C asks the work to stop at a good place, the second ends the program. */
function listenForInterrupt({ lang, argv, before }: ProgramOptions): { signal: AbortSignal; close: () => void } {
  const controller = new AbortController()
  const onSignal = (): void => {
    before?.()
    if (controller.signal.aborted) process.exit(exitCodes.interrupted)
    if (!argv.includes('--quiet') && !argv.includes('--json')) process.stderr.write(stopping[lang] + '\n')
    controller.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  const close = (): void => void process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  return { signal: controller.signal, close }
}

const stopping = {
  en: 'Stopping at a good place; Ctrl-C again stops at once',
  ru: 'Останавливаюсь в удобном месте; ещё раз Ctrl-C: остановить сразу',
}

/** A shell must not go on with the next command of a line, though this one had come to its end before it could stop. */
function reportLateStop({ lang, argv }: ProgramOptions): number {
  if (!argv.includes('--quiet') && !argv.includes('--json')) process.stderr.write(finished[lang] + '\n')
  return exitCodes.interrupted
}

const finished = {
  en: 'It was finished before it could be stopped; nothing is left half-done',
  ru: 'Работа закончилась раньше, чем её удалось остановить; ничего не брошено на полпути',
}

function reportFailure(thrown: unknown, { lang, argv }: ProgramOptions): number {
  const error = thrown instanceof CommanderError ? explainUsage(thrown) : explainFailure(asError(thrown))
  if (!error) return 0
  const known = error instanceof AppError
  const message = known ? error.render(lang) : `${unexpected[lang]}: ${error.message}`
  if (argv.includes('--json'))
    process.stdout.write(JSON.stringify({ event: 'error', code: known ? error.code : 'unexpected', message }) + '\n')
  else process.stderr.write(message + '\n')
  if (argv.includes('--debug')) process.stderr.write((error.stack ?? '') + '\n')
  return known ? exitCodes[error.kind] : exitCodes.user
}

function explainFailure(error: Error): Error {
  return error instanceof AppError ? error : (explainSystemError(error) ?? error)
}

const unexpected = {
  en: 'Unexpected failure (run again with --debug and report it)',
  ru: 'Неожиданная ошибка (повторите с --debug и сообщите о ней)',
}
