// Turns gradients into new parameters, in place, by the rule that the optimizer has for each parameter.
import { AppError, settingCalled } from '../base/errors.js'
import { nearestName } from '../base/nearest.js'
import type { Parameter } from '../model/step.js'
import { compilePointwise, type PointwiseProgram } from '../runtime/pointwise.js'
import type { Program, Runtime } from '../runtime/runtime.js'
import { allocateBeside } from '../runtime/wasm-memory.js'
import { createElementwiseUpdate, storedGradient, type ElementwiseSlot } from './elementwise-update.js'
import { checkOptimizerSettings } from './optimizer-settings.js'
import type { ElementwiseRule, RuleChoice, StateArray, StepNumbers, TensorRule } from './update-rule.js'
import { updateRules, type OptimizerName, type OptimizerSettings } from './update-rules.js'

/** What a step leaves for the next one. */
interface OptimizerState {
  /** Updates made so far. */
  readonly step: number
  /** Live arrays by `name.parameter`, e.g. `m.h.0.attn.weight`: numbers, or codes of one byte. */
  readonly moments: ReadonlyMap<string, StateArray>
}

export interface Optimizer {
  readonly settings: OptimizerSettings
  readonly parameters: readonly Parameter[]
  /**
   * Updates every parameter in place from its gradient.
   * @param gradientScale factor of all gradients, from `clipFactor`. Default 1
   */
  step(learningRate: number, gradientScale?: number): Promise<void>
  /**
   * Begins a step whose gradients come group by group; every group must come once.
   * @returns updates the parameters of a group in place from their gradients, unless these are not all finite
   */
  stepByGroups(learningRate: number): UpdateGroup
  /**
   * Global norm of all gradients, as torch.nn.utils.clip_grad_norm_ computes it; not finite when any gradient is not.
   * On all threads of the update, with the same result on one.
   */
  gradientNorm(): Promise<number>
  state(): OptimizerState
  /** @throws AppError `optimizer-state` when names or sizes are not those of the parameters */
  load(state: OptimizerState): void
  close(): Promise<void>
}

/** @returns the sum of the squares of the group's gradients */
type UpdateGroup = (group: readonly Parameter[]) => Promise<number>

/** A parameter with what its rule keeps beside it. */
interface Slot {
  readonly parameter: Parameter
  readonly state: Readonly<Record<string, StateArray>>
  /** Where its numbers do not move one by one. */
  readonly update?: (numbers: StepNumbers) => void | Promise<void>
  /** Where they do. */
  readonly elementwise?: ElementwiseSlot
}

interface OptimizerOptions {
  /** Those that update numbers one by one, this one included; default all cores. Results are the same. */
  readonly threads?: number
  /** Parameters whose gradients exist at one time; default all of them. */
  readonly groups?: readonly (readonly Parameter[])[]
}

/**
 * @param runtime where the rules that need matrix products run
 * @throws AppError `unknown-optimizer`, `unknown-optimizer-setting`, `bad-optimizer`; `runtime-compile` from the runtime
 */
export async function createOptimizer(
  settings: OptimizerSettings,
  parameters: readonly Parameter[],
  runtime: Runtime,
  { threads, groups = [parameters] }: OptimizerOptions = {},
): Promise<Optimizer> {
  const choose = findRule(settings)
  const programs = await compileRules(choose, parameters, runtime)
  const slots = parameters.map(parameter => createSlot(parameter, choose, programs))
  const slotsOf = groups.map(group => slots.filter(({ parameter }) => group.includes(parameter)))
  const elementwise = createElementwiseUpdate(
    groups.map((group, i) => ({ parameters: group, slots: slotsOf[i].flatMap(slot => slot.elementwise ?? []) })),
    threads,
  )
  const updateGroup = async (group: number, numbers: StepNumbers): Promise<void> => {
    await elementwise.run(group, numbers)
    for (const { update } of slotsOf[group]) await update?.(numbers)
  }
  let steps = 0
  return {
    settings,
    parameters,
    async step(learningRate, gradientScale = 1) {
      steps++
      const numbers = { step: steps, learningRate, gradientScale }
      for (const group of groups.keys()) await updateGroup(group, numbers)
    },
    stepByGroups(learningRate) {
      let numbers: StepNumbers | undefined
      return async parameters => {
        const group = groups.indexOf(parameters)
        const squares = await elementwise.squares(group)
        if (!Number.isFinite(squares)) return squares
        numbers ??= { step: ++steps, learningRate, gradientScale: 1 } // a step that updates nothing is none
        await updateGroup(group, numbers)
        return squares
      }
    },
    async gradientNorm() {
      let squares = 0
      for (const group of groups.keys()) squares += await elementwise.squares(group)
      return Math.sqrt(squares)
    },
    state: () => ({ step: steps, moments: new Map(slots.flatMap(namedArrays)) }),
    load(state) {
      const mine = new Map(slots.flatMap(namedArrays))
      checkMoments(mine, state.moments)
      for (const [name, moment] of mine) moment.set(state.moments.get(name)!)
      steps = state.step
    },
    async close() {
      await elementwise.close()
      await programs.close()
    },
  }
}

