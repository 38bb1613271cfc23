import { expect, it } from 'vitest'
import { learningRateAt, warmupStepsOf, type ScheduleName } from '../../src/train/schedule.js'

// Values of transformers' get_*_schedule at learning rate 1, by its formulas, written out by hand.
const rows: [ScheduleName, { steps: number; warmupSteps: number; minimum?: number }, Record<number, number>][] = [
  ['constant', { steps: 100, warmupSteps: 10 }, { 0: 1, 5: 1, 99: 1 }],
  ['constant-with-warmup', { steps: 100, warmupSteps: 10 }, { 0: 0, 5: 0.5, 10: 1, 99: 1 }],
  ['constant-with-warmup', { steps: 100, warmupSteps: 0 }, { 0: 1 }],
  ['linear', { steps: 100, warmupSteps: 10 }, { 0: 0, 1: 0.1, 10: 1, 55: 0.5, 99: 1 / 90, 100: 0 }],
  [
    'cosine',
    { steps: 100, warmupSteps: 20 },
    { 0: 0, 10: 0.5, 20: 1, 40: 0.8535533905932737, 60: 0.5, 80: 0.14644660940672627, 100: 0 },
  ],
  ['cosine', { steps: 100, warmupSteps: 20, minimum: 0.1 }, { 20: 1, 60: 0.55, 100: 0.1 }],
  ['cosine', { steps: 1, warmupSteps: 0 }, { 0: 1 }],
]

for (const [kind, settings, values] of rows) {
  it(`${kind} ${JSON.stringify(settings)} gives transformers' rates`, () => {
    for (const [step, value] of Object.entries(values)) {
      expect(learningRateAt(Number(step), { kind, learningRate: 1, ...settings })).toBeCloseTo(value, 12)
      expect(learningRateAt(Number(step), { kind, learningRate: 6e-5, ...settings })).toBeCloseTo(6e-5 * value, 15)
    }
  })
}

it('a share of warm-up is rounded up', () => {
  expect([warmupStepsOf(0.03, 100), warmupStepsOf(0.03, 101), warmupStepsOf(0, 50)]).toEqual([3, 4, 0])
})
