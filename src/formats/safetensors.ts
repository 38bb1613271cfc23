// Named tensors in a .safetensors file to float32 arrays and back, whole or piece by piece, with every offset checked.
import { elementCount } from '../graph/tensor.js'
import { open, type FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import { AppError } from '../base/errors.js'
import { fileNotFound, writeFileAtomic } from '../base/files.js'
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from './half.js'
import {
  bad,
  headerLength,
  isFloat,
  parseHeader,
  type SafetensorsHeader,
  type TensorEntry,
} from './safetensors-header.js'

/** Element types that weights are written in. */
export type FloatDtype = 'F32' | 'F16' | 'BF16'

/** Bytes per element of the types that are written. */
export const floatBytes: { readonly [D in FloatDtype]: number } = { F32: 4, F16: 2, BF16: 2 }

/** A tensor read. */
export interface FloatValues {
  readonly dtype: 'float32'
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** A tensor in a file, not read yet. */
export interface StoredTensor extends TensorEntry {
  readonly path: string
  readonly name: string
}

/** A tensor to be written: its numbers, or what gives them in order when their turn comes, which may be more than once. */
export interface TensorSource {
  readonly shape: readonly number[]
  readonly data: Float32Array | (() => AsyncIterable<Float32Array>)
}

/** One read or write call of Node takes less than 2 GiB. */
const chunkBytes = 1 << 30
/** Elements of one piece of a tensor that is read piece by piece. */
const pieceElements = 1 << 24

/**
 * Reads and checks the header alone.
 * @throws AppError `file-not-found`, or `bad-safetensors` naming file and tensor: truncated file, header too long, not JSON,
 * a name or key twice, unknown element type, size not that of the shape, overlaps and holes
 */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  return withFile(path, async file => {
    const { size } = await file.stat()
    const length = headerLength(await readBytes(file, 0, Math.min(8, size), path), size, path)
    return parseHeader(await readBytes(file, 8, length, path), size, path)
  })
}

/**
 * What a file holds, by name; no numbers are read.
 * @throws AppError as `readSafetensorsHeader`
 */
export async function listSafetensors(path: string): Promise<Map<string, StoredTensor>> {
  const { entries } = await readSafetensorsHeader(path)
  return new Map([...entries].map(([name, entry]) => [name, { ...entry, path, name }]))
}

/**
 * Reads all floating-point tensors of one file as float32 (F64, F16 and BF16 are converted).
 * Other element types are left out unless `names` asks for them.
 * @param names only these; default all
 * @throws AppError as `readSafetensorsHeader`, `missing-tensor`, or `safetensors-dtype` for a named tensor that is not floating point
 */
export async function readSafetensors(path: string, names?: Iterable<string>): Promise<Map<string, FloatValues>> {
  const stored = await listSafetensors(path)
  const tensors = new Map<string, FloatValues>()
  for (const name of names ?? [...stored.values()].filter(({ dtype }) => isFloat(dtype)).map(one => one.name)) {
    const tensor = stored.get(name)
    if (!tensor) throw missingTensor(path, name)
    tensors.set(name, await readStored(tensor))
  }
  return tensors
}

/**
 * @param allocate what gives the array its place; by default it owns its ArrayBuffer
 * @throws AppError `safetensors-dtype` when it is not floating point; `bad-safetensors` when the file has been cut since
 */
export async function readStored(
  tensor: StoredTensor,
  allocate?: (length: number) => Float32Array,
): Promise<FloatValues> {
  const { path, dtype, shape, begin, end } = tensor
  if (!isFloat(dtype)) throw notFloat(tensor)
  const placed = allocate?.(elementCount(shape))
  const bytes = placed && dtype === 'F32' ? bytesOf(placed) : new Uint8Array(new ArrayBuffer(end - begin))
  await withFile(path, file => readInto(file, bytes, begin, path))
  if (placed && dtype === 'F32') return { dtype: 'float32', shape, data: placed }
  const data = decode(dtype, bytes.buffer as ArrayBuffer)
  placed?.set(data)
  return { dtype: 'float32', shape, data: placed ?? data }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/**
 * The numbers of a tensor in order, in pieces of at most 64 MiB as float32.
 * @throws AppError as `readStored`
 */
export async function* streamStored(tensor: StoredTensor): AsyncGenerator<Float32Array> {
  const { path, dtype, shape, begin, end } = tensor
  if (!isFloat(dtype)) throw notFloat(tensor)
  const step = pieceElements * ((end - begin) / Math.max(1, elementCount(shape)))
  const file = await open(path)
  try {
    for (let at = begin; at < end; at += step) {
      const bytes = new ArrayBuffer(Math.min(step, end - at))
      await readInto(file, new Uint8Array(bytes), at, path)
      yield decode(dtype, bytes)
    }
  } finally {
    await file.close()
  }
}

/**
 * Writes one file atomically and durably: tensors in order of their names, as the reference orders equal element types.
 * @throws AppError `disk-full`; `shape` when a tensor's data does not fill its shape; `float16-overflow` for numbers above 65504
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorSource>,
  {
    dtype = 'F32',
    metadata = { format: 'pt' },
  }: { dtype?: FloatDtype; metadata?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const names = [...tensors.keys()].sort()
  const header: Record<string, unknown> = { __metadata__: metadata }
  let offset = 0
  for (const name of names) {
    const { shape, data } = tensors.get(name)!
    if (typeof data !== 'function' && elementCount(shape) !== data.length)
      throw wrongData(path, name, shape, data.length)
    const end = offset + elementCount(shape) * floatBytes[dtype]
    header[name] = { dtype, shape, data_offsets: [offset, end] }
    offset = end
  }
  await writeFileAtomic(path, fileChunks(path, header, names.map(name => [name, tensors.get(name)!]), dtype)) // prettier-ignore
}

/** The bytes of a file piece by piece, so that converted copies live one at a time. */
async function* fileChunks(
  path: string,
  header: object,
  tensors: readonly (readonly [string, TensorSource])[],
  dtype: FloatDtype,
): AsyncGenerator<Uint8Array> {
  const json = Buffer.from(JSON.stringify(header))
  const length = Math.ceil(json.length / 8) * 8
  const head = Buffer.alloc(8 + length, ' ')
  head.writeBigUInt64LE(BigInt(length))
  json.copy(head, 8)
  yield head
  for (const [name, { shape, data }] of tensors) {
    let count = 0
    for await (const values of typeof data === 'function' ? data() : [data]) {
      count += values.length
      if (dtype === 'F16') checkRange(path, name, values)
      const stored = encoders[dtype](values)
      for (let at = 0; at < stored.byteLength; at += chunkBytes) {
        yield new Uint8Array(stored.buffer, stored.byteOffset + at, Math.min(chunkBytes, stored.byteLength - at))
      }
    }
    if (count !== elementCount(shape)) throw wrongData(path, name, shape, count)
  }
}

const encoders: { readonly [D in FloatDtype]: (values: Float32Array) => Float32Array | Uint16Array } = {
  F32: values => values,
  F16: toFloat16,
  BF16: toBfloat16,
}

/** From here on a float16 is rounded to infinity. */
const float16Limit = 65520

function checkRange(path: string, name: string, values: Float32Array): void {
  let [count, largest] = [0, 0]
  for (const value of values) {
    const size = Math.abs(value)
    if (size < float16Limit || size === Infinity || Number.isNaN(size)) continue
    count++
    largest = Math.max(largest, size)
  }
  if (count > 0) throw overflow(path, name, count, largest)
}

async function withFile<Result>(path: string, use: (file: FileHandle) => Promise<Result>): Promise<Result> {
  const file = await open(path).catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === 'ENOENT' ? fileNotFound(path, cause) : cause
  })
  try {
    return await use(file)
  } finally {
    await file.close()
  }
}

