// The parameters whose numbers move one by one to one update of all of them, on as many threads as pay.
import { availableParallelism } from 'node:os'
import type { Parameter } from '../model/step.js'
import { openLoopThreads } from '../runtime/loop-threads.js'
import type { BoundLoop } from '../runtime/pointwise.js'
import { stretch, totalOfSquares, wholeStretches } from '../runtime/sum-of-squares.js'
import type { ElementwiseRule, StepNumbers } from './update-rule.js'

/** A parameter with its rule's loop over its arrays. */
export interface ElementwiseSlot {
  readonly parameter: Parameter
  readonly rule: ElementwiseRule
  readonly loop: BoundLoop
}

/** Loops that share threads: the update, and the norm of the gradients. */
export interface ElementwiseUpdate {
  run(numbers: StepNumbers): Promise<void>
  /** Global norm of the gradients of all parameters; the same number on any number of threads. */
  norm(): Promise<number>
  close(): Promise<void>
}

/** Numbers of each array that a thread takes at once. */
const chunk = 1 << 16

/** Numbers that a thread is started for: one moves them in 2 ms, and a thread takes 10 MB. */
const leastShare = 1 << 21

/** Some threads take all that memory gives; more would only wait. */
const mostThreads = 8

/** @param all every parameter of the optimizer @param threads at most; default all cores */
export function createElementwiseUpdate(
  slots: readonly ElementwiseSlot[],
  all: readonly Parameter[],
  threads = availableParallelism(),
): ElementwiseUpdate {
  const updates = slots.flatMap(({ loop }) => loop.inPlace ?? [])
  const parts = all.map(({ gradient }) => ({ gradient, whole: wholeStretches(gradient) }))
  const squares = parts.flatMap(({ whole }) => whole ?? [])
  const count = Math.max(...[updates, squares].map(works => works.reduce((sum, { length }) => sum + length, 0)))
  const used = Math.max(1, Math.min(threads, mostThreads, Math.floor(count / leastShare)))
  const pool = openLoopThreads(
    [
      { works: updates, chunk },
      { works: squares, chunk: stretch },
    ],
    used,
  )
  let hasRun = false
  return {
    async run(step) {
      const numbered = slots.map(({ loop, rule, parameter }) => ({
        loop,
        numbers: loop.numbers(rule.coefficients(step, parameter.decay)),
      }))
      const inPlace = numbered.flatMap(({ loop, numbers }) => (loop.inPlace ? [numbers] : []))
      // the first run meets the pages of new moments: two threads take 3 s for those of 124 million numbers, one 1 to 2 s
      await pool.run(0, inPlace, !hasRun)
      hasRun = true
      for (const { loop, numbers } of numbered) loop.runRest(numbers)
    },
    async norm() {
      const sums = await pool.run(1, squares.map(() => [])) // prettier-ignore
      let [at, total] = [0, 0]
      for (const { gradient, whole } of parts) {
        const end = at + (whole?.length ?? 0) / stretch
        total += totalOfSquares(gradient, sums.subarray(at, end))
        at = end
      }
      return Math.sqrt(total)
    },
    close: () => pool.close(),
  }
}
