// Turns gradients into new parameters, in place: large arrays in chunks through the runtime, the rest in plain JavaScript.
import { AppError } from '../base/errors.js'
import { nearestName } from '../base/nearest.js'
import type { HostTensor } from '../graph/tensor.js'
import type { Parameter } from '../model/step.js'
import type { Program, Runtime } from '../runtime/runtime.js'
import { updateRules, type OptimizerName, type OptimizerSettings, type UpdateRule } from './update-rules.js'

interface OptimizerState {
  /** Updates made so far. */
  readonly step: number
  /** Live moments by `moment.parameter`, e.g. `m.h.0.attn.weight`. */
  readonly moments: ReadonlyMap<string, Float32Array>
}

export interface Optimizer {
  readonly settings: OptimizerSettings
  readonly parameters: readonly Parameter[]
  /**
   * Updates every parameter in place from its gradient.
   * @param gradientScale factor of all gradients, from `clipFactor`. Default 1
   */
  step(learningRate: number, gradientScale?: number): Promise<void>
  state(): OptimizerState
  /** @throws AppError `optimizer-state` when names or sizes are not those of the parameters */
  load(state: OptimizerState): void
  close(): Promise<void>
}

/** Sizes of the chunks that the runtime updates. One call costs as much as some 7000 numbers in JavaScript, so the rest is done there. */
const chunkSizes = [1 << 18, 1 << 14] as const

/** One stretch of a parameter. */
interface Stretch {
  readonly start: number
  readonly end: number
  /** Index into chunkSizes, or undefined for plain JavaScript. */
  readonly chunk?: number
}

interface Slot {
  readonly parameter: Parameter
  readonly moments: readonly Float32Array[]
  readonly stretches: readonly Stretch[]
}

/**
 * @param runtime where large parameters are updated
 * @throws AppError `unknown-optimizer`; `runtime-compile` from the runtime
 */
export async function createOptimizer(
  settings: OptimizerSettings,
  parameters: readonly Parameter[],
  runtime: Runtime,
): Promise<Optimizer> {
  const rule = findRule(settings)
  const slots = parameters.map(parameter => createSlot(parameter, rule))
  const programs = await compileChunks(rule, slots, runtime)
  const scalars = new Map(rule.scalars.map(name => [name, scalarTensor()]))
  let steps = 0
  return {
    settings,
    parameters,
    async step(learningRate, gradientScale = 1) {
      steps++
      for (const slot of slots) {
        const values = rule.coefficients(steps, learningRate, gradientScale, slot.parameter.decay)
        rule.scalars.forEach((name, i) => (scalars.get(name)!.data[0] = values[i]))
        for (const stretch of slot.stretches) {
          const program = stretch.chunk === undefined ? undefined : programs.get(stretch.chunk)
          if (program) await runChunk(program, rule, slot, stretch, scalars)
          else rule.plain(slot.parameter.data, slot.parameter.gradient, slot.moments, stretch, values)
        }
      }
    },
    state: () => ({ step: steps, moments: new Map(slots.flatMap(slot => namedMoments(slot, rule))) }),
    load(state) {
      const mine = new Map(slots.flatMap(slot => namedMoments(slot, rule)))
      checkMoments(mine, state.moments)
      for (const [name, moment] of mine) moment.set(state.moments.get(name)!)
      steps = state.step
    },
    async close() {
      for (const program of programs.values()) await program.close()
    },
  }
}

/** Global norm of all gradients, as torch.nn.utils.clip_grad_norm_ computes it; not finite when any gradient is not. */
export function gradientNorm(parameters: readonly Parameter[]): number {
  return Math.sqrt(parameters.reduce((sum, { gradient }) => sum + sumOfSquares(gradient), 0))
}

/** Factor that brings gradients of this norm to `maximum`: min(1, maximum / (norm + 1e-6)), PyTorch's formula. */
export function clipFactor(norm: number, maximum: number): number {
  return Math.min(1, maximum / (norm + 1e-6))
}

