// The run log once more as a TensorBoard event file, beside events.jsonl; cut back in the same way when a run goes on.
import { open, readFile, truncate } from 'node:fs/promises'
import { exists } from '../base/files.js'
import { boardFileVersion, decodeBoardEvents, encodeBoardEvent, type BoardEvent } from '../formats/events.js'
import type { EvaluationEvent, RunEvent, RunLog, StepEvent } from './run-log.js'

/** TensorBoard looks for `tfevents` in the name. */
export const boardLogFile = 'events.out.tfevents.dvoynik'

/**
 * Opens the event file for appending and takes away what lies beyond `step` or was cut short.
 * @param step the resumed step; -1 for a run that starts anew
 * @throws AppError `bad-event-file`
 */
export async function openBoardLog(path: string, step: number): Promise<RunLog> {
  const kept = (await exists(path)) ? keptBytes(await readFile(path), path, step) : 0
  if (await exists(path)) await truncate(path, kept)
  const file = await open(path, 'a', 0o600)
  const write = async (event: Omit<BoardEvent, 'wallTime'>): Promise<void> =>
    file.appendFile(encodeBoardEvent({ wallTime: Date.now() / 1000, ...event }))
  if (kept === 0) await write({ step: 0, fileVersion: boardFileVersion })
  return {
    append: async event => {
      const shown = boardEventOf(event)
      if (shown) await write(shown)
    },
    sync: () => file.sync(),
    close: () => file.close(),
  }
}

/** Writes every event to all logs. */
export function joinLogs(logs: readonly RunLog[]): RunLog {
  const each = async (act: (log: RunLog) => Promise<void>): Promise<void> => {
    for (const log of logs) await act(log)
  }
  return {
    append: event => each(log => log.append(event)),
    sync: () => each(log => log.sync()),
    close: () => each(log => log.close()),
  }
}

function keptBytes(data: Uint8Array, path: string, step: number): number {
  let kept = 0
  for (const { event, end } of decodeBoardEvents(data, path)) {
    if (event.step > step) break
    kept = end
  }
  return kept
}

function boardEventOf(event: RunEvent): Omit<BoardEvent, 'wallTime'> | undefined {
  const { step } = event
  if (event.event === 'step') return { step, scalars: stepScalars(event) }
  if (event.event === 'evaluation') return { step, scalars: evaluationScalars(event) }
  if (event.event === 'sample') return { step, texts: { [`sample/${event.prompt}`]: event.text } }
  return undefined
}

function stepScalars({ lossNats, learningRate, gradientNorm, tokensPerSecond, rssBytes }: StepEvent) {
  return {
    'loss/train': lossNats,
    learning_rate: learningRate,
    gradient_norm: gradientNorm,
    'speed/tokens_per_second': tokensPerSecond,
    'memory/rss_megabytes': rssBytes / 1e6,
  }
}

function evaluationScalars({ lossNats, bitsPerByte }: EvaluationEvent) {
  return { 'loss/held_out': lossNats, ...(bitsPerByte !== undefined && { 'loss/bits_per_byte': bitsPerByte }) }
}
