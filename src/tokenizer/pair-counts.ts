// Counts of neighbouring symbols over distinct words, kept right while pairs are merged; the most frequent pair comes first.

/** What the counts need to know of the symbols; symbols are added while training. */
export interface SymbolTable {
  text(symbol: number): string
  /** Length in code points. */
  lengthOf(symbol: number): number
  mayJoin(left: number, right: number): boolean
}

export interface PairCounts {
  /** Takes the most frequent pair out: ties go to the shorter, then to the bytewise smaller string. Undefined when nothing is left. */
  takeBest():
    { readonly pair: number; readonly left: number; readonly right: number; readonly count: number } | undefined
  /** Replaces the pair by `symbol` in all words. */
  merge(pair: number, symbol: number): void
}

/**
 * @param symbols symbols of all words, one after another; changed in place
 * @param starts where each word begins, and the end of the last
 */
export function createPairCounts(
  symbols: Int32Array,
  starts: Int32Array,
  frequencies: Float64Array,
  table: SymbolTable,
): PairCounts {
  const words = frequencies.length
  const ends = starts.slice(1)
  const pairs = createPairIndex()
  const occurrences = createOccurrences()
  const queue = createQueue(pairs, table)

  function add(left: number, right: number, frequency: number, word: number): number {
    let pair = pairs.find(left, right)
    if (pair < 0) {
      if (!table.mayJoin(left, right)) return -1
      pair = pairs.insert(left, right)
      occurrences.open(pair)
    }
    pairs.counts[pair] += frequency
    occurrences.add(pair, word)
    return pair
  }

  for (let word = 0; word < words; word++)
    for (let i = starts[word] + 1; i < ends[word]; i++) add(symbols[i - 1], symbols[i], frequencies[word], word)
  for (let pair = 0; pair < pairs.length; pair++) queue.push(pair)

  /** Subtracts every pair that a match touches, then writes the word anew. Returns whether there was a match. */
  function rewrite(word: number, left: number, right: number, symbol: number): boolean {
    const from = starts[word]
    const end = ends[word]
    let to = from
    let subtracted = from - 1
    for (let i = from; i < end;) {
      if (symbols[i] !== left || i + 1 >= end || symbols[i + 1] !== right) {
        symbols[to++] = symbols[i++]
        continue
      }
      for (let k = Math.max(i - 1, subtracted + 1, from); k <= Math.min(i + 1, end - 2); k++) {
        const pair = pairs.find(symbols[k], symbols[k + 1])
        if (pair >= 0) pairs.counts[pair] -= frequencies[word]
        subtracted = k
      }
      symbols[to++] = symbol
      i += 2
    }
    ends[word] = to
    return to < end
  }

  return {
    takeBest: queue.takeBest,
    merge(pair, symbol) {
      const left = pairs.lefts[pair]
      const right = pairs.rights[pair]
      const touched = new Set<number>()
      occurrences.drain(pair, word => {
        if (!rewrite(word, left, right, symbol)) return
        for (let i = starts[word] + 1; i < ends[word]; i++) {
          if (symbols[i - 1] !== symbol && symbols[i] !== symbol) continue
          const grown = add(symbols[i - 1], symbols[i], frequencies[word], word)
          if (grown >= 0) touched.add(grown)
        }
      })
      for (const grown of touched) queue.push(grown)
    },
  }
}

interface PairIndex {
  lefts: Int32Array
  rights: Int32Array
  /** -Infinity marks a pair that is done with. */
  counts: Float64Array
  length: number
  find(left: number, right: number): number
  insert(left: number, right: number): number
}

function createPairIndex(): PairIndex {
  let slots = new Int32Array(1 << 16).fill(-1)
  const hash = (left: number, right: number) => {
    const h = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)
    return h ^ (h >>> 15)
  }
  const freeSlot = (left: number, right: number) => {
    const mask = slots.length - 1
    let slot = hash(left, right) & mask
    while (slots[slot] >= 0 && (index.lefts[slots[slot]] !== left || index.rights[slots[slot]] !== right))
      slot = (slot + 1) & mask
    return slot
  }
  const index: PairIndex = {
    lefts: new Int32Array(1 << 15),
    rights: new Int32Array(1 << 15),
    counts: new Float64Array(1 << 15),
    length: 0,
    find: (left, right) => slots[freeSlot(left, right)],
    insert(left, right) {
      if (index.length === index.lefts.length) {
        index.lefts = grown(index.lefts, new Int32Array(index.length * 2))
        index.rights = grown(index.rights, new Int32Array(index.length * 2))
        index.counts = grown(index.counts, new Float64Array(index.length * 2))
        slots = new Int32Array(slots.length * 2).fill(-1)
        for (let pair = 0; pair < index.length; pair++) slots[freeSlot(index.lefts[pair], index.rights[pair])] = pair
      }
      const pair = index.length
      slots[freeSlot(left, right)] = pair
      index.lefts[pair] = left
      index.rights[pair] = right
      index.length++
      return pair
    },
  }
  return index
}

