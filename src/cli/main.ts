#!/usr/bin/env node
// The program `dvoynik`: finds the command and runs it.
import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Lang } from '../base/errors.js'
import type { Call, CommandSpec } from './command.js'
import { commands } from './commands.js'
import { detectLang } from './language.js'
import { createOutput } from './output.js'
import { createParser } from './parser.js'
import { runProgram } from './program.js'
import { createProgressView } from './progress.js'

/**
 * Runs one command line.
 * @param argv words after the program's name
 * @returns the exit code: 0, 1 user, 2 usage, 3 environment, 130 interrupted
 */
async function runCli(argv: readonly string[]): Promise<number> {
  const lang = chosenLang(argv)
  const work = async (signal: AbortSignal): Promise<void> => {
    const parser = createParser(commands, lang, (spec, args, options) => runCommand(spec, args, options, lang, signal))
    if (argv.length === 0) process.stdout.write(parser.helpInformation())
    else await parser.parseAsync([...argv], { from: 'user' })
  }
  return runProgram(work, { lang, argv })
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

// npm links the program by a symbolic link.
if (import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href)
  process.exitCode = await runCli(process.argv.slice(2))
