// The benchmark command: cases to JSON files in bench/results, and those to docs/benchmarks.md with its charts.
// npm run bench [-- CASE... --rounds N --minutes N --quick --list --page --out FOLDER]
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { asError } from '../src/base/errors.js'
import { packageRoot } from '../src/base/package.js'
import type { Benchmark, NodeWork, Size } from './case.js'
import { benchmarks } from './cases.js'
import { findInstalled } from './machine.js'
import { writePage } from './page.js'
import { createWorkshop } from './prepare.js'
import { runWork } from './programs.js'
import { readResults, writeResult, type Result } from './result.js'
import { runBenchmark } from './rounds.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    page: { type: 'boolean', default: false },
    minutes: { type: 'string' },
    out: { type: 'string' },
    work: { type: 'string' },
  },
})

interface Folders {
  readonly results: string
  readonly page: string
  readonly images: string
}

/** Results and page: those of the repository, or all in one folder. Quick results never replace measured ones. */
function chooseFolders(size: Size): Folders {
  const apart = values.out ?? (size === 'quick' ? join(packageRoot, 'bench', 'results', 'tmp') : undefined)
  if (apart !== undefined) return { results: resolve(apart), page: resolve(apart, 'benchmarks.md'), images: resolve(apart, 'images') } // prettier-ignore
  const docs = join(packageRoot, 'docs')
  return { results: join(packageRoot, 'bench', 'results'), page: join(docs, 'benchmarks.md'), images: join(docs, 'images') } // prettier-ignore
}

function chooseBenchmarks(names: readonly string[]): readonly Benchmark[] {
  const unknown = names.find(name => !benchmarks.some(one => one.name === name))
  if (unknown !== undefined) throw new Error(`there is no case "${unknown}"; known: ${benchmarks.map(one => one.name).join(', ')}`) // prettier-ignore
  return names.length === 0 ? benchmarks : benchmarks.filter(({ name }) => names.includes(name))
}

async function bench(): Promise<void> {
  const size: Size = values.quick ? 'quick' : 'full'
  const folders = chooseFolders(size)
  const chosen = chooseBenchmarks(positionals)
  if (!values.page) await measure(chosen, size, folders)
  await writePage(benchmarks, await readResults(folders.results), folders, size)
  console.log(`written: ${folders.page}`)
}

/** Every case leaves its file and a page with it, so that what is interrupted keeps what it has. */
async function measure(chosen: readonly Benchmark[], size: Size, folders: Folders): Promise<void> {
  const started = performance.now()
  const minutes = (): number => (performance.now() - started) / 60_000
  const roundsOf = (one: Benchmark): number => wholeNumber(values.rounds) ?? (size === 'quick' ? 1 : one.rounds)
  sayEstimate(chosen, roundsOf, await readResults(folders.results))
  const installed = await findInstalled()
  const folder = await mkdtemp(join(tmpdir(), 'dvoynik-bench-'))
  process.env.DVOYNIK_CACHE = join(folder, 'cache') // what engines keep does not mix with the user's
  try {
    const workshop = createWorkshop(folder, installed, size)
    for (const [i, one] of chosen.entries()) {
      if (minutes() > (wholeNumber(values.minutes) ?? Infinity)) {
        console.log(`[${i + 1}/${chosen.length}] ${one.name}: left out, the minutes are over`)
        continue
      }
      console.log(`[${i + 1}/${chosen.length}] ${one.title} (${minutes().toFixed(1)} min so far)`)
      const result = await runBenchmark(one, { size, rounds: roundsOf(one), installed, workshop, say: console.log })
      await writeResult(folders.results, result)
      await writePage(benchmarks, await readResults(folders.results), folders, size)
      console.log(`  ${one.name}: ${result.wallSeconds} s in all`)
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d*$/u.test(text)) return Number(text)
  throw new Error(`expected a positive whole number, received "${text}"`)
}

function sayEstimate(
  chosen: readonly Benchmark[],
  roundsOf: (one: Benchmark) => number,
  known: ReadonlyMap<string, Result>,
): void {
  const seconds = chosen.flatMap(one => {
    const last = known.get(one.name)
    return last ? [(last.wallSeconds / last.rounds) * roundsOf(one)] : []
  })
  const unknown = chosen.length - seconds.length
  const minutes = Math.ceil(seconds.reduce((sum, one) => sum + one, 0) / 60)
  if (seconds.length > 0) console.log(`about ${minutes} min for ${seconds.length} cases, as the last results have it`)
  if (unknown > 0) console.log(`${unknown} of ${chosen.length} cases were never measured here; all of them take some 25 min on two cores`) // prettier-ignore
}

async function main(): Promise<void> {
  if (values.work !== undefined) await runWork(JSON.parse(values.work) as NodeWork)
  else if (values.list) for (const { name, title } of benchmarks) console.log(`${name.padEnd(16)} ${title}`)
  else await bench()
}

await main().catch((thrown: unknown) => {
  console.error(asError(thrown).message)
  process.exitCode = 1
})
// Native threads of an engine would keep a finished process alive.
process.exit()
