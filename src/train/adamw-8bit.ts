// AdamW with moments of one byte (Dettmers et al. 2022): each block of 256 numbers has its largest as a scale.
import { compilePointwise } from '../runtime/pointwise.js'
import { createByteCode, type ByteCode } from './byte-codes.js'
import { adamw, type AdamWSettings } from './elementwise-rules.js'
import type { RuleChoice, StateArray, TensorRule } from './update-rule.js'

const blockLength = 256

/** Numbers decoded at once: whole blocks, few enough to stay in the processor's cache. */
const stretchLength = 32 * blockLength

/** Smaller parameters keep moments of four bytes, as in bitsandbytes: there is little to gain from them. */
const leastLength = 4096

export function adamw8bit(settings: AdamWSettings): RuleChoice {
  const large = blockRule(settings)
  const small = adamw(settings)
  return ({ data }) => (data.length < leastLength ? small : large)
}

// AdamW's formula on the decoded moments; the update itself uses them before they are coded again
function blockRule(settings: AdamWSettings): TensorRule {
  const rule = adamw(settings)
  const program = compilePointwise(rule.graph)
  const [signed, unsigned] = [createByteCode(true), createByteCode(false)]
  const [mDecoded, vDecoded] = [new Float32Array(stretchLength), new Float32Array(stretchLength)]
  return {
    family: 'tensor',
    createState({ data }) {
      const blocks = Math.ceil(data.length / blockLength)
      return {
        m: new Uint8Array(data.length).fill(signed.zero),
        v: new Uint8Array(data.length).fill(unsigned.zero),
        m_scale: new Float32Array(blocks),
        v_scale: new Float32Array(blocks),
      }
    },
    update({ data, gradient, decay }, { m, v, m_scale: mScales, v_scale: vScales }, numbers) {
      const coefficients = rule.coefficients(numbers, decay)
      for (let start = 0; start < data.length; start += stretchLength) {
        const end = Math.min(start + stretchLength, data.length)
        const p = data.subarray(start, end)
        const [mStretch, vStretch] = [mDecoded.subarray(0, p.length), vDecoded.subarray(0, p.length)]
        decode(signed, m.subarray(start, end), mScales.subarray(start / blockLength), mStretch)
        decode(unsigned, v.subarray(start, end), vScales.subarray(start / blockLength), vStretch)
        const feeds = { p, g: gradient.subarray(start, end), m: mStretch, v: vStretch }
        program.run(feeds, coefficients, { p_next: p, m_next: mStretch, v_next: vStretch })
        encode(signed, mStretch, m.subarray(start, end), mScales.subarray(start / blockLength))
        encode(unsigned, vStretch, v.subarray(start, end), vScales.subarray(start / blockLength))
        raiseZeros(vStretch, v.subarray(start, end), unsigned.zero + 1)
      }
    },
  }
}

function decode({ values }: ByteCode, codes: StateArray, scales: StateArray, into: Float32Array): void {
  for (let start = 0, block = 0; start < into.length; start += blockLength, block++) {
    const end = Math.min(start + blockLength, into.length)
    const scale = scales[block]
    for (let i = start; i < end; i++) into[i] = values[codes[i]] * scale
  }
}

/** Leaves in `numbers` their shares of the largest in their block. */
function encode(code: ByteCode, numbers: Float32Array, codes: StateArray, scales: StateArray): void {
  for (let start = 0, block = 0; start < numbers.length; start += blockLength, block++) {
    const end = Math.min(start + blockLength, numbers.length)
    let largest = 0
    for (let i = start; i < end; i++) {
      const size = Math.abs(numbers[i])
      if (size > largest) largest = size
    }
    scales[block] = largest
    const factor = largest > 0 ? 1 / largest : 0
    for (let i = start; i < end; i++) numbers[i] *= factor
  }
  code.encode(numbers, codes as Uint8Array)
}

/** A v that became 0 would let the next step run away, so the least value stands for it. */
function raiseZeros(numbers: Float32Array, codes: StateArray, least: number): void {
  for (let i = 0; i < numbers.length; i++) if (numbers[i] > 0 && codes[i] < least) codes[i] = least
}
