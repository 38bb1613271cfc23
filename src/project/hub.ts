// A model's name at the hub to a folder on this machine: in the cache shared with Python, or where the user wants it.
import { mkdir, rmdir, statfs } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { AppError, type Text } from '../base/errors.js'
import { checkFreeSpace, exists, fileSize, readJson } from '../base/files.js'
import { packageVersion } from '../base/package.js'
import type { OnProgress, WorkOptions } from '../base/progress.js'
import { indexFile, readIndex } from '../formats/safetensors-shards.js'
import { parseConfig } from '../model/config.js'
import type { ConfigJson } from '../model/model-config.js'
import { cachedModelFolder, linkBlob, parseModelName, repoFolder, writeRef, type HubModel } from './hub-cache.js'
import { badAnswer, explainNetwork, explainStatus, forbiddenNetwork, stopped } from './hub-errors.js'
import { chooseFiles } from './hub-files.js'
import { readHubSettings, type HubSettings } from './hub-settings.js'
import { isSameFile, transferFile, type HubFile } from './hub-transfer.js'

export interface PullOptions extends WorkOptions {
  /** Branch, tag or commit; default `main`. */
  readonly revision?: string
  /** Folder for plain files in place of the cache. */
  readonly to?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Told what will come and how much room there is, before it does. */
  readonly onNotice?: (text: Text) => void
  /** First pause before a new try. */
  readonly retryMs?: number
}

export interface PulledModel {
  readonly name: string
  /** Commit that the revision stood for. */
  readonly commit: string
  /** Folder in the layout of transformers. */
  readonly folder: string
  /** Of all files. */
  readonly bytes: number
  /** Of those that came over the network now. */
  readonly fetched: number
}

/** Everything one pull works with. */
interface Pull {
  readonly model: HubModel
  readonly settings: HubSettings
  readonly commit: string
  readonly request: typeof fetch
  readonly place: Place
  readonly options: PullOptions
}

/** Where the files of one pull go. */
interface Place {
  readonly folder: string
  /** Where the bytes of a file lie for good, and until they are whole. */
  target(file: HubFile): string
  incomplete(file: HubFile): string
  has(file: HubFile): Promise<boolean>
  /** After a file is whole. */
  done(file: HubFile): Promise<void>
}

/**
 * Fetches configuration, tokenizer and safetensors of a model; what is there already does not come again.
 * @throws AppError `model-name`, `hub-…`, `not-a-model`, `pickle-weights`, `no-weights`, `unsupported-model` and others of
 * `parseConfig` before any weights come, `wrong-hash`, `disk-full`, `file-exists`, `interrupted`
 */
export async function pullModel(name: string, options: PullOptions = {}): Promise<PulledModel> {
  const settings = await readHubSettings(options.env)
  const model = parseModelName(name, options.revision)
  if (!model) throw badName(name, options.revision)
  if (settings.offline) return pulledBefore(settings, model, options)
  const request = hubFetch(settings, model, options.signal)
  const { commit, files } = await listRepository(settings, model, request)
  const { small, weights } = chooseFiles(files, model.name)
  const place = options.to === undefined ? cachePlace(settings, model, commit) : await plainPlace(resolve(options.to), [...small, ...weights]) // prettier-ignore
  const pull = { model, settings, commit, request, place, options }
  await mkdir(place.folder, { recursive: true })
  let fetched = await announce(pull, [...small, ...weights])
  const count = countBytes(fetched, options.onProgress)
  for (const file of small) await fetchFile(pull, file, count)
  await checkConfig(place.folder, model.name)
  const sharded = small.some(({ path }) => path === indexFile)
  const needed = sharded ? await shardsOfIndex(place.folder, weights, model.name) : weights
  for (const file of needed) await fetchFile(pull, file, count)
  fetched -= weights.filter(file => !needed.includes(file)).reduce((sum, { bytes }) => sum + bytes, 0)
  await finishPull(pull)
  const bytes = [...small, ...needed].reduce((sum, file) => sum + file.bytes, 0)
  return { name: model.name, commit, folder: place.folder, bytes, fetched: Math.max(0, fetched) }
}

/** Without the network: what is here. */
function pulledBefore(settings: HubSettings, model: HubModel, { to }: PullOptions): PulledModel {
  const folder = to === undefined ? cachedModelFolder(settings.cache, model) : undefined
  if (folder === undefined) throw forbiddenNetwork(model.name)
  return { name: model.name, commit: folder.slice(-40), folder, bytes: 0, fetched: 0 }
}

