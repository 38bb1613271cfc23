import { describe, expect, it } from 'vitest'
import { uniformAt } from '../../src/base/random.js'
import { trainNgrams } from '../../tools/pocket/kneser-ney.js'

const vocabulary = 7
/** A stream in which 1 is mostly followed by 2, and word 6 never occurs. */
const stream = Uint16Array.from({ length: 400 }, (_, i) => (i % 3 === 1 ? 2 : Math.floor(uniformAt(3, 1, i) * 6)))

function distribution(order: number, context: readonly number[]): number[] {
  const model = trainNgrams(stream, vocabulary, order)
  return Array.from({ length: vocabulary }, (_, word) => model.probability(context, word))
}

describe('the n-gram baseline', () => {
  it.each([[[]], [[1]], [[6]], [[2, 3]], [[6, 1, 2]], [[0, 2, 1, 4]], [[5, 5, 5, 5]], [[1, 2, 3, 4, 5, 2]]])(
    'gives probabilities that sum to one after %j',
    context => {
      for (const order of [2, 3, 5]) {
        const all = distribution(order, context)
        expect(Math.min(...all)).toBeGreaterThan(0)
        expect(all.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 10)
      }
    },
  )

  it('follows the definition on a text small enough to count by hand', () => {
    // 0 1 0 2 0 1: bigrams 01 ×2, 10, 02, 20. Continuations N1+(•w): 0 → {1, 2} = 2, 1 → {0} = 1, 2 → {0} = 1.
    const model = trainNgrams(Uint16Array.of(0, 1, 0, 2, 0, 1), 3, 2)
    // order 2: n1 = 3, n2 = 1, Y = 3/5, D1 = 1 − 2·Y·1/3 = 0.6, D2 = 2 (no threes); order 1: n1 = 2, n2 = 1, Y = 1/2, D1 = 0.5, D2 = 2
    const one = (count: number, discount: number): number => (count - discount) / 4 + ((2 + 0.5 + 0.5) / 4) * (1 / 3)
    const afterZero = (2 + 0.6) / 3
    expect(model.probability([0], 2)).toBeCloseTo((1 - 0.6) / 3 + afterZero * one(1, 0.5), 12)
    expect(model.probability([0], 0)).toBeCloseTo(afterZero * one(2, 2), 12)
  })

  it('is less surprised by its own text with a longer context', () => {
    const bits = (order: number): number => {
      const model = trainNgrams(stream, vocabulary, order)
      return stream.reduce(
        (sum, word, i) => sum - Math.log2(model.probability(stream.subarray(Math.max(0, i - 4), i), word)),
        0,
      )
    }
    expect(bits(5)).toBeLessThan(bits(2))
  })
})
