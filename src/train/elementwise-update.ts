// The parameters whose numbers move one by one to one update of all of them, on as many threads as pay.
import { availableParallelism } from 'node:os'
import type { Parameter } from '../model/step.js'
import { openLoopThreads } from '../runtime/loop-threads.js'
import type { BoundLoop, LoopArray } from '../runtime/pointwise.js'
import { stretch, totalOfSquares, wholeStretches } from '../runtime/sum-of-squares.js'
import type { ElementwiseRule, StepNumbers } from './update-rule.js'

/** A parameter with its rule's loop over its arrays. */
export interface ElementwiseSlot {
  readonly parameter: Parameter
  readonly rule: ElementwiseRule
  readonly loop: BoundLoop
}

/** Loops that share threads: the update, and the norm of the gradients; of one group of parameters at a time. */
export interface ElementwiseUpdate {
  run(group: number, numbers: StepNumbers): Promise<void>
  /** Sum of the squares of the gradients of a group; the same number on any number of threads. */
  squares(group: number): Promise<number>
  close(): Promise<void>
}

/** Numbers of each array that a thread takes at once. */
const chunk = 1 << 16

/** Numbers that a thread is started for: one moves them in 2 ms, and a thread takes 10 MB. */
const leastShare = 1 << 21

/** Some threads take all that memory gives; more would only wait. */
const mostThreads = 8

/** The parameters of a group, and those of them whose numbers move one by one. */
export interface ElementwiseGroup {
  readonly parameters: readonly Parameter[]
  readonly slots: readonly ElementwiseSlot[]
}

/** @param groups of all parameters @param threads at most; default all cores */
export function createElementwiseUpdate(
  groups: readonly ElementwiseGroup[],
  threads = availableParallelism(),
): ElementwiseUpdate {
  const works = groups.map(worksOf)
  const counts = [works.flatMap(({ updates }) => updates), works.flatMap(({ squares }) => squares)]
  const count = Math.max(...counts.map(all => all.reduce((sum, { length }) => sum + length, 0)))
  const used = Math.max(1, Math.min(threads, mostThreads, Math.floor(count / leastShare)))
  const sets = works.flatMap(({ updates, squares }) => [
    { works: updates, chunk },
    { works: squares, chunk: stretch },
  ])
  const pool = openLoopThreads(sets, used)
  const hasRun = new Set<number>()
  return {
    async run(group, step) {
      const numbered = groups[group].slots.map(({ loop, rule, parameter }) => ({
        loop,
        numbers: loop.numbers(rule.coefficients(step, parameter.decay)),
      }))
      const inPlace = numbered.flatMap(({ loop, numbers }) => (loop.inPlace ? [numbers] : []))
      // the first run meets the pages of new moments: two threads take 3 s for those of 124 million numbers, one 1 to 2 s
      await pool.run(2 * group, inPlace, !hasRun.has(group))
      hasRun.add(group)
      for (const { loop, numbers } of numbered) loop.runRest(numbers)
    },
    async squares(group) {
      const { parts, squares } = works[group]
      const sums = await pool.run(2 * group + 1, squares.map(() => [])) // prettier-ignore
      let [at, total] = [0, 0]
      for (const { gradient, whole } of parts) {
        const end = at + (whole?.length ?? 0) / stretch
        total += totalOfSquares(gradient, sums.subarray(at, end))
        at = end
      }
      return total
    },
    close: () => pool.close(),
  }
}

/** The gradient as the step writes it. */
export function storedGradient(parameter: Parameter): LoopArray {
  return parameter.halfGradient ?? parameter.gradient
}

function worksOf({ parameters, slots }: ElementwiseGroup) {
  const parts = parameters.map(parameter => {
    const gradient = storedGradient(parameter)
    return { gradient, whole: wholeStretches(gradient) }
  })
  return {
    parts,
    updates: slots.flatMap(({ loop }) => loop.inPlace ?? []),
    squares: parts.flatMap(({ whole }) => whole ?? []),
  }
}
