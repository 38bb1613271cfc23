// Files that are either whole or not there: temporary name, fsync, rename, fsync of the folder.
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { isAlive } from './alive.js'
import { AppError, type Text } from './errors.js'

/** What a file is written from; pieces are written in order, so that a big file need not be in memory at once. */
type FileData = string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/** Creates a folder only its owner can enter (0700), with parents. */
export async function ensurePrivateFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
}

/**
 * Writes a file so that a crash leaves the old one or the new one, never a part.
 * @throws AppError `disk-full` (environment) when space runs out; the half-written temporary file is removed
 */
export async function writeFileAtomic(path: string, data: FileData): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`)
  try {
    await writeAndSync(temporary, data)
    await rename(temporary, path)
    await syncFolder(dirname(path))
  } catch (cause) {
    await rm(temporary, { force: true })
    throw explainWriteError(path, cause)
  }
}

/**
 * Fills a folder beside `path` and renames it into place when `fill` is done. An existing folder at `path` is replaced.
 * Files must be written with `writeAndSync` by the filler for them to survive power loss.
 */
export async function writeFolderAtomic(path: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const parent = dirname(resolve(path))
  await mkdir(parent, { recursive: true })
  const prefix = `.${basename(path)}.tmp-`
  await removeLeftovers(parent, prefix)
  const temporary = await mkdtemp(join(parent, `${prefix}${process.pid}-`))
  try {
    await fill(temporary)
    await syncFolder(temporary)
    await replaceFolder(temporary, path)
    await syncFolder(parent)
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true })
    throw explainWriteError(path, cause)
  }
}

/** What killed processes left half-done of the same folder: a model's may be as large as the model. */
async function removeLeftovers(parent: string, prefix: string): Promise<void> {
  const left = (await readdir(parent)).filter(name => name.startsWith(prefix))
  for (const name of left) {
    const owner = /^(\d+)-/u.exec(name.slice(prefix.length))?.[1]
    if (owner !== undefined && !isAlive(Number(owner))) await rm(join(parent, name), { recursive: true, force: true })
  }
}

async function replaceFolder(from: string, to: string): Promise<void> {
  const old = `${from}.old`
  const existed = await exists(to)
  if (existed) await rename(to, old)
  await rename(from, to)
  if (existed) await rm(old, { recursive: true, force: true })
}

/** Writes and fsyncs one file (no rename). */
export async function writeAndSync(path: string, data: FileData): Promise<void> {
  const file = await open(path, 'w')
  try {
    await writeFile(file, data)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return // folders cannot be opened for fsync there
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Bytes of a file; 0 where there is none. */
export async function fileSize(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  )
}

/** @throws AppError `disk-full` (environment) when fewer than `bytes` are free where `path` lies */
export async function checkFreeSpace(path: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(path)
  if (bavail * bsize >= bytes) return
  const [needed, free] = [Math.ceil(bytes / 1e6), Math.floor((bavail * bsize) / 1e6)]
  throw diskFull(path, { en: `${needed} MB needed, ${free} MB free`, ru: `нужно ${needed} МБ, свободно ${free} МБ` })
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** @throws AppError `file-not-found`, or `bad-json` naming the file, the line and what stands there */
export async function readJson(path: string): Promise<unknown> {
  const read = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw fileNotFound(path, cause)
  })
  const text = read.replace(/^\uFEFF/u, '') // editors on Windows write it
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw badJson(path, text, cause)
  }
}

function badJson(path: string, text: string, cause: unknown): AppError {
  const at = mistakeIn(text, cause)
  const line = text.slice(0, at).split('\n').length
  const start = Math.max(text.lastIndexOf('\n', at - 1) + 1, at - 30)
  const shown =
    at < text.length
      ? text
          .slice(start, at + 30)
          .split('\n', 1)[0]
          .trim()
      : ''
  return new AppError('bad-json', {
    where: shown ? `${path}:${line}` : path,
    what: shown
      ? { en: `this is not JSON: ${shown}`, ru: `это не JSON: ${shown}` }
      : { en: 'this is not JSON: the text ends too early', ru: 'это не JSON: текст обрывается' },
    fix: {
      en: 'Look for a comma, a quote or a bracket that is missing or too many, here or just before',
      ru: 'Посмотрите, нет ли здесь или чуть раньше лишней или пропущенной запятой, кавычки или скобки',
    },
    cause,
  })
}

/** Where the parser stopped; V8 gives the place, or the first characters that it could not read. */
function mistakeIn(text: string, cause: unknown): number {
  const { message } = cause as Error
  const place = /at position (\d+)/u.exec(message)
  if (place) return Number(place[1])
  const around = /Unexpected token '(.+?)', (\.\.\.)?"(.*)"(?:\.\.\.)? is not valid JSON$/su.exec(message)
  if (!around) return text.length
  const [, token, cut, context] = around
  return Math.max(0, text.indexOf(context)) + (cut ? shownBefore : Math.max(0, context.indexOf(token)))
}

/** Characters that V8 shows before the wrong one, when it shows only a part. */
const shownBefore = 10

export function fileNotFound(path: string, cause?: unknown): AppError {
  return new AppError('file-not-found', {
    where: path,
    what: { en: 'there is no such file', ru: 'такого файла нет' },
    fix: { en: 'Check the path', ru: 'Проверьте путь' },
    cause,
  })
}

function explainWriteError(path: string, cause: unknown): unknown {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  if (code === 'EFBIG') return fileTooLarge(path, cause)
  return code === 'ENOSPC' || code === 'EDQUOT' ? diskFull(path, { en: code, ru: code }, cause) : cause
}

/** Writing says no more than the code, and not of which file. */
function fileTooLarge(path: string, cause: unknown): AppError {
  return new AppError('file-too-large-to-write', {
    where: path,
    kind: 'environment',
    what: {
      en: 'the file would be larger than this disk, or a limit of the system, allows (EFBIG)',
      ru: 'файл вышел бы больше, чем допускает этот диск или предел системы (EFBIG)',
    },
    fix: {
      en: 'Use a disk that is not FAT32, whose files end at 4 GB, or raise the limit (ulimit -f); nothing was damaged',
      ru: 'Возьмите диск не с FAT32, где файл не больше 4 ГБ, или поднимите предел (ulimit -f); ничего не испорчено',
    },
    cause,
  })
}

function diskFull(path: string, detail: Text, cause?: unknown): AppError {
  return new AppError('disk-full', {
    where: path,
    kind: 'environment',
    what: { en: `the disk is full (${detail.en})`, ru: `на диске нет места (${detail.ru})` },
    fix: {
      en: 'Free some space and run the command again; nothing was damaged',
      ru: 'Освободите место и повторите команду; ничего не испорчено',
    },
    cause,
  })
}
