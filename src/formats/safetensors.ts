// Named tensors in a .safetensors file (or shards with an index) to float32 arrays and back, with every offset checked.
import { open, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AppError, type Text } from '../base/errors.js'
import { fileNotFound, readJson, writeFileAtomic } from '../base/files.js'
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from './half.js'

/** Bytes per element of every element type the format knows. */
const dtypeBytes = {
  BOOL: 1, U8: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1, U16: 2, I16: 2, F16: 2, BF16: 2, U32: 4, I32: 4, F32: 4, F64: 8, U64: 8, I64: 8,
} as const // prettier-ignore

type SafetensorsDtype = keyof typeof dtypeBytes
/** Element types that weights are written in. */
export type FloatDtype = 'F32' | 'F16' | 'BF16'

/** A tensor read or to be written; `data` owns its ArrayBuffer when it was read. */
export interface FloatValues {
  readonly dtype: 'float32'
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** Where a tensor lies; `begin` and `end` count bytes from the start of the file. */
interface TensorEntry {
  readonly dtype: SafetensorsDtype
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, TensorEntry>
  readonly metadata: Readonly<Record<string, string>>
}

/** The reference implementation's limit: a longer header is a damaged or hostile file. */
const headerLimitBytes = 100_000_000
/** One read or write call of Node takes less than 2 GiB. */
const chunkBytes = 1 << 30

/**
 * Reads and checks the header alone.
 * @throws AppError `file-not-found`, or `bad-safetensors` naming file and tensor: truncated file, header too long, not JSON,
 * a name or key twice, unknown element type, size not that of the shape, overlaps and holes
 */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  return withFile(path, file => readHeader(file, path))
}

/**
 * Reads all floating-point tensors of one file as float32 (F64, F16 and BF16 are converted).
 * Other element types are left out unless `names` asks for them.
 * @param names only these; default all
 * @throws AppError as `readSafetensorsHeader`, `missing-tensor`, or `safetensors-dtype` for a named tensor that is not floating point
 */
export async function readSafetensors(path: string, names?: Iterable<string>): Promise<Map<string, FloatValues>> {
  return withFile(path, async file => {
    const { entries } = await readHeader(file, path)
    const tensors = new Map<string, FloatValues>()
    for (const name of names ?? floatNames(entries)) {
      const entry = entries.get(name)
      if (!entry) throw missingTensor(path, name)
      tensors.set(name, await readTensor(file, path, name, entry))
    }
    return tensors
  })
}

/**
 * Reads the shards that an index (`model.safetensors.index.json`) names.
 * @throws AppError as `readSafetensors`; `bad-safetensors` when the index is malformed or names a file outside its folder
 */
export async function readShardedSafetensors(indexPath: string): Promise<Map<string, FloatValues>> {
  const index = (await readJson(indexPath)) as { weight_map?: unknown } | null
  const map = index?.weight_map
  if (typeof map !== 'object' || map === null)
    throw bad(indexPath, undefined, 'no weight_map in the index', 'в указателе нет weight_map')
  const shards = new Map<string, string[]>()
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== 'string' || basename(shard) !== shard || shard.includes('\\')) {
      throw bad(
        indexPath,
        name,
        `"${String(shard)}" is not a file beside the index`,
        `«${String(shard)}» — не файл рядом с указателем`,
      )
    }
    shards.set(shard, [...(shards.get(shard) ?? []), name])
  }
  const tensors = new Map<string, FloatValues>()
  for (const [shard, names] of shards) {
    const path = join(dirname(indexPath), shard)
    const { entries } = await readSafetensorsHeader(path)
    const wanted = names.filter(name => !entries.has(name) || isFloat(entries.get(name)!.dtype))
    for (const [name, tensor] of await readSafetensors(path, wanted)) tensors.set(name, tensor)
  }
  return tensors
}

