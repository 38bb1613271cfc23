import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { completeSettings, type SamplerSettings } from '../../src/generate/sampler-settings.js'
import { samplers, sampleToken, type SamplerState } from '../../src/generate/samplers.js'

const off = completeSettings({ temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 })
const logitsArbitrary = fc.array(fc.float({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 60 })
const withTies = fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 60 })
const anyLogits = fc.oneof(logitsArbitrary, withTies).map(list => Float32Array.from(list))

function apply(
  name: string,
  logits: Float32Array,
  settings: SamplerSettings,
  recent: number[] = [],
  place = 0,
): Float32Array {
  const copy = logits.slice()
  const complete = completeSettings({ ...off, ...settings })
  samplers.find(sampler => sampler.name === name)!.apply(copy, complete, recent, { seed: 5, place })
  return copy
}

const kept = (logits: Float32Array): number[] => [...logits.keys()].filter(id => logits[id] > -Infinity)
/** Ids by falling logit, lower id first among equals. */
const ranked = (logits: Float32Array): number[] => [...logits.keys()].sort((a, b) => logits[b] - logits[a] || a - b)

function softmax(logits: Float32Array): number[] {
  const best = Math.max(...logits)
  const weights = Array.from(logits, x => Math.exp(x - best))
  const total = weights.reduce((a, b) => a + b)
  return weights.map(x => x / total)
}

