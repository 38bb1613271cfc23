// A process of its own that runs one written graph once: request on stdin, results on descriptor 3. It may crash.
import { createWriteStream, realpathSync } from 'node:fs'
import { once } from 'node:events'
import { pathToFileURL } from 'node:url'
import type { WrittenGraph } from '../graph/onnx.js'
import type { HostTensor, TensorType } from '../graph/tensor.js'
import { allocate } from './buffers.js'
import { createOpenvino } from './openvino.js'
import type { Precision } from './runtime.js'

/** Stands before the bytes of the model and of each input, in their order. */
export interface CheckRequest {
  readonly precision: Precision
  readonly threads: number | undefined
  readonly modelBytes: number
  readonly inputs: Readonly<Record<string, TensorType>>
  readonly outputs: WrittenGraph['outputs']
}

/** The bytes of an array. */
export function bytesOf({ data }: HostTensor): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}

/** Fills buffers from a stream, one after the other. */
export async function fillBuffers(
  stream: AsyncIterable<Buffer> | NodeJS.ReadableStream,
  next: (done: Buffer) => Buffer | undefined,
  first: Buffer,
): Promise<boolean> {
  let target: Buffer | undefined = first
  let at = 0
  for await (const piece of stream as AsyncIterable<Buffer>) {
    let rest = piece
    while (target && (rest.length > 0 || target.length === 0)) {
      const taken = rest.copy(target, at)
      rest = rest.subarray(taken)
      at += taken
      if (at < target.length) break
      ;[target, at] = [next(target), 0]
    }
  }
  return target === undefined
}

/** A request with its data, as `writeRequest` of the parent sends it. */
async function readRequest(): Promise<{ request: CheckRequest; model: Buffer; feeds: Record<string, HostTensor> }> {
  const feeds: Record<string, HostTensor> = {}
  let request: CheckRequest | undefined
  let model = Buffer.alloc(0)
  const waiting: Buffer[] = []
  let stage = 0
  await fillBuffers(
    process.stdin,
    done => {
      if (stage === 0) {
        stage = 1
        return Buffer.alloc(done.readUInt32LE(0))
      }
      if (!request) {
        request = JSON.parse(done.toString('utf8')) as CheckRequest
        model = Buffer.alloc(request.modelBytes)
        for (const [name, type] of Object.entries(request.inputs)) feeds[name] = allocate(type)
        waiting.push(model, ...Object.values(feeds).map(bytesOf))
      }
      return waiting.shift()
    },
    Buffer.alloc(4),
  )
  if (!request) throw new Error('no request came')
  return { request, model, feeds }
}

async function answer(): Promise<void> {
  const { request, model, feeds } = await readRequest()
  const runtime = await createOpenvino(request.precision)
  const written = { bytes: model, inputs: request.inputs, outputs: request.outputs }
  const program = runtime.compileWritten(written, { threads: request.threads })
  const results = Object.fromEntries(Object.entries(request.outputs).map(([name, type]) => [name, allocate(type)]))
  await program.run(feeds, results)
  const stream = createWriteStream('', { fd: 3 })
  for (const result of Object.values(results)) if (!stream.write(bytesOf(result))) await once(stream, 'drain')
  stream.end()
  await once(stream, 'finish')
  await program.close()
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  await answer().catch((thrown: unknown) => {
    process.stderr.write(thrown instanceof Error ? thrown.message : String(thrown))
    process.exitCode = 1
  })
}
