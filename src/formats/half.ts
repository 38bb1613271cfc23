// Half-precision bits (IEEE float16 and bfloat16) to float32 and back, rounded to nearest even.

const scratchFloat = new Float32Array(1)
const scratchBits = new Uint32Array(scratchFloat.buffer)

let float16Values: Float32Array | undefined

/** The value of each of the 65536 float16 patterns, made on first use. */
function float16Table(): Float32Array {
  return (float16Values ??= Float32Array.from({ length: 65536 }, (_, bits) => float16Value(bits)))
}

function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** Values of float16 bit patterns; exact. */
export function fromFloat16(bits: Uint16Array): Float32Array {
  const table = float16Table()
  const values = new Float32Array(bits.length)
  for (let i = 0; i < bits.length; i++) values[i] = table[bits[i]]
  return values
}

/** Nearest float16 patterns, ties to even; beyond 65504 becomes infinity, NaN stays NaN. */
export function toFloat16(values: Float32Array): Uint16Array {
  const source = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const bits = new Uint16Array(values.length)
  for (let i = 0; i < bits.length; i++) bits[i] = float16Bits(source[i])
  return bits
}

function float16Bits(float32: number): number {
  const sign = (float32 >>> 16) & 0x8000
  const magnitude = float32 & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  if (magnitude >= 0x477ff000) return sign | 0x7c00 // 65520 and above round to infinity
  if (magnitude < 0x38800000) return sign | subnormalBits(magnitude)
  const rebiased = magnitude - 0x38000000
  return sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13)
}

/** Below 2^-14 a float16 counts multiples of 2^-24; the product is exact in float64. */
function subnormalBits(magnitude: number): number {
  scratchBits[0] = magnitude
  const scaled = scratchFloat[0] * 2 ** 24
  const low = Math.floor(scaled)
  const rest = scaled - low
  return rest > 0.5 || (rest === 0.5 && low & 1) ? low + 1 : low
}

/** Values of bfloat16 bit patterns; exact. */
export function fromBfloat16(bits: Uint16Array): Float32Array {
  const values = new Float32Array(bits.length)
  const target = new Uint32Array(values.buffer)
  for (let i = 0; i < bits.length; i++) target[i] = bits[i] << 16
  return values
}

/** Nearest bfloat16 patterns, ties to even; NaN stays NaN. */
export function toBfloat16(values: Float32Array): Uint16Array {
  const source = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const bits = new Uint16Array(values.length)
  for (let i = 0; i < bits.length; i++) {
    const word = source[i]
    const isNan = (word & 0x7fffffff) > 0x7f800000
    bits[i] = isNan ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16
  }
  return bits
}
