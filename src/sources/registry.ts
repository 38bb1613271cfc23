// Opens a book by what it is: one table of formats, those read and those refused with advice.
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, extname, resolve } from 'node:path'
import { AppError, type Text } from '../base/errors.js'
import { fileNotFound } from '../base/files.js'
import { nearestName } from '../base/nearest.js'
import type { OnProgress } from '../base/progress.js'
import type { Staged } from '../base/report.js'
import type { Document } from './document.js'
import { readFb2, readFb2Zip } from './fb2.js'
import { readTextFile, type ReadOptions } from './text-file.js'

export interface ReadDocumentOptions extends ReadOptions {
  readonly onProgress?: OnProgress
}

type Reader = (bytes: Uint8Array, file: string, options: ReadOptions) => Staged<Document> | Promise<Staged<Document>>
type Format = { readonly read: Reader } | { readonly refuse: Text }

/** Larger than any book: the whole text is held in memory. */
const maxBytes = 256 * 1024 * 1024

const convert: Text = {
  en: 'Save the book as .fb2 or .txt (Calibre converts it) and add that file',
  ru: 'Сохраните книгу как .fb2 или .txt (это умеет Calibre) и добавьте тот файл',
}
const export_: Text = {
  en: 'Save it as plain text, .txt in UTF-8, and add that file',
  ru: 'Сохраните как простой текст, .txt в UTF-8, и добавьте тот файл',
}
const notBook: Text = {
  en: 'This is not a book, and chats cannot be read yet',
  ru: 'Это не книга, а переписку программа читать ещё не умеет',
}

/** By extension, in small letters; `.fb2.zip` is looked up before `.zip`. */
const formats: Readonly<Record<string, Format>> = {
  '.txt': { read: readTextFile },
  '.text': { read: readTextFile },
  '.fb2': { read: readFb2 },
  '.fb2.zip': { read: readFb2Zip },
  '.zip': { read: readFb2Zip },
  '.epub': { refuse: convert },
  '.mobi': { refuse: convert },
  '.azw': { refuse: convert },
  '.azw3': { refuse: convert },
  '.pdf': { refuse: convert },
  '.djvu': { refuse: convert },
  '.rtf': { refuse: export_ },
  '.doc': { refuse: export_ },
  '.docx': { refuse: export_ },
  '.odt': { refuse: export_ },
  '.htm': { refuse: export_ },
  '.html': { refuse: export_ },
  '.md': { refuse: export_ },
  '.json': { refuse: notBook },
  '.csv': { refuse: notBook },
}

/**
 * Reads a book: `.txt`, `.fb2`, `.fb2.zip`. A file with another extension is read by its content.
 * @throws AppError `file-not-found` (with the nearest name in that folder), `not-a-file`, `file-too-large`,
 * `unknown-format`, and those of the reader
 */
export async function readDocument(path: string, options: ReadDocumentOptions = {}): Promise<Staged<Document>> {
  const { onProgress, ...reading } = options
  await checkFile(path)
  const format = findFormat(path)
  if ('refuse' in format) throw refused(path, format.refuse)
  onProgress?.({ stage: 'read', done: 0, total: 1, unit: 'books', note: basename(path) })
  const staged = await format.read(await readFile(path), path, reading)
  onProgress?.({ stage: 'read', done: 1, total: 1, unit: 'books', note: staged.output.title })
  return staged
}

function findFormat(path: string): Format {
  const extension = /\.fb2\.zip$/iu.test(path) ? '.fb2.zip' : extname(path).toLowerCase()
  return formats[extension] ?? { read: readByContent }
}

/** For an unknown extension: XML is tried as FictionBook, the rest as text. */
function readByContent(bytes: Uint8Array, file: string, options: ReadOptions): Staged<Document> {
  const head = Buffer.from(bytes.subarray(0, 1024)).toString('latin1')
  return /<FictionBook/u.test(head) ? readFb2(bytes, file, options) : readTextFile(bytes, file, options)
}

async function checkFile(path: string): Promise<void> {
  const found = await stat(path).catch(async (cause: unknown) => {
    throw await explainMissing(path, cause)
  })
  if (!found.isFile()) {
    throw new AppError('not-a-file', {
      where: path,
      what: { en: 'this is a folder, not a file', ru: 'это папка, а не файл' },
      fix: { en: 'Add the books in it one by one', ru: 'Добавьте книги из неё по одной' },
    })
  }
  if (found.size > maxBytes) {
    throw new AppError('file-too-large', {
      where: path,
      what: { en: `${found.size} bytes are too many for a book`, ru: `${found.size} байт — слишком много для книги` },
      fix: {
        en: `Split it into files of at most ${maxBytes} bytes`,
        ru: `Разделите на файлы не больше ${maxBytes} байт`,
      },
    })
  }
}

async function explainMissing(path: string, cause: unknown): Promise<AppError> {
  const code = (cause as NodeJS.ErrnoException).code
  if (code !== 'ENOENT' && code !== 'ENOTDIR') {
    return new AppError('file-unreadable', {
      where: path,
      kind: 'environment',
      what: { en: `the file cannot be opened (${code})`, ru: `файл не открывается (${code})` },
      fix: { en: 'Check the permissions', ru: 'Проверьте права доступа' },
      cause,
    })
  }
  const names = await readdir(dirname(resolve(path))).catch(() => [])
  const near = nearestName(basename(path), names)
  if (near === undefined) return fileNotFound(path, cause)
  return new AppError('file-not-found', {
    where: path,
    what: { en: 'there is no such file', ru: 'такого файла нет' },
    fix: { en: `Did you mean "${near}"?`, ru: `Может быть, «${near}»?` },
    cause,
  })
}

function refused(path: string, fix: Text): AppError {
  const extension = extname(path)
  return new AppError('unknown-format', {
    where: path,
    what: { en: `${extension} files are not read`, ru: `файлы ${extension} не читаются` },
    fix,
  })
}
