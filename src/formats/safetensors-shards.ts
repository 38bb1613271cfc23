// Tensors spread over several .safetensors files: the index that says where each one lies, read and written.
import { readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AppError } from '../base/errors.js'
import { exists, readJson, writeFileAtomic } from '../base/files.js'
import { elementCount } from '../graph/tensor.js'
import { bad } from './safetensors-header.js'
import {
  floatBytes,
  listSafetensors,
  missingTensor,
  writeSafetensors,
  type FloatDtype,
  type StoredTensor,
  type TensorSource,
} from './safetensors.js'

export const singleFile = 'model.safetensors'
export const indexFile = 'model.safetensors.index.json'

/** Files of one set of shards; the numbers are of five digits. */
const shardFile = /^model-\d{5}-of-\d{5}\.safetensors$/u

/**
 * File beside the index of each tensor.
 * @throws AppError `file-not-found`, `bad-json`, `bad-safetensors` when it is malformed or names a file outside its folder
 */
export async function readIndex(indexPath: string): Promise<Map<string, string>> {
  const index = (await readJson(indexPath)) as { weight_map?: unknown } | null
  const map = index?.weight_map
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    throw bad(indexPath, undefined, 'no weight_map in the index', 'в указателе нет weight_map')
  for (const [name, shard] of Object.entries(map) as [string, unknown][]) {
    if (typeof shard === 'string' && basename(shard) === shard && /^[^\\/:\0]+\.safetensors$/u.test(shard)) continue
    const got = JSON.stringify(shard)
    throw bad(
      indexPath,
      name,
      `${got} is not a .safetensors file beside the index`,
      `${got}: это не файл .safetensors рядом с указателем`,
    )
  }
  return new Map(Object.entries(map as Record<string, string>))
}

/**
 * Where each tensor lies that the index names; no numbers are read.
 * @throws AppError as `readIndex` and `readSafetensorsHeader`; `missing-shard` when a file is not there, `missing-tensor` when
 * it has not what the index says
 */
export async function listShards(indexPath: string): Promise<Map<string, StoredTensor>> {
  const files = new Map<string, Map<string, StoredTensor>>()
  const tensors = new Map<string, StoredTensor>()
  for (const [name, shard] of await readIndex(indexPath)) {
    const path = join(dirname(indexPath), shard)
    if (!files.has(shard) && !(await exists(path))) throw missingShard(indexPath, shard)
    const stored = files.get(shard) ?? (await listSafetensors(path))
    files.set(shard, stored)
    const tensor = stored.get(name)
    if (!tensor) throw missingTensor(path, name)
    tensors.set(name, tensor)
  }
  return tensors
}

function missingShard(indexPath: string, shard: string): AppError {
  return new AppError('missing-shard', {
    where: indexPath,
    what: {
      en: `the index names ${shard}, which is not beside it`,
      ru: `указатель называет ${shard}, а рядом его нет`,
    },
    fix: { en: 'Fetch the model again; a part of it is missing', ru: 'Скачайте модель заново: части не хватает' },
  })
}

interface ShardOptions {
  readonly dtype?: FloatDtype
  /** A file grows to this size at most, unless one tensor alone is larger. Default 50 GB, as transformers has it. */
  readonly maxShardBytes?: number
}

/**
 * Writes `model.safetensors`, or shards with their index where that would be larger than a shard may be; weights of an
 * earlier save that do not belong to these are removed at the end.
 * @returns bytes of all tensors
 * @throws AppError as `writeSafetensors`
 */
export async function writeShards(
  folder: string,
  tensors: ReadonlyMap<string, TensorSource>,
  { dtype = 'F32', maxShardBytes = 50e9 }: ShardOptions = {},
): Promise<number> {
  const sizeOf = (name: string): number => elementCount(tensors.get(name)!.shape) * floatBytes[dtype]
  const shards = splitShards([...tensors.keys()], sizeOf, maxShardBytes)
  const total = [...tensors.keys()].reduce((sum, name) => sum + sizeOf(name), 0)
  const number = (i: number): string => String(i).padStart(5, '0')
  const files = shards.map((_, i) => shards.length === 1 ? singleFile : `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`) // prettier-ignore
  for (const [i, names] of shards.entries()) {
    await writeSafetensors(join(folder, files[i]), new Map(names.map(name => [name, tensors.get(name)!])), { dtype })
  }
  if (shards.length > 1) {
    const map = shards.flatMap((names, i) => names.map((name): [string, string] => [name, files[i]]))
    const index = {
      metadata: { total_parameters: total / floatBytes[dtype], total_size: total },
      weight_map: Object.fromEntries(map.sort(([a], [b]) => (a < b ? -1 : 1))),
    }
    await writeFileAtomic(join(folder, indexFile), JSON.stringify(index, undefined, 2) + '\n')
  }
  await removeOthers(folder, new Set(shards.length > 1 ? [...files, indexFile] : files))
  return total
}

/** In order, each file filled until the next tensor would be too much; a larger tensor has a file of its own. */
function splitShards(names: readonly string[], sizeOf: (name: string) => number, limit: number): string[][] {
  const shards: string[][] = []
  let [current, size]: [string[], number] = [[], 0]
  for (const name of names) {
    const bytes = sizeOf(name)
    if (bytes > limit) {
      shards.push([name])
      continue
    }
    if (size + bytes > limit) {
      shards.push(current)
      ;[current, size] = [[], 0]
    }
    current.push(name)
    size += bytes
  }
  if (current.length > 0 || shards.length === 0) shards.push(current)
  return shards
}

async function removeOthers(folder: string, kept: ReadonlySet<string>): Promise<void> {
  const stale = (await readdir(folder)).filter(
    name => (shardFile.test(name) || name === singleFile || name === indexFile) && !kept.has(name),
  )
  for (const name of stale) await rm(join(folder, name))
}

/**
 * The tensors of a model folder, single or in shards; the single file wins, as in transformers.
 * @returns undefined when there is neither
 */
export async function listFolder(folder: string): Promise<Map<string, StoredTensor> | undefined> {
  if (await exists(join(folder, singleFile))) return listSafetensors(join(folder, singleFile))
  if (await exists(join(folder, indexFile))) return listShards(join(folder, indexFile))
  return undefined
}
