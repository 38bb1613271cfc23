import { expect, it } from 'vitest'
import { uniformAt } from '../../src/base/random.js'
import { sumOfSquares } from '../../src/runtime/sum-of-squares.js'
import { fromBfloat16, toBfloat16 } from '../../src/formats/half.js'
import { allocateHalvesBeside, openArrayMemory } from '../../src/runtime/wasm-memory.js'

/** Kahan's sum, whose error does not grow with the count. */
function addExactly(numbers: Iterable<number>, of: (x: number) => number): number {
  let [sum, lost] = [0, 0]
  for (const x of numbers) {
    const added = of(x) - lost
    const next = sum + added
    lost = next - sum - added
    sum = next
  }
  return sum
}

it.each([0, 1, 3, 7, 8, 9, 16_383, 16_384, 16_385, 100_003])('the sum of %i squares is that of float64', length => {
  const x = Float32Array.from({ length }, (_, i) => (uniformAt(3, 1, i) - 0.5) * 10 ** (20 * uniformAt(3, 2, i) - 18))
  const expected = addExactly(x.values(), value => value * value)
  sumOfSquares(new Float32Array(20_000).fill(9)) // what is left in the memory must not count
  expect(Math.abs(sumOfSquares(x) - expected)).toBeLessThanOrEqual(1e-14 * expected)
  const placed = openArrayMemory().allocate(length)!
  placed.set(x)
  expect(sumOfSquares(placed), 'where it lies').toBe(sumOfSquares(x))
})

it.each([0, 1, 3, 8, 9, 16_384, 16_391, 40_000])(
  'the sum of %i squares of bfloat16 is that of the same in float32',
  length => {
    const bits = toBfloat16(Float32Array.from({ length }, (_, i) => uniformAt(3, 4, i) - 0.5))
    const expected = sumOfSquares(fromBfloat16(bits))
    expect(sumOfSquares(bits)).toBe(expected)
    const placed = allocateHalvesBeside(openArrayMemory().allocate(length)!, length)
    placed.set(bits)
    expect(sumOfSquares(placed), 'where it lies').toBe(expected)
  },
)

it('squares beyond float32 count, and what is not finite shows', () => {
  expect(sumOfSquares(Float32Array.of(1e30, 1e30))).toBeCloseTo(2 * Math.fround(1e30) ** 2, -50)
  expect(sumOfSquares(Float32Array.of(1, Infinity))).toBe(Infinity)
  expect(sumOfSquares(Float32Array.of(1, NaN, 2))).toBeNaN()
})