describe('samplers', () => {
  it('stand in the order of llama.cpp', () => {
    expect(samplers.map(({ name }) => name).join(' ')).toBe(
      'logit-bias repetition-penalty presence-and-frequency dry top-k typical top-p min-p xtc temperature',
    )
  })

  it('top-k keeps exactly the k best and leaves their logits alone', () => {
    fc.assert(
      fc.property(anyLogits, fc.integer({ min: 1, max: 70 }), (logits, topK) => {
        const after = apply('top-k', logits, { topK })
        expect(kept(after)).toEqual(ranked(logits).slice(0, topK).sort((a, b) => a - b)) // prettier-ignore
        for (const id of kept(after)) expect(after[id]).toBe(logits[id])
      }),
    )
  })

  it('top-p keeps the fewest best tokens that reach p', () => {
    fc.assert(
      fc.property(anyLogits, fc.double({ min: 0.01, max: 0.999, noNaN: true }), (logits, topP) => {
        const ids = kept(apply('top-p', logits, { topP }))
        const p = softmax(logits)
        const mass = ids.reduce((sum, id) => sum + p[id], 0)
        expect(ids).toEqual(ranked(logits).slice(0, ids.length).sort((a, b) => a - b)) // prettier-ignore
        expect(mass).toBeGreaterThan(topP - 1e-9)
        expect(mass - Math.min(...ids.map(id => p[id]))).toBeLessThan(topP + 1e-9)
      }),
    )
  })

  it('min-p keeps exactly the tokens at least that share as probable as the best', () => {
    fc.assert(
      fc.property(anyLogits, fc.double({ min: 0.001, max: 1, noNaN: true }), (logits, minP) => {
        const p = softmax(logits)
        const best = Math.max(...p)
        const after = apply('min-p', logits, { minP })
        for (const [id, x] of p.entries()) {
          if (Math.abs(x / best - minP) < 1e-5 * minP) continue
          expect(after[id] > -Infinity).toBe(x >= minP * best)
        }
      }),
    )
  })

  it('the repetition penalty divides logits above 0, multiplies those below, once a token, within its range', () => {
    const after = apply(
      'repetition-penalty',
      Float32Array.of(2, -2, 4, 0),
      { repetitionPenalty: 2, repetitionRange: 3 },
      [2, 0, 0, 1],
    )
    expect([...after]).toEqual([1, -4, 4, 0])
    const whole = apply(
      'repetition-penalty',
      Float32Array.of(2, -2, 4, 0),
      { repetitionPenalty: 2, repetitionRange: -1 },
      [2, 0, 0, 1],
    )
    expect([...whole]).toEqual([1, -4, 2, 0])
  })

  it('typical keeps the fewest tokens nearest to the entropy that reach p', () => {
    fc.assert(
      fc.property(anyLogits, fc.double({ min: 0.01, max: 0.999, noNaN: true }), (logits, typicalP) => {
        const p = softmax(logits)
        const entropy = -p.reduce((sum, x) => sum + (x > 0 ? x * Math.log(x) : 0), 0)
        const distance = p.map(x => Math.abs(-Math.log(x) - entropy))
        const ids = kept(apply('typical', logits, { typicalP }))
        const farthest = Math.max(...ids.map(id => distance[id]))
        const left = [...p.keys()].filter(id => !ids.includes(id))
        for (const id of left) expect(distance[id]).toBeGreaterThan(farthest - 1e-9)
        const mass = ids.reduce((sum, id) => sum + p[id], 0)
        const last = Math.max(...ids.filter(id => distance[id] > farthest - 1e-9).map(id => p[id]))
        expect(mass).toBeGreaterThan(typicalP - 1e-9)
        expect(mass - last).toBeLessThan(typicalP + 1e-9)
      }),
    )
  })

  it('presence takes once, frequency as often as the token occurs, both within the range', () => {
    const settings = { presencePenalty: 0.5, frequencyPenalty: 0.25, repetitionRange: 4 }
    const after = apply('presence-and-frequency', Float32Array.of(1, 1, 1, 1), settings, [3, 0, 0, 1, 0])
    expect([...after]).toEqual([1 - 0.5 - 0.75, 1 - 0.5 - 0.25, 1, 1])
  })

  it('bias is added to its tokens alone, and -Infinity forbids one', () => {
    expect([...apply('logit-bias', Float32Array.of(1, 2, 3), { logitBias: { 0: 2.5, 2: -Infinity } })]).toEqual([
      3.5,
      2,
      -Infinity,
    ])
  })

  it('DRY takes multiplier · base^(n − allowed) from the token that would repeat a phrase of n tokens', () => {
    const zeros = Float32Array.of(0, 0, 0, 0, 0, 0)
    const settings = { dryMultiplier: 2, dryBase: 3, dryAllowedLength: 2 }
    // 1 2 3 was followed by 4; the text ends with 1 2 3
    expect([...apply('dry', zeros, settings, [1, 2, 3, 4, 0, 1, 2, 3])]).toEqual([0, 0, 0, 0, -6, 0])
    // the longest of two phrases counts: 2 3 → 4 has two tokens, 1 2 3 → 4 three
    expect(apply('dry', zeros, settings, [2, 3, 4, 1, 2, 3, 4, 1, 2, 3])[4]).toBe(-2 * 3 ** 4)
    // one token is shorter than the allowed length; a breaker inside cuts the phrase; a range cuts the search
    expect(apply('dry', zeros, settings, [3, 4, 3])).toEqual(zeros)
    expect(apply('dry', zeros, { ...settings, dryBreakers: [2] }, [1, 2, 3, 4, 0, 1, 2, 3])).toEqual(zeros)
    expect(apply('dry', zeros, { ...settings, dryRange: 4 }, [1, 2, 3, 4, 0, 1, 2, 3])).toEqual(zeros)
  })

  it('DRY finds what a search through all pairs of places finds', () => {
    const letters = fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 40 })
    fc.assert(
      fc.property(letters, fc.boolean(), (recent, breaks) => {
        const slow = [0, 0, 0]
        for (let at = 1; at < recent.length; at++) {
          let n = 0
          while (
            n < at &&
            recent[at - 1 - n] === recent[recent.length - 1 - n] &&
            !(breaks && recent[at - 1 - n] === 0)
          )
            n++
          if (!(breaks && recent[at] === 0)) slow[recent[at]] = Math.max(slow[recent[at]], n)
        }
        const dryBreakers = breaks ? [0] : []
        const after = apply('dry', Float32Array.of(0, 0, 0), { dryMultiplier: 1, dryBase: 2, dryAllowedLength: 1, dryBreakers }, recent) // prettier-ignore
        expect([...after]).toEqual(slow.map(n => (n === 0 ? 0 : -(2 ** (n - 1)))))
      }),
    )
  })

  it('XTC leaves of the tokens above the threshold only the least probable, and the others as they are', () => {
    fc.assert(
      fc.property(anyLogits, fc.double({ min: 0.01, max: 1, noNaN: true }), (logits, xtcThreshold) => {
        const p = softmax(logits)
        fc.pre(p.every(x => Math.abs(x - xtcThreshold) > 1e-9))
        const after = apply('xtc', logits, { xtcProbability: 1, xtcThreshold })
        const good = [...p.keys()].filter(id => p[id] >= xtcThreshold)
        const goodKept = good.filter(id => after[id] > -Infinity)
        expect(goodKept).toHaveLength(Math.min(1, good.length))
        for (const id of goodKept) expect(p[id]).toBeCloseTo(Math.min(...good.map(other => p[other])), 12)
        for (const id of p.keys()) if (!good.includes(id)) expect(after[id]).toBe(logits[id])
      }),
    )
  })

  it('XTC acts as often as its probability says', () => {
    const logits = Float32Array.of(1, 1, 0)
    let acted = 0
    for (let place = 0; place < 4000; place++)
      if (kept(apply('xtc', logits, { xtcProbability: 0.3 }, [], place)).length < 3) acted++
    expect(Math.abs(acted / 4000 - 0.3)).toBeLessThan(0.025)
  })

  it('settings that keep everything change nothing', () => {
    fc.assert(
      fc.property(anyLogits, logits => {
        for (const { name } of samplers) expect(apply(name, logits, {}, [0])).toEqual(logits)
      }),
    )
  })
})

