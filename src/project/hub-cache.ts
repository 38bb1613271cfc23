// The cache of models on this machine, in the layout that Python's client shares: blobs, snapshots of links to them, refs.
import { existsSync, readFileSync } from 'node:fs'
import { copyFile, lstat, mkdir, readlink, rm, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { AppError, type Text } from '../base/errors.js'
import { writeFileAtomic } from '../base/files.js'
import { indexFile, singleFile } from '../formats/safetensors-shards.js'

/** A model of the hub: `NAME`, `ORG/NAME` or `ORG/NAME@revision`. */
export interface HubModel {
  readonly name: string
  readonly revision: string
}

const commitPattern = /^[0-9a-f]{40}$/u
const part = '[A-Za-z0-9_](?:[\\w.-]*[\\w-])?'
const modelPattern = new RegExp(`^(${part}(?:/${part})?)(?:@([\\w.][\\w./-]*))?$`, 'u')

/** Takes a name apart; undefined for what cannot be a name at the hub. */
export function parseModelName(text: string, revision?: string): HubModel | undefined {
  const match = modelPattern.exec(text)
  const wanted = revision ?? match?.[2] ?? 'main'
  const strange = /--|\.\./u.test(match?.[1] ?? '') || !/^[\w.][\w./-]*$/u.test(wanted) || wanted.includes('..')
  return match === null || strange ? undefined : { name: match[1], revision: wanted }
}

/** Folder of one model, with its blobs, snapshots and refs. */
export function repoFolder(cache: string, name: string): string {
  return join(cache, `models--${name.replaceAll('/', '--')}`)
}

/** The snapshot of a model that is here whole; undefined when it is absent or a part is missing. */
export function cachedModelFolder(cache: string, { name, revision }: HubModel): string | undefined {
  const repo = repoFolder(cache, name)
  const ref = join(repo, 'refs', revision)
  const commit = commitPattern.test(revision) ? revision : existsSync(ref) ? readFileSync(ref, 'utf8').trim() : ''
  if (!commitPattern.test(commit)) return undefined
  const folder = join(repo, 'snapshots', commit)
  return isWhole(folder) ? folder : undefined
}

/** Python writes the ref before the files, so that links may be missing or lead nowhere. */
function isWhole(folder: string): boolean {
  if (!existsSync(join(folder, 'config.json'))) return false
  if (existsSync(join(folder, singleFile))) return true
  if (!existsSync(join(folder, indexFile))) return false
  try {
    const { weight_map: map } = JSON.parse(readFileSync(join(folder, indexFile), 'utf8')) as {
      weight_map: Record<string, string>
    }
    return [...new Set(Object.values(map))].every(file => existsSync(join(folder, file)))
  } catch {
    return false
  }
}

/** Makes `snapshots/<commit>/<path>` lead to a blob; where links cannot be made the blob is copied. */
export async function linkBlob(blob: string, pointer: string): Promise<void> {
  const target = relative(dirname(pointer), blob)
  await mkdir(dirname(pointer), { recursive: true })
  const present = await lstat(pointer).catch(() => undefined)
  if (present?.isSymbolicLink() && (await readlink(pointer)) === target) return
  await rm(pointer, { force: true })
  try {
    await symlink(target, pointer)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EEXIST') return // another process was faster
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw cause
    await copyFile(blob, pointer)
  }
}

/** Remembers which commit a branch or tag stood for. */
export async function writeRef(repo: string, revision: string, commit: string): Promise<void> {
  if (revision === commit) return
  const path = join(repo, 'refs', revision)
  await mkdir(dirname(path), { recursive: true })
  await writeFileAtomic(path, commit)
}

/** A name of the hub whose model is not on this machine. */
export function notFetched({ name, revision }: HubModel, where: string | Text): AppError {
  const command = `dvoynik model pull ${name}${revision === 'main' ? '' : ` --revision ${revision}`}`
  return new AppError('model-not-fetched', {
    where,
    what: {
      en: `"${name}" is no folder with a model, and no model of that name has been fetched whole`,
      ru: `«${name}» — не папка с моделью, и модель с таким именем не скачана целиком`,
    },
    fix: {
      en: `Correct the path of the folder, or fetch the model: ${command}`,
      ru: `Исправьте путь к папке или скачайте модель: ${command}`,
    },
  })
}
