// Applies merge rules to a row of symbols, lowest rank first and leftmost among equals, until none applies.
import type { PairTable } from './pairs.js'

/** Above this many symbols a heap is faster than looking for the minimum each time. */
const heapFrom = 96
const none = 0x7fffffff

/** A row of symbols that is merged in place; `start[i]` is where symbol i begins, in the unit of the caller. */
export interface SymbolRow {
  symbols: Int32Array
  starts: Int32Array
  length: number
}

export function createRow(): SymbolRow {
  return { symbols: new Int32Array(256), starts: new Int32Array(256), length: 0 }
}

export function appendSymbol(row: SymbolRow, symbol: number, start: number): void {
  if (row.length === row.symbols.length) growRow(row)
  row.symbols[row.length] = symbol
  row.starts[row.length++] = start
}

function growRow(row: SymbolRow): void {
  const symbols = new Int32Array(row.length * 2)
  const starts = new Int32Array(row.length * 2)
  symbols.set(row.symbols)
  starts.set(row.starts)
  row.symbols = symbols
  row.starts = starts
}

/** Merges the row in place. Symbols below 0 take part in no rule. */
export function createMerger(pairs: PairTable): (row: SymbolRow) => void {
  const ranks = new Int32Array(heapFrom)
  const slots = new Int32Array(heapFrom)
  return row => {
    if (row.length < 2) return
    if (row.length > heapFrom) mergeWithHeap(row, pairs)
    else mergeByScanning(row, pairs, ranks, slots)
  }
}

function mergeByScanning(row: SymbolRow, pairs: PairTable, ranks: Int32Array, slots: Int32Array): void {
  const { symbols, starts } = row
  const { find, rank, merged } = pairs
  const look = (i: number) => {
    const slot = find(symbols[i], symbols[i + 1])
    slots[i] = slot
    ranks[i] = slot < 0 ? none : rank[slot]
  }
  let n = row.length
  for (let i = 0; i + 1 < n; i++) look(i)
  while (n > 1) {
    let best = none
    let at = -1
    for (let i = 0; i < n - 1; i++) if (ranks[i] < best) best = ranks[(at = i)]
    if (at < 0) break
    symbols[at] = merged[slots[at]]
    n--
    for (let i = at + 1; i < n; i++) {
      symbols[i] = symbols[i + 1]
      starts[i] = starts[i + 1]
      ranks[i] = ranks[i + 1]
      slots[i] = slots[i + 1]
    }
    if (at > 0) look(at - 1)
    if (at < n - 1) look(at)
  }
  row.length = n
}

/** Linked symbols and a heap of (rank, position); an entry whose rank is no longer that of its position is stale. */
function mergeWithHeap(row: SymbolRow, pairs: PairTable): void {
  const { symbols, starts, length } = row
  const next = new Int32Array(length)
  const previous = new Int32Array(length)
  const slots = new Int32Array(length).fill(-1)
  const heap = createHeap(length)
  const look = (i: number) => {
    const right = next[i]
    const slot = right < length ? pairs.find(symbols[i], symbols[right]) : -1
    slots[i] = slot
    if (slot >= 0) heap.push(pairs.rank[slot] * 2 ** 30 + i)
  }
  for (let i = 0; i < length; i++) {
    next[i] = i + 1
    previous[i] = i - 1
  }
  for (let i = 0; i + 1 < length; i++) look(i)
  for (let key = heap.pop(); key >= 0; key = heap.pop()) {
    const at = key % 2 ** 30
    const slot = slots[at]
    if (slot < 0 || pairs.rank[slot] !== Math.floor(key / 2 ** 30)) continue
    const gone = next[at]
    symbols[at] = pairs.merged[slot]
    next[at] = next[gone]
    slots[gone] = -1
    if (next[gone] < length) previous[next[gone]] = at
    look(at)
    if (previous[at] >= 0) look(previous[at])
  }
  let n = 0
  for (let i = 0; i < length; i = next[i]) {
    symbols[n] = symbols[i]
    starts[n++] = starts[i]
  }
  row.length = n
}

interface Heap {
  push(key: number): void
  /** The smallest key, or -1 when empty. */
  pop(): number
}

function createHeap(capacity: number): Heap {
  let keys = new Float64Array(capacity + 1)
  let n = 0
  return {
    push(key) {
      if (n === keys.length) {
        const grown = new Float64Array(n * 2)
        grown.set(keys)
        keys = grown
      }
      let i = n++
      while (i > 0) {
        const parent = (i - 1) >> 1
        if (keys[parent] <= key) break
        keys[i] = keys[parent]
        i = parent
      }
      keys[i] = key
    },
    pop() {
      if (n === 0) return -1
      const top = keys[0]
      const key = keys[--n]
      let i = 0
      for (let child = 1; child < n; child = 2 * i + 1) {
        if (child + 1 < n && keys[child + 1] < keys[child]) child++
        if (keys[child] >= key) break
        keys[i] = keys[child]
        i = child
      }
      keys[i] = key
      return top
    },
  }
}
