// Turns logits into one token id: an ordered list of named functions, then a draw that depends on seed and place alone.
import { AppError } from '../base/errors.js'
import { streamOf, uniformAt } from '../base/random.js'

export interface SamplerSettings {
  /** 0 takes the most probable token. Default .8. */
  readonly temperature?: number
  /** Keep the k most probable tokens; 0 keeps all. Default 40. */
  readonly topK?: number
  /** Keep the fewest most probable tokens whose probabilities reach p; 1 keeps all. Default .95. */
  readonly topP?: number
  /** Keep tokens at least this share as probable as the best; 0 keeps all. Default 0. */
  readonly minP?: number
  /** Above 1 makes recent tokens less likely; 1 does nothing. Default 1.1. */
  readonly repetitionPenalty?: number
  /** How many last tokens, the prompt's included, are penalised; -1 is all of them. Default 64. */
  readonly repetitionRange?: number
}

export interface Sampler {
  readonly name: string
  /**
   * Changes the logits [V] in place and nothing else; -Infinity takes a token out.
   * @param recent all tokens so far, oldest first
   */
  apply(logits: Float32Array, settings: Required<SamplerSettings>, recent: ArrayLike<number>): void
}

const defaults: Required<SamplerSettings> = {
  temperature: 0.8,
  topK: 40,
  topP: 0.95,
  minP: 0,
  repetitionPenalty: 1.1,
  repetitionRange: 64,
}

/** The order of llama.cpp: what is kept does not depend on the temperature, which comes last. */
export const samplers: readonly Sampler[] = [
  { name: 'repetition-penalty', apply: applyRepetitionPenalty },
  { name: 'top-k', apply: (logits, { topK }) => keepTopK(logits, topK) },
  { name: 'top-p', apply: (logits, { topP }) => keepTopP(logits, topP) },
  { name: 'min-p', apply: (logits, { minP }) => keepMinP(logits, minP) },
  { name: 'temperature', apply: (logits, { temperature }) => divide(logits, temperature) },
]

/**
 * The next token.
 * @param logits [V], changed in place
 * @param place number of the draw; equal (seed, place) and logits give an equal token
 * @throws AppError `bad-sampler` for a setting out of range; `logits-not-finite` when no token can be chosen
 */
export function sampleToken(
  logits: Float32Array,
  recent: ArrayLike<number>,
  settings: SamplerSettings,
  draw: { readonly seed: number; readonly place: number },
): number {
  const complete = checkSettings(settings)
  if (complete.temperature === 0) {
    applyRepetitionPenalty(logits, complete, recent)
    return greedy(logits)
  }
  for (const sampler of samplers) sampler.apply(logits, complete, recent)
  return pick(logits, uniformAt(draw.seed, streamOf('sample'), draw.place))
}

// A logit above 0 is divided by the penalty, one below is multiplied: both make the token less likely. Each token once.
function applyRepetitionPenalty(
  logits: Float32Array,
  { repetitionPenalty, repetitionRange }: Required<SamplerSettings>,
  recent: ArrayLike<number>,
): void {
  if (repetitionPenalty === 1) return
  const start = repetitionRange < 0 ? 0 : Math.max(0, recent.length - repetitionRange)
  const seen = new Set<number>()
  for (let i = start; i < recent.length; i++) seen.add(recent[i])
  for (const id of seen) logits[id] = logits[id] > 0 ? logits[id] / repetitionPenalty : logits[id] * repetitionPenalty
}

function keepTopK(logits: Float32Array, k: number): void {
  if (k <= 0 || k >= logits.length) return
  keepBest(logits, k, logits.slice().sort())
}

// Walks from the best down until the probabilities reach p; the token that crosses the line stays.
function keepTopP(logits: Float32Array, p: number): void {
  if (p >= 1) return
  const sorted = logits.slice().sort()
  const best = sorted[sorted.length - 1]
  let total = 0
  for (let i = sorted.length - 1; i >= 0 && sorted[i] > -Infinity; i--) total += Math.exp(sorted[i] - best)
  let count = 0
  for (let sum = 0; sum < p * total && count < sorted.length; count++)
    sum += Math.exp(sorted[sorted.length - 1 - count] - best)
  keepBest(logits, Math.max(1, count), sorted)
}

