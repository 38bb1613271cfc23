// Finds OpenVINO's native libraries: a folder the user names, our own download, or an installed Python package.
import { readdirSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { AppError } from '../base/errors.js'
import { dataFolder } from './folders.js'

/** The version that is downloaded and tested; libraries found elsewhere may be others. */
export const openvinoVersion = '2026.4.1'

/** Names the folder with the libraries. */
const variable = 'DVOYNIK_OPENVINO_LIBS'

export interface OpenvinoLibraries {
  readonly folder: string
  readonly from: 'environment' | 'download' | 'python'
  /** Files to load, in this order; the last is the C API. */
  readonly files: readonly string[]
}

/** File names in the order of loading; each needs those before it. */
const filePatterns: Readonly<Record<string, readonly RegExp[]>> = {
  linux: [/^libtbb\.so\.\d+$/u, /^libopenvino_c\.so(?:\.\d+)*$/u],
  darwin: [/^libtbb\.\d+\.dylib$/u, /^libopenvino_c(?:\.\d+)*\.dylib$/u],
  win32: [/^tbb\d*\.dll$/u, /^openvino\.dll$/u, /^openvino_c\.dll$/u],
}

/** Where `dvoynik engine install openvino` puts them. */
export function openvinoFolder(): string {
  return join(dataFolder(), 'engines', `openvino-${openvinoVersion}`)
}

/**
 * Looks in the folder that DVOYNIK_OPENVINO_LIBS names, else in our own, else in Python's.
 * @throws AppError `runtime-load` when the named folder has no such libraries
 */
export function findOpenvinoLibraries(): OpenvinoLibraries | undefined {
  const named = process.env[variable]
  if (named) {
    const files = matchFiles(named)
    if (files) return { folder: named, from: 'environment', files }
    throw noLibrariesIn(named)
  }
  const folders = [
    { folder: join(openvinoFolder(), 'libs'), from: 'download' as const },
    ...pythonFolders().map(folder => ({ folder, from: 'python' as const })),
  ]
  for (const { folder, from } of folders) {
    const files = matchFiles(folder)
    if (files) return { folder, from, files }
  }
  return undefined
}

function matchFiles(folder: string): readonly string[] | undefined {
  const names = list(folder)
  const found = (filePatterns[process.platform] ?? []).map(pattern => names.find(name => pattern.test(name)))
  return found.length > 0 && found.every(name => name !== undefined) ? found.map(name => join(folder, name)) : undefined
}

/** `openvino/libs` of every Python environment in sight, the active one first. */
function pythonFolders(): string[] {
  const { VIRTUAL_ENV, CONDA_PREFIX } = process.env
  const prefixes = [VIRTUAL_ENV, CONDA_PREFIX, pythonPrefix(), join(homedir(), '.local'), '/usr/local', '/usr']
  return [...new Set(prefixes.filter(prefix => prefix !== undefined))].flatMap(packagesOf)
}

/** The folder above the `bin` of the first python3 on the path. */
function pythonPrefix(): string | undefined {
  const names = process.platform === 'win32' ? ['python.exe'] : ['python3', 'python']
  for (const folder of (process.env.PATH ?? '').split(delimiter).filter(Boolean))
    for (const name of names) {
      const path = join(folder, name)
      if (!list(folder).includes(name)) continue
      try {
        return process.platform === 'win32' ? dirname(realpathSync(path)) : dirname(dirname(realpathSync(path)))
      } catch {
        continue // a link that leads nowhere
      }
    }
  return undefined
}

function packagesOf(prefix: string): string[] {
  const versions = list(join(prefix, 'lib')).filter(name => /^python3/u.test(name))
  const packages = [
    ...versions.flatMap(name => ['site-packages', 'dist-packages'].map(kind => join(prefix, 'lib', name, kind))),
    join(prefix, 'Lib', 'site-packages'),
  ]
  return packages.map(folder => join(folder, 'openvino', 'libs'))
}

/** Names in a folder; none when it is not there. */
function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function noLibrariesIn(folder: string): AppError {
  return new AppError('runtime-load', {
    where: folder,
    kind: 'environment',
    what: {
      en: `${variable} names this folder, but it has no OpenVINO libraries for ${process.platform}`,
      ru: `эта папка указана в ${variable}, но библиотек OpenVINO для ${process.platform} в ней нет`,
    },
    fix: {
      en: `Point ${variable} to the folder with the library openvino_c, or unset it`,
      ru: `Укажите в ${variable} папку с библиотекой openvino_c или уберите эту переменную`,
    },
  })
}

/** What to do when no libraries are found. */
export function openvinoMissing(): AppError {
  return new AppError('runtime-load', {
    kind: 'environment',
    what: { en: 'the libraries of OpenVINO are not installed', ru: 'библиотеки OpenVINO не установлены' },
    fix: {
      en: `Run \`dvoynik engine install openvino\`, or name their folder in ${variable}`,
      ru: `Выполните \`dvoynik engine install openvino\` или укажите их папку в ${variable}`,
    },
  })
}
