// Changes logits by what was said before: bias, the three penalties of recent tokens, and DRY for repeated phrases.
import { badSetting } from '../train/setting-ranges.js'
import type { CompleteSettings } from './sampler-settings.js'

/** @throws AppError `bad-sampler` for an id beyond the vocabulary */
export function applyLogitBias(logits: Float32Array, { logitBias }: CompleteSettings): void {
  for (const [id, bias] of Object.entries(logitBias)) {
    if (Number(id) >= logits.length)
      throw badSetting('sampler', 'logitBias', { [id]: bias }, `ids below ${logits.length}`)
    logits[Number(id)] += bias
  }
}

// A logit above 0 is divided by the penalty, one below is multiplied: both make the token less likely. Each token once.
export function applyRepetitionPenalty(
  logits: Float32Array,
  { repetitionPenalty, repetitionRange }: CompleteSettings,
  recent: ArrayLike<number>,
): void {
  if (repetitionPenalty === 1) return
  for (const id of countRecent(recent, repetitionRange).keys())
    logits[id] = logits[id] > 0 ? logits[id] / repetitionPenalty : logits[id] * repetitionPenalty
}

// logit − presence − frequency · occurrences
export function applyPresenceAndFrequency(
  logits: Float32Array,
  { presencePenalty, frequencyPenalty, repetitionRange }: CompleteSettings,
  recent: ArrayLike<number>,
): void {
  if (presencePenalty === 0 && frequencyPenalty === 0) return
  for (const [id, times] of countRecent(recent, repetitionRange))
    logits[id] -= presencePenalty + frequencyPenalty * times
}

function countRecent(recent: ArrayLike<number>, range: number): Map<number, number> {
  const counts = new Map<number, number>()
  for (let i = firstOf(recent, range); i < recent.length; i++) counts.set(recent[i], (counts.get(recent[i]) ?? 0) + 1)
  return counts
}

function firstOf(recent: ArrayLike<number>, range: number): number {
  return range < 0 ? 0 : Math.max(0, recent.length - range)
}

/** Largest logarithm of a factor, so that a long phrase does not overflow: e^88 is near the end of float32. */
const largestLog = 88.7

// Don't Repeat Yourself (p-e-w 2024): a token that would make the text's end repeat a phrase of n earlier tokens loses
// multiplier · base^(n − allowed length), if n reaches the allowed length. A breaker ends phrases and is never penalised.
export function applyDry(
  logits: Float32Array,
  { dryMultiplier, dryBase, dryAllowedLength, dryRange, dryBreakers }: CompleteSettings,
  recent: ArrayLike<number>,
): void {
  if (dryMultiplier === 0) return
  const largest = dryBase > 1 ? Math.floor(largestLog / Math.log(dryBase)) : Infinity
  const breakers = new Set(dryBreakers)
  for (const [id, length] of repeatedPhrases(recent, firstOf(recent, dryRange), breakers)) {
    if (length >= dryAllowedLength && !breakers.has(id))
      logits[id] -= dryMultiplier * dryBase ** Math.min(length - dryAllowedLength, largest)
  }
}

/** For each token that once followed the text's end: the longest phrase before it that is also the end. */
function repeatedPhrases(
  recent: ArrayLike<number>,
  first: number,
  breakers: ReadonlySet<number>,
): ReadonlyMap<number, number> {
  const lengths = new Map<number, number>()
  const backwards = Array.from({ length: recent.length - first }, (_, i) => recent[recent.length - 1 - i])
  const breaker = backwards.findIndex(id => breakers.has(id))
  const limit = breaker < 0 ? backwards.length : breaker
  const shared = sharedBeginnings(backwards)
  for (let i = 1; i < backwards.length; i++) {
    const length = Math.min(shared[i], limit)
    const next = backwards[i - 1]
    if (length > (lengths.get(next) ?? 0)) lengths.set(next, length)
  }
  return lengths
}

/** Z-function: how many elements from each place on equal those from the beginning. Linear time. */
function sharedBeginnings(list: readonly number[]): Int32Array {
  const shared = new Int32Array(list.length)
  let [left, right] = [0, 0]
  for (let i = 1; i < list.length; i++) {
    let length = i < right ? Math.min(right - i, shared[i - left]) : 0
    while (i + length < list.length && list[length] === list[i + length]) length++
    shared[i] = length
    if (i + length > right) [left, right] = [i, i + length]
  }
  return shared
}
