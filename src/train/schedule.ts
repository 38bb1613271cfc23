// The learning rate of each step, as transformers' schedulers give it: the first step of a warm-up has rate 0.

export type ScheduleName = 'constant' | 'constant-with-warmup' | 'linear' | 'cosine'

export interface ScheduleSettings {
  readonly kind: ScheduleName
  readonly learningRate: number
  /** Optimizer steps in the whole run (T). */
  readonly steps: number
  /** Steps of warm-up (w). */
  readonly warmupSteps: number
  /** Share of the learning rate that cosine ends with (m). Default 0. */
  readonly minimum?: number
}

type Factor = (s: number, w: number, T: number, m: number) => number

/** Factor of the learning rate at step s, counted from 0. */
const factors: { readonly [N in ScheduleName]: Factor } = {
  // 1
  constant: () => 1,
  // s/w, then 1
  'constant-with-warmup': (s, w) => warmup(s, w) ?? 1,
  // s/w, then (T − s)/(T − w)
  linear: (s, w, T) => warmup(s, w) ?? Math.max(0, (T - s) / Math.max(1, T - w)),
  // s/w, then m + (1 − m)·(1 + cos(π·(s − w)/(T − w)))/2
  cosine: (s, w, T, m) =>
    warmup(s, w) ?? Math.max(0, m + (1 - m) * 0.5 * (1 + Math.cos((Math.PI * (s - w)) / Math.max(1, T - w)))),
}

function warmup(s: number, w: number): number | undefined {
  return s < w ? s / Math.max(1, w) : undefined
}

/** @param step steps already taken, from 0 */
export function learningRateAt(
  step: number,
  { kind, learningRate, steps, warmupSteps, minimum = 0 }: ScheduleSettings,
): number {
  return learningRate * factors[kind](step, warmupSteps, steps, minimum)
}

/** Warm-up steps for a share of the run, rounded up as transformers does. */
export function warmupStepsOf(share: number, steps: number): number {
  return Math.ceil(steps * share)
}