/** fetch with the token where it belongs, the wish to stop, and answers other than success as errors. */
function hubFetch({ endpoint, token }: HubSettings, model: HubModel, signal: AbortSignal | undefined): typeof fetch {
  const fetched = { ...model, endpoint, signedIn: token !== undefined }
  return async (input, init = {}) => {
    const headers = new Headers(init.headers)
    headers.set('user-agent', `dvoynik/${packageVersion}`)
    const url = input instanceof Request ? input.url : String(input)
    // A redirect to another host leaves the token behind, as fetch does it.
    if (token !== undefined && new URL(url).origin === new URL(endpoint).origin)
      headers.set('authorization', `Bearer ${token}`)
    let response: Response
    try {
      response = await fetch(input, { ...init, headers, signal: init.signal ?? signal })
    } catch (cause) {
      throw signal?.aborted ? stopped() : explainNetwork(cause, fetched)
    }
    if (!response.ok) throw await explainStatus(response, fetched)
    return response
  }
}

async function listRepository(
  { endpoint }: HubSettings,
  { name, revision }: HubModel,
  request: typeof fetch,
): Promise<{ readonly commit: string; readonly files: readonly HubFile[] }> {
  const { listFiles, modelInfo } = await import('@huggingface/hub')
  const place = { hubUrl: endpoint, fetch: request }
  try {
    const { sha } = await modelInfo({ ...place, name, revision, additionalFields: ['sha'] })
    if (!/^[0-9a-f]{40}$/u.test(sha)) throw badAnswer(name, 'no commit')
    const files: HubFile[] = []
    for await (const { type, path, size, oid, lfs } of listFiles({ ...place, repo: name, revision: sha })) {
      if (type === 'file') files.push(checkFile({ path, bytes: lfs?.size ?? size, hash: lfs?.oid ?? oid ?? '' }, name))
    }
    return { commit: sha, files }
  } catch (thrown) {
    throw thrown instanceof AppError ? thrown : badAnswer(name, (thrown as Error).message, thrown)
  }
}

/** Hashes become file names, so that nothing else may stand there. */
function checkFile(file: HubFile, name: string): HubFile {
  const { path, bytes, hash } = file
  if (/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/u.test(hash) && Number.isSafeInteger(bytes) && bytes >= 0) return file
  throw badAnswer(name, `${path}: ${bytes} bytes, hash "${hash}"`)
}

function cachePlace({ cache }: HubSettings, { name }: HubModel, commit: string): Place {
  const repo = repoFolder(cache, name)
  const folder = join(repo, 'snapshots', commit)
  const target = ({ hash }: HubFile): string => join(repo, 'blobs', hash)
  return {
    folder,
    target,
    incomplete: file => `${target(file)}.incomplete`,
    has: async file => (await fileSize(target(file))) === file.bytes,
    done: file => linkBlob(target(file), join(folder, file.path)),
  }
}

/** @throws AppError `file-exists` for a file of that name with other content */
async function plainPlace(folder: string, files: readonly HubFile[]): Promise<Place> {
  const target = ({ path }: HubFile): string => join(folder, path)
  const same = new Set<HubFile>()
  for (const file of files) {
    if (await isSameFile(target(file), file)) same.add(file)
    else if (await exists(target(file))) throw fileExists(target(file))
  }
  return {
    folder,
    target,
    incomplete: ({ path, hash }) => join(folder, ...partsFolder, `${path}.${hash}.incomplete`),
    has: file => Promise.resolve(same.has(file)),
    done: () => Promise.resolve(),
  }
}

const partsFolder = ['.cache', 'huggingface', 'download']

/** Says what will come. @returns bytes that are to come, without those of an earlier try */
async function announce({ model, commit, place, options }: Pull, files: readonly HubFile[]): Promise<number> {
  let missing = 0
  for (const file of files) {
    if (!(await place.has(file))) missing += Math.max(0, file.bytes - (await fileSize(place.incomplete(file))))
  }
  await checkFreeSpace(place.folder, missing)
  const { bavail, bsize } = await statfs(place.folder)
  const all = files.reduce((sum, { bytes }) => sum + bytes, 0)
  const [size, rest, free] = [all, missing, bavail * bsize].map(megabytes)
  options.onNotice?.({
    en: `${model.name} at ${commit.slice(0, 12)}: ${files.length} files, ${size} MB, ${rest} MB to fetch; ${free} MB free`,
    ru: `${model.name}, коммит ${commit.slice(0, 12)}: файлов ${files.length}, ${size} МБ, скачать ${rest} МБ; свободно ${free} МБ`,
  })
  return missing
}

