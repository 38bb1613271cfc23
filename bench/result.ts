// The runs of a benchmark to what is kept of it: medians and spread of every side, on which machine, beside which versions.
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../src/base/files.js'
import type { Figures, Outcome, Read, Side, Size } from './case.js'
import type { Machine } from './machine.js'
import { median } from './measure.js'

export interface SideResult {
  readonly name: string
  readonly kind: Side['kind']
  /** Why it did not run: what is not installed. */
  readonly skipped?: string
  /** Why a run of it ended without figures. */
  readonly failed?: string
  readonly about: Readonly<Record<string, string>>
  /** One entry for each round. */
  readonly runs: readonly Figures[]
  readonly median: Figures
  readonly least: Figures
  readonly most: Figures
}

/** A file of bench/results. */
export interface Result {
  readonly benchmark: string
  /** YYYY-MM-DD */
  readonly date: string
  readonly size: Size
  readonly rounds: number
  /** How long the whole benchmark took. */
  readonly wallSeconds: number
  readonly machine: Machine
  readonly sides: readonly SideResult[]
}

export function summarizeSide({ name, kind }: Side, outcomes: readonly Outcome[], failed?: string): SideResult {
  const runs = outcomes.map(({ figures }) => figures)
  const keys = [...new Set(runs.flatMap(Object.keys))]
  const over = (take: (values: readonly number[]) => number): Figures =>
    Object.fromEntries(keys.map(key => [key, take(runs.map(run => run[key]).filter(value => value !== undefined))]))
  return {
    name,
    kind,
    ...(failed === undefined ? {} : { failed }),
    about: Object.assign({}, ...outcomes.map(({ about }) => about)) as Record<string, string>,
    runs,
    median: over(median),
    least: over(values => Math.min(...values)),
    most: over(values => Math.max(...values)),
  }
}

export function skippedSide({ name, kind }: Side, reason: string): SideResult {
  return { name, kind, skipped: reason, about: {}, runs: [], median: {}, least: {}, most: {} }
}

/** Reads medians: of the benchmark given, where no other is named. */
export function createReader(results: ReadonlyMap<string, Result>, own: string): Read {
  return (side, figure, benchmark = own) =>
    results.get(benchmark)?.sides.find(({ name }) => name === side)?.median[figure]
}

export async function writeResult(folder: string, result: Result): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFileAtomic(join(folder, `${result.benchmark}.json`), JSON.stringify(result, rounded, 2) + '\n')
}

/** Five digits are more than any clock here has. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value
}

/** All results of a folder by the name of their benchmark; none when there is no folder. */
export async function readResults(folder: string): Promise<ReadonlyMap<string, Result>> {
  const names = await readdir(folder).catch(() => [])
  const results = new Map<string, Result>()
  for (const name of names.filter(one => one.endsWith('.json'))) {
    const result = JSON.parse(await readFile(join(folder, name), 'utf8')) as Result
    results.set(result.benchmark, result)
  }
  return results
}
