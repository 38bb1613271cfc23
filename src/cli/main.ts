#!/usr/bin/env node
// The program `dvoynik`: finds the command, runs it, and turns its end into an exit code.
import { CommanderError } from 'commander'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { AppError, asError, exitCodes, type Lang } from '../base/errors.js'
import type { Call, CommandSpec } from './command.js'
import { commands } from './commands.js'
import { detectLang } from './language.js'
import { createOutput } from './output.js'
import { createParser, explainUsage } from './parser.js'
import { createProgressView } from './progress.js'

/**
 * Runs one command line.
 * @param argv words after the program's name
 * @returns the exit code: 0, 1 user, 2 usage, 3 environment, 130 interrupted
 */
export async function runCli(argv: readonly string[]): Promise<number> {
  const lang = chosenLang(argv)
  const interrupt = listenForInterrupt()
  try {
    const parser = createParser(commands, lang, (spec, args, options) =>
      runCommand(spec, args, options, lang, interrupt.signal),
    )
    if (argv.length === 0) {
      process.stdout.write(parser.helpInformation())
      return 0
    }
    await parser.parseAsync([...argv], { from: 'user' })
    return 0
  } catch (thrown) {
    return reportFailure(thrown, lang, argv)
  } finally {
    interrupt.close()
  }
}

async function runCommand(
  spec: CommandSpec,
  args: readonly string[],
  options: Readonly<Record<string, unknown>>,
  lang: Lang,
  signal: AbortSignal,
): Promise<void> {
  const json = options.json === true
  const quiet = options.quiet === true
  const view = createProgressView({ lang, json, quiet, stream: process.stderr, stdout: process.stdout })
  const output = createOutput({ lang, json, quiet, stdout: process.stdout, stderr: process.stderr })
  const folder = resolve(typeof options.project === 'string' ? options.project : '.')
  const call: Call = { args, options, folder, lang, output, signal, onProgress: view.onProgress }
  try {
    await spec.run?.(call)
  } finally {
    view.stop()
  }
}

/** --lang must be known before the parser exists, because the parser's own texts depend on it. */
function chosenLang(argv: readonly string[]): Lang {
  const at = argv.findIndex(word => word === '--lang' || word.startsWith('--lang='))
  const value = at < 0 ? undefined : argv[at].includes('=') ? argv[at].split('=')[1] : argv[at + 1]
  return value === 'ru' || value === 'en' ? value : detectLang(process.env)
}

/** The first Ctrl-C asks the work to stop at a good place, the second ends the program. */
function listenForInterrupt(): { signal: AbortSignal; close: () => void } {
  const controller = new AbortController()
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted)
    controller.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  const close = (): void => void process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  return { signal: controller.signal, close }
}

function reportFailure(thrown: unknown, lang: Lang, argv: readonly string[]): number {
  const error = thrown instanceof CommanderError ? explainUsage(thrown) : asError(thrown)
  if (!error) return 0
  const known = error instanceof AppError
  const message = known ? error.render(lang) : `${unexpected[lang]}: ${error.message}`
  if (argv.includes('--json')) process.stdout.write(JSON.stringify(failureEvent(error, message)) + '\n')
  else process.stderr.write(message + '\n')
  if (argv.includes('--debug')) process.stderr.write((error.stack ?? '') + '\n')
  return known ? exitCodes[error.kind] : exitCodes.user
}

const unexpected = {
  en: 'Unexpected failure (run again with --debug and report it)',
  ru: 'Неожиданная ошибка (повторите с --debug и сообщите о ней)',
}

function failureEvent(error: Error, message: string): Record<string, unknown> {
  const code = error instanceof AppError ? error.code : 'unexpected'
  return { event: 'error', code, message }
}

if (process.argv[1] && import.meta.url === pathToFileURL(await realPath(process.argv[1])).href) {
  process.exitCode = await runCli(process.argv.slice(2))
}

/** npm links the program by a symbolic link. */
async function realPath(path: string): Promise<string> {
  const { realpath } = await import('node:fs/promises')
  return realpath(path).catch(() => path)
}
