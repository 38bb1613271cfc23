import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { samplers, sampleToken, type SamplerSettings } from '../../src/generate/samplers.js'

const off: Required<SamplerSettings> = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  repetitionRange: 64,
}
const logitsArbitrary = fc.array(fc.float({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 60 })
const withTies = fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 60 })
const anyLogits = fc.oneof(logitsArbitrary, withTies).map(list => Float32Array.from(list))

function apply(
  name: string,
  logits: Float32Array,
  settings: Partial<SamplerSettings>,
  recent: number[] = [],
): Float32Array {
  const copy = logits.slice()
  samplers.find(sampler => sampler.name === name)!.apply(copy, { ...off, ...settings }, recent)
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
    expect(samplers.map(({ name }) => name)).toEqual(['repetition-penalty', 'top-k', 'top-p', 'min-p', 'temperature'])
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