/**
 * Writes one file atomically and durably: names in order of falling size of element type and then by name, as the reference does.
 * @throws AppError `disk-full`; `shape` when a tensor's data does not fill its shape
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>,
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
    if (product(shape) !== data.length) throw wrongData(path, name, shape, data.length)
    const end = offset + data.length * dtypeBytes[dtype]
    header[name] = { dtype, shape, data_offsets: [offset, end] }
    offset = end
  }
  await writeFileAtomic(path, fileChunks(header, names.map(name => tensors.get(name)!.data), dtype)) // prettier-ignore
}

/** The bytes of a file piece by piece, so that converted copies live one at a time. */
function* fileChunks(header: object, arrays: readonly Float32Array[], dtype: FloatDtype): Generator<Uint8Array> {
  const json = Buffer.from(JSON.stringify(header))
  const length = Math.ceil(json.length / 8) * 8
  const head = Buffer.alloc(8 + length, ' ')
  head.writeBigUInt64LE(BigInt(length))
  json.copy(head, 8)
  yield head
  for (const values of arrays) {
    const stored = encoders[dtype](values)
    for (let at = 0; at < stored.byteLength; at += chunkBytes) {
      yield new Uint8Array(stored.buffer, stored.byteOffset + at, Math.min(chunkBytes, stored.byteLength - at))
    }
  }
}

const encoders: { readonly [D in FloatDtype]: (values: Float32Array) => Float32Array | Uint16Array } = {
  F32: values => values,
  F16: toFloat16,
  BF16: toBfloat16,
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

async function readHeader(file: FileHandle, path: string): Promise<SafetensorsHeader> {
  const { size } = await file.stat()
  if (size < 8) throw bad(path, undefined, `truncated: ${size} bytes`, `файл обрезан: ${size} байт`)
  const length = Number((await readBytes(file, 0, 8, path)).readBigUInt64LE())
  if (length > headerLimitBytes) {
    throw bad(
      path,
      undefined,
      `header of ${length} bytes, the limit is ${headerLimitBytes}`,
      `заголовок в ${length} байт, предел ${headerLimitBytes}`,
    )
  }
  if (8 + length > size)
    throw bad(path, undefined, `truncated in the header: ${size} bytes`, `файл обрезан в заголовке: ${size} байт`)
  const text = (await readBytes(file, 8, length, path)).toString('utf8')
  const json = parseHeader(text, path)
  const { __metadata__: metadata = {}, ...tensors } = json
  const entries = new Map(Object.entries(tensors).map(([name, raw]) => [name, checkEntry(path, name, raw, 8 + length)]))
  checkCoverage(path, entries, 8 + length, size)
  return { entries, metadata: metadata as Record<string, string> }
}

function parseHeader(text: string, path: string): Record<string, unknown> {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw bad(
      path,
      undefined,
      `header is not JSON (${(cause as Error).message})`,
      `заголовок не JSON (${(cause as Error).message})`,
    )
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw bad(path, undefined, 'header is not a JSON object', 'заголовок не объект JSON')
  }
  const twice = repeatedKey(text)
  if (twice !== undefined) throw bad(path, twice, 'stands twice in the header', 'дважды стоит в заголовке')
  return json as Record<string, unknown>
}

