// The nearest known name for a mistyped one, for "did you mean" in errors.
import { distance } from 'fastest-levenshtein'

/** The candidate within a third of the word's length in edits (at least 2), or undefined. Case is ignored. */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  const limit = Math.max(2, Math.ceil(name.length / 3))
  let best: string | undefined
  let bestDistance = limit + 1
  for (const candidate of candidates) {
    const d = distance(name.toLowerCase(), candidate.toLowerCase())
    if (d < bestDistance) [best, bestDistance] = [candidate, d]
  }
  return best
}