interface Occurrences {
  open(pair: number): void
  /** A word may be noted twice, but not twice in a row. */
  add(pair: number, word: number): void
  /** Visits and forgets the words of a pair. */
  drain(pair: number, visit: (word: number) => void): void
}

/** Linked lists in typed arrays; the nodes of a drained pair are used again. */
function createOccurrences(): Occurrences {
  let heads = new Int32Array(1 << 15).fill(-1)
  let words = new Int32Array(1 << 18)
  let next = new Int32Array(1 << 18)
  let used = 0
  let free = -1
  function takeNode(): number {
    if (free >= 0) {
      const node = free
      free = next[node]
      return node
    }
    if (used === words.length) {
      words = grown(words, new Int32Array(used * 2))
      next = grown(next, new Int32Array(used * 2))
    }
    return used++
  }
  return {
    open(pair) {
      if (pair === heads.length) heads = grown(heads, new Int32Array(pair * 2).fill(-1))
    },
    add(pair, word) {
      const head = heads[pair]
      if (head >= 0 && words[head] === word) return
      const node = takeNode()
      words[node] = word
      next[node] = head
      heads[pair] = node
    },
    drain(pair, visit) {
      let node = heads[pair]
      heads[pair] = -1
      while (node >= 0) {
        visit(words[node])
        const following = next[node]
        next[node] = free
        free = node
        node = following
      }
    },
  }
}

interface Queue {
  push(pair: number): void
  takeBest: PairCounts['takeBest']
}

/** A binary heap with lazy counts: an entry whose count has changed since is pushed anew when it comes up. */
function createQueue(pairs: PairIndex, table: SymbolTable): Queue {
  const counts: number[] = []
  const ids: number[] = []
  const text = (pair: number) => table.text(pairs.lefts[pair]) + table.text(pairs.rights[pair])
  const length = (pair: number) => table.lengthOf(pairs.lefts[pair]) + table.lengthOf(pairs.rights[pair])
  const before = (countA: number, a: number, countB: number, b: number) =>
    countA !== countB
      ? countA > countB
      : length(a) !== length(b)
        ? length(a) < length(b)
        : isBytewiseSmaller(text(a), text(b))

  function push(pair: number): void {
    const count = pairs.counts[pair]
    if (!(count > 0)) return
    let i = counts.length
    counts.push(count)
    ids.push(pair)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!before(count, pair, counts[parent], ids[parent])) break
      counts[i] = counts[parent]
      ids[i] = ids[parent]
      i = parent
    }
    counts[i] = count
    ids[i] = pair
  }

  function pop(): { count: number; pair: number } {
    const top = { count: counts[0], pair: ids[0] }
    const count = counts.pop() ?? 0
    const pair = ids.pop() ?? 0
    const n = counts.length
    if (n === 0) return top
    let i = 0
    for (let child = 1; child < n; child = 2 * i + 1) {
      if (child + 1 < n && before(counts[child + 1], ids[child + 1], counts[child], ids[child])) child++
      if (!before(counts[child], ids[child], count, pair)) break
      counts[i] = counts[child]
      ids[i] = ids[child]
      i = child
    }
    counts[i] = count
    ids[i] = pair
    return top
  }

  return {
    push,
    takeBest() {
      while (counts.length > 0) {
        const { count, pair } = pop()
        if (pairs.counts[pair] !== count) {
          push(pair)
          continue
        }
        pairs.counts[pair] = -Infinity
        return { pair, left: pairs.lefts[pair], right: pairs.rights[pair], count }
      }
      return undefined
    },
  }
}

/** UTF-8 byte order, which is code point order; JavaScript's own order differs for astral characters. */
function isBytewiseSmaller(a: string, b: string): boolean {
  const n = Math.min(a.length, b.length)
  for (let i = 0; i < n; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    const xSurrogate = x >= 0xd800 && x <= 0xdfff
    const ySurrogate = y >= 0xd800 && y <= 0xdfff
    return xSurrogate === ySurrogate ? x < y : ySurrogate
  }
  return a.length < b.length
}

function grown<A extends Int32Array | Float64Array>(old: A, larger: A): A {
  larger.set(old)
  return larger
}