/** Keeps the `count` largest; of equal ones those with the lower id. `sorted` rises. */
function keepBest(logits: Float32Array, count: number, sorted: Float32Array): void {
  const limit = sorted[sorted.length - count]
  let ties = 0
  for (let i = sorted.length - count; i < sorted.length && sorted[i] === limit; i++) ties++
  for (let id = 0; id < logits.length; id++) {
    if (logits[id] < limit || (logits[id] === limit && ties-- <= 0)) logits[id] = -Infinity
  }
}

// p ≥ minP · p_max is logit ≥ logit_max + ln minP
function keepMinP(logits: Float32Array, minP: number): void {
  if (minP <= 0) return
  const limit = Math.fround(logits[greedy(logits)] + Math.log(minP))
  for (let id = 0; id < logits.length; id++) if (logits[id] < limit) logits[id] = -Infinity
}

function divide(logits: Float32Array, temperature: number): void {
  for (let id = 0; id < logits.length; id++) logits[id] /= temperature
}

/** The largest logit; of equal ones the lowest id. @throws AppError `logits-not-finite` for NaN, +Infinity or nothing but -Infinity */
function greedy(logits: Float32Array): number {
  let best = -1
  for (let id = 0; id < logits.length; id++) {
    if (Number.isNaN(logits[id])) throw notFinite()
    if (logits[id] > (best < 0 ? -Infinity : logits[best])) best = id
  }
  if (best < 0 || logits[best] === Infinity) throw notFinite()
  return best
}

/** Draws from softmax(logits) with a number from [0, 1). */
function pick(logits: Float32Array, uniform: number): number {
  const best = logits[greedy(logits)]
  let total = 0
  for (let id = 0; id < logits.length; id++) total += Math.exp(logits[id] - best)
  let left = uniform * total
  let last = -1
  for (let id = 0; id < logits.length; id++) {
    const weight = Math.exp(logits[id] - best)
    if (weight === 0) continue
    last = id
    left -= weight
    if (left < 0) return id
  }
  return last // rounding left a crumb
}

const ranges: { readonly [K in keyof Required<SamplerSettings>]: (value: number) => boolean } = {
  temperature: value => value >= 0,
  topK: value => Number.isInteger(value) && value >= 0,
  topP: value => value > 0 && value <= 1,
  minP: value => value >= 0 && value <= 1,
  repetitionPenalty: value => value > 0,
  repetitionRange: value => Number.isInteger(value) && value >= -1,
}

function checkSettings(settings: SamplerSettings): Required<SamplerSettings> {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
  const complete = { ...defaults, ...given }
  for (const name of Object.keys(ranges) as (keyof SamplerSettings)[]) {
    if (!Number.isFinite(complete[name]) || !ranges[name](complete[name])) throw badSampler(name, complete[name])
  }
  return complete
}

const expected: { readonly [K in keyof Required<SamplerSettings>]: string } = {
  temperature: '≥ 0',
  topK: '0, 1, 2, …',
  topP: '0 < p ≤ 1',
  minP: '0 ≤ p ≤ 1',
  repetitionPenalty: '> 0',
  repetitionRange: '-1, 0, 1, …',
}

function badSampler(name: keyof SamplerSettings, value: number): AppError {
  return new AppError('bad-sampler', {
    where: `setting ${name}`,
    what: { en: `received ${value}`, ru: `получено ${value}` },
    fix: { en: `Allowed: ${expected[name]}`, ru: `Допустимо: ${expected[name]}` },
  })
}

function notFinite(): AppError {
  return new AppError('logits-not-finite', {
    what: { en: 'the model gave no finite score for any token', ru: 'модель не дала конечной оценки ни одному токену' },
    fix: {
      en: 'The weights are damaged or training diverged: use an earlier checkpoint',
      ru: 'Веса повреждены или обучение разошлось: возьмите более раннюю контрольную точку',
    },
  })
}
