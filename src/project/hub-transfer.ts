// An address at the hub to a file of known size and hash; a transfer that broke goes on where it stopped.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, truncate } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { AppError } from '../base/errors.js'
import { checkFreeSpace, exists, fileSize } from '../base/files.js'
import { badAnswer, explainNetwork, stopped } from './hub-errors.js'

/** A file at the hub. */
export interface HubFile {
  /** Inside the repository. */
  readonly path: string
  readonly bytes: number
  /** SHA-256 of the content for large files (LFS), SHA-1 of git's blob for the others; lower-case hex. */
  readonly hash: string
}

export interface TransferOptions {
  readonly name: string
  readonly endpoint: string
  /** Sends the token, throws AppError for answers that are not success. */
  readonly fetch: typeof fetch
  /** Called with the bytes that came, and with a negative number when they have to come again. */
  readonly onBytes: (count: number) => void
  readonly signal?: AbortSignal
  /** First pause before a new try. */
  readonly retryMs?: number
}

/** Tries in a row that bring nothing. */
const maxTries = 5
const idleMs = 60_000

/**
 * Fetches `url` into `target`; what has come so far stands in `incomplete`, on the same disk.
 * @throws AppError `hub-…`, `wrong-hash`, `disk-full`, `interrupted`; the incomplete file stays unless its hash is wrong
 */
export async function transferFile(
  url: string,
  file: HubFile,
  target: string,
  incomplete: string,
  options: TransferOptions,
): Promise<void> {
  await mkdir(dirname(incomplete), { recursive: true })
  await mkdir(dirname(target), { recursive: true })
  if ((await fileSize(incomplete)) > file.bytes) await rm(incomplete)
  options.onBytes(await fileSize(incomplete))
  for (let tries = 0; (await fileSize(incomplete)) < file.bytes || !(await exists(incomplete));) {
    const before = await fileSize(incomplete)
    const failure = await receive(url, file, incomplete, options)
    if (failure === undefined) break
    tries = (await fileSize(incomplete)) > before ? 0 : tries + 1
    if (tries >= maxTries || !isPassing(failure)) throw failure
    await wait((options.retryMs ?? 1000) * 2 ** tries, undefined, { signal: options.signal }).catch(() => {
      throw stopped()
    })
  }
  await finish(file, target, incomplete, options.name)
}

/** One connection. @returns the failure, if it ended with one */
async function receive(
  url: string,
  { path, bytes }: HubFile,
  incomplete: string,
  { name, endpoint, fetch, onBytes, signal }: TransferOptions,
): Promise<AppError | undefined> {
  const have = await fileSize(incomplete)
  await checkFreeSpace(dirname(incomplete), bytes - have)
  const idle = new AbortController()
  const timer = setTimeout(() => idle.abort(new Error(`nothing came for ${idleMs / 1000} s`)), idleMs)
  try {
    const headers = { 'accept-encoding': 'identity', ...(have > 0 ? { range: `bytes=${have}-` } : {}) }
    const response = await fetch(url, { headers, signal: AbortSignal.any([idle.signal, ...(signal ? [signal] : [])]) })
    const start = response.status === 206 ? rangeStart(response) : 0
    if (start !== 0 && start !== have) throw badAnswer(name, `${path}: range from ${start}, asked from ${have}`)
    if (start < have) {
      onBytes(-have)
      await truncate(incomplete)
    }
    if (!response.body) throw badAnswer(name, `${path}: empty`)
    await writeAt(incomplete, start, response.body, count => {
      timer.refresh()
      onBytes(count)
    })
    const came = await fileSize(incomplete)
    return came < bytes ? explainNetwork(new Error(`${came} of ${bytes} bytes came`), { name, endpoint }) : undefined
  } catch (thrown) {
    return explain(thrown, { name, endpoint, incomplete, signal })
  } finally {
    clearTimeout(timer)
  }
}

/** Writing at places makes two processes that fetch the same file write the same bytes, not twice as many. */
async function writeAt(
  path: string,
  start: number,
  body: AsyncIterable<Uint8Array>,
  onBytes: (count: number) => void,
): Promise<void> {
  await (await open(path, 'a')).close()
  const file = await open(path, 'r+')
  try {
    let at = start
    for await (const chunk of body) {
      for (let sent = 0; sent < chunk.length;)
        sent += (await file.write(chunk, sent, chunk.length - sent, at + sent)).bytesWritten
      at += chunk.length
      onBytes(chunk.length)
    }
  } finally {
    await file.close()
  }
}

function rangeStart(response: Response): number {
  return Number(/^bytes (\d+)-/u.exec(response.headers.get('content-range') ?? '')?.[1] ?? -1)
}

/** Worth another try at once, unlike a wrong name or a full disk. */
function isPassing({ code }: AppError): boolean {
  return code === 'hub-broken' || code === 'hub-unavailable'
}

function explain(
  thrown: unknown,
  { name, endpoint, incomplete, signal }: { name: string; endpoint: string; incomplete: string; signal?: AbortSignal },
): AppError {
  if (signal?.aborted) return stopped()
  if (thrown instanceof AppError) return thrown
  const { code } = thrown as NodeJS.ErrnoException
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return explainNetwork(thrown, { name, endpoint })
  return new AppError('disk-full', {
    where: dirname(incomplete),
    kind: 'environment',
    what: { en: `the disk is full (${code})`, ru: `на диске нет места (${code})` },
    fix: {
      en: 'Free some space and run the command again; it goes on where it stopped',
      ru: 'Освободите место и повторите команду: она продолжит с места остановки',
    },
    cause: thrown,
  })
}

/** Checks what came and gives it its name. */
async function finish(file: HubFile, target: string, incomplete: string, name: string): Promise<void> {
  if ((await fileSize(incomplete)) > file.bytes) await truncate(incomplete, file.bytes)
  const found = await hashFile(incomplete, file)
  if (found !== file.hash) {
    await rm(incomplete, { force: true })
    throw wrongHash(name, file, found)
  }
  const handle = await open(incomplete, 'r+')
  await handle.sync()
  await handle.close()
  await rename(incomplete, target).catch(async (cause: unknown) => {
    if (!(await exists(target))) throw cause // else another process was faster
  })
}

/** Whether a file is the one of the hub. */
export async function isSameFile(path: string, file: HubFile): Promise<boolean> {
  return (await fileSize(path)) === file.bytes && (await exists(path)) && (await hashFile(path, file)) === file.hash
}

/** In the manner of the hash that is expected: its length tells which. */
async function hashFile(path: string, { hash, bytes }: HubFile): Promise<string> {
  const sum = hash.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`)
  for await (const chunk of createReadStream(path)) sum.update(chunk as Buffer)
  return sum.digest('hex')
}

function wrongHash(name: string, { path, hash }: HubFile, found: string): AppError {
  const kind = hash.length === 64 ? 'SHA-256' : 'SHA-1'
  return new AppError('wrong-hash', {
    where: `${name}, ${path}`,
    kind: 'environment',
    what: {
      en: `what came is not the file of the hub (${kind} ${found}, expected ${hash}); it was thrown away`,
      ru: `пришёл не тот файл, что на сервере (${kind} ${found}, нужно ${hash}); он удалён`,
    },
    fix: {
      en: 'Run the command again; if it repeats, a proxy or a mirror changes files: do not use it',
      ru: 'Повторите команду; если не поможет, файлы подменяет прокси или зеркало: не пользуйтесь им',
    },
  })
}