function decode(dtype: 'F32' | 'F16' | 'BF16' | 'F64', bytes: ArrayBuffer): Float32Array {
  if (dtype === 'F32') return new Float32Array(bytes)
  if (dtype === 'F64') return Float32Array.from(new Float64Array(bytes))
  return dtype === 'F16' ? fromFloat16(new Uint16Array(bytes)) : fromBfloat16(new Uint16Array(bytes))
}

async function readBytes(file: FileHandle, position: number, length: number, path: string): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  await readInto(file, buffer, position, path)
  return buffer
}

async function readInto(file: FileHandle, target: Uint8Array, position: number, path: string): Promise<void> {
  for (let at = 0; at < target.length;) {
    const { bytesRead } = await file.read(target, at, Math.min(chunkBytes, target.length - at), position + at)
    if (bytesRead === 0)
      throw bad(path, undefined, `truncated at byte ${position + at}`, `файл обрезан на байте ${position + at}`)
    at += bytesRead
  }
}

/** A tensor that was asked for and is not there. */
export function missingTensor(path: string, name: string): AppError {
  return new AppError('missing-tensor', {
    where: `${path}, tensor ${name}`,
    what: { en: 'there is no such tensor in the file', ru: 'такого тензора в файле нет' },
    fix: {
      en: 'Fetch the model again; its files do not belong together',
      ru: 'Скачайте модель заново: файлы не подходят друг к другу',
    },
  })
}

function notFloat({ path, name, dtype }: StoredTensor): AppError {
  return new AppError('safetensors-dtype', {
    where: `${path}, tensor ${name}`,
    what: { en: `element type ${dtype} is not a weight type`, ru: `тип элементов ${dtype} не годится для весов` },
    fix: { en: 'Use a checkpoint in F32, F16 or BF16', ru: 'Возьмите веса в F32, F16 или BF16' },
  })
}

function wrongData(path: string, name: string, shape: readonly number[], length: number): AppError {
  return new AppError('shape', {
    where: `${path}, tensor ${name}`,
    what: { en: `${length} values for shape [${shape}]`, ru: `${length} значений для формы [${shape}]` },
    fix: { en: 'This is a bug in Dvoynik; please report it', ru: 'Это ошибка Двойника; сообщите о ней' },
  })
}

function overflow(path: string, name: string, count: number, largest: number): AppError {
  const size = Number(largest.toPrecision(4))
  return new AppError('float16-overflow', {
    where: `${basename(path)}, tensor ${name}`,
    what: {
      en: `float16 ends at 65504, and numbers beyond it would become infinite: at least ${count} here, up to ${size}`,
      ru: `float16 кончается на 65504, а большие числа стали бы бесконечностью: здесь их не меньше ${count}, до ${size}`,
    },
    fix: { en: 'Write the model as bfloat16 or float32', ru: 'Запишите модель как bfloat16 или float32' },
  })
}
