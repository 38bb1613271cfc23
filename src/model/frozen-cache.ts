// What a model's own files do not hold (codes of its weights, float32 of 16-bit numbers) as one .safetensors file, made once.
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { checkFreeSpace, writeFileAtomic } from '../base/files.js'
import { canonicalJson, sha256, sha256File } from '../base/hash.js'
import { readStored, streamStored, type StoredTensor } from '../formats/safetensors.js'
import { elementBytes, elementCount, type TensorType } from '../graph/tensor.js'
import { toRows } from './frozen-tensor.js'
import { quantisedTypes, quantiseMatrix, type QuantisedMatrix } from './quantise.js'

/** What becomes of one tensor of a model folder. */
export interface TensorPlan {
  readonly name: string
  readonly tensor: StoredTensor
  /** Its sizes in codes, where it is quantised. */
  readonly matrix?: Pick<QuantisedMatrix, 'inputs' | 'outputs' | 'bits' | 'block'>
  /** Whether it is [inputs, outputs]. */
  readonly inOut: boolean
  /** Where its numbers are: in the model's own file, in the cache as float32, or nowhere but in the codes. */
  readonly numbers: 'own' | 'cache' | 'codes'
}

/** Names of the tensors of a matrix in the cache. */
export const cachedNames = {
  codes: (name: string): string => `${name}.codes`,
  scales: (name: string): string => `${name}.scales`,
  transpose: (name: string): string => `${name}.transpose`,
}

/** A change of how codes are made makes another file. */
const version = 2

/**
 * @returns the file that has all the plan wants of a cache, made when it is not there or no longer what was written;
 * undefined when that is nothing. Others in the folder are removed when one is made
 * @throws AppError `disk-full`; as `readStored`
 */
export async function ensureFrozenCache(plan: readonly TensorPlan[], folder: string): Promise<string | undefined> {
  const wanted = plan.filter(({ matrix, numbers }) => matrix !== undefined || numbers === 'cache')
  if (wanted.length === 0) return undefined
  const key = (await cacheKey(wanted)).slice(0, 32)
  const whole = await findWhole(folder, key)
  if (whole !== undefined) return whole
  const path = join(folder, `${key}.safetensors`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const sections = wanted.flatMap(sectionsOf)
  const { header, bytes } = describeSections(sections)
  const stale = (await readdir(folder)).filter(name => /\.(?:safetensors|tmp)$/u.test(name))
  for (const name of stale) await rm(join(folder, name), { force: true })
  await checkFreeSpace(folder, header.length + bytes)
  await writeFileAtomic(path, cacheBytes(header, wanted))
  const sealed = join(folder, sealedName(key, await sha256File(path)))
  await rename(path, sealed)
  return sealed
}

/** Named by its content too: codes that were damaged since would train another model. */
function sealedName(key: string, hash: string): string {
  return `${key}-${hash.slice(0, 32)}.safetensors`
}

async function findWhole(folder: string, key: string): Promise<string | undefined> {
  const names = await readdir(folder).catch(() => [])
  for (const name of names.filter(name => name.startsWith(`${key}-`))) {
    const path = join(folder, name)
    if (name === sealedName(key, await sha256File(path))) return path
  }
  return undefined
}

/** The model's files are known by size and time: reading them whole would take as long as making the codes. */
async function cacheKey(plan: readonly TensorPlan[]): Promise<string> {
  const files = [...new Set(plan.map(({ tensor }) => tensor.path))].sort()
  const facts = await Promise.all(files.map(async path => [path, (await stat(path)).size, (await stat(path)).mtimeMs]))
  const wanted = plan.map(({ name, matrix, numbers }) => [name, { ...matrix }, numbers])
  return sha256(canonicalJson({ version, files: facts, wanted }))
}

type Section = readonly [name: string, type: TensorType]

/** In the order of the file. */
function sectionsOf({ name, tensor, matrix, numbers }: TensorPlan): Section[] {
  const float: Section[] = numbers === 'cache' ? [[name, { dtype: 'float32', shape: tensor.shape }]] : []
  if (!matrix) return float
  const { codes, scales, mirror } = quantisedTypes(matrix.outputs, matrix.inputs, matrix.bits, matrix.block)
  const sections: Section[] = [
    [cachedNames.codes(name), codes],
    [cachedNames.scales(name), scales],
  ]
  return [...float, ...sections, ...(mirror ? [[cachedNames.transpose(name), mirror] as const] : [])]
}

function describeSections(sections: readonly Section[]): { header: Buffer; bytes: number } {
  let bytes = 0
  const entries = sections.map(([name, { dtype, shape }]) => {
    const begin = bytes
    bytes += elementCount(shape) * elementBytes[dtype]
    return [name, { dtype: dtype === 'uint8' ? 'U8' : 'F32', shape, data_offsets: [begin, bytes] }] as const
  })
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)))
  const length = Math.ceil((8 + json.length) / 64) * 64 - 8 // numbers begin at a multiple of 64
  const header = Buffer.alloc(8 + length, ' ')
  header.writeBigUInt64LE(BigInt(length))
  json.copy(header, 8)
  return { header, bytes }
}

/** One tensor at a time is in memory. */
async function* cacheBytes(header: Buffer, plan: readonly TensorPlan[]): AsyncGenerator<Uint8Array> {
  yield header
  for (const { tensor, matrix, inOut, numbers } of plan) {
    if (numbers === 'cache') for await (const piece of streamStored(tensor)) yield bytesOf(piece)
    if (!matrix) continue
    const { outputs, inputs, bits, block } = matrix
    const rows = toRows(await readStored(tensor), inOut)
    const { codes, scales, mirror } = quantiseMatrix(rows, outputs, inputs, bits, block)
    for (const { data } of [codes, scales, ...(mirror ? [mirror] : [])]) yield bytesOf(data)
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
