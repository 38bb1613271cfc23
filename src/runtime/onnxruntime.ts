// Turns a graph into a program of ONNX Runtime, running on the caller's own arrays.
import { cpus } from 'node:os'
import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { AppError, asError } from '../base/errors.js'
import type { OnnxDialect } from '../graph/onnx-rules.js'
import { encodeOnnx } from '../formats/onnx.js'
import { storeInputs, writeOnnx, type Ends, type WrittenGraph } from '../graph/onnx.js'
import type { HostTensor, TensorType } from '../graph/tensor.js'
import { allocate, checkBuffer } from './buffers.js'
import { loadOrtApi, type OrtApi } from './onnxruntime-api.js'
import { DirectProgram } from './onnxruntime-program.js'
import { trimHeap } from './heap.js'
import { hasInt8 } from './processor.js'
import type { CompileOptions, NativeRuntime, Program } from './runtime.js'
import { watchSharedArrays } from './shared-arrays.js'

type Library = typeof import('onnxruntime-node')

/** Where ONNX Runtime computes, and how models are written for it; what a provider lacks runs on the processor. */
const dialects = { cpu: 'onnxruntime', webgpu: 'webgpu' } as const satisfies Record<string, OnnxDialect>

type Provider = keyof typeof dialects

/** The reference runtime: float32 on the processor. @throws AppError `runtime-load` (environment) */
export function createOnnxRuntime(): Promise<NativeRuntime> {
  return openOnnxRuntime('cpu')
}

/**
 * ONNX Runtime on a provider, in float32. The native library is loaded here, at the first call.
 * @throws AppError `runtime-load` (environment)
 */
export async function openOnnxRuntime(provider: Provider): Promise<NativeRuntime> {
  const library = await loadLibrary()
  const dialect = provider === 'cpu' && (await hasInt8()) ? 'onnxruntime-int8' : dialects[provider]
  // the binding copies every result after a run; where the C functions can be had, nothing is copied
  const direct = provider === 'cpu' ? await loadOrtApi().catch(() => undefined) : undefined
  const open = async (written: WrittenGraph, options: CompileOptions = {}, check?: SharedArrayCheck) =>
    direct
      ? openDirect(direct, written, options, check)
      : new OnnxProgram(library, await createSession(library, written, provider, options), endsOf(written), check)
  return {
    name: `onnxruntime-${provider}`,
    version: library.env.versions.node ?? library.env.versions.common,
    dialect,
    storesFrozen: provider === 'cpu' ? 'always' : undefined,
    recomputes: provider === 'cpu',
    compileWritten: (written, options) => open(storeInputs(written, options?.frozen ?? new Map()), options),
    async compile(graph, options) {
      const written = writeOnnx(graph, dialect, options?.frozen)
      return open(written, options, watchSharedArrays(graph, Object.keys(written.inputs)))
    },
  }
}

