// Turns a graph into a program of OpenVINO on the processor, running on the caller's own arrays.
import { mkdirSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { AppError, asError, type Text } from '../base/errors.js'
import { encodeOnnx } from '../formats/onnx.js'
import type { InPlace } from '../graph/in-place.js'
import { writeOnnx, type Ends, type WrittenGraph } from '../graph/onnx.js'
import type { HostTensor, TensorType } from '../graph/tensor.js'
import { allocate, checkBuffer } from './buffers.js'
import { cacheFolder } from './folders.js'
import { loadOpenvinoApi, type Handle, type OpenvinoApi } from './openvino-api.js'
import { findOpenvinoLibraries, openvinoMissing, type OpenvinoLibraries } from './openvino-libraries.js'
import { copiesStored, letGo, placeFrozen, type PlacedGraph } from './openvino-stored.js'
import type { CompileOptions, NativeRuntime, Precision, Program } from './runtime.js'
import { watchSharedArrays } from './shared-arrays.js'

type Tensors = Readonly<Record<string, HostTensor>>

/**
 * OpenVINO on the processor. The native libraries are found and loaded here, at the first call.
 * @param precision `bf16` computes in bfloat16 where the processor can; arrays stay float32
 * @throws AppError `runtime-load` (environment)
 */
export async function createOpenvino(precision: Precision = 'f32'): Promise<NativeRuntime> {
  const libraries = findOpenvinoLibraries()
  if (!libraries) throw openvinoMissing()
  const api = await loadOnce(libraries)
  const dialect = precision === 'bf16' ? 'half' : 'standard'
  const open = async (written: WrittenGraph, options: CompileOptions = {}): Promise<OpenvinoProgram> => {
    const { rounds, kept, ...placed } = placeFrozen(api, written, options.frozen)
    const isCached = kept.size === 0 // with weights inside, files would be as large as they
    const properties = {
      INFERENCE_PRECISION_HINT: precision,
      INFERENCE_NUM_THREADS: String(options.threads ?? cpus().length),
      PERFORMANCE_HINT: 'LATENCY',
      // numbers that are rounded together where a matrix is stored in codes; 0: none are
      DYNAMIC_QUANTIZATION_GROUP_SIZE: String(rounds ? quantisedBlock : 0),
      // fused elementwise code is no faster in training and makes programs twice as large; decoding it speeds up
      ...(options.values === 'shared' && { SNIPPETS_MODE: 'DISABLE' }),
      ...(isCached && compiledCache()),
    }
    const copies = kept.size > 0 && (await copiesStored(api))
    return new OpenvinoProgram(api, { ...placed, kept, copies, properties, sharesValues: options.values === 'shared' })
  }
  return {
    name: 'openvino',
    // one that computes otherwise is another version to whoever compares
    version: precision === 'f32' ? api.version : `${api.version} ${precision}`,
    dialect,
    computesHalf: precision === 'bf16',
    storesFrozen: 'inference', // one constant in both directions computes wrongly there (2026.4.1)
    storesCodes: true,
    recomputes: precision === 'f32',
    copiesReadResults: true,
    keepsLogits: true,
    compileWritten: open,
    async compile(graph, options) {
      const program = await open(writeOnnx(graph, dialect), options)
      const sharedPairs = watchSharedArrays(graph, Object.keys(program.ends.inputs))
      return { run: (feeds, results) => program.run(feeds, results, sharedPairs), close: () => program.close() }
    },
  }
}

/** 32 (OpenVINO's own choice) and 64 are slower, 256 no faster. */
const quantisedBlock = 128

/**
 * Where OpenVINO keeps compiled graphs, so that a run after the self-check, and every later start, loads what was
 * compiled before. Where weights are inputs a graph takes about a megabyte; others are not kept. Damaged files are noticed
 * and made anew.
 */
function compiledCache(): Readonly<Record<string, string>> {
  const folder = join(cacheFolder(), 'openvino')
  if (process.platform === 'win32' && /[^ -~]/u.test(folder)) return {} // the C API takes such paths in another encoding
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return { CACHE_DIR: folder }
  } catch {
    return {} // costs time, not correctness
  }
}

const loaded = new Map<string, Promise<OpenvinoApi>>()

/** Native libraries are loaded once a process. */
function loadOnce({ folder, files }: OpenvinoLibraries): Promise<OpenvinoApi> {
  const known = loaded.get(folder) ?? loadOpenvinoApi(files)
  loaded.set(folder, known)
  return known.catch((cause: unknown) => {
    loaded.delete(folder)
    throw new AppError('runtime-load', {
      where: folder,
      kind: 'environment',
      what: {
        en: `OpenVINO could not be loaded (${asError(cause).message})`,
        ru: `не удалось загрузить OpenVINO (${asError(cause).message})`,
      },
      fix: {
        en: 'Run `dvoynik engine install openvino` again, or train with onnxruntime-cpu',
        ru: 'Повторите `dvoynik engine install openvino` или обучайте на onnxruntime-cpu',
      },
      cause,
    })
  })
}

function failed(code: 'runtime-compile' | 'runtime-run', what: Text, cause: unknown): AppError {
  const words = asError(cause).message
  return new AppError(code, {
    kind: 'environment',
    what: { en: `OpenVINO ${what.en}: ${words}`, ru: `OpenVINO ${what.ru}: ${words}` },
    cause,
  })
}

interface Wrapped {
  readonly host: HostTensor
  readonly handle: Handle
}

/** Of the programs that share memory the one that ran last. */
const sharing: { last: OpenvinoProgram | undefined } = { last: undefined }

/** What a program is made of. */
interface ProgramParts extends Ends, Pick<PlacedGraph, 'model' | 'kept'> {
  readonly properties: Readonly<Record<string, string>>
  /** Whether the arrays may go when the model was read. */
  readonly copies: boolean
  readonly sharesValues: boolean
}

