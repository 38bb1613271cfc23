// The log of a run, events.jsonl: one JSON line per event, cut back to the resumed step so that a broken run reads like an unbroken one.
import { open, readFile, truncate } from 'node:fs/promises'
import { exists } from '../base/files.js'

interface StartEvent {
  readonly event: 'start'
  readonly step: 0
  /** Optimizer steps in the whole run. */
  readonly steps: number
  readonly stepsPerEpoch: number
  /** Trained numbers. */
  readonly parameters: number
}

export interface StepEvent {
  readonly event: 'step'
  /** Steps taken, from 1. */
  readonly step: number
  /** Mean over the counted tokens of the effective batch, nats per token. */
  readonly lossNats: number
  readonly learningRate: number
  /** Before clipping. */
  readonly gradientNorm: number
  /** Counted tokens. */
  readonly tokens: number
  /** All tokens of the step, counted or not, per second. */
  readonly tokensPerSecond: number
  readonly rssBytes: number
}

export interface EvaluationEvent {
  readonly event: 'evaluation'
  readonly step: number
  /** Mean over the held-out tokens, nats per token. */
  readonly lossNats: number
  readonly tokens: number
  readonly bitsPerByte?: number
  readonly seconds: number
}

interface SampleEvent {
  readonly event: 'sample'
  readonly step: number
  readonly prompt: string
  readonly text: string
}

/** What computes from this step on, e.g. `openvino 2026.4.1`: where a run begins, and where one engine is left for another. */
interface EngineEvent {
  readonly event: 'engine'
  readonly step: number
  readonly engine: string
}

export type RunEvent = StartEvent | EngineEvent | StepEvent | EvaluationEvent | SampleEvent

/** Fields that differ between equal runs. */
export const timingFields = ['tokensPerSecond', 'rssBytes', 'seconds'] as const

export interface RunLog {
  append(event: RunEvent): Promise<void>
  /** Makes what was appended survive power loss. */
  sync(): Promise<void>
  close(): Promise<void>
}

/**
 * Opens the log for appending and takes away every line beyond `step`, and a line that a crash cut short.
 * @param step the resumed step; -1 for a run that starts anew
 */
export async function openRunLog(path: string, step: number): Promise<RunLog> {
  if (await exists(path)) await truncate(path, keptBytes(await readFile(path), step))
  const file = await open(path, 'a', 0o600)
  return {
    append: async event => void (await file.appendFile(JSON.stringify(event) + '\n')),
    sync: () => file.sync(),
    close: () => file.close(),
  }
}

/** Length of the leading whole lines whose step is at most `step`. */
function keptBytes(data: Buffer, step: number): number {
  let kept = 0
  for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, kept)) {
    const event = parseEvent(data.toString('utf8', kept, end))
    if (!event || event.step > step) return kept
    kept = end + 1
  }
  return kept
}

/** All events of a log; a last line that is still being written is left out. @throws SyntaxError never */
export async function readRunLog(path: string): Promise<RunEvent[]> {
  if (!(await exists(path))) return []
  return (await readFile(path, 'utf8')).split('\n').flatMap(line => parseEvent(line) ?? [])
}

function parseEvent(line: string): RunEvent | undefined {
  try {
    return JSON.parse(line) as RunEvent
  } catch {
    return undefined
  }
}

/** One row per step, the evaluation of the same step beside it; numbers as JavaScript writes them. */
export function runLogCsv(events: readonly RunEvent[]): string {
  const rows = new Map<number, Record<string, unknown>>()
  for (const event of events) {
    const row = rows.get(event.step) ?? { step: event.step }
    if (event.event === 'step') Object.assign(row, event)
    else if (event.event === 'evaluation')
      Object.assign(row, { heldOutLossNats: event.lossNats, bitsPerByte: event.bitsPerByte })
    else continue
    rows.set(event.step, row)
  }
  const lines = [...rows.values()].map(row => csvColumns.map(name => String(row[name] ?? '')).join(','))
  return [csvColumns.join(','), ...lines].join('\n') + '\n'
}

const csvColumns = [
  'step',
  'lossNats',
  'learningRate',
  'gradientNorm',
  'tokens',
  'tokensPerSecond',
  'rssBytes',
  'heldOutLossNats',
  'bitsPerByte',
] as const
