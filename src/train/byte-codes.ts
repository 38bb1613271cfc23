// Turns numbers from [-1, 1] into bytes and back: the dynamic code of Dettmers et al. 2022, dense near 0, steps near 1.

/** A code book of 256 rising values, 0 and 1 among them. */
export interface ByteCode {
  /** Value of each code. */
  readonly values: Float32Array
  readonly zero: number
  /** Code of the nearest value; of two equally near ones the lower. */
  encode(x: number): number
}

/** Decades of the code: the smallest value other than 0 is .55e-6. */
const decades = 7

/** @param signed whether half of the codes stand for numbers below 0 */
export function createByteCode(signed: boolean): ByteCode {
  const values = Float32Array.from(dynamicValues(signed)).sort()
  const middles = Float32Array.from({ length: 255 }, (_, code) => (values[code] + values[code + 1]) / 2)
  const starts = Uint8Array.from({ length: 1 << 16 }, (_, high) => search(middles, floatOf(high << 16)))
  return {
    values,
    zero: values.indexOf(0),
    encode(x) {
      scratch[0] = x
      let code = starts[bits[0] >>> 16] // of a number whose first 16 bits are equal: at most a few codes away
      while (code < 255 && x > middles[code]) code++
      while (code > 0 && x <= middles[code - 1]) code--
      return code
    },
  }
}

const bits = new Uint32Array(1)
const scratch = new Float32Array(bits.buffer)

function floatOf(word: number): number {
  bits[0] = word
  return scratch[0]
}

/** Number of middles below x. */
function search(middles: Float32Array, x: number): number {
  let [low, high] = [0, middles.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (x > middles[middle]) low = middle + 1
    else high = middle
  }
  return low
}

// Decade d has twice as many values as the one below: the middles of equal parts of [.1, 1], times 10^(d − 6)
function* dynamicValues(signed: boolean): Generator<number> {
  yield 0
  yield 1
  for (let decade = 0; decade < decades; decade++) {
    const parts = signed ? 2 ** decade : 2 ** (decade + 1)
    for (let part = 0; part < parts; part++) {
      const value = (0.1 + (0.9 * (part + 0.5)) / parts) * 10 ** (decade - decades + 1)
      yield value
      if (signed) yield -value
    }
  }
}