/** An open request. It owns the tensors of the last run, and so keeps the arrays under them from being collected. */
class OpenvinoProgram implements Program {
  readonly ends: Ends
  private readonly kept: Set<HostTensor>
  private readonly sharesValues: boolean
  private readonly compiled: Handle
  private readonly request: Handle
  private readonly tensors = new Map<string, Wrapped>()
  /** Shared arrays that were tried: true when the request may write over what it reads. */
  private readonly tried = new Map<string, boolean>()
  /** The first run frees what OpenVINO had for inputs before it was given arrays, as much as all weights together. */
  private hasRun = false
  private isRunning = false
  /** Runs of one request wait for each other. */
  private queue: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly api: OpenvinoApi,
    { model, properties, inputs, outputs, kept, copies, sharesValues }: ProgramParts,
  ) {
    this.ends = { inputs, outputs }
    this.kept = kept
    this.sharesValues = sharesValues
    try {
      this.compiled = api.compile(encodeOnnx(model), properties, () => copies && letGo(kept))
      this.request = api.createRequest(this.compiled)
    } catch (cause) {
      throw failed('runtime-compile', { en: 'refused the graph', ru: 'не принял граф' }, cause)
    }
  }

  async run(
    feeds: Tensors,
    results: Tensors,
    sharedPairs: (feeds: Tensors, results: Tensors) => readonly InPlace[] = () => [],
  ): Promise<void> {
    const { inputs, outputs } = this.ends
    for (const name of Object.keys(inputs)) checkBuffer(name, feeds[name], inputs[name])
    for (const name of Object.keys(outputs)) checkBuffer(name, results[name], outputs[name])
    const pairs = sharedPairs(feeds, results)
    const turn = this.queue.then(() => (pairs.length > 0 ? this.runShared(feeds, results, pairs) : this.infer(feeds, results))) // prettier-ignore
    this.queue = turn.catch(() => undefined)
    await turn
  }

  async close(): Promise<void> {
    await this.queue
    if (sharing.last === this) sharing.last = undefined
    for (const { handle } of this.tensors.values()) this.api.freeTensor(handle)
    this.tensors.clear()
    this.api.freeRequest(this.request)
    this.api.freeCompiled(this.compiled)
    this.kept.clear()
  }

  private async infer(feeds: Tensors, results: Tensors): Promise<void> {
    const { inputs, outputs } = this.ends
    for (const name of Object.keys(inputs)) this.bind(name, feeds[name])
    for (const name of Object.keys(outputs)) this.bind(outputs[name].onnxName, results[name])
    if (this.sharesValues) this.takeTurn()
    this.isRunning = true
    try {
      await this.api.infer(this.request)
      if (!this.hasRun) this.api.returnFreed()
      this.hasRun = true
    } catch (cause) {
      throw failed('runtime-run', { en: 'failed while running', ru: 'остановился с ошибкой' }, cause)
    } finally {
      this.isRunning = false
    }
  }

  /** Of the programs that share memory only the last one has any. */
  private takeTurn(): void {
    if (sharing.last !== this) sharing.last?.release()
    sharing.last = this
  }

  private release(): void {
    if (this.isRunning) return // OpenVINO refuses, and nobody could hear it
    this.api.releaseValues(this.compiled)
    this.api.returnFreed()
  }

  private bind(name: string, host: HostTensor): void {
    const known = this.tensors.get(name)
    if (known?.host.data === host.data && known.host.shape.every((size, i) => size === host.shape[i])) return
    const handle = this.api.wrap(host)
    this.api.setTensor(this.request, name, handle)
    this.tensors.set(name, { host, handle })
    if (known) this.api.freeTensor(known.handle)
  }

  /** In place where a trial has shown that this is safe; else through arrays of our own, copied afterwards. */
  private async runShared(feeds: Tensors, results: Tensors, pairs: readonly InPlace[]): Promise<void> {
    const key = JSON.stringify(pairs)
    const safe = this.tried.get(key) ?? (await this.tryShared(pairs))
    this.tried.set(key, safe)
    if (safe) return this.infer(feeds, results)
    const own = allocateAll(this.ends.outputs)
    await this.infer(feeds, own)
    for (const name of Object.keys(results)) results[name].data.set(own[name].data as never)
  }

  /**
   * OpenVINO lets some operations work in the memory of a result before the last reader of an input has run. When each
   * step happens is fixed by the compiled plan, so one run over known values, apart and shared, tells which it is.
   */
  private async tryShared(pairs: readonly InPlace[]): Promise<boolean> {
    const { inputs, outputs } = this.ends
    const feeds = allocateAll(inputs)
    Object.values(feeds).forEach(fillForTrial)
    const [apart, together] = [allocateAll(outputs), allocateAll(outputs)]
    await this.infer(feeds, apart)
    for (const { input, output } of pairs) together[output] = feeds[input]
    await this.infer(feeds, together)
    return Object.keys(outputs).every(name => bytesOf(apart[name]).equals(bytesOf(together[name])))
  }
}

function allocateAll(types: Readonly<Record<string, TensorType>>): Record<string, HostTensor> {
  return Object.fromEntries(Object.entries(types).map(([name, type]) => [name, allocate(type)]))
}

/** Values between 0.5 and 1.5, all neighbours different; other types stay zero, as ids may not leave their table. */
function fillForTrial({ dtype, data }: HostTensor, tensor: number): void {
  if (dtype !== 'float32') return
  for (let i = 0; i < data.length; i++) data[i] = 0.5 + ((i * 0.6180339 + tensor * 0.7548777) % 1)
}

function bytesOf({ data }: HostTensor): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}
