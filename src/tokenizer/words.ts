// Remembers the ids of words already segmented: an open-addressed table over UTF-16 units, without substrings.
import type { IdList } from './id-list.js'

/** Longer words are rare and not worth their space. */
const longestWord = 64
const slots = 1 << 18
const mostWords = slots * 0.6

export interface WordCache {
  /** Appends the ids of `text.slice(from, to)` to `out` if known. `key` names the word for `remember`. */
  recall(text: string, from: number, to: number, out: IdList): boolean
  /** Stores what was appended to `out` since `idsFrom` for the word last asked for. */
  remember(text: string, from: number, to: number, out: IdList, idsFrom: number): void
}

export function createWordCache(): WordCache {
  const hashes = new Int32Array(slots)
  const wordAt = new Int32Array(slots).fill(-1)
  const wordLength = new Uint8Array(slots)
  const idsAt = new Int32Array(slots)
  const idsLength = new Uint16Array(slots)
  let units = new Uint16Array(1 << 16)
  let unitsUsed = 0
  let ids = new Uint32Array(1 << 16)
  let idsUsed = 0
  let words = 0
  let slot = 0
  let hash = 0

  function isWordAt(text: string, from: number, length: number): boolean {
    if (hashes[slot] !== hash || wordLength[slot] !== length) return false
    const at = wordAt[slot]
    for (let i = 0; i < length; i++) if (units[at + i] !== text.charCodeAt(from + i)) return false
    return true
  }

  return {
    recall(text, from, to, out) {
      hash = 0x811c9dc5
      for (let i = from; i < to; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
      hash ^= hash >>> 15
      slot = hash & (slots - 1)
      while (wordAt[slot] !== -1) {
        if (isWordAt(text, from, to - from)) {
          out.append(ids, idsAt[slot], idsLength[slot])
          return true
        }
        slot = (slot + 1) & (slots - 1)
      }
      return false
    },
    remember(text, from, to, out, idsFrom) {
      const length = to - from
      const count = out.length - idsFrom
      if (length > longestWord || words >= mostWords) return
      if (unitsUsed + length > units.length) units = doubled(units, n => new Uint16Array(n))
      while (idsUsed + count > ids.length) ids = doubled(ids, n => new Uint32Array(n))
      hashes[slot] = hash
      wordAt[slot] = unitsUsed
      wordLength[slot] = length
      idsAt[slot] = idsUsed
      idsLength[slot] = count
      for (let i = from; i < to; i++) units[unitsUsed++] = text.charCodeAt(i)
      for (let i = idsFrom; i < out.length; i++) ids[idsUsed++] = out.at(i)
      words++
    },
  }
}

function doubled<A extends Uint16Array | Uint32Array>(old: A, create: (length: number) => A): A {
  const grown = create(old.length * 2)
  grown.set(old)
  return grown
}
