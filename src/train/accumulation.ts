// Several micro-batches to the gradient of one big batch: the mean over all their counted tokens.
import { add, input } from '../graph/build.js'
import { countTokens, type Batch, type OnGroup, type StepResult, type TrainingStep } from '../model/step.js'
import { compilePointwise, type PointwiseProgram } from '../runtime/pointwise.js'
import { allocateBeside } from '../runtime/wasm-memory.js'

let addition: PointwiseProgram | undefined

/** to ← to + from */
function addTo(to: Float32Array, from: Float32Array): void {
  addition ??= compilePointwise({ outputs: { to: add(input('to', [1]), input('from', [1])) } })
  addition.run({ to, from }, {}, { to })
}

/** Sums live as long as their step, so that each optimizer step reuses them. */
const sums = new WeakMap<TrainingStep, readonly Float32Array[]>()

/**
 * Runs every micro-batch and leaves in the parameters' gradients that of the mean loss over all counted tokens, as one big
 * batch would. Lets other events in between micro-batches, so that Ctrl-C arrives.
 * @param update number of the optimizer step, from 0
 * @param onGroup as `TrainingStep.run` has it; for one micro-batch
 */
export async function runMicroBatches(
  step: TrainingStep,
  batches: readonly Batch[],
  update = 0,
  onGroup?: OnGroup,
): Promise<StepResult> {
  const total = batches.reduce((sum, batch) => sum + countTokens(batch), 0)
  const scale = 1 / Math.max(1, total)
  let lossSum = 0
  let tokens = 0
  for (const [i, batch] of batches.entries()) {
    const result = await step.run(batch, scale, update, onGroup)
    lossSum += result.lossSum
    tokens += result.tokens
    if (batches.length > 1) accumulate(step, i, batches.length)
    await new Promise(resolve => setImmediate(resolve))
  }
  return { lossSum, tokens }
}

// `run` overwrites the gradients, so they are kept aside until the last micro-batch, which takes the sum back.
function accumulate(step: TrainingStep, index: number, count: number): void {
  let buffers = sums.get(step)
  if (!buffers)
    sums.set(step, (buffers = step.parameters.map(({ gradient }) => allocateBeside(gradient, gradient.length))))
  step.parameters.forEach(({ gradient }, i) => {
    if (index === 0) return buffers[i].set(gradient)
    const [from, to] = index === count - 1 ? [buffers[i], gradient] : [gradient, buffers[i]]
    addTo(to, from)
  })
}
