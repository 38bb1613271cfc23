// Turns a graph and one batch into a verdict: does OpenVINO compute here what the reference runtime computes.
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { asError } from '../base/errors.js'
import { packageRoot } from '../base/package.js'
import { normalAt } from '../base/random.js'
import type { Graph } from '../graph/graph.js'
import type { WrittenGraph } from '../graph/onnx.js'
import type { HostTensor } from '../graph/tensor.js'
import { allocate } from './buffers.js'
import type { CompileOptions, Precision, Runtime } from './runtime.js'
import { bytesOf, fillBuffers, type CheckRequest } from './self-check-child.js'

type Tensors = Readonly<Record<string, HostTensor>>

export interface Verdict {
  readonly state: 'passed' | 'differs' | 'crashed' | 'failed'
  /** The largest relative error and the output it is in, or how the child ended. */
  readonly detail: string
  /** Of all outputs; absent when there are none. */
  readonly error?: number
}

/**
 * Largest root-mean-square error of an output, relative to its own root mean square. Measured over the parity cases
 * (relative to the largest element): f32 4e-6, bf16 9e-2.
 */
const thresholds: { readonly [P in Precision]: number } = { f32: 1e-3, bf16: 0.15 }

/** Outputs that are nothing beside the others (a gradient that is zero in theory) are measured against these. */
const noiseFloor = 1e-3

interface CheckOptions extends CompileOptions {
  readonly precision: Precision
  readonly reference: Runtime
}

/** Runs the graph on the reference here and on OpenVINO in a process of its own, which may crash. */
export async function checkOnOpenvino(
  graph: Graph,
  written: WrittenGraph,
  feeds: Tensors,
  { precision, reference, threads }: CheckOptions,
): Promise<Verdict> {
  const inputs = withoutZeros(written, feeds)
  const expected = allocateOutputs(written)
  const program = await reference.compile(graph, { threads, memory: 'small' })
  await program.run(inputs, expected)
  await program.close()
  const found = allocateOutputs(written)
  const failure = await runInChild(written, inputs, found, { precision, threads })
  return failure ?? compare(expected, found, thresholds[precision])
}

/**
 * Inputs that are zero all over hide mistakes (the gradient of LoRA's A while B is zero): they get small numbers.
 * Copies, so that an array which is also a result keeps its values.
 */
function withoutZeros({ inputs }: WrittenGraph, feeds: Tensors): Record<string, HostTensor> {
  return Object.fromEntries(
    Object.keys(inputs).map((name, key) => {
      const host = feeds[name]
      if (host.dtype !== 'float32' || host.data.some(x => Number(x) !== 0)) return [name, host]
      const data = new Float32Array(host.data.length).map((_, i) => Math.abs(normalAt(7, key, i)) * 0.02)
      return [name, { ...host, data }]
    }),
  )
}

function allocateOutputs({ outputs }: WrittenGraph): Record<string, HostTensor> {
  return Object.fromEntries(Object.entries(outputs).map(([name, type]) => [name, allocate(type)]))
}

/** The compiled file beside this one, or in dist/ when this one is a source. */
function childPath(): string {
  const beside = fileURLToPath(new URL('./self-check-child.js', import.meta.url))
  return existsSync(beside) ? beside : join(packageRoot, 'dist', 'src', 'runtime', 'self-check-child.js')
}

/** @returns why there are no results, or undefined when `results` are filled */
async function runInChild(
  written: WrittenGraph,
  feeds: Tensors,
  results: Tensors,
  settings: Pick<CheckRequest, 'precision' | 'threads'>,
): Promise<Verdict | undefined> {
  const child = spawn(process.execPath, [childPath()], { stdio: ['pipe', 'ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  let said = ''
  child.stderr!.on('data', (text: Buffer) => (said = (said + text.toString('utf8')).slice(-2000)))
  const waiting = Object.values(results).map(bytesOf)
  const received = fillBuffers(child.stdio[3] as Readable, () => waiting.shift(), waiting.shift()!)
  const sent = writeRequest(child, written, feeds, settings).catch(asError) // a child that died closes its stdin
  const [code, signal] = await ended
  const [complete] = [await received, await sent]
  if (signal) return { state: 'crashed', detail: signal }
  if (code !== 0 || !complete) return { state: 'failed', detail: said.trim() || `exit code ${code}` }
  return undefined
}

async function writeRequest(
  { stdin }: ChildProcess,
  { bytes, inputs, outputs }: WrittenGraph,
  feeds: Tensors,
  settings: Pick<CheckRequest, 'precision' | 'threads'>,
): Promise<void> {
  const broken = new Promise<never>((_, reject) => stdin!.on('error', reject))
  const request: CheckRequest = { ...settings, modelBytes: bytes.byteLength, inputs, outputs }
  const head = Buffer.from(JSON.stringify(request))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(head.length)
  for (const part of [length, head, bytes, ...Object.keys(inputs).map(name => bytesOf(feeds[name]))])
    if (!stdin!.write(part)) await Promise.race([once(stdin!, 'drain'), broken])
  stdin!.end()
}

function compare(expected: Tensors, found: Tensors, limit: number): Verdict {
  const names = Object.keys(expected)
  const floor = noiseFloor * Math.max(...names.map(name => rootMeanSquare(expected[name].data)))
  let worst = { name: names[0], error: 0 }
  for (const name of names) {
    const scale = Math.max(rootMeanSquare(expected[name].data), floor)
    const error = scale === 0 ? 0 : rootMeanSquare(expected[name].data, found[name].data) / scale
    if (!(error <= worst.error)) worst = { name, error }
  }
  const detail = `${worst.name}: relative error ${worst.error.toExponential(1)}, limit ${limit}`
  return { state: worst.error <= limit ? 'passed' : 'differs', detail, error: worst.error }
}

/** Of an array, or of the difference of two. */
function rootMeanSquare(a: HostTensor['data'], b?: HostTensor['data']): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (Number(a[i]) - (b ? Number(b[i]) : 0)) ** 2
  return Math.sqrt(sum / Math.max(1, a.length))
}
