// Takes improbable (XTC: too probable) tokens out of logits, each rule by its own measure; at least one token stays.
import { streamOf, uniformAt } from '../base/random.js'
import { bestToken } from './draw.js'
import type { CompleteSettings } from './sampler-settings.js'

export function keepTopK(logits: Float32Array, { topK }: CompleteSettings): void {
  if (topK <= 0 || topK >= logits.length) return
  const sorted = topK <= largestHeap ? largestOf(logits, topK) : logits.slice().sort()
  keepBest(logits, topK, sorted)
}

// Walks from the best down until the probabilities reach p; the token that crosses the line stays.
export function keepTopP(logits: Float32Array, { topP }: CompleteSettings): void {
  if (topP >= 1) return
  const best = logits[bestToken(logits)]
  const candidates = notBelow(logits, -largestFloat)
  let total = 0
  for (const logit of candidates) total += Math.exp(logit - best)
  const near = notBelow(candidates, best - nearLogits)
  let reached = 0
  for (const logit of near) reached += Math.exp(logit - best)
  const sorted = (reached * (1 - 1e-9) > topP * total ? near : candidates).sort()
  let count = 0
  for (let sum = 0; sum < topP * total && count < sorted.length; count++)
    sum += Math.exp(sorted[sorted.length - 1 - count] - best)
  keepBest(logits, Math.max(1, count), sorted)
}

const largestFloat = 3.4028234663852886e38

/** Those not below a limit, in their order: a loop, as calling a function for each takes ten times as long. */
function notBelow(logits: Float32Array, limit: number): Float32Array {
  const kept = new Float32Array(logits.length)
  let count = 0
  for (let id = 0; id < logits.length; id++) if (logits[id] >= limit) kept[count++] = logits[id]
  return kept.subarray(0, count)
}

/** A heap beats sorting a whole vocabulary up to about here. */
const largestHeap = 1024
/** Tokens that much below the best are looked at only when those above do not reach p: e^−10 of its probability. */
const nearLogits = 10

/** The `count` largest, rising, by a heap with the least of them on top. */
function largestOf(logits: Float32Array, count: number): Float32Array {
  const heap = logits.slice(0, count).sort() // what rises is a heap
  for (let id = count; id < logits.length; id++) if (logits[id] > heap[0]) replaceLeast(heap, logits[id])
  return heap.sort()
}

function replaceLeast(heap: Float32Array, value: number): void {
  let place = 0
  for (;;) {
    let child = 2 * place + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && heap[child + 1] < heap[child]) child++
    if (heap[child] >= value) break
    heap[place] = heap[child]
    place = child
  }
  heap[place] = value
}

/** Keeps the `count` largest; of equal ones those with the lower id. `sorted` rises and holds at least these. */
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
