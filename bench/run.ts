// The benchmark command: cases to JSON files in bench/results, and those to docs/benchmarks.md with its charts.
// npm run bench [-- CASE... --rounds N --quick --list --page --out FOLDER]
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
import { readResults, writeResult } from './result.js'
import { runBenchmark } from './rounds.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    page: { type: 'boolean', default: false },
    out: { type: 'string' },
    work: { type: 'string' },
  },
})

/** Results and page: those of the repository, or all in one folder. Quick results never replace measured ones. */
function chooseFolders(size: Size): { results: string; page: string; images: string } {
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
  const known = await readResults(folders.results)
  if (!values.page) {
    sayEstimate(chosen.map(({ name }) => known.get(name)?.wallSeconds))
    const installed = await findInstalled()
    const folder = await mkdtemp(join(tmpdir(), 'dvoynik-bench-'))
    try {
      const workshop = createWorkshop(folder, installed, size)
      for (const [i, one] of chosen.entries()) {
        console.log(`[${i + 1}/${chosen.length}] ${one.title}`)
        const rounds = values.rounds === undefined ? (values.quick ? 1 : one.rounds) : Number(values.rounds)
        const result = await runBenchmark(one, { size, rounds, installed, workshop, say: console.log })
        await writeResult(folders.results, result)
        console.log(`  ${one.name}: ${result.wallSeconds} s in all`)
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
  await writePage(benchmarks, await readResults(folders.results), folders, size)
  console.log(`written: ${folders.page}`)
}

function sayEstimate(seconds: readonly (number | undefined)[]): void {
  const told = seconds.filter(one => one !== undefined)
  const unknown = seconds.length - told.length
  const minutes = Math.ceil(told.reduce((sum, one) => sum + one, 0) / 60)
  const rest = unknown > 0 ? `; ${unknown} of ${seconds.length} cases were never measured here` : ''
  if (told.length > 0) console.log(`about ${minutes} min, as the last results have it${rest}`)
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
