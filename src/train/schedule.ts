// The learning rate of each step, as transformers' schedulers give it: the first step of a warm-up has rate 0.
import { AppError, settingCalled } from '../base/errors.js'
import { nearestName } from '../base/nearest.js'

export type ScheduleName =
  | 'constant'
  | 'constant-with-warmup'
  | 'linear'
  | 'cosine'
  | 'cosine-with-restarts'
  | 'inverse-square-root'
  | 'warmup-stable-decay'

type DecayShape = 'linear' | 'cosine' | 'one-minus-root'

/** What only some schedules read. */
export interface ScheduleShape {
  /** Share of the learning rate that cosine and warmup-stable-decay end with (m). Default 0. */
  readonly minimum?: number
  /** Times that cosine-with-restarts falls from the full rate to 0, a whole number. Default 2. */
  readonly cycles?: number
  /** Share of the steps that warmup-stable-decay decays in. Default .2. */
  readonly decay?: number
  /** How warmup-stable-decay falls. Default `cosine`. */
  readonly decayShape?: DecayShape
}

export interface ScheduleSettings extends ScheduleShape {
  readonly kind: ScheduleName
  readonly learningRate: number
  /** Optimizer steps in the whole run (T). */
  readonly steps: number
  /** Steps of warm-up (w). */
  readonly warmupSteps: number
}

const shapeDefaults: Required<ScheduleShape> = { minimum: 0, cycles: 2, decay: 0.2, decayShape: 'cosine' }

type Factor = (s: number, w: number, T: number, shape: Required<ScheduleShape>) => number

/** Factor of the learning rate at step s, counted from 0. */
const factors: { readonly [N in ScheduleName]: Factor } = {
  // 1
  constant: () => 1,
  // s/w, then 1
  'constant-with-warmup': (s, w) => warmup(s, w) ?? 1,
  // s/w, then (T − s)/(T − w)
  linear: (s, w, T) => warmup(s, w) ?? Math.max(0, (T - s) / Math.max(1, T - w)),
  // s/w, then m + (1 − m)·(1 + cos(π·(s − w)/(T − w)))/2
  cosine: (s, w, T, { minimum: m }) => warmup(s, w) ?? Math.max(0, m + (1 - m) * fall((s - w) / Math.max(1, T - w))),
  // s/w, then the fall of cosine `cycles` times
  'cosine-with-restarts': (s, w, T, { cycles }) => {
    const progress = (s - w) / Math.max(1, T - w)
    return warmup(s, w) ?? (progress >= 1 ? 0 : Math.max(0, fall((cycles * progress) % 1)))
  },
  // s/w, then √(τ/(s + τ − w)); the time scale τ is the warm-up, or 10 000 steps without one
  'inverse-square-root': (s, w) => {
    const timescale = w || 10_000
    return warmup(s, w) ?? 1 / Math.sqrt((s + timescale - w) / timescale)
  },
  // m + (1 − m)·s/w, then 1, then m + (1 − m)·shape over the last steps
  'warmup-stable-decay': (s, w, T, { minimum: m, decay, decayShape }) => {
    const start = Math.max(w, T - Math.ceil(T * decay))
    const rise = warmup(s, w)
    if (rise !== undefined) return m + (1 - m) * rise
    if (s < start) return 1
    return s < T ? m + (1 - m) * decayShapes[decayShape]((s - start) / Math.max(1, T - start)) : m
  },
}

/** From 1 at x = 0 to 0 at x = 1. */
const decayShapes: { readonly [S in DecayShape]: (x: number) => number } = {
  linear: x => 1 - x,
  cosine: fall,
  'one-minus-root': x => 1 - Math.sqrt(x),
}

function fall(x: number): number {
  return 0.5 * (1 + Math.cos(Math.PI * x))
}

function warmup(s: number, w: number): number | undefined {
  return s < w ? s / Math.max(1, w) : undefined
}

/** @param step steps already taken, from 0 */
export function learningRateAt(
  step: number,
  { kind, learningRate, steps, warmupSteps, minimum, cycles, decay, decayShape }: ScheduleSettings,
): number {
  const { minimum: m, cycles: c, decay: d, decayShape: f } = shapeDefaults
  const shape = { minimum: minimum ?? m, cycles: cycles ?? c, decay: decay ?? d, decayShape: decayShape ?? f }
  return learningRate * factors[kind](step, warmupSteps, steps, shape)
}

/** Warm-up steps for a share of the run, rounded up as transformers does. */
export function warmupStepsOf(share: number, steps: number): number {
  return Math.ceil(steps * share)
}

/** @throws AppError `bad-schedule` for an unknown name or a share, number or shape out of range */
export function checkSchedule({
  kind,
  warmup: share = 0,
  minimum = 0,
  cycles = 2,
  decay = 0.2,
  decayShape = 'cosine',
}: ScheduleShape & { readonly kind: ScheduleName; readonly warmup?: number }): void {
  checkName('schedule', kind, Object.keys(factors))
  checkName('decayShape', decayShape, Object.keys(decayShapes))
  for (const [name, value] of Object.entries({ warmup: share, minimum, decay }))
    if (!(value >= 0 && value <= 1)) throw badSchedule(name, value, '0 … 1')
  if (!Number.isInteger(cycles) || cycles < 1) throw badSchedule('cycles', cycles, '1, 2, 3, …')
}

function checkName(setting: string, name: string, known: readonly string[]): void {
  if (known.includes(name)) return
  throw badSchedule(setting, name, known.join(', '), nearestName(name, known))
}

function badSchedule(setting: string, value: string | number, allowed: string, near?: string): AppError {
  return new AppError('bad-schedule', {
    where: settingCalled(setting),
    what: { en: `received ${JSON.stringify(value)}`, ru: `получено ${JSON.stringify(value)}` },
    fix: near
      ? { en: `Did you mean "${near}"? Known: ${allowed}`, ru: `Может быть, «${near}»? Известны: ${allowed}` }
      : { en: `Allowed: ${allowed}`, ru: `Допустимо: ${allowed}` },
  })
}