// Four sums at once keep the processor busy: a single one waits for each addition.
function sumOfSquares(x: Float32Array): number {
  let [a, b, c, d] = [0, 0, 0, 0]
  const even = x.length - (x.length % 4)
  for (let i = 0; i < even; i += 4) {
    a += x[i] * x[i]
    b += x[i + 1] * x[i + 1]
    c += x[i + 2] * x[i + 2]
    d += x[i + 3] * x[i + 3]
  }
  for (let i = even; i < x.length; i++) a += x[i] * x[i]
  return a + b + (c + d)
}

function findRule(settings: OptimizerSettings): UpdateRule {
  const name: string = settings.kind
  if (Object.hasOwn(updateRules, name)) return updateRules[name as OptimizerName](settings as never)
  const known = Object.keys(updateRules)
  const near = nearestName(name, known)
  const list = known.join(', ')
  throw new AppError('unknown-optimizer', {
    where: 'setting optimizer',
    what: { en: `there is no optimizer "${name}"`, ru: `нет оптимизатора «${name}»` },
    fix: near
      ? { en: `Did you mean "${near}"? Known: ${list}`, ru: `Может быть, «${near}»? Известны: ${list}` }
      : { en: `Known: ${list}`, ru: `Известны: ${list}` },
  })
}

function createSlot(parameter: Parameter, rule: UpdateRule): Slot {
  const moments = rule.moments.map(() => new Float32Array(new ArrayBuffer(4 * parameter.data.length)))
  return { parameter, moments, stretches: cutStretches(parameter.data.length) }
}

function cutStretches(length: number): Stretch[] {
  const stretches: Stretch[] = []
  let start = 0
  chunkSizes.forEach((size, chunk) => {
    for (; length - start >= size; start += size) stretches.push({ start, end: start + size, chunk })
  })
  if (start < length) stretches.push({ start, end: length })
  return stretches
}

async function compileChunks(
  rule: UpdateRule,
  slots: readonly Slot[],
  runtime: Runtime,
): Promise<Map<number, Program>> {
  const used = new Set(
    slots.flatMap(({ stretches }) => stretches.flatMap(({ chunk }) => (chunk === undefined ? [] : [chunk]))),
  )
  const programs = new Map<number, Program>()
  for (const chunk of used) programs.set(chunk, await runtime.compile(rule.graph(chunkSizes[chunk])))
  return programs
}

async function runChunk(
  program: Program,
  rule: UpdateRule,
  { parameter, moments }: Slot,
  { start, end }: Stretch,
  scalars: ReadonlyMap<string, HostTensor>,
): Promise<void> {
  const view = (data: Float32Array): HostTensor => ({
    dtype: 'float32',
    shape: [end - start],
    data: data.subarray(start, end),
  })
  const p = view(parameter.data)
  const feeds: Record<string, HostTensor> = { p, g: view(parameter.gradient), ...Object.fromEntries(scalars) }
  const results: Record<string, HostTensor> = { p_next: p }
  rule.moments.forEach((name, i) => (feeds[name] = results[`${name}_next`] = view(moments[i])))
  await program.run(feeds, results)
}

function scalarTensor(): HostTensor {
  return { dtype: 'float32', shape: [], data: new Float32Array(new ArrayBuffer(128), 0, 1) } // 64 bytes or less would move in memory
}

function namedMoments({ parameter, moments }: Slot, rule: UpdateRule): [string, Float32Array][] {
  return moments.map((moment, i) => [`${rule.moments[i]}.${parameter.name}`, moment])
}

function checkMoments(mine: ReadonlyMap<string, Float32Array>, given: ReadonlyMap<string, Float32Array>): void {
  const wrong = [...mine].find(([name, moment]) => given.get(name)?.length !== moment.length)?.[0]
  const extra = [...given.keys()].find(name => !mine.has(name))
  if (wrong === undefined && extra === undefined) return
  const name = wrong ?? extra
  throw new AppError('optimizer-state', {
    what: {
      en: `the saved optimizer state does not fit this model (moment ${name})`,
      ru: `сохранённое состояние оптимизатора не подходит этой модели (момент ${name})`,
    },
    fix: {
      en: 'Continue with the model and method the run was started with',
      ru: 'Продолжайте с той же моделью и тем же методом',
    },
  })
}