/** JSON.parse keeps the last of equal keys in silence; this finds the first key written twice in one object of valid JSON. */
function repeatedKey(json: string): string | undefined {
  const open: Set<string>[] = []
  for (const [token, key] of json.matchAll(/("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}]/gu)) {
    if (token === '{') open.push(new Set())
    else if (token === '}') open.pop()
    else if (key !== undefined) {
      const name = JSON.parse(key) as string
      if (open.at(-1)!.has(name)) return name
      open.at(-1)!.add(name)
    }
  }
  return undefined
}

function checkEntry(path: string, name: string, raw: unknown, base: number): TensorEntry {
  const {
    dtype,
    shape,
    data_offsets: offsets,
  } = (raw ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown }
  if (typeof dtype !== 'string' || !Object.hasOwn(dtypeBytes, dtype)) {
    throw bad(
      path,
      name,
      `unknown element type ${JSON.stringify(dtype)}`,
      `неизвестный тип элементов ${JSON.stringify(dtype)}`,
    )
  }
  if (!isSizes(shape))
    throw bad(path, name, `bad shape ${JSON.stringify(shape)}`, `негодная форма ${JSON.stringify(shape)}`)
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw bad(
      path,
      name,
      `bad data_offsets ${JSON.stringify(offsets)}`,
      `негодные data_offsets ${JSON.stringify(offsets)}`,
    )
  }
  const bytes = product(shape) * dtypeBytes[dtype as SafetensorsDtype]
  if (offsets[1] - offsets[0] !== bytes) {
    const got = offsets[1] - offsets[0]
    throw bad(
      path,
      name,
      `${got} bytes for ${dtype} [${shape}], expected ${bytes}`,
      `${got} байт для ${dtype} [${shape}], нужно ${bytes}`,
    )
  }
  return { dtype: dtype as SafetensorsDtype, shape, begin: base + offsets[0], end: base + offsets[1] }
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(size => Number.isSafeInteger(size) && size >= 0)
}

/** The tensors must tile the rest of the file exactly. */
function checkCoverage(path: string, entries: ReadonlyMap<string, TensorEntry>, start: number, size: number): void {
  let at = start
  for (const [name, { begin, end }] of [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (begin < at)
      throw bad(
        path,
        name,
        `overlaps the tensor before it at byte ${begin}`,
        `заходит на предыдущий тензор с байта ${begin}`,
      )
    if (begin > at)
      throw bad(path, name, `a hole of ${begin - at} bytes before it`, `перед ним дыра в ${begin - at} байт`)
    if (end > size)
      throw bad(
        path,
        name,
        `truncated: ends at byte ${end} of ${size}`,
        `файл обрезан: конец на байте ${end} из ${size}`,
      )
    at = end
  }
  if (at !== size)
    throw bad(
      path,
      undefined,
      `${size - at} bytes after the last tensor`,
      `${size - at} лишних байт после последнего тензора`,
    )
}

function isFloat(dtype: SafetensorsDtype): boolean {
  return dtype === 'F32' || dtype === 'F16' || dtype === 'BF16' || dtype === 'F64'
}

function floatNames(entries: ReadonlyMap<string, TensorEntry>): string[] {
  return [...entries].filter(([, { dtype }]) => isFloat(dtype)).map(([name]) => name)
}

async function readTensor(file: FileHandle, path: string, name: string, entry: TensorEntry): Promise<FloatValues> {
  const { dtype, shape, begin, end } = entry
  if (!isFloat(dtype)) throw notFloat(path, name, dtype)
  const bytes = new ArrayBuffer(end - begin)
  await readInto(file, new Uint8Array(bytes), begin, path)
  return { dtype: 'float32', shape, data: decode(dtype, bytes) }
}

function decode(dtype: SafetensorsDtype, bytes: ArrayBuffer): Float32Array {
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

function product(shape: readonly number[]): number {
  return shape.reduce((count, size) => count * size, 1)
}

const fetchAgain: Text = {
  en: 'The file is damaged or not safetensors; fetch or write it again',
  ru: 'Файл повреждён или это не safetensors; скачайте или запишите его заново',
}

function bad(path: string, tensor: string | undefined, en: string, ru: string): AppError {
  const where = tensor === undefined ? path : `${path}, tensor ${tensor}`
  return new AppError('bad-safetensors', { where, what: { en, ru }, fix: fetchAgain })
}

function missingTensor(path: string, name: string): AppError {
  return new AppError('missing-tensor', {
    where: `${path}, tensor ${name}`,
    what: { en: 'there is no such tensor in the file', ru: 'такого тензора в файле нет' },
    fix: {
      en: 'Fetch the model again; its files do not belong together',
      ru: 'Скачайте модель заново: файлы не подходят друг к другу',
    },
  })
}

function notFloat(path: string, name: string, dtype: string): AppError {
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
