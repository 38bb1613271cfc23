import { expect, it } from 'vitest'
import {
  checkSchedule,
  learningRateAt,
  warmupStepsOf,
  type ScheduleName,
  type ScheduleSettings,
} from '../../src/train/schedule.js'

type Shape = Omit<ScheduleSettings, 'kind' | 'learningRate'>
const stable = { steps: 100, warmupSteps: 10, decay: 0.3 }

// Values of transformers' get_*_schedule at learning rate 1: the first four kinds by hand, the others printed by
// transformers 5.23 (get_wsd_schedule with num_decay_steps = 30, whose `1-sqrt` is our `one-minus-root`).
const rows: [ScheduleName, Shape, Record<number, number>][] = [
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
  [
    'cosine-with-restarts',
    { steps: 100, warmupSteps: 10, cycles: 3 },
    { 0: 0, 5: 0.5, 10: 1, 25: 0.5, 39: 0.0027390523158632996, 40: 1, 41: 0.9972609476841368, 70: 1, 100: 0 },
  ],
  ['inverse-square-root', { steps: 100, warmupSteps: 10 }, { 0: 0, 5: 0.5, 10: 1, 40: 0.5, 99: 0.3178208630818641 }],
  ['inverse-square-root', { steps: 100, warmupSteps: 0 }, { 0: 1, 99: 0.9950864531349993 }],
  ['warmup-stable-decay', stable, { 0: 0, 5: 0.5, 10: 1, 70: 1, 80: 0.75, 99: 0.002739052315863355, 100: 0 }],
  [
    'warmup-stable-decay',
    { ...stable, minimum: 0.1, decayShape: 'linear' },
    { 0: 0.1, 5: 0.55, 10: 1, 69: 1, 80: 0.7, 99: 0.13, 100: 0.1 },
  ],
  [
    'warmup-stable-decay',
    { ...stable, minimum: 0.1, decayShape: 'one-minus-root' },
    { 70: 1, 80: 0.48038475772933686, 99: 0.11512712777484249, 100: 0.1 },
  ],
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

it('a schedule out of range or unknown is refused by name', () => {
  expect(() => checkSchedule({ kind: 'cosin' as ScheduleName })).toThrowErrorMatchingInlineSnapshot(
    `[AppError: setting schedule: received "cosin". Did you mean "cosine"? Known: constant, constant-with-warmup, linear, cosine, cosine-with-restarts, inverse-square-root, warmup-stable-decay.]`,
  )
  expect(() => checkSchedule({ kind: 'warmup-stable-decay', decay: 1.5 })).toThrowErrorMatchingInlineSnapshot(
    `[AppError: setting decay: received 1.5. Allowed: 0 … 1.]`,
  )
  expect(() => checkSchedule({ kind: 'cosine-with-restarts', cycles: 0.5 })).toThrowErrorMatchingInlineSnapshot(
    `[AppError: setting cycles: received 0.5. Allowed: 1, 2, 3, …]`,
  )
})
