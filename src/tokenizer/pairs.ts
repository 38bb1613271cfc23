// Merge rules as an open-addressed table: (left symbol, right symbol) to (rank, merged symbol).

export interface PairTable {
  /** Slot of the pair, or -1. */
  find(left: number, right: number): number
  readonly rank: Int32Array
  readonly merged: Int32Array
}

export interface Merge {
  readonly left: number
  readonly right: number
  /** Lower merges first; equal ranks merge leftmost first. At least 0, below 2^22. */
  readonly rank: number
  readonly merged: number
}

/** The first of two rules for one pair stays. */
export function createPairTable(merges: readonly Merge[]): PairTable {
  const capacity = 1 << Math.max(4, Math.ceil(Math.log2(merges.length * 2 + 2)))
  const mask = capacity - 1
  const lefts = new Int32Array(capacity).fill(-1)
  const rights = new Int32Array(capacity)
  const rank = new Int32Array(capacity)
  const merged = new Int32Array(capacity)
  const hash = (left: number, right: number) => {
    const h = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)
    return (h ^ (h >>> 15)) & mask
  }
  const find = (left: number, right: number) => {
    let slot = hash(left, right)
    while (lefts[slot] !== -1) {
      if (lefts[slot] === left && rights[slot] === right) return slot
      slot = (slot + 1) & mask
    }
    return -1
  }
  for (const merge of merges) {
    if (find(merge.left, merge.right) >= 0) continue
    let slot = hash(merge.left, merge.right)
    while (lefts[slot] !== -1) slot = (slot + 1) & mask
    lefts[slot] = merge.left
    rights[slot] = merge.right
    rank[slot] = merge.rank
    merged[slot] = merge.merged
  }
  return { find, rank, merged }
}