/** Factor that brings gradients of this norm to `maximum`: min(1, maximum / (norm + 1e-6)), PyTorch's formula. */
export function clipFactor(norm: number, maximum: number): number {
  return Math.min(1, maximum / (norm + 1e-6))
}

function findRule(settings: OptimizerSettings): RuleChoice {
  const name: string = settings.kind
  if (Object.hasOwn(updateRules, name)) {
    checkOptimizerSettings(settings)
    return updateRules[name as OptimizerName](settings as never)
  }
  const known = Object.keys(updateRules)
  const near = nearestName(name, known)
  const list = known.join(', ')
  throw new AppError('unknown-optimizer', {
    where: settingCalled('optimizer'),
    what: { en: `there is no optimizer "${name}"`, ru: `нет оптимизатора «${name}»` },
    fix: near
      ? { en: `Did you mean "${near}"? Known: ${list}`, ru: `Может быть, «${near}»? Известны: ${list}` }
      : { en: `Known: ${list}`, ru: `Известны: ${list}` },
  })
}

/** The loop of a rule, for gradients in either type. */
interface PointwiseForms {
  readonly whole: PointwiseProgram
  readonly half: PointwiseProgram
}

/** What was compiled for the rules in use. */
interface RulePrograms {
  readonly pointwise: ReadonlyMap<ElementwiseRule, PointwiseForms>
  /** By rule and shape. */
  readonly whole: ReadonlyMap<TensorRule, ReadonlyMap<string, Program>>
  close(): Promise<void>
}

async function compileRules(
  choose: RuleChoice,
  parameters: readonly Parameter[],
  runtime: Runtime,
): Promise<RulePrograms> {
  const pointwise = new Map<ElementwiseRule, PointwiseForms>()
  const whole = new Map<TensorRule, Map<string, Program>>()
  for (const rule of new Set(parameters.map(choose))) {
    const mine = parameters.filter(parameter => choose(parameter) === rule)
    if (rule.family === 'elementwise')
      pointwise.set(rule, { whole: compilePointwise(rule.graph), half: compilePointwise(rule.graph, new Set(['g'])) }) // prettier-ignore
    else whole.set(rule, await compileShapes(rule, mine, runtime))
  }
  return {
    pointwise,
    whole,
    async close() {
      for (const shapes of whole.values()) for (const program of shapes.values()) await program.close()
    },
  }
}

async function compileShapes(
  rule: TensorRule,
  parameters: readonly Parameter[],
  runtime: Runtime,
): Promise<Map<string, Program>> {
  const programs = new Map<string, Program>()
  if (!rule.graph) return programs
  for (const { shape } of parameters) {
    const key = shape.join('x')
    if (!programs.has(key)) programs.set(key, await runtime.compile(rule.graph(shape)))
  }
  return programs
}

function createSlot(parameter: Parameter, choose: RuleChoice, { pointwise, whole }: RulePrograms): Slot {
  const rule = choose(parameter)
  if (rule.family === 'tensor') {
    const state = rule.createState(parameter)
    const program = whole.get(rule)!.get(parameter.shape.join('x'))
    return { parameter, state, update: numbers => rule.update(parameter, state, numbers, program) }
  }
  const { data } = parameter
  const program = pointwise.get(rule)![parameter.halfGradient ? 'half' : 'whole']
  const state = Object.fromEntries(rule.moments.map(name => [name, allocateBeside(data, data.length)]))
  const feeds = { p: data, g: storedGradient(parameter), ...state }
  const results = Object.fromEntries(Object.entries({ p: data, ...state }).map(([name, values]) => [`${name}_next`, values])) // prettier-ignore
  return { parameter, state, elementwise: { parameter, rule, loop: program.bind(feeds, results) } }
}

function namedArrays({ parameter, state }: Slot): [string, StateArray][] {
  return Object.entries(state).map(([name, values]) => [`${name}.${parameter.name}`, values])
}

function checkMoments(mine: ReadonlyMap<string, StateArray>, given: ReadonlyMap<string, StateArray>): void {
  const fits = (a: StateArray, b: StateArray | undefined): boolean =>
    a.length === b?.length && a.BYTES_PER_ELEMENT === b.BYTES_PER_ELEMENT
  const wrong = [...mine].find(([name, moment]) => !fits(moment, given.get(name)))?.[0]
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
