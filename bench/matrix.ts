// A square matrix product to floating point operations per second: what the machine gives at best.
import { input, matmul } from '../src/graph/build.js'
import { createRuntime } from '../src/runtime/registry.js'
import type { Precision } from '../src/runtime/runtime.js'
import type { Outcome } from './case.js'
import { peakBytes, timeRuns } from './measure.js'
import { threads } from './models.js'

export interface MatrixWork {
  readonly program: 'matrix'
  readonly runtime: string
  readonly precision: Precision
  readonly size: number
  readonly repeats: number
}

export async function runMatrix({ runtime: name, precision, size, repeats }: MatrixWork): Promise<Outcome> {
  const runtime = await createRuntime({ name, precision })
  const shape = [size, size]
  const [a, b] = ['a', 'b'].map(one => input(one, shape))
  const program = await runtime.compile({ outputs: { c: matmul(a, b) } }, { threads })
  const tensor = (value: number) => ({
    dtype: 'float32' as const,
    shape,
    data: new Float32Array(size * size).fill(value),
  })
  const [feeds, results] = [{ a: tensor(0.5), b: tensor(0.25) }, { c: tensor(0) }]
  const { seconds, cpuSeconds } = await timeRuns(repeats, 2, () => program.run(feeds, results))
  await program.close()
  const flopsPerSecond = (2 * size ** 3) / seconds
  return { figures: { flopsPerSecond, cpuSeconds, peakBytes: peakBytes() }, about: { [runtime.name]: runtime.version } }
}
