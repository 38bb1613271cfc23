// Work done several times inside one process to medians, processor time and the peak of resident memory.
import { readFileSync } from 'node:fs'

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

export interface Timed {
  readonly seconds: number
  /** User and system time of all threads. */
  readonly cpuSeconds: number
}

export async function timed(work: () => unknown): Promise<Timed> {
  const cpu = process.cpuUsage()
  const started = performance.now()
  await work()
  const seconds = (performance.now() - started) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return { seconds, cpuSeconds: (user + system) / 1e6 }
}

/** Runs the work `count` times after `warmup` runs that do not count. */
export async function timeRuns(count: number, warmup: number, work: () => unknown): Promise<Timed> {
  for (let i = 0; i < warmup; i++) await work()
  const runs: Timed[] = []
  for (let i = 0; i < count; i++) runs.push(await timed(work))
  return { seconds: median(runs.map(run => run.seconds)), cpuSeconds: median(runs.map(run => run.cpuSeconds)) }
}

/** Most bytes this process ever had in memory: the kernel's VmHWM, or getrusage where there is no /proc. */
export function peakBytes(): number {
  try {
    const line = /^VmHWM:\s+(\d+) kB$/mu.exec(readFileSync('/proc/self/status', 'utf8'))
    if (line) return Number(line[1]) * 1024
  } catch {
    // not Linux
  }
  return process.resourceUsage().maxRSS * 1024
}
