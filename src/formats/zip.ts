// Reads entries of an untrusted ZIP archive into memory, within limits of count, size and compression ratio.
import { crc32 } from 'node:zlib'
import yauzl from 'yauzl'
import { AppError, asError, type Text } from '../base/errors.js'

interface ZipEntry {
  /** Name inside the archive, for messages only: never use it as a path. Control characters are replaced. */
  readonly name: string
  /** Declared length in bytes, unpacked. */
  readonly bytes: number
  /** @throws AppError `bad-zip` when the length or checksum is not the declared one */
  read(): Promise<Uint8Array>
}

interface ZipLimits {
  readonly maxEntries?: number
  /** Bytes of all entries together, unpacked. */
  readonly maxBytes?: number
  /** Unpacked : packed, for what goes beyond the first MiB of an entry. */
  readonly maxRatio?: number
}

const MiB = 1024 * 1024

/**
 * Lists the files of an archive (folders left out), every entry checked before any is unpacked.
 * @throws AppError `bad-zip` (damaged, cut), `encrypted-zip`, `unsafe-zip` (limits, names that leave the folder, links)
 */
export async function openZip(bytes: Uint8Array, where: string, limits: ZipLimits = {}): Promise<ZipEntry[]> {
  const { maxEntries = 100_000, maxBytes = 20 * 1024 * MiB, maxRatio = 200 } = limits
  const entries: ZipEntry[] = []
  let total = 0
  try {
    const zip = await yauzl.fromBufferPromise(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), {
      lazyEntries: true,
      validateEntrySizes: true,
      strictFileNames: true,
      autoClose: false,
    })
    if (zip.entryCount > maxEntries) throw unsafe(where, `${zip.entryCount} entries`, `записей ${zip.entryCount}`)
    for await (const entry of zip.eachEntry()) {
      total += entry.uncompressedSize
      if (total > maxBytes)
        throw unsafe(where, `more than ${maxBytes} bytes unpacked`, `больше ${maxBytes} байт после распаковки`)
      checkEntry(entry, where, maxRatio)
      if (!entry.fileName.endsWith('/')) entries.push(makeEntry(zip, entry, where))
    }
  } catch (thrown) {
    throw thrown instanceof AppError ? thrown : explainZipError(where, asError(thrown))
  }
  return entries
}

function checkEntry(entry: yauzl.Entry, where: string, maxRatio: number): void {
  const name = showName(entry.fileName)
  if (entry.isEncrypted()) throw encrypted(where, name)
  if (isLink(entry)) throw unsafe(where, `"${name}" is a link`, `«${name}» — ссылка`)
  if (leavesFolder(entry.fileName)) {
    throw unsafe(where, `the name "${name}" leads out of the archive`, `имя «${name}» ведёт за пределы архива`)
  }
  const beyond = entry.uncompressedSize - MiB
  if (beyond > entry.compressedSize * maxRatio) {
    throw unsafe(
      where,
      `"${name}" unpacks to ${entry.uncompressedSize} bytes from ${entry.compressedSize}`,
      `«${name}» распаковывается в ${entry.uncompressedSize} байт из ${entry.compressedSize}`,
    )
  }
}

/** Unix mode in the upper half of the external attributes; 0xA000 is a symbolic link. */
function isLink({ versionMadeBy, externalFileAttributes }: yauzl.Entry): boolean {
  return versionMadeBy >> 8 === 3 && ((externalFileAttributes >>> 16) & 0xf000) === 0xa000
}

function leavesFolder(name: string): boolean {
  const plain = name.replace(/%2e/giu, '.').replace(/%2f/giu, '/').replace(/%5c/giu, '\\')
  return /(^|[/\\])\.\.([/\\]|$)|^[/\\]|^[a-z]:|\\|\0/iu.test(plain)
}

function showName(name: string): string {
  return name.replace(/\p{C}/gu, '\ufffd').slice(0, 120)
}

function makeEntry(zip: yauzl.ZipFile, entry: yauzl.Entry, where: string): ZipEntry {
  return { name: showName(entry.fileName), bytes: entry.uncompressedSize, read: () => readEntry(zip, entry, where) }
}

async function readEntry(zip: yauzl.ZipFile, entry: yauzl.Entry, where: string): Promise<Uint8Array> {
  try {
    const chunks: Buffer[] = []
    for await (const chunk of await zip.openReadStreamPromise(entry)) chunks.push(chunk as Buffer)
    const whole = Buffer.concat(chunks)
    if (crc32(whole) !== entry.crc32) throw new Error(`checksum of ${showName(entry.fileName)} differs`)
    return whole
  } catch (thrown) {
    throw explainZipError(where, asError(thrown))
  }
}

/** yauzl refuses bad names itself, before an entry reaches us. */
function explainZipError(where: string, cause: Error): AppError {
  const detail = showName(cause.message)
  if (/relative path|absolute path|invalid characters/u.test(detail)) return unsafe(where, detail, detail)
  return new AppError('bad-zip', {
    where,
    what: { en: `the ZIP archive is damaged or cut (${detail})`, ru: `архив ZIP повреждён или обрезан (${detail})` },
    fix: { en: 'Download or copy it again', ru: 'Скачайте или скопируйте его заново' },
    cause,
  })
}

function encrypted(where: string, name: string): AppError {
  return new AppError('encrypted-zip', {
    where,
    what: { en: `"${name}" is protected by a password`, ru: `«${name}» защищён паролем` },
    fix: { en: 'Unpack the archive and add the file itself', ru: 'Распакуйте архив и добавьте сам файл' },
  })
}

function unsafe(where: string, en: string, ru: string): AppError {
  const fix: Text = {
    en: 'Unpack it by hand if you trust it, and add the file itself',
    ru: 'Если доверяете ему, распакуйте сами и добавьте файл',
  }
  return new AppError('unsafe-zip', {
    where,
    what: { en: `the archive is refused: ${en}`, ru: `архив отклонён: ${ru}` },
    fix,
  })
}