async function fetchFile(pull: Pull, file: HubFile, count: (bytes: number) => void): Promise<void> {
  const { place, settings, model, commit, request, options } = pull
  if (options.signal?.aborted) throw stopped()
  if (!(await place.has(file))) {
    const url = `${settings.endpoint}/${model.name}/resolve/${commit}/${encodeURIComponent(file.path)}`
    const { signal, retryMs } = options
    let kept = -(await fileSize(place.incomplete(file))) // what an earlier try left is not told as news
    const onBytes = (bytes: number): void => {
      count(bytes + kept)
      kept = 0
    }
    const transfer = { name: model.name, endpoint: settings.endpoint, fetch: request, onBytes, signal, retryMs }
    await transferFile(url, file, place.target(file), place.incomplete(file), transfer)
  }
  await place.done(file)
}

/** A model that this version cannot compute need not come. */
async function checkConfig(folder: string, name: string): Promise<void> {
  const path = join(folder, 'config.json')
  if (await exists(path)) parseConfig((await readJson(path)) as ConfigJson, `${name}, config.json`)
}

/** The weights that belong to the index; a repository may keep others beside them. */
async function shardsOfIndex(folder: string, weights: readonly HubFile[], name: string): Promise<HubFile[]> {
  const shards = new Set((await readIndex(join(folder, indexFile))).values())
  const absent = [...shards].find(shard => !weights.some(({ path }) => path === shard))
  if (absent !== undefined) throw missingShard(name, absent)
  return weights.filter(({ path }) => shards.has(path))
}

async function finishPull({ model, settings, commit, place, options }: Pull): Promise<void> {
  if (options.to === undefined) return writeRef(repoFolder(settings.cache, model.name), model.revision, commit)
  for (let depth = partsFolder.length; depth > 0; depth--) {
    await rmdir(join(place.folder, ...partsFolder.slice(0, depth))).catch(() => undefined) // others may keep things there
  }
}

/** Progress over all files, at most ten times a second, with the rate. */
function countBytes(total: number, onProgress: OnProgress | undefined): (bytes: number) => void {
  const started = performance.now()
  let [done, told] = [0, 0]
  return bytes => {
    done += bytes
    const now = performance.now()
    if (now - told < 100 && done < total) return
    told = now
    const note = `${(done / 1e3 / Math.max(1, now - started)).toFixed(1)} MB/s`
    const all = Math.ceil(total / 1e6)
    const come = done < total ? Math.floor(done / 1e6) : all
    onProgress?.({ stage: 'download', done: come, total: all, unit: 'MB', note })
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 1e6 ? 3 : bytes < 1e7 ? 1 : 0)
}

function badName(name: string, revision: string | undefined): AppError {
  const got = revision === undefined ? name : `${name}, --revision ${revision}`
  return new AppError('model-name', {
    kind: 'usage',
    what: { en: `"${got}" is no name of a model at the hub`, ru: `«${got}» — не имя модели на сервере` },
    fix: { en: 'Give ORG/NAME, as Qwen/Qwen3-0.6B', ru: 'Укажите ORG/NAME, например Qwen/Qwen3-0.6B' },
  })
}

function fileExists(path: string): AppError {
  return new AppError('file-exists', {
    where: path,
    kind: 'usage',
    what: { en: 'another file of this name lies here, and it will not be overwritten', ru: 'здесь лежит другой файл с этим именем, и он не будет перезаписан' }, // prettier-ignore
    fix: { en: 'Give --to a new folder', ru: 'Укажите в --to новую папку' },
  })
}

function missingShard(name: string, shard: string): AppError {
  return new AppError('missing-shard', {
    where: name,
    what: { en: `the index names ${shard}, which is not in the repository`, ru: `указатель называет ${shard}, а его в репозитории нет` }, // prettier-ignore
    fix: {
      en: 'The upload is not whole; try another --revision',
      ru: 'Загружено не всё; попробуйте другую --revision',
    },
  })
}
