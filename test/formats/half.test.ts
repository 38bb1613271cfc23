import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from '../../src/formats/half.js'

const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i)

test.each([
  ['float16', fromFloat16, toFloat16, 0x7c00, 0x3ff],
  ['bfloat16', fromBfloat16, toBfloat16, 0x7f80, 0x7f],
] as const)('every %s pattern that is a number comes back as itself', (_name, decode, encode, infinity, fraction) => {
  const back = encode(decode(patterns))
  const wrong = [...patterns].filter(bits => {
    const isNan = (bits & infinity) === infinity && (bits & fraction) !== 0
    return isNan ? (back[bits] & infinity) !== infinity || (back[bits] & fraction) === 0 : back[bits] !== bits
  })
  expect(wrong).toEqual([])
})

test.each([
  ['halfway between 1 and the next goes to the even one', 1 + 2 ** -11, 0x3c00],
  ['halfway above an odd one goes up', 1 + 3 * 2 ** -11, 0x3c02],
  ['just above halfway goes up', 1 + 2 ** -11 + 2 ** -23, 0x3c01],
  ['65504 is the largest', 65504, 0x7bff],
  ['65519 still rounds down', 65519, 0x7bff],
  ['65520 is infinity', 65520, 0x7c00],
  ['the smallest subnormal', 2 ** -24, 1],
  ['half of it goes to zero', 2 ** -25, 0],
  ['a hair more than half of it does not', 2 ** -25 + 2 ** -48, 1],
  ['a subnormal that rounds into the normal range', 2 ** -14 - 2 ** -26, 0x0400],
  ['minus zero keeps its sign', -0, 0x8000],
])('float16: %s', (_title, value, bits) => {
  expect(toFloat16(Float32Array.of(value))[0]).toBe(bits)
})

test('a rounded float16 is never farther than its neighbours', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, min: -65500, max: 65500 }), value => {
      const [bits] = toFloat16(Float32Array.of(value))
      const near = [bits - 1, bits, bits + 1].filter(b => (b & 0x7fff) < 0x7c00 && b >= 0)
      const errors = near.map(b => Math.abs(fromFloat16(Uint16Array.of(b))[0] - value))
      const own = Math.abs(fromFloat16(Uint16Array.of(bits))[0] - value)
      expect(own).toBe(Math.min(...errors))
    }),
  )
})

test('bfloat16 rounds halves to even', () => {
  const step = 2 ** -7
  expect([...fromBfloat16(toBfloat16(Float32Array.of(1 + step / 2, 1 + 1.5 * step, 1 + step * 0.51)))]).toEqual([
    1,
    1 + 2 * step,
    1 + step,
  ])
})
