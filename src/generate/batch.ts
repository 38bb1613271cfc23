// Turns several prompts into tokens at once: each takes a row of the decoder, and leaves it to the next one when it ends.
import type { BatchDecoder } from '../model/step.js'
import { checkPrompt, createChooser, defaultMaxTokens, type FinishReason, type GenerateOptions } from './generate.js'

export interface BatchOptions extends Omit<GenerateOptions, 'firstDraw' | 'context'> {
  /** Of each prompt, in place of `seed`. Equal seeds give equal text, whatever stands in the other rows. */
  readonly seeds?: readonly number[]
  /** Told of each token made, a stop token excepted. */
  readonly onToken?: (prompt: number, id: number) => void
}

/** A prompt continued. */
export interface Continuation {
  readonly ids: readonly number[]
  readonly finished: FinishReason
}

/**
 * Continues every prompt as `generateTokens` would on its own. There may be more prompts than rows: they wait.
 * What stood in the rows is forgotten.
 * @returns in the order of the prompts; after an abort with what was made so far
 * @throws AppError `prompt-empty`; `context-full` when a prompt does not fit; errors of `sampleToken`
 */
export async function generateBatch(
  decoder: BatchDecoder,
  prompts: readonly ArrayLike<number>[],
  options: BatchOptions = {},
): Promise<readonly Continuation[]> {
  for (const prompt of prompts) checkPrompt(prompt, 0, decoder.capacity)
  const { maxTokens = defaultMaxTokens, signal } = options
  const texts = prompts.map((_, number) => ({ number, ids: [] as number[], finished: 'aborted' as FinishReason }))
  if (maxTokens === 0) return texts.map(({ ids }) => ({ ids, finished: 'max-tokens' }))
  const waiting = [...texts]
  const free = Array.from({ length: decoder.rows }, (_, row) => row)
  let running: Running[] = []
  while (!signal?.aborted && (running.length > 0 || waiting.length > 0)) {
    while (free.length > 0 && waiting.length > 0) {
      const text = waiting.shift()!
      const started = await start(decoder, free[0], text, prompts[text.number], options)
      if (started) running.push({ ...started, row: free.shift()! })
    }
    if (running.length === 0) continue
    const logits = await decoder.step(running.map(({ row, text }) => ({ row, id: text.ids.at(-1)! })))
    const ended = running.filter((sequence, i) => !goesOn(decoder, sequence, logits[i], options))
    free.push(...ended.map(({ row }) => row))
    running = running.filter(sequence => !ended.includes(sequence))
  }
  return texts.map(({ ids, finished }) => ({ ids, finished }))
}

interface Text {
  readonly number: number
  readonly ids: number[]
  finished: FinishReason
}

/** A text with its row and its draws. */
interface Running {
  readonly row: number
  readonly text: Text
  readonly choose: (logits: Float32Array) => number
}

/** @returns undefined when the text has ended with its first token */
async function start(
  decoder: BatchDecoder,
  row: number,
  text: Text,
  prompt: ArrayLike<number>,
  options: BatchOptions,
): Promise<Running | undefined> {
  decoder.truncate(row, 0)
  const choose = createChooser(prompt, { ...options, seed: options.seeds?.[text.number] ?? options.seed })
  const sequence = { row, text, choose }
  return goesOn(decoder, sequence, await decoder.append(row, prompt), options) ? sequence : undefined
}

/** Takes the next token; false when the text has ended. */
function goesOn(
  decoder: BatchDecoder,
  { row, text, choose }: Running,
  logits: Float32Array,
  { maxTokens = defaultMaxTokens, stopIds = [], onToken }: BatchOptions,
): boolean {
  const id = choose(logits)
  if (stopIds.includes(id)) text.finished = 'stop'
  else {
    text.ids.push(id)
    onToken?.(text.number, id)
    if (text.ids.length >= maxTokens) text.finished = 'max-tokens'
    else if (decoder.length(row) + 1 > decoder.capacity) text.finished = 'context-full'
    else return true
  }
  return false
}
