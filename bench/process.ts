// One piece of work to one fresh process, and what it printed to an outcome; a process that fails says why in one line.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packageRoot } from '../src/base/package.js'
import type { NodeWork, Outcome, PythonWork } from './case.js'
import { outcomeMark } from './programs.js'

/** Where the scripts of rivals lie: beside the sources, since the build copies no Python. */
const peers = join(packageRoot, 'bench', 'peers')

interface ProcessOptions {
  readonly python?: string
  readonly limitSeconds: number
}

/** @throws Error with the reason in one line, without paths */
export async function runProcess(work: NodeWork | PythonWork, options: ProcessOptions): Promise<Outcome> {
  const [program, args] = commandOf(work, options.python)
  const { stdout } = await runCommand(program, args, options.limitSeconds)
  const line = stdout.split('\n').find(one => one.startsWith(outcomeMark))
  if (line === undefined) throw new Error('it printed no figures')
  return JSON.parse(line.slice(outcomeMark.length)) as Outcome
}

/** Runs a script of bench/peers that makes a file instead of figures. */
export async function runScript(python: string, script: string, settings: unknown): Promise<void> {
  await runCommand(python, [join(peers, script), JSON.stringify(settings)], 300)
}

function commandOf(work: NodeWork | PythonWork, python: string | undefined): [string, string[]] {
  if (work.program === 'python') return [python!, [join(peers, work.script), JSON.stringify(work.settings)]]
  return [process.execPath, [fileURLToPath(new URL('run.js', import.meta.url)), '--work', JSON.stringify(work)]]
}

/** Libraries of rivals stay quiet and offline, and leave no files beside their sources. */
const quiet = { PYTHONWARNINGS: 'ignore', PYTHONDONTWRITEBYTECODE: '1', TRANSFORMERS_VERBOSITY: 'error', HF_HUB_OFFLINE: '1' } // prettier-ignore

function runCommand(program: string, args: readonly string[], limitSeconds: number): Promise<{ stdout: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...quiet } })
    let [stdout, stderr, late] = ['', '', false]
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-4000)))
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, limitSeconds * 1000)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (late) reject(new Error(`stopped after ${limitSeconds} s`))
      else if (signal) reject(new Error(`ended by ${signal}`))
      else if (code !== 0) reject(new Error(lastLine(stderr)))
      else resolve({ stdout })
    })
  })
}

function lastLine(text: string): string {
  const line = text.split('\n').filter(one => /^\S*(?:Error|error|✗|Ошибка)/u.test(one.trim())).at(-1) ?? text.trim().split('\n').at(-1) ?? '' // prettier-ignore
  return line.replace(/(?:\/[^\s/:]+)+\//gu, '').trim().slice(0, 300) // prettier-ignore
}