describe('the draw', () => {
  it('temperature 0 takes the best token whatever the seed; of equal ones the first', () => {
    fc.assert(
      fc.property(anyLogits, fc.integer(), (logits, seed) => {
        expect(sampleToken(logits.slice(), [], { ...off, temperature: 0 }, { seed, place: 0 })).toBe(ranked(logits)[0])
      }),
    )
  })

  it('is a pure function of logits, seed and place', () => {
    const logits = Float32Array.of(1, 2, 3, 2, 1)
    const draws = (seed: number): number[] =>
      Array.from({ length: 40 }, (_, place) => sampleToken(logits.slice(), [], off, { seed, place }))
    expect(draws(1)).toEqual(draws(1))
    expect(draws(1)).not.toEqual(draws(2))
  })

  it('comes as often as softmax(logits / temperature) says', () => {
    const logits = Float32Array.of(0, 1, 2, -1)
    const expected = softmax(logits.map(x => x / 0.7))
    const counts = [0, 0, 0, 0]
    for (let place = 0; place < 20_000; place++)
      counts[sampleToken(logits.slice(), [], { ...off, temperature: 0.7 }, { seed: 3, place })]++
    counts.forEach((count, id) => expect(Math.abs(count / 20_000 - expected[id])).toBeLessThan(0.012))
  })

  it('never gives a token that was taken out', () => {
    fc.assert(
      fc.property(anyLogits, fc.integer(), (logits, seed) => {
        const id = sampleToken(logits.slice(), [], { ...off, topK: 3 }, { seed, place: 1 })
        expect(ranked(logits).slice(0, 3)).toContain(id)
      }),
    )
  })

  it('a setting out of range is refused by name', () => {
    const draw = (settings: SamplerSettings) => () =>
      sampleToken(Float32Array.of(1), [], settings, { seed: 0, place: 0 })
    expect(draw({ temperature: -1 })).toThrowErrorMatchingInlineSnapshot(
      `[AppError: setting temperature: received -1. Allowed: ≥ 0.]`,
    )
    expect(draw({ topP: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[AppError: setting topP: received 0. Allowed: 0 < p ≤ 1.]`,
    )
    expect(draw({ topK: 1.5 })).toThrowErrorMatchingInlineSnapshot(
      `[AppError: setting topK: received 1.5. Allowed: 0, 1, 2, …]`,
    )
    expect(draw({ dryBreakers: [-1] })).toThrowErrorMatchingInlineSnapshot(
      `[AppError: setting dryBreakers: received [-1]. Allowed: token ids.]`,
    )
    expect(draw({ logitBias: { 7: 1 } })).toThrowErrorMatchingInlineSnapshot(
      `[AppError: setting logitBias: received {"7":1}. Allowed: ids below 1.]`,
    )
    expect(draw({ logitBias: { два: 1 } as never })).toThrowErrorMatchingInlineSnapshot(
      `[AppError: setting logitBias: received {"два":1}. Allowed: a number for each token id.]`,
    )
    for (const name of Object.keys(off)) expect(draw({ [name]: NaN }), name).toThrow(/received/u)
  })

  it('an unknown setting is refused with the nearest known one', () => {
    const draw = (settings: object) => () => sampleToken(Float32Array.of(1), [], settings, { seed: 0, place: 0 })
    expect(draw({ topp: 0.9 })).toThrowErrorMatchingInlineSnapshot(
      `[AppError: sampler settings: there is no setting "topp". Did you mean "topP"?]`,
    )
  })

  it('at temperature 0 bias and penalties still act, filters and chance do not', () => {
    const settings = { temperature: 0, logitBias: { 2: -9 }, xtcProbability: 1, xtcThreshold: 0.01, mirostatTau: 5 }
    expect(sampleToken(Float32Array.of(1, 4, 5), [], settings, { seed: 0, place: 0 })).toBe(1)
  })

  it('scores that are not numbers are an error, not a token', () => {
    for (const temperature of [0, 1]) {
      expect(() => sampleToken(Float32Array.of(1, NaN), [], { ...off, temperature }, { seed: 0, place: 0 })).toThrow(
        /no finite score/u,
      )
    }
    expect(() =>
      sampleToken(Float32Array.of(-Infinity), [], off, { seed: 0, place: 0 }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[AppError: the model gave no finite score for any token. The weights are damaged or training diverged: use an earlier checkpoint.]`,
    )
  })
})

describe('mirostat 2', () => {
  const logits = Float32Array.from({ length: 400 }, (_, id) => -1.1 * Math.log(id + 1))
  const p = softmax(logits)

  it('keeps the mean surprise of what is left at tau, and a higher tau gives rarer tokens', () => {
    const means = [2, 3.5].map(mirostatTau => {
      const state: SamplerState = { surpriseLimit: 2 * mirostatTau }
      let [left, whole] = [0, 0]
      for (let place = 0; place < 3000; place++) {
        const limit = state.surpriseLimit!
        const id = sampleToken(logits.slice(), [], { ...off, mirostatTau }, { seed: 1, place }, state)
        const mass = p.reduce((sum, x, other) => sum + (other === 0 || -Math.log2(x) <= limit ? x : 0), 0)
        left -= Math.log2(p[id] / mass) / 3000
        whole -= Math.log2(p[id]) / 3000
      }
      expect(Math.abs(left - mirostatTau)).toBeLessThan(0.05)
      return whole
    })
    expect(means[1]).toBeGreaterThan(means[0] + 0.5)
  })

  it('draws below its limit and moves the limit by eta times the error', () => {
    const state: SamplerState = { surpriseLimit: 4 }
    const settings = { ...off, mirostatTau: 3, mirostatEta: 0.2 }
    const id = sampleToken(logits.slice(), [], settings, { seed: 3, place: 0 }, state)
    expect(-Math.log2(p[id])).toBeLessThan(4)
    const mass = p.filter(x => -Math.log2(x) <= 4).reduce((a, b) => a + b)
    expect(state.surpriseLimit).toBeCloseTo(4 - 0.2 * (-Math.log2(p[id] / mass) - 3), 6)
  })

  it('gives a text that depends on the seed and on nothing else', () => {
    const text = (seed: number): number[] => {
      const state: SamplerState = {}
      return Array.from({ length: 30 }, (_, place) =>
        sampleToken(logits.slice(), [], { mirostatTau: 4 }, { seed, place }, state),
      )
    }
    expect(text(1)).toEqual(text(1))
    expect(text(1)).not.toEqual(text(2))
  })
})
