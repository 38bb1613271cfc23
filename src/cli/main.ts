#!/usr/bin/env node
// The program `dvoynik`: finds the command and runs it.
import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { AppError, type Lang } from '../base/errors.js'
import type { Call } from './command.js'
import { commands } from './commands.js'
import { detectLang } from './language.js'
import { createOutput } from './output.js'
import { createParser } from './parser.js'
import { runProgram } from './program.js'
import { createProgressView, type ProgressView } from './progress.js'

/**
 * Runs one command line.
 * @param argv words after the program's name
 * @returns the exit code: 0, 1 user, 2 usage, 3 environment, 130 interrupted
 */
async function runCli(argv: readonly string[]): Promise<number> {
  const { lang, unknown } = chosenLang(argv)
  let stopView: (() => void) | undefined
  const work = async (signal: AbortSignal): Promise<void> => {
    if (unknown !== undefined) throw unknownLanguage(unknown)
    const parser = createParser(commands, lang, async (spec, args, options) => {
      const { call, view } = createCall(args, options, lang, signal)
      stopView = view.stop
      await spec.run?.(call)
      view.stop()
    })
    if (argv.length === 0) process.stdout.write(parser.helpInformation())
    else await parser.parseAsync([...argv], { from: 'user' })
  }
  return runProgram(work, { lang, argv, before: () => stopView?.() })
}

function createCall(
  args: readonly string[],
  options: Readonly<Record<string, unknown>>,
  lang: Lang,
  signal: AbortSignal,
): { call: Call; view: ProgressView } {
  const json = options.json === true
  const quiet = options.quiet === true
  const view = createProgressView({ lang, json, quiet, stream: process.stderr, stdout: process.stdout })
  const output = createOutput({ lang, json, quiet, stdout: process.stdout, stderr: process.stderr, before: view.stop })
  const folder = resolve(typeof options.project === 'string' ? options.project : '.')
  return { call: { args, options, folder, lang, output, signal, onProgress: view.onProgress }, view }
}

/** --lang must be known before the parser exists, because the parser's own texts depend on it. */
function chosenLang(argv: readonly string[]): { lang: Lang; unknown?: string } {
  const at = argv.findIndex(word => word === '--lang' || word.startsWith('--lang='))
  const value = at < 0 ? undefined : argv[at].includes('=') ? argv[at].split('=')[1] : argv[at + 1]
  if (value === 'ru' || value === 'en') return { lang: value }
  return { lang: detectLang(process.env), unknown: value }
}

function unknownLanguage(name: string): AppError {
  return new AppError('usage', {
    kind: 'usage',
    what: { en: `--lang: there is no language "${name}"`, ru: `--lang: нет языка «${name}»` },
    fix: { en: 'Give en or ru', ru: 'Укажите en или ru' },
  })
}

// A reader that has seen enough (head, less) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

// npm links the program by a symbolic link.
if (import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href)
  process.exitCode = await runCli(process.argv.slice(2))
