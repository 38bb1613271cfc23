// Turns the official OpenVINO wheel for this platform into a folder of native libraries.
import { createWriteStream } from 'node:fs'
import { copyFile, mkdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import yauzl from 'yauzl'
import { AppError, asError } from '../base/errors.js'
import { checkFreeSpace, ensurePrivateFolder, writeFolderAtomic } from '../base/files.js'
import type { WorkOptions } from '../base/progress.js'
import { checkHash, downloadFile, type Expected } from './download.js'
import { openvinoFolder, openvinoVersion } from './openvino-libraries.js'
import { locatePackage, readPipSettings } from './package-index.js'

/** A file of the package index. */
export interface Wheel extends Expected {
  readonly file: string
}

/** The libraries inside are the same for every version of Python; these names are of Python 3.12. */
const wheels: Readonly<Record<string, Wheel>> = {
  'linux-x64': {
    file: `openvino-${openvinoVersion}-22982-cp312-cp312-manylinux_2_28_x86_64.whl`,
    bytes: 59144434,
    sha256: '6b4375c17ddcac83a5180349e2e2bb811185c261066e2a920659892d58ef0e3b',
  },
  'linux-arm64': {
    file: `openvino-${openvinoVersion}-22982-cp312-cp312-manylinux_2_35_aarch64.whl`,
    bytes: 30332437,
    sha256: '82efccb2f9f1bdc7e5a1996e05a3b719ebff9232dd54b44150d6d2e983a86b7d',
  },
  'darwin-arm64': {
    file: `openvino-${openvinoVersion}-22982-cp312-cp312-macosx_11_0_arm64.whl`,
    bytes: 33341733,
    sha256: '726ac547b8474a5e7b145bc1ae5a8bb6fbcbb60b79bd9a611c67eec2c74b7a5f',
  },
  'win32-x64': {
    file: `openvino-${openvinoVersion}-22982-cp312-cp312-win_amd64.whl`,
    bytes: 84964415,
    sha256: '4e04316abff1b99e29b8cbd38deaef9bde4739eba216d982d4b3981e456ecd87',
  },
}

interface InstallOptions extends WorkOptions {
  /** A wheel that was downloaded by hand. */
  readonly from?: string
  /** Default: the pinned wheel of this platform. */
  readonly wheel?: Wheel
  /** Default: our own folder for this version. */
  readonly folder?: string
}

/**
 * Downloads, checks and unpacks the libraries; a folder that is there already is replaced.
 * @returns the folder with the libraries
 * @throws AppError `no-wheel`, `download-failed`, `not-in-index`, `wrong-hash`, `bad-zip`, `disk-full` (all environment)
 */
export async function installOpenvino(options: InstallOptions = {}): Promise<string> {
  const { from, wheel = pinnedWheel(), folder = openvinoFolder(), onProgress, signal } = options
  await ensurePrivateFolder(join(folder, '..'))
  const path = from ?? join(folder, '..', wheel.file)
  if (from) await checkHash(from, wheel, from, true)
  else await fetchWheel(wheel, path, { onProgress, signal })
  await writeFolderAtomic(folder, target => unpackLibraries(path, join(target, 'libs')))
  if (!from) await rm(path)
  return join(folder, 'libs')
}

function pinnedWheel(): Wheel {
  const platform = `${process.platform}-${process.arch}`
  if (Object.hasOwn(wheels, platform)) return wheels[platform]
  const known = Object.keys(wheels).join(', ')
  throw new AppError('no-wheel', {
    where: platform,
    kind: 'environment',
    what: {
      en: `OpenVINO ${openvinoVersion} is not made for this platform, only for ${known}`,
      ru: `OpenVINO ${openvinoVersion} не выпускается для этой платформы, только для ${known}`,
    },
    fix: { en: 'Train with onnxruntime-cpu', ru: 'Обучайте на onnxruntime-cpu' },
  })
}

async function fetchWheel(wheel: Wheel, path: string, work: WorkOptions): Promise<void> {
  const settings = await readPipSettings()
  const found = await locatePackage('openvino', wheel.file, settings)
  const { bytes, sha256 } = wheel
  const expected = { bytes, sha256, certificates: settings.certificates, ...work }
  if ('url' in found) return downloadFile(found.url, path, expected)
  await checkHash(found.path, wheel, found.path, true)
  await checkFreeSpace(join(path, '..'), wheel.bytes)
  await copyFile(found.path, path)
}

/** Files straight under openvino/libs/; nothing else of the wheel is written. */
async function unpackLibraries(wheel: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true })
  try {
    const zip = await yauzl.openPromise(wheel, { lazyEntries: true, validateEntrySizes: true, autoClose: false })
    try {
      const entries = []
      for await (const entry of zip.eachEntry()) if (/^openvino\/libs\/[^/\\]+$/u.test(entry.fileName)) entries.push(entry) // prettier-ignore
      if (entries.length === 0) throw new Error('no openvino/libs/ inside')
      await checkFreeSpace(target, entries.reduce((sum, { uncompressedSize }) => sum + uncompressedSize, 0)) // prettier-ignore
      for (const entry of entries) {
        const path = join(target, basename(entry.fileName))
        await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(path, { flush: true }))
      }
    } finally {
      zip.close()
    }
  } catch (thrown) {
    const cause = asError(thrown)
    if (cause instanceof AppError || (cause as NodeJS.ErrnoException).code === 'ENOSPC') throw cause
    throw badWheel(wheel, cause)
  }
}

function badWheel(wheel: string, cause: Error): AppError {
  return new AppError('bad-zip', {
    where: wheel,
    kind: 'environment',
    what: {
      en: `the wheel cannot be unpacked (${cause.message})`,
      ru: `не удаётся распаковать файл (${cause.message})`,
    },
    fix: { en: 'Run the command again', ru: 'Повторите команду' },
    cause,
  })
}
