// Turns a graph into a program of ONNX Runtime on the processor, running on the caller's own arrays.
import { cpus } from 'node:os'
import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { AppError, asError } from '../base/errors.js'
import type { Graph } from '../graph/graph.js'
import { writeOnnx, type WrittenGraph } from '../graph/onnx.js'
import type { HostTensor, TensorType } from '../graph/tensor.js'
import { checkBuffer } from './buffers.js'
import type { CompileOptions, Program, Runtime } from './runtime.js'
import { watchSharedArrays } from './shared-arrays.js'

type Library = typeof import('onnxruntime-node')

/**
 * The reference runtime: float32 on the processor. The native library is loaded here, at the first call.
 * @throws AppError `runtime-load` (environment)
 */
export async function createOnnxRuntime(): Promise<Runtime> {
  const library = await loadLibrary()
  return {
    name: 'onnxruntime-cpu',
    version: library.env.versions.node ?? library.env.versions.common,
    compile: (graph, options) => compile(library, graph, options),
  }
}

async function loadLibrary(): Promise<Library> {
  try {
    const loaded = await import('onnxruntime-node')
    return 'default' in loaded ? (loaded.default as Library) : loaded
  } catch (cause) {
    throw new AppError('runtime-load', {
      kind: 'environment',
      what: {
        en: `ONNX Runtime could not be loaded on ${process.platform}-${process.arch} (${asError(cause).message})`,
        ru: `не удалось загрузить ONNX Runtime на ${process.platform}-${process.arch} (${asError(cause).message})`,
      },
      fix: {
        en: 'Reinstall the package onnxruntime-node; it needs 64-bit Linux, macOS or Windows',
        ru: 'Переустановите пакет onnxruntime-node; ему нужна 64-битная Linux, macOS или Windows',
      },
      cause,
    })
  }
}

async function compile(library: Library, graph: Graph, options: CompileOptions = {}): Promise<Program> {
  const written = writeOnnx(graph, 'onnxruntime')
  const session = await createSession(library, written.bytes, options)
  return new OnnxProgram(library, session, graph, written)
}

async function createSession(
  library: Library,
  bytes: Uint8Array,
  { threads, memory = 'fast' }: CompileOptions,
): Promise<InferenceSession> {
  try {
    return await library.InferenceSession.create(bytes, {
      executionProviders: ['cpu'],
      intraOpNumThreads: threads ?? cpus().length,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
      enableCpuMemArena: memory === 'fast',
      logSeverityLevel: 4, // errors are thrown, so they need not be printed too
    })
  } catch (cause) {
    throw failed('runtime-compile', { en: 'refused the graph', ru: 'не принял граф' }, cause)
  }
}

function failed(code: 'runtime-compile' | 'runtime-run', what: { en: string; ru: string }, cause: unknown): AppError {
  const words = asError(cause).message
  return new AppError(code, {
    kind: 'environment',
    what: { en: `ONNX Runtime ${what.en}: ${words}`, ru: `ONNX Runtime ${what.ru}: ${words}` },
    cause,
  })
}

/** An open session; it keeps the tensors of the last run so that arrays in use are not collected. */
class OnnxProgram implements Program {
  private readonly tensors = new Map<string, Tensor>()
  private readonly checkSharedArrays

  constructor(
    private readonly library: Library,
    private readonly session: InferenceSession,
    graph: Graph,
    private readonly written: WrittenGraph,
  ) {
    this.checkSharedArrays = watchSharedArrays(graph, Object.keys(written.inputs))
  }

  async run(feeds: Readonly<Record<string, HostTensor>>, results: Readonly<Record<string, HostTensor>>): Promise<void> {
    const { inputs, outputs } = this.written
    const given: Record<string, Tensor> = {}
    const fetched: Record<string, Tensor> = {}
    for (const name of Object.keys(inputs)) given[name] = this.wrap(name, feeds[name], inputs[name])
    for (const name of Object.keys(outputs))
      fetched[outputs[name].onnxName] = this.wrap(outputs[name].onnxName, results[name], outputs[name])
    this.checkSharedArrays(feeds, results)
    try {
      await this.session.run(given, fetched)
    } catch (cause) {
      throw failed('runtime-run', { en: 'failed while running', ru: 'остановился с ошибкой' }, cause)
    }
  }

  async close(): Promise<void> {
    this.tensors.clear()
    await this.session.release()
  }

  /** A view of the caller's array; kept while the same array comes again. */
  private wrap(name: string, host: HostTensor | undefined, type: TensorType): Tensor {
    checkBuffer(name, host, type)
    const known = this.tensors.get(name)
    if (known?.data === host.data) return known
    const tensor = new this.library.Tensor(type.dtype as 'float32', host.data as Float32Array, type.shape)
    this.tensors.set(name, tensor)
    return tensor
  }
}
