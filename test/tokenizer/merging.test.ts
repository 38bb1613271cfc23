import { describe, expect, it } from 'vitest'
import { uniformAt } from '../../src/base/random.js'
import { appendSymbol, createMerger, createRow } from '../../src/tokenizer/merging.js'
import { createPairTable, type Merge } from '../../src/tokenizer/pairs.js'

const random = (stream: number, i: number, n: number) => Math.floor(uniformAt(9, stream, i) * n)

/** Rules over 4 symbols that make 30 more; ranks repeat, so that leftmost-first is tested. */
function randomRules(seed: number): Merge[] {
  return Array.from({ length: 30 }, (_, i) => ({
    left: random(seed, 3 * i, 4 + i),
    right: random(seed, 3 * i + 1, 4 + i),
    rank: random(seed, 3 * i + 2, 12),
    merged: 4 + i,
  }))
}

function mergeNaively(symbols: number[], rules: readonly Merge[]): number[] {
  const row = [...symbols]
  for (;;) {
    let best: { at: number; rule: Merge } | undefined
    for (let at = 0; at + 1 < row.length; at++) {
      const rule = rules.find(({ left, right }) => left === row[at] && right === row[at + 1])
      if (rule && (!best || rule.rank < best.rule.rank)) best = { at, rule }
    }
    if (!best) return row
    row.splice(best.at, 2, best.rule.merged)
  }
}

function merge(symbols: readonly number[], rules: readonly Merge[]) {
  const row = createRow()
  symbols.forEach((symbol, i) => appendSymbol(row, symbol, i))
  createMerger(createPairTable(rules))(row)
  return { symbols: [...row.symbols.slice(0, row.length)], starts: [...row.starts.slice(0, row.length)] }
}

describe('merging', () => {
  it.each([2, 10, 90, 97, 150, 600])('of %i symbols gives what looking at every pair each time gives', length => {
    for (let seed = 0; seed < 12; seed++) {
      const rules = randomRules(seed)
      const symbols = Array.from({ length }, (_, i) => random(100 + seed, i, 4))
      expect(merge(symbols, rules).symbols).toEqual(mergeNaively(symbols, rules))
    }
  })

  it('keeps where each symbol began', () => {
    const rules = [
      { left: 0, right: 1, rank: 0, merged: 2 },
      { left: 2, right: 2, rank: 1, merged: 3 },
    ]
    expect(merge([0, 1, 0, 1, 1, 0], rules)).toEqual({ symbols: [3, 1, 0], starts: [0, 4, 5] })
  })

  it('of a million equal symbols stays far below a quadratic time', () => {
    const rules = Array.from({ length: 8 }, (_, i) => ({ left: i, right: i, rank: i, merged: i + 1 }))
    const begun = performance.now()
    const { symbols } = merge(
      Array.from({ length: 1_000_000 }, () => 0),
      rules,
    )
    expect(symbols).toHaveLength(3907)
    expect(performance.now() - begun).toBeLessThan(20_000)
  })
})
