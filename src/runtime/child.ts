// A process of its own that runs one written graph once: request on stdin, results on descriptor 3. It may crash.
import { createWriteStream, realpathSync } from 'node:fs'
import { once } from 'node:events'
import { pathToFileURL } from 'node:url'
import { deserialize } from 'node:v8'
import type { OnnxModel } from '../formats/onnx.js'
import type { HostTensor } from '../graph/tensor.js'
import { allocate } from './buffers.js'
import { bytesOf, failureMark, fillBuffers, type ChildRequest } from './child-protocol.js'
import { endWithParent } from './parent-watch.js'
import { startRuntime } from './registry.js'

/** A request with its data, as `writeRequest` of the parent sends it. */
async function readRequest(): Promise<{ request: ChildRequest; model: Buffer; feeds: Record<string, HostTensor> }> {
  const feeds: Record<string, HostTensor> = {}
  let request: ChildRequest | undefined
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
        request = JSON.parse(done.toString('utf8')) as ChildRequest
        model = Buffer.alloc(request.modelBytes)
        const { inputs, repeated } = request
        for (const [name, type] of Object.entries(inputs))
          feeds[name] = name in repeated ? { ...type, data: feeds[repeated[name]].data } : allocate(type)
        const sent = Object.keys(inputs).filter(name => !(name in repeated))
        waiting.push(model, ...sent.map(name => bytesOf(feeds[name])))
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
  const runtime = await startRuntime(request.runtime, request.precision)
  const frozen = new Map(request.frozen.map(name => [name, feeds[name]]))
  const written = { ...request, model: deserialize(model) as OnnxModel }
  const program = await runtime.compileWritten(written, { threads: request.threads, frozen })
  const results = Object.fromEntries(Object.entries(request.outputs).map(([name, type]) => [name, allocate(type)]))
  await program.run(feeds, results)
  const stream = createWriteStream('', { fd: 3 })
  for (const result of Object.values(results)) if (!stream.write(bytesOf(result))) await once(stream, 'drain')
  stream.end()
  await once(stream, 'finish')
  await program.close()
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  process.on('SIGINT', () => undefined) // Ctrl-C reaches every process of the terminal; the parent decides
  endWithParent()
  await answer().catch((thrown: unknown) => {
    process.stderr.write(failureMark + (thrown instanceof Error ? thrown.message : String(thrown)))
    process.exitCode = 1
  })
}
