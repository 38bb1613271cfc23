// AdamW with moments of one byte (Dettmers et al. 2022): each block of 256 numbers has its largest as a scale.
import { createByteCode } from './byte-codes.js'
import { adamw, type AdamWSettings } from './elementwise-rules.js'
import type { RuleChoice, TensorRule } from './update-rule.js'

const blockLength = 256

/** Smaller parameters keep moments of four bytes, as in bitsandbytes: there is little to gain from them. */
const leastLength = 4096

export function adamw8bit(settings: AdamWSettings): RuleChoice {
  const large = blockRule(settings)
  const small = adamw(settings)
  return ({ data }) => (data.length < leastLength ? small : large)
}

// AdamW's formula on the decoded moments; the update itself uses them before they are coded again
function blockRule({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 }: AdamWSettings): TensorRule {
  const [signed, unsigned] = [createByteCode(true), createByteCode(false)]
  const leastCode = unsigned.zero + 1
  const [mBlock, vBlock] = [new Float32Array(blockLength), new Float32Array(blockLength)]
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
    update({ data: p, gradient: g, decay }, state, { step, learningRate, gradientScale }) {
      const { m, v, m_scale: mScale, v_scale: vScale } = state
      const keep = decay ? 1 - learningRate * weightDecay : 1
      const rate = learningRate / (1 - beta1 ** step)
      const root = Math.sqrt(1 - beta2 ** step)
      for (let block = 0, start = 0; start < p.length; block++, start += blockLength) {
        const end = Math.min(start + blockLength, p.length)
        const [mOld, vOld] = [mScale[block], vScale[block]]
        let [mLargest, vLargest] = [0, 0]
        for (let i = start; i < end; i++) {
          const gradient = g[i] * gradientScale
          const mNext = signed.values[m[i]] * mOld * beta1 + gradient * (1 - beta1)
          const vNext = unsigned.values[v[i]] * vOld * beta2 + gradient * gradient * (1 - beta2)
          mBlock[i - start] = mNext
          vBlock[i - start] = vNext
          mLargest = Math.max(mLargest, Math.abs(mNext))
          vLargest = Math.max(vLargest, vNext)
          p[i] = p[i] * keep - (rate * mNext) / (Math.sqrt(vNext) / root + epsilon)
        }
        mScale[block] = mLargest
        vScale[block] = vLargest
        for (let i = start; i < end; i++) {
          m[i] = mLargest > 0 ? signed.encode(mBlock[i - start] / mLargest) : signed.zero
          // A v that became 0 would let the next step run away, so the least value stands for it.
          v[i] =
            vBlock[i - start] > 0 ? Math.max(leastCode, unsigned.encode(vBlock[i - start] / vLargest)) : unsigned.zero
        }
      }
    },
  }
}
