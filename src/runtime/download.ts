// Turns an address into a file of known length and hash; a broken download goes on where it stopped.
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { AppError, asError } from '../base/errors.js'
import { checkFreeSpace, fileSize } from '../base/files.js'
import { sha256File } from '../base/hash.js'
import type { OnProgress, WorkOptions } from '../base/progress.js'
import { downloadFailed, openUrl, shownUrl } from './http.js'

/** What the file must be. */
export interface Expected {
  readonly bytes: number
  /** Lower-case hex. */
  readonly sha256: string
}

/**
 * Downloads into `path`; what is there of an earlier try stands in `path.part`.
 * @throws AppError `download-failed`, `wrong-hash`, `disk-full` (all environment), `interrupted`
 */
export async function downloadFile(
  url: URL,
  path: string,
  { bytes, sha256, certificates, onProgress, signal }: Expected & WorkOptions & { readonly certificates?: string },
): Promise<void> {
  const part = `${path}.part`
  let have = await fileSize(part)
  if (have > bytes) [have] = [0, await rm(part)]
  await checkFreeSpace(dirname(path), bytes - have)
  if (have < bytes) {
    const headers = have > 0 ? { range: `bytes=${have}-` } : undefined
    const { message } = await openUrl(url, { headers, certificates, signal })
    const resumed = message.statusCode === 206
    const count = counter(resumed ? have : 0, bytes, onProgress)
    message.on('data', (chunk: Buffer) => count(chunk.length))
    try {
      await pipeline(message, createWriteStream(part, { flags: resumed ? 'a' : 'w' }), { signal })
    } catch (cause) {
      throw explain(url, path, asError(cause), signal)
    }
  }
  await checkHash(part, { bytes, sha256 }, shownUrl(url))
  await rename(part, path)
}

/** @throws AppError `wrong-hash`; the wrong file is removed so that the next try starts anew */
export async function checkHash(path: string, { bytes, sha256 }: Expected, from: string, keep = false): Promise<void> {
  const [length, found] = [await fileSize(path), await sha256File(path)]
  if (length === bytes && found === sha256) return
  if (length < bytes && !keep) throw downloadFailed(new URL(from), new Error(`${length} of ${bytes} bytes came`))
  if (!keep) await rm(path, { force: true })
  throw new AppError('wrong-hash', {
    where: from,
    kind: 'environment',
    what: {
      en: `this is not the expected file (${length} bytes, SHA-256 ${found}; expected ${bytes} bytes, ${sha256})`,
      ru: `это не тот файл (${length} байт, SHA-256 ${found}; нужно ${bytes} байт, ${sha256})`,
    },
    fix: {
      en: 'Run the command again; if it repeats, the package index or a proxy changes files: do not use them',
      ru: 'Повторите команду; если не поможет, индекс пакетов или прокси подменяет файлы: не пользуйтесь ими',
    },
  })
}

/** Reports every megabyte. */
function counter(start: number, total: number, onProgress: OnProgress | undefined): (length: number) => void {
  let done = start
  let told = start
  return length => {
    done += length
    if (done - told < 1e6 && done < total) return
    told = done
    onProgress?.({ stage: 'download', done: Math.round(done / 1e6), total: Math.round(total / 1e6), unit: 'MB' })
  }
}

function explain(url: URL, path: string, cause: NodeJS.ErrnoException, signal: AbortSignal | undefined): Error {
  if (signal?.aborted)
    return new AppError('interrupted', {
      kind: 'interrupted',
      what: { en: 'the download was interrupted', ru: 'загрузка прервана' },
      fix: { en: 'Run the command again to go on', ru: 'Повторите команду, чтобы продолжить' },
      cause,
    })
  if (cause.code !== 'ENOSPC' && cause.code !== 'EDQUOT') return downloadFailed(url, cause)
  return new AppError('disk-full', {
    where: dirname(path),
    kind: 'environment',
    what: { en: `the disk is full (${cause.code})`, ru: `на диске нет места (${cause.code})` },
    fix: { en: 'Free some space and run the command again', ru: 'Освободите место и повторите команду' },
    cause,
  })
}