async function loadLibrary(): Promise<Library> {
  // from 1.29 on it would note each session beside an id of the machine, for Microsoft; it reads this once, as it starts
  process.env.ORT_DISABLE_TELEMETRY = '1'
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

/**
 * How long an idle thread waits busily for more work, by default long. A step of six layers of width 256 with two threads:
 * quiet machine 429 ms by default, 409 ms with 20 µs, 398 ms with 200 µs; among a dozen other processes 5.4, 4.1 and 4.3 s.
 */
const spinningUs = '100'

async function createSession(
  library: Library,
  { model, root }: WrittenGraph,
  provider: Provider,
  { threads }: CompileOptions,
): Promise<InferenceSession> {
  try {
    return await library.InferenceSession.create(encodeOnnx(model), {
      executionProviders: [provider],
      intraOpNumThreads: threads ?? cpus().length,
      interOpNumThreads: 1,
      graphOptimizationLevel: 'all',
      extra: {
        session: {
          intra_op: { spin_duration_us: spinningUs },
          // values in files: their paths begin in this folder
          ...(root === undefined ? {} : { model_external_initializers_file_folder_path: root }),
        },
      },
      logSeverityLevel: 4, // errors are thrown, so they need not be printed too
    })
  } catch (cause) {
    throw failed('runtime-compile', { en: 'refused the graph', ru: 'не принял граф' }, cause)
  }
}

async function openDirect(
  api: OrtApi,
  written: WrittenGraph,
  { threads = cpus().length, values = 'own' }: CompileOptions,
  check?: SharedArrayCheck,
): Promise<Program> {
  const config: Record<string, string> = { 'session.intra_op.spin_duration_us': spinningUs }
  if (written.root !== undefined) config['session.model_external_initializers_file_folder_path'] = written.root
  try {
    const session = await api.createSession(encodeOnnx(written.model), { threads, values, config })
    await trimHeap() // stored values were brought into order; what they were before has been freed
    return new DirectProgram(api, session, endsOf(written), cause => failed('runtime-run', whileRunning, cause), check)
  } catch (cause) {
    throw failed('runtime-compile', { en: 'refused the graph', ru: 'не принял граф' }, cause)
  }
}

/** Without the model, which nobody needs once it is compiled. */
function endsOf({ inputs, outputs }: WrittenGraph): Ends {
  return { inputs, outputs }
}

const whileRunning = { en: 'failed while running', ru: 'остановился с ошибкой' }

function failed(code: 'runtime-compile' | 'runtime-run', what: { en: string; ru: string }, cause: unknown): AppError {
  const words = clean(asError(cause).message)
  return new AppError(code, {
    kind: 'environment',
    what: { en: `ONNX Runtime ${what.en}: ${words}`, ru: `ONNX Runtime ${what.ru}: ${words}` },
    cause,
  })
}

/** Some messages begin with a line of the library's sources; what follows says what is wrong. */
function clean(message: string): string {
  return message.replace(/^\/\S+\.cc:\d+ .*? was false\. /su, '').trim()
}

type SharedArrayCheck = ReturnType<typeof watchSharedArrays>

interface Wrapped {
  readonly host: HostTensor
  readonly tensor: Tensor
}

/** An open session; it keeps the tensors of the last run so that arrays in use are not collected. */
class OnnxProgram implements Program {
  private readonly tensors = new Map<string, Wrapped>()

  constructor(
    private readonly library: Library,
    private readonly session: InferenceSession,
    private readonly ends: Ends,
    private readonly checkSharedArrays?: SharedArrayCheck,
  ) {}

  async run(feeds: Readonly<Record<string, HostTensor>>, results: Readonly<Record<string, HostTensor>>): Promise<void> {
    const { inputs, outputs } = this.ends
    const given: Record<string, Tensor> = {}
    const fetched: Record<string, Tensor> = {}
    for (const name of Object.keys(inputs)) {
      given[name] = this.wrap(name, feeds[name], inputs[name])
      copyApart(feeds[name], given[name])
    }
    for (const name of Object.keys(outputs))
      fetched[outputs[name].onnxName] = this.wrap(outputs[name].onnxName, results[name], outputs[name])
    this.checkSharedArrays?.(feeds, results)
    try {
      await this.session.run(given, fetched)
    } catch (cause) {
      throw failed('runtime-run', whileRunning, cause)
    }
    for (const name of Object.keys(outputs)) copyApart(fetched[outputs[name].onnxName], results[name])
  }

  async close(): Promise<void> {
    this.tensors.clear()
    await this.session.release()
  }

  /**
   * A view of the caller's array; kept while the same array comes again. The binding refuses memory that threads share: of
   * such an array it gets a copy.
   */
  private wrap(name: string, host: HostTensor | undefined, type: TensorType): Tensor {
    checkBuffer(name, host, type)
    const known = this.tensors.get(name)
    if (known?.host.data === host.data && known.tensor.dims.every((size, i) => size === host.shape[i]))
      return known.tensor
    const { data } = host.data.buffer instanceof SharedArrayBuffer ? allocate(host) : host
    const tensor = new this.library.Tensor(type.dtype as 'float32', data as Float32Array, host.shape)
    this.tensors.set(name, { host, tensor })
    return tensor
  }
}

/** Between an array and what stands in its place, where that is another one. */
function copyApart(from: { readonly data: unknown }, to: { readonly data: unknown }): void {
  if (from.data !== to.data) (to.data as Float32Array).set(from.data as Float32Array)
}
