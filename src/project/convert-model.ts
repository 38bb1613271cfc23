// A model folder to another one: element type, size of files, an adapter folded in; tensor by tensor, so that memory stays small.
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { AppError } from '../base/errors.js'
import { checkFreeSpace, exists, writeAndSync, writeFolderAtomic } from '../base/files.js'
import type { OnProgress, WorkOptions } from '../base/progress.js'
import { floatBytes, readStored, streamStored, type StoredTensor, type TensorSource } from '../formats/safetensors.js'
import { writeShards } from '../formats/safetensors-shards.js'
import { elementCount, type FloatTensor } from '../graph/tensor.js'
import { mergedModules, mergeModule, type Adapter } from '../model/adapter.js'
import { loadAdapter } from '../model/adapter-files.js'
import { commonDtype, openModel, storedDtypes, untiedModel, writeModelConfig, type Model, type StoredDtype, type StoredModel } from '../model/weights.js' // prettier-ignore

export interface ConvertOptions extends WorkOptions {
  /** Element type to write; default that of most of the weights. */
  readonly dtype?: StoredDtype
  /** Largest size of a file; default 50 GB. */
  readonly maxShardBytes?: number
  /** Folder of an adapter to merge. */
  readonly adapter?: string
}

export interface ConvertedModel {
  readonly folder: string
  readonly dtype: StoredDtype
  readonly tensors: number
  /** Of all weights. */
  readonly bytes: number
  /** Names of the other files taken along. */
  readonly copied: readonly string[]
}

/**
 * Writes the model of one folder into another, which must not exist or be empty.
 * @throws AppError as `loadModel` and `loadAdapter`; `folder-exists`, `cannot-merge`, `disk-full`, `float16-overflow`,
 * `interrupted`; whatever happens, no half-written folder stays
 */
export async function convertModel(from: string, to: string, options: ConvertOptions = {}): Promise<ConvertedModel> {
  await checkTarget(to)
  const base = await openModel(from)
  const dtype = options.dtype ?? commonDtype(base)
  const tensorOf = (name: string): Promise<FloatTensor> => readStored(base.stored.get(name)!)
  const adapter = options.adapter === undefined ? undefined : await loadAdapter(options.adapter, shapesOf(base), { tensorOf }) // prettier-ignore
  const model = adapter && adapter.config.tied !== base.config.tied ? untied(base) : base
  const copied = await otherFiles(from)
  const elements = [...model.stored.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0)
  const bytes = elements * floatBytes[storedDtypes[dtype]]
  await checkFreeSpace(await existingParent(to), bytes + copied.reduce((sum, file) => sum + file.bytes, 1 << 20))
  const counter = countBytes(bytes, floatBytes[storedDtypes[dtype]], options)
  const sources = new Map(
    [...model.stored].map(([name, tensor]) => [name, counter(sourceOf(model, tensor, name, adapter))]),
  )
  await writeFolderAtomic(to, async folder => {
    await writeShards(folder, sources, { dtype: storedDtypes[dtype], maxShardBytes: options.maxShardBytes })
    await writeModelConfig(folder, model, dtype)
    for (const { name } of copied) await writeAndSync(join(folder, name), await readFile(join(from, name)))
  })
  return { folder: to, dtype, tensors: sources.size, bytes, copied: copied.map(({ name }) => name) }
}

/** The numbers of a tensor as they will be written; those of a module that the adapter changes come merged. */
function sourceOf(model: StoredModel, tensor: StoredTensor, name: string, adapter: Adapter | undefined): TensorSource {
  const module = name.replace(/\.(?:weight|bias)$/u, '')
  if (adapter === undefined || !mergedModules(adapter).has(module))
    return { shape: tensor.shape, data: () => streamStored(tensor) }
  const merge = async function* (): AsyncGenerator<Float32Array> {
    const weights = new Map<string, FloatTensor>()
    for (const part of [`${module}.weight`, `${module}.bias`]) {
      const stored = model.stored.get(part)
      if (stored) weights.set(part, await readStored(stored))
    }
    const merged = mergeModule({ ...model, weights }, adapter, module)
    yield (merged.get(name) ?? weights.get(name)!).data
  }
  return { shape: tensor.shape, data: merge }
}

/** The head that an adapter takes apart is written beside the embedding. */
function untied(base: StoredModel): StoredModel {
  const [model, stored] = untiedModel(base, base.stored)
  return { ...model, stored }
}

/** The model without its numbers: enough to hold an adapter against it. */
function shapesOf(model: StoredModel): Model {
  const empty = new Float32Array(0)
  const shapes = [...model.stored].map(([name, { shape }]): [string, FloatTensor] => [
    name,
    { dtype: 'float32', shape, data: empty },
  ])
  return { ...model, weights: new Map(shapes) }
}

/** Wraps sources so that what passes is counted and a wish to stop is heard. */
function countBytes(
  total: number,
  width: number,
  { onProgress, signal }: { readonly onProgress?: OnProgress; readonly signal?: AbortSignal },
): (source: TensorSource) => TensorSource {
  let done = 0
  return ({ shape, data }) => ({
    shape,
    data: async function* () {
      for await (const piece of typeof data === 'function' ? data() : [data]) {
        if (signal?.aborted) throw interrupted()
        yield piece
        done += piece.length * width
        onProgress?.({ stage: 'convert', done: Math.round(done / 1e6), total: Math.round(total / 1e6), unit: 'MB' })
      }
    },
  })
}

/** Endings of weights, in whatever form; anything else that lies beside them is taken along. */
const weightEndings = /\.(?:safetensors|bin|pt|pth|ckpt|h5|msgpack|onnx|onnx_data|gguf|ot|tflite|index\.json)$/u
const rewritten: ReadonlySet<string> = new Set(['config.json', 'generation_config.json'])

interface OtherFile {
  readonly name: string
  readonly bytes: number
}

async function otherFiles(folder: string): Promise<OtherFile[]> {
  const files: OtherFile[] = []
  for (const name of (await readdir(folder)).sort()) {
    if (name.startsWith('.') || rewritten.has(name) || weightEndings.test(name)) continue
    const info = await stat(join(folder, name)) // the cache of the hub holds links
    if (info.isFile()) files.push({ name, bytes: info.size })
  }
  return files
}

async function checkTarget(to: string): Promise<void> {
  const there = await readdir(to).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOTDIR') return [to]
    if (cause.code === 'ENOENT') return []
    throw cause
  })
  if (there.length > 0) throw folderExists(to)
}

/** The nearest folder above that exists, to ask how much room there is. */
async function existingParent(path: string): Promise<string> {
  const parent = dirname(resolve(path))
  return parent === path || (await exists(parent)) ? parent : existingParent(parent)
}

function folderExists(to: string): AppError {
  return new AppError('folder-exists', {
    where: to,
    kind: 'usage',
    what: { en: 'something lies here already, and it will not be overwritten', ru: 'здесь уже что-то лежит, и оно не будет перезаписано' }, // prettier-ignore
    fix: { en: 'Give a new folder', ru: 'Укажите новую папку' },
  })
}

function interrupted(): AppError {
  return new AppError('interrupted', {
    kind: 'interrupted',
    what: { en: 'the conversion was interrupted; nothing was written', ru: 'преобразование прервано; ничего не записано' }, // prettier-ignore
    fix: { en: 'Run the command again to start anew', ru: 'Повторите команду, чтобы начать заново' },
  })
}
