// Takes improbable (XTC: too probable) tokens out of logits, each rule by its own measure; at least one token stays.
import { streamOf, uniformAt } from '../base/random.js'
import { bestToken } from './draw.js'
import type { CompleteSettings } from './sampler-settings.js'

export function keepTopK(logits: Float32Array, { topK }: CompleteSettings): void {
  if (topK <= 0 || topK >= logits.length) return
  keepBest(logits, topK, logits.slice().sort())
}

// Walks from the best down until the probabilities reach p; the token that crosses the line stays.
export function keepTopP(logits: Float32Array, { topP }: CompleteSettings): void {
  if (topP >= 1) return
  const sorted = logits.slice().sort()
  const best = sorted[sorted.length - 1]
  let total = 0
  for (let i = sorted.length - 1; i >= 0 && sorted[i] > -Infinity; i--) total += Math.exp(sorted[i] - best)
  let count = 0
  for (let sum = 0; sum < topP * total && count < sorted.length; count++)
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
export function keepMinP(logits: Float32Array, { minP }: CompleteSettings): void {
  if (minP <= 0) return
  const limit = Math.fround(logits[bestToken(logits)] + Math.log(minP))
  for (let id = 0; id < logits.length; id++) if (logits[id] < limit) logits[id] = -Infinity
}

// Locally typical (Meister et al. 2022): by rising |−ln p − entropy| until the probabilities reach p
export function keepTypical(logits: Float32Array, { typicalP }: CompleteSettings): void {
  if (typicalP >= 1) return
  const { ids, logProbabilities } = logSoftmax(logits)
  let entropy = 0
  for (const x of logProbabilities) entropy -= Math.exp(x) * x
  const distance = logProbabilities.map(x => Math.abs(-x - entropy))
  const order = ids.map((_, i) => i).sort((a, b) => distance[a] - distance[b])
  let sum = 0
  for (const i of order) {
    if (sum >= typicalP) logits[ids[i]] = -Infinity
    else sum += Math.exp(logProbabilities[i])
  }
}

// Exclude Top Choices (p-e-w 2024): of the tokens at least as probable as the threshold only the least probable stays
export function excludeTopChoices(
  logits: Float32Array,
  { xtcProbability, xtcThreshold }: CompleteSettings,
  { seed, place }: { readonly seed: number; readonly place: number },
): void {
  if (xtcProbability === 0 || uniformAt(seed, streamOf('xtc'), place) >= xtcProbability) return
  const { ids, logProbabilities } = logSoftmax(logits)
  const good = ids.map((_, i) => i).filter(i => Math.exp(logProbabilities[i]) >= xtcThreshold)
  const last = good.reduce((least, i) => (logProbabilities[i] <= logProbabilities[least] ? i : least), good[0])
  for (const i of good) if (i !== last) logits[ids[i]] = -Infinity
}

/** Takes out every token whose surprise −log₂ p exceeds the limit, the best excepted. */
export function limitSurprise(logits: Float32Array, limitBits: number): void {
  const { ids, logProbabilities } = logSoftmax(logits)
  const best = bestToken(logits)
  ids.forEach((id, i) => {
    if (id !== best && -logProbabilities[i] / Math.LN2 > limitBits) logits[id] = -Infinity
  })
}

/** Natural logarithms of the probabilities of the tokens still in, in float64, and their ids. */
function logSoftmax(logits: Float32Array): { readonly ids: number[]; readonly logProbabilities: number[] } {
  const best = logits[bestToken(logits)]
  const ids: number[] = []
  let total = 0
  for (let id = 0; id < logits.length; id++) {
    if (logits[id] === -Infinity) continue
    ids.push(id)
    total += Math.exp(logits[id] - best)
  }
  const shift = best + Math.log(total)
  return { ids, logProbabilities: ids.map(id => logits[id] - shift) }
}
