// Turns a prompt into tokens and text, one at a time, until a stop token, a stop string, a limit or the user ends it.
import { AppError } from '../base/errors.js'
import type { Decoder } from '../model/step.js'
import type { Tokenizer } from '../tokenizer/tokenizer.js'
import type { SamplerSettings } from './sampler-settings.js'
import { sampleToken, type SamplerState } from './samplers.js'

export type FinishReason = 'stop' | 'max-tokens' | 'context-full' | 'aborted'

/** Most tokens made where nobody says otherwise. */
export const defaultMaxTokens = 256

export interface GenerateOptions {
  /** Default: the samplers' defaults. */
  readonly sampling?: SamplerSettings
  /** Most tokens made. Default 256. */
  readonly maxTokens?: number
  /** Tokens that end the text; they are not part of it. */
  readonly stopIds?: readonly number[]
  /** Equal seeds give equal text. Default 0. */
  readonly seed?: number
  /** Number of the first draw, so that a conversation can go on where it was saved. Default 0. */
  readonly firstDraw?: number
  /** Tokens already in the decoder's cache, for the repetition penalty. */
  readonly context?: ArrayLike<number>
  /** Tokens that the repetition penalty leaves alone: those of the template, which every turn repeats. */
  readonly neverPenalised?: readonly number[]
  readonly signal?: AbortSignal
}

/**
 * Appends the prompt to the decoder and yields token ids. The last token yielded is not in the cache.
 * @returns why it ended
 * @throws AppError `prompt-empty`; `context-full` when the prompt itself does not fit; errors of `sampleToken`
 */
export async function* generateTokens(
  decoder: Decoder,
  promptIds: ArrayLike<number>,
  options: GenerateOptions = {},
): AsyncGenerator<number, FinishReason> {
  const { maxTokens = defaultMaxTokens, stopIds = [], signal } = options
  checkPrompt(promptIds, decoder.length, decoder.capacity)
  const choose = createChooser(promptIds, options)
  let next = promptIds
  for (let made = 0; made < maxTokens; made++) {
    if (signal?.aborted) return 'aborted'
    if (decoder.length + next.length > decoder.capacity) return 'context-full'
    const id = choose(await decoder.append(next))
    if (stopIds.includes(id)) return 'stop'
    yield id
    next = [id]
  }
  return 'max-tokens'
}

/** @throws AppError `prompt-empty`; `context-full` when it does not fit beside `filled` tokens */
export function checkPrompt({ length }: ArrayLike<number>, filled: number, capacity: number): void {
  if (length === 0) throw promptEmpty()
  if (filled + length > capacity) throw contextFull(filled + length, capacity)
}

/** Chooses the tokens of one text, one after the other, each from the logits [V] that follow the one before. */
export function createChooser(
  promptIds: ArrayLike<number>,
  { sampling = {}, seed = 0, firstDraw = 0, context = [], neverPenalised = [] }: GenerateOptions,
): (logits: Float32Array) => number {
  const counts = (id: number): boolean => !neverPenalised.includes(id)
  const seen = [...Array.from(context), ...Array.from(promptIds)].filter(counts)
  const state: SamplerState = {}
  let place = firstDraw
  return logits => {
    // a copy: the decoder's own buffer must not be changed
    const id = sampleToken(logits.slice(), seen, sampling, { seed, place: place++ }, state)
    if (counts(id)) seen.push(id)
    return id
  }
}

export interface TextOptions extends GenerateOptions {
  /** Strings that end the text; they are not part of it and may lie across tokens. */
  readonly stops?: readonly string[]
  /** Told of each token made, a stop token excepted. */
  readonly onToken?: (id: number) => void
}

/**
 * Yields text as soon as it is certain: whole characters, and nothing that may be the start of a stop string.
 * @returns why it ended
 */
export async function* streamText(
  decoder: Decoder,
  tokenizer: Tokenizer,
  promptIds: ArrayLike<number>,
  options: TextOptions = {},
): AsyncGenerator<string, FinishReason> {
  const { stops = [], onToken } = options
  const text = tokenizer.decoder()
  const gate = createStopGate(stops)
  const tokens = generateTokens(decoder, promptIds, options)
  for (;;) {
    const result = await tokens.next()
    if (!result.done) onToken?.(result.value)
    const { out, stopped } = gate(result.done ? text.end() : text.push(result.value), result.done === true)
    if (out !== '') yield out
    if (stopped) return 'stop'
    if (result.done) return result.value
  }
}

/** Holds back the end of the text while it may still become a stop string. */
function createStopGate(stops: readonly string[]): (piece: string, last: boolean) => { out: string; stopped: boolean } {
  let held = ''
  return (piece, last) => {
    held += piece
    const found = stops.map(stop => held.indexOf(stop)).filter(at => at >= 0)
    if (found.length > 0) return { out: held.slice(0, Math.min(...found)), stopped: true }
    const kept = last ? 0 : Math.max(0, ...stops.map(stop => openEnd(held, stop)))
    const out = held.slice(0, held.length - kept)
    held = held.slice(held.length - kept)
    return { out, stopped: false }
  }
}

/** Length of the longest end of `text` that begins `stop`. */
function openEnd(text: string, stop: string): number {
  for (let n = Math.min(stop.length - 1, text.length); n > 0; n--) if (text.endsWith(stop.slice(0, n))) return n
  return 0
}

function promptEmpty(): AppError {
  return new AppError('prompt-empty', {
    what: { en: 'the prompt has no tokens', ru: 'в запросе нет ни одного токена' },
    fix: { en: 'Give at least one word', ru: 'Дайте хотя бы одно слово' },
  })
}

function contextFull(tokens: number, capacity: number): AppError {
  return new AppError('context-full', {
    what: {
      en: `the prompt makes ${tokens} tokens and the context holds ${capacity}`,
      ru: `в запросе ${tokens} токенов, а контекст вмещает ${capacity}`,
    },
    fix: { en: 'Shorten the prompt', ru: 'Сократите запрос' },
  })
}
