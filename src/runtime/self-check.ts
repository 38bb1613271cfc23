// Turns a graph and one batch into a verdict: does a runtime compute here what the reference computes.
import { normalAt } from '../base/random.js'
import { fromBfloat16 } from '../formats/half.js'
import type { Graph } from '../graph/graph.js'
import type { WrittenGraph } from '../graph/onnx.js'
import type { HostTensor } from '../graph/tensor.js'
import { allocate } from './buffers.js'
import { readFrozen } from './frozen-feeds.js'
import { runInChild, type ChildFailure } from './child-run.js'
import type { CompileOptions, NativeRuntime, Precision, Runtime } from './runtime.js'

type Tensors = Readonly<Record<string, HostTensor>>

export interface Verdict {
  readonly state: 'passed' | 'differs' | ChildFailure['state']
  /** The largest relative error and the output it is in, or how the child ended. */
  readonly detail: string
  /** Of all outputs; absent when there are none. */
  readonly error?: number
}

/**
 * Largest root-mean-square error of an output, relative to its own root mean square. Measured over the parity cases
 * (relative to the largest element): f32 4e-6, bf16 9e-2. `int8` is for products in codes that round what they multiply.
 */
const thresholds: { readonly [P in Precision | 'int8']: number } = { f32: 1e-3, bf16: 0.15, int8: 0.15 }

/** Outputs that are nothing beside the others (a gradient that is zero in theory) are measured against these. */
const noiseFloor = 1e-3

interface CheckOptions extends CompileOptions {
  readonly precision: Precision
  readonly reference: Runtime
  /** Ends the check. */
  readonly signal?: AbortSignal
}

/** A compiler may take minutes for a large graph; beyond this the runtime hangs. */
const patienceMs = 15 * 60_000

/** Runs the graph on the reference here and on the candidate in a process of its own, which may crash. */
export async function checkRuntime(
  candidate: NativeRuntime,
  graph: Graph,
  written: WrittenGraph,
  feeds: Tensors,
  { precision, reference, threads, signal, frozen = new Map() }: CheckOptions,
): Promise<Verdict> {
  const kept = [...frozen].map(([name, tensor]) => [name, readFrozen(tensor)] as const)
  const inputs = withoutZeros(written, { ...feeds, ...Object.fromEntries(kept) })
  const expected = allocateOutputs(written)
  const program = await reference.compile(graph, { threads })
  const started = performance.now()
  await program.run(inputs, expected)
  const limitMs = patienceMs + 30 * (performance.now() - started)
  await program.close()
  const found = allocateOutputs(written)
  const run = { runtime: candidate.name, precision, threads, limitMs, signal, frozen: [...frozen.keys()] }
  const failure = await runInChild(written, inputs, found, run)
  return failure ?? compare(expected, found, thresholds[written.rounds && frozen.size > 0 ? 'int8' : precision])
}

/**
 * Inputs that are zero all over hide mistakes (the gradient of LoRA's A while B is zero): they get small numbers.
 * Copies, so that an array which is also a result keeps its values; inputs of one array get one copy.
 */
function withoutZeros({ inputs }: WrittenGraph, feeds: Tensors): Record<string, HostTensor> {
  const filled = new Map<HostTensor['data'], HostTensor['data']>()
  return Object.fromEntries(
    Object.keys(inputs).map((name, key) => {
      const host = feeds[name]
      if (host.dtype !== 'float32' || host.data.some(x => Number(x) !== 0)) return [name, host]
      const small = (_: number, i: number): number => Math.abs(normalAt(7, key, i)) * 0.02
      const data = filled.get(host.data) ?? new Float32Array(host.data.length).map(small)
      filled.set(host.data, data)
      return [name, { ...host, data }]
    }),
  )
}

function allocateOutputs({ outputs }: WrittenGraph): Record<string, HostTensor> {
  return Object.fromEntries(Object.entries(outputs).map(([name, type]) => [name, allocate(type)]))
}

function compare(expected: Tensors, found: Tensors, limit: number): Verdict {
  const names = Object.keys(expected)
  const floor = noiseFloor * Math.max(...names.map(name => rootMeanSquare(numbersOf(expected[name]))))
  let worst = { name: names[0], error: 0 }
  for (const name of names) {
    const [own, other] = [expected[name], found[name]].map(numbersOf)
    const scale = Math.max(rootMeanSquare(own), floor)
    const error = scale === 0 ? 0 : rootMeanSquare(own, other) / scale
    if (!(error <= worst.error)) worst = { name, error }
  }
  const detail = `${worst.name}: relative error ${worst.error.toExponential(1)}, limit ${limit}`
  return { state: worst.error <= limit ? 'passed' : 'differs', detail, error: worst.error }
}

/** What the bits of an array stand for. */
function numbersOf({ dtype, data }: HostTensor): HostTensor['data'] {
  return dtype === 'bfloat16' ? fromBfloat16(data as Uint16Array) : data
}

/** Of an array, or of the difference of two. */
function rootMeanSquare(a: HostTensor['data'], b?: HostTensor['data']): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (Number(a[i]) - (b ? Number(b[i]) : 0)) ** 2
  return Math.sqrt(sum / Math.max(1, a.length))
}
