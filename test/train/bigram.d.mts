import type { TrainingStep } from '../../src/model/step.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import type { BatchSource } from '../../src/train/batches.js'

export function createBigramStep(size: number, options?: { name?: string }): TrainingStep
export const noRuntime: Runtime
export function createToySource(
  size: number,
  count: number,
  options?: { batch?: number; length?: number; fingerprint?: string },
): BatchSource
