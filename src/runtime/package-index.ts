// Turns pip's settings and a file name into the address of that file: in a local folder or at a package index.
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AppError } from '../base/errors.js'
import { exists } from '../base/files.js'
import { openUrl, readText, shownUrl } from './http.js'

type Environment = Readonly<Record<string, string | undefined>>

/** Where pip would look, in its order. */
interface PipSettings {
  readonly indexes: readonly string[]
  /** Folders or pages with files. */
  readonly findLinks: readonly string[]
  /** Path of a file with certificates to trust besides the usual ones. */
  readonly certificates: string | undefined
}

const publicIndex = 'https://pypi.org/simple'

/** pip's settings: the environment wins over the user's file, that over the machine's. */
export async function readPipSettings(env: Environment = process.env): Promise<PipSettings> {
  const files = await Promise.all(configFiles(env).map(readConfig))
  const value = (key: string): string | undefined =>
    env[`PIP_${key.toUpperCase().replaceAll('-', '_')}`] || files.findLast(one => one.has(key))?.get(key)
  const words = (key: string): string[] => (value(key) ?? '').split(/\s+/u).filter(Boolean)
  const noIndex = /^(?:1|true|yes|on)$/iu.test(value('no-index') ?? '')
  return {
    indexes: noIndex ? [] : [value('index-url') ?? publicIndex, ...words('extra-index-url')],
    findLinks: words('find-links'),
    certificates: value('cert'),
  }
}

/** From the least to the most important. */
function configFiles(env: Environment): string[] {
  const name = process.platform === 'win32' ? 'pip.ini' : 'pip.conf'
  const named = env.PIP_CONFIG_FILE
  if (named === '/dev/null' || named === 'nul') return []
  const machine = process.platform === 'win32' ? [join(env.PROGRAMDATA ?? 'C:\\ProgramData', 'pip', name)] : [`/etc/${name}`, `/etc/xdg/pip/${name}`] // prettier-ignore
  const user = [
    join(homedir(), process.platform === 'win32' ? 'pip' : '.pip', name),
    ...(env.APPDATA ? [join(env.APPDATA, 'pip', name)] : []),
    ...(process.platform === 'darwin' ? [join(homedir(), 'Library', 'Application Support', 'pip', name)] : []),
    join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'pip', name),
  ]
  const environment = [env.VIRTUAL_ENV, env.CONDA_PREFIX].flatMap(prefix => (prefix ? [join(prefix, name)] : []))
  return [...machine, ...user, ...environment, ...(named ? [named] : [])]
}

/** Keys of the sections [global], [install] and [download]; a value may go on over indented lines. */
async function readConfig(path: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  const text = await readFile(path, 'utf8').catch(() => '')
  let key: string | undefined
  let applies = false
  for (const line of text.split(/\r?\n/u)) {
    const section = /^\[(.+)\]\s*$/u.exec(line)?.[1].trim()
    const pair = /^([^\s#;=:][^=:]*)[=:](.*)$/u.exec(line)
    if (section) [applies, key] = [['global', 'install', 'download'].includes(section), undefined]
    else if (pair && applies) {
      key = pair[1].trim().toLowerCase().replaceAll('_', '-')
      found.set(key, pair[2].trim())
    } else if (key && /^\s+[^\s#;]/u.test(line)) found.set(key, `${found.get(key)} ${line.trim()}`.trim())
    else key = undefined
  }
  return found
}

/** A file on this machine or one to download. */
type Located = { readonly path: string } | { readonly url: URL }

/**
 * Looks for one file of a project, first in folders of `find-links`, then at each index.
 * @throws AppError `download-failed` when an index does not answer, `not-in-index` when none has the file
 */
export async function locatePackage(project: string, file: string, settings: PipSettings): Promise<Located> {
  for (const link of settings.findLinks) {
    const path = join(link.startsWith('file:') ? fileURLToPath(link) : resolve(link), file)
    if (!/^https?:/u.test(link) && (await exists(path))) return { path }
  }
  const pages = [
    ...settings.findLinks.filter(link => /^https?:/u.test(link)),
    ...settings.indexes.map(index => `${index.replace(/\/+$/u, '')}/${project}/`),
  ]
  let failure: unknown
  for (const page of pages) {
    try {
      const url = await findOnPage(page, file, settings)
      if (url) return { url }
    } catch (thrown) {
      failure ??= thrown // another index may have it
    }
  }
  if (failure) throw failure
  throw notInIndex(file, pages)
}

/** The address of a file on a page of the simple index, JSON (PEP 691) or HTML (PEP 503). */
async function findOnPage(page: string, file: string, settings: PipSettings): Promise<URL | undefined> {
  const accept = 'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1'
  const response = await openUrl(new URL(page), { headers: { accept }, certificates: settings.certificates })
  const text = await readText(response)
  const links = /json/u.test(response.message.headers['content-type'] ?? '') ? jsonLinks(text) : htmlLinks(text)
  const base = response.url
  for (const link of links) {
    const url = new URL(link, base)
    if (decodeURIComponent(url.pathname.split('/').at(-1) ?? '') !== file) continue
    url.hash = ''
    // a private index asks for the same password at its files
    if (url.host === base.host && !url.username) [url.username, url.password] = [base.username, base.password]
    return url
  }
  return undefined
}

function jsonLinks(text: string): string[] {
  const { files = [] } = JSON.parse(text) as { files?: readonly { url: string }[] }
  return files.map(({ url }) => url)
}

function htmlLinks(text: string): string[] {
  return [...text.matchAll(/<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)')/giu)].map(match =>
    (match[1] ?? match[2]).replaceAll('&amp;', '&'),
  )
}

function notInIndex(file: string, pages: readonly string[]): AppError {
  const places = pages.map(page => shownUrl(new URL(page))).join(', ') || 'find-links'
  return new AppError('not-in-index', {
    where: file,
    kind: 'environment',
    what: { en: `the package index does not have this file (${places})`, ru: `этого файла нет в индексе пакетов (${places})` }, // prettier-ignore
    fix: {
      en: 'Check index-url of pip, or download the file by hand and pass it with --from',
      ru: 'Проверьте index-url в настройках pip или скачайте файл сами и передайте его через --from',
    },
  })
}
