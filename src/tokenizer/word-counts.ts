// Texts to the distinct words a trainer works on, with counts: words end before spaces and wherever no piece may reach across.
import { createAddedTokens, type AddedTokens } from './added-tokens.js'
import { codePointAt } from './character-symbols.js'
import { createScriptOf, inheritedScript, isDigit } from './scripts.js'

export interface WordCounts {
  add(text: string): void
  readonly distinct: number
  /** Words counted with repetition. */
  readonly total: number
  readonly characters: number
  /** Visits each distinct word in the order of first occurrence; spaces are U+2581. */
  forEach(visit: (units: Uint16Array, from: number, to: number, count: number) => void): void
}

export interface WordCountOptions {
  /** Cut out of the text before anything is counted. */
  readonly userDefined: readonly string[]
  readonly addDummyPrefix: boolean
}

const mark = 0x2581
const digit = 254
const unknownScript = 255

export function createWordCounts({ userDefined, addDummyPrefix }: WordCountOptions): WordCounts {
  const table = createWordTable()
  const added: AddedTokens = createAddedTokens(new Map(userDefined.map((text, id) => [text, id])))
  const scripts = createScriptTable()
  let characters = 0

  /** Two neighbours that can never share a piece: another script, a digit, or a space that begins the next word. */
  function addStretch(text: string, from: number, to: number): void {
    let start = from
    let script = 0
    for (let i = from; i < to;) {
      const codePoint = codePointAt(text, i)
      const end = i + (codePoint > 0xffff ? 2 : 1)
      const own = scripts(codePoint)
      const isSpace = codePoint === 0x20 || codePoint === mark
      const cut =
        isSpace || own === digit || script === digit || (own > inheritedScript && script !== 0 && own !== script)
      if (cut && i > start) {
        table.add(text, start, i)
        start = i
        script = 0
      }
      if (own !== inheritedScript && !isSpace) script = own
      characters++
      i = end
    }
    if (to > start) table.add(text, start, to)
  }

  return {
    add(text) {
      const whole = addDummyPrefix && text !== '' ? '\u2581' + text : text
      let at = 0
      for (
        let match = added.find(whole, 0, whole.length, 'all');
        match;
        match = added.find(whole, at, whole.length, 'all')
      ) {
        addStretch(whole, at, match.start)
        at = match.end
      }
      addStretch(whole, at, whole.length)
    },
    get distinct() {
      return table.distinct
    },
    get total() {
      return table.total
    },
    get characters() {
      return characters
    },
    forEach: table.forEach,
  }
}

function createScriptTable(): (codePoint: number) => number {
  const scriptOf = createScriptOf()
  const basic = new Uint8Array(0x10000).fill(unknownScript)
  const look = (codePoint: number) => (isDigit(codePoint) ? digit : codePoint === 0x20 ? 0 : scriptOf(codePoint))
  return codePoint => {
    if (codePoint > 0xffff) return look(codePoint)
    if (basic[codePoint] === unknownScript) basic[codePoint] = look(codePoint)
    return basic[codePoint]
  }
}

interface WordTable {
  add(text: string, from: number, to: number): void
  readonly distinct: number
  readonly total: number
  forEach: WordCounts['forEach']
}

/** Open addressing over UTF-16 units, grown by doubling; no substring is ever made. */
function createWordTable(): WordTable {
  let slots = new Int32Array(1 << 16).fill(-1)
  let hashes = new Int32Array(1 << 15)
  let counts = new Float64Array(1 << 15)
  let ends = new Int32Array(1 << 15)
  let units = new Uint16Array(1 << 18)
  let distinct = 0
  let total = 0
  const startOf = (word: number) => (word === 0 ? 0 : ends[word - 1])

  function equals(word: number, text: string, from: number, to: number): boolean {
    const start = startOf(word)
    if (ends[word] - start !== to - from) return false
    for (let i = from; i < to; i++) if (units[start + i - from] !== unitAt(text, i)) return false
    return true
  }

  function insert(text: string, from: number, to: number, hash: number): number {
    const start = startOf(distinct)
    if (distinct === hashes.length) {
      hashes = grow(hashes, new Int32Array(distinct * 2))
      counts = grow(counts, new Float64Array(distinct * 2))
      ends = grow(ends, new Int32Array(distinct * 2))
    }
    const needed = start + to - from
    if (needed > units.length) units = grow(units, new Uint16Array(Math.max(needed, units.length * 2)))
    for (let i = from; i < to; i++) units[start + i - from] = unitAt(text, i)
    hashes[distinct] = hash
    ends[distinct] = needed
    return distinct++
  }

  function rehash(): void {
    slots = new Int32Array(slots.length * 2).fill(-1)
    const mask = slots.length - 1
    for (let word = 0; word < distinct; word++) {
      let slot = hashes[word] & mask
      while (slots[slot] >= 0) slot = (slot + 1) & mask
      slots[slot] = word
    }
  }

  return {
    add(text, from, to) {
      let hash = 0x811c9dc5
      for (let i = from; i < to; i++) hash = Math.imul(hash ^ unitAt(text, i), 0x01000193)
      hash ^= hash >>> 15
      const mask = slots.length - 1
      let slot = hash & mask
      while (slots[slot] >= 0 && !(hashes[slots[slot]] === hash && equals(slots[slot], text, from, to)))
        slot = (slot + 1) & mask
      if (slots[slot] < 0) slots[slot] = insert(text, from, to, hash)
      counts[slots[slot]]++
      total++
      if (distinct * 2 > slots.length) rehash()
    },
    get distinct() {
      return distinct
    },
    get total() {
      return total
    },
    forEach(visit) {
      for (let word = 0; word < distinct; word++) visit(units, startOf(word), ends[word], counts[word])
    },
  }
}

/** A space counts as U+2581, half a surrogate pair as U+FFFD. */
function unitAt(text: string, at: number): number {
  const unit = text.charCodeAt(at)
  if (unit === 0x20) return mark
  if (unit < 0xd800 || unit > 0xdfff) return unit
  const isHigh = unit < 0xdc00
  const partner = text.charCodeAt(isHigh ? at + 1 : at - 1)
  const paired = isHigh ? partner >= 0xdc00 && partner <= 0xdfff : partner >= 0xd800 && partner <= 0xdbff
  return paired ? unit : 0xfffd
}

function grow<A extends Int32Array | Float64Array | Uint16Array>(old: A, grown: A): A {
  grown.set(old)
  return grown
}
