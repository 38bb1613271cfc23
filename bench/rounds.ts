// The sides of a benchmark to their figures: each run in a fresh process, every other round in the opposite order.
import { asError } from '../src/base/errors.js'
import type { Benchmark, Outcome, Side, Size } from './case.js'
import { describeMachine, type Installed } from './machine.js'
import { runProcess } from './process.js'
import type { Workshop } from './prepare.js'
import { skippedSide, summarizeSide, type Result, type SideResult } from './result.js'

interface RoundsOptions {
  readonly size: Size
  readonly rounds: number
  readonly installed: Installed
  readonly workshop: Workshop
  /** Told of each run before it starts and after it ended. */
  readonly say: (text: string) => void
}

/** Runs longer than this are ended. */
const limitSeconds = 300

interface Progress {
  readonly outcomes: Outcome[]
  failed?: string
}

export async function runBenchmark(benchmark: Benchmark, options: RoundsOptions): Promise<Result> {
  const { size, rounds, installed } = options
  const started = performance.now()
  const sides = benchmark.sides(size)
  const progress = new Map<Side, Progress>(sides.map(side => [side, { outcomes: [] }]))
  const present = sides.filter(side => missing(side, installed) === undefined)
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? present : [...present].reverse()
    for (const side of order) await runSide(side, progress.get(side)!, `${benchmark.name} ${round + 1}/${rounds}`, options) // prettier-ignore
  }
  return {
    benchmark: benchmark.name,
    date: new Date().toISOString().slice(0, 10),
    size,
    rounds,
    wallSeconds: Math.round((performance.now() - started) / 1000),
    machine: describeMachine(),
    sides: sides.map(side => resultOf(side, progress.get(side)!, installed)),
  }
}

/** A side that failed once is not tried again. */
async function runSide(side: Side, progress: Progress, where: string, options: RoundsOptions): Promise<void> {
  if (progress.failed !== undefined) return
  const started = performance.now()
  const seconds = (): string => `${((performance.now() - started) / 1000).toFixed(0)} s`
  try {
    const work = await options.workshop.prepare(side.work)
    progress.outcomes.push(await runProcess(work, { python: options.installed.python, limitSeconds }))
    options.say(`${where}  ${side.name}: done in ${seconds()}`)
  } catch (thrown) {
    progress.failed = asError(thrown).message
    options.say(`${where}  ${side.name}: failed after ${seconds()} (${progress.failed})`)
  }
}

function missing({ needs }: Side, { versions }: Installed): string | undefined {
  const absent = needs.filter(need => versions[need] === undefined)
  return absent.length > 0 ? `not installed: ${absent.join(', ')}` : undefined
}

function resultOf(side: Side, { outcomes, failed }: Progress, installed: Installed): SideResult {
  const reason = missing(side, installed)
  return reason === undefined ? summarizeSide(side, outcomes, failed) : skippedSide(side, reason)
}
