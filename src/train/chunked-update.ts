// Runs an elementwise rule over a parameter: large stretches as graphs in the runtime, in place, the rest in plain JavaScript.
import type { HostTensor } from '../graph/tensor.js'
import type { Parameter } from '../model/step.js'
import type { Program, Runtime } from '../runtime/runtime.js'
import type { ElementwiseRule, StepNumbers } from './update-rule.js'

/** Sizes of the chunks that the runtime updates. One call costs as much as some 7000 numbers in JavaScript, so the rest is done there. */
const chunkSizes = [1 << 18, 1 << 14] as const

/** One stretch of a parameter. */
interface Stretch {
  readonly start: number
  readonly end: number
  /** Index into chunkSizes, or undefined for plain JavaScript. */
  readonly chunk?: number
}

export interface ChunkedUpdate {
  run(parameter: Parameter, moments: readonly Float32Array[], numbers: StepNumbers): Promise<void>
  close(): Promise<void>
}

/** @param parameters those that the rule will be run on; @throws AppError `runtime-compile` */
export async function createChunkedUpdate(
  rule: ElementwiseRule,
  parameters: readonly Parameter[],
  runtime: Runtime,
): Promise<ChunkedUpdate> {
  const stretches = new Map(parameters.map(parameter => [parameter, cutStretches(parameter.data.length)]))
  const programs = await compileChunks(rule, [...stretches.values()].flat(), runtime)
  const scalars = new Map(rule.scalars.map(name => [name, scalarTensor()]))
  return {
    async run(parameter, moments, numbers) {
      const values = rule.coefficients(numbers, parameter.decay)
      rule.scalars.forEach((name, i) => (scalars.get(name)!.data[0] = values[i]))
      for (const stretch of stretches.get(parameter)!) {
        const program = stretch.chunk === undefined ? undefined : programs.get(stretch.chunk)
        if (program) await runChunk(program, rule, { parameter, moments, stretch, scalars })
        else rule.plain(parameter.data, parameter.gradient, moments, stretch, values)
      }
    },
    async close() {
      for (const program of programs.values()) await program.close()
    },
  }
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
  rule: ElementwiseRule,
  stretches: readonly Stretch[],
  runtime: Runtime,
): Promise<Map<number, Program>> {
  const used = new Set(stretches.flatMap(({ chunk }) => (chunk === undefined ? [] : [chunk])))
  const programs = new Map<number, Program>()
  for (const chunk of used) programs.set(chunk, await runtime.compile(rule.graph(chunkSizes[chunk])))
  return programs
}

interface ChunkRun {
  readonly parameter: Parameter
  readonly moments: readonly Float32Array[]
  readonly stretch: Stretch
  readonly scalars: ReadonlyMap<string, HostTensor>
}

async function runChunk(
  program: Program,
  rule: ElementwiseRule,
  { parameter, moments, stretch: { start, end }, scalars }: ChunkRun,
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
