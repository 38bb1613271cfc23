// Starts a runtime in a process of its own first, where native code may crash or hang without harm.
import { AppError, type Text } from '../base/errors.js'
import { input, matmul } from '../graph/build.js'
import { writeOnnx } from '../graph/onnx.js'
import type { HostTensor } from '../graph/tensor.js'
import { allocate } from './buffers.js'
import { runInChild } from './child-run.js'

/** Drivers compile shaders at their first use, which takes a while on a slow machine. */
const limitMs = 30_000

const tried = new Map<string, Promise<void>>()

/**
 * Multiplies two small matrices on the runtime in a child process; a machine is tried once.
 * @param needs what the machine must have, as advice
 * @throws AppError `runtime-load` (environment) with what the child said
 */
export function tryRuntime(runtime: string, needs: Text): Promise<void> {
  const known = tried.get(runtime) ?? multiply(runtime, needs)
  tried.set(runtime, known)
  return known
}

async function multiply(runtime: string, needs: Text): Promise<void> {
  const x = input('x', [2, 2])
  const written = writeOnnx({ outputs: { y: matmul(x, x) } }, 'standard')
  const feed: HostTensor = { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }
  const y = allocate(x)
  const failure = await runInChild(
    written,
    { x: feed },
    { y },
    { runtime, precision: 'f32', threads: 1, frozen: [], limitMs },
  )
  const found = [...y.data].join(' ')
  if (failure) throw doesNotStart(runtime, failure.detail.replace(/[\s.]+$/u, ''), needs)
  if (found !== '7 10 15 22') throw doesNotStart(runtime, `[1 2; 3 4]² = ${found}`, needs)
}

function doesNotStart(runtime: string, detail: string, needs: Text): AppError {
  return new AppError('runtime-load', {
    kind: 'environment',
    what: { en: `${runtime} does not start here (${detail})`, ru: `${runtime} здесь не запускается (${detail})` },
    fix: needs,
  })
}
