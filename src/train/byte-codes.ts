// Turns numbers from [-1, 1] into bytes and back: the dynamic code of Dettmers et al. 2022, dense near 0, steps near 1.

/** A code book of 256 rising values, 0 and 1 among them. */
export interface ByteCode {
  /** Value of each code. */
  readonly values: Float32Array
  readonly zero: number
  /** Codes of the values nearest to numbers from [-1, 1]; of two equally near ones the lower. */
  encode(numbers: Float32Array, codes: Uint8Array): void
}

/** Decades of the code: the smallest value other than 0 is .55e-6. */
const decades = 7

/** @param signed whether half of the codes stand for numbers below 0 */
export function createByteCode(signed: boolean): ByteCode {
  const values = Float32Array.from(dynamicValues(signed)).sort()
  const places = findPlaces(values)
  return {
    values,
    zero: values.indexOf(0),
    // One is added where a border lies below the number: the sign of a difference, as a branch would be guessed wrongly
    // every other time.
    encode(numbers, codes) {
      const bits = new Int32Array(numbers.buffer, numbers.byteOffset, numbers.length)
      for (let i = 0; i < bits.length; i++) {
        const place = places[bits[i] >>> 16]
        codes[i] = (place >>> 16) + (((place & 0xffff) - risingPart(bits[i])) >>> 31)
      }
    },
  }
}

/**
 * For all numbers with the same first 16 bits: above, the code of the least of them; below, the rising part of the number
 * where the next code begins, or 65535. They lie closer together than two middles do, so that one border is enough.
 */
function findPlaces(values: Float32Array): Int32Array {
  const middles = Float32Array.from(values, (value, code) => (code < 255 ? (value + values[code + 1]) / 2 : Infinity))
  const bits = new Int32Array(middles.buffer)
  return Int32Array.from({ length: 1 << 16 }, (_, high) => {
    const code = search(middles, lowestWith(high))
    return (code << 16) | (bits[code] >>> 16 === high ? risingPart(bits[code]) : 65535)
  })
}

/** The last 16 bits of a float32, so turned that they rise with the number on both sides of 0. */
function risingPart(bits: number): number {
  return (bits & 0xffff) ^ ((bits >> 31) & 0xffff)
}

/** The least number whose first 16 bits are these, from -1 up. */
function lowestWith(high: number): number {
  const bits = Uint32Array.of((high << 16) | (high & 0x8000 ? 0xffff : 0))
  return Math.max(-1, new Float32Array(bits.buffer)[0] || 0)
}

/** Number of middles below x. */
function search(middles: Float32Array, x: number): number {
  let [low, high] = [0, middles.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (x > middles[middle]) low = middle + 1
    else high = middle
  }
  return Math.min(low, 255)
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
