// Opens addresses over HTTP: redirects, certificates of pip's settings, passwords that stay with their host.
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { get as getHttp, type IncomingMessage, type RequestOptions } from 'node:http'
import { get as getHttps } from 'node:https'
import { rootCertificates } from 'node:tls'
import { AppError, asError } from '../base/errors.js'

interface UrlOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** Path of a file with certificates to trust besides the usual ones. */
  readonly certificates?: string
  readonly signal?: AbortSignal
}

/** An open answer; `url` is where redirects led. */
interface UrlResponse {
  readonly url: URL
  readonly message: IncomingMessage
}

const maxRedirects = 5
const idleMs = 30_000

/**
 * Opens an address; answers other than success, and 416, are errors.
 * @throws AppError `download-failed` (environment)
 */
export async function openUrl(url: URL, options: UrlOptions = {}, redirects = 0): Promise<UrlResponse> {
  const message = await request(url, options)
  const status = message.statusCode ?? 0
  if (status >= 300 && status < 400 && message.headers.location && redirects < maxRedirects) {
    message.resume()
    return openUrl(new URL(message.headers.location, url), options, redirects + 1)
  }
  if ((status >= 200 && status < 300) || status === 416) return { url, message }
  message.resume()
  throw downloadFailed(url, new Error(`HTTP ${status} ${message.statusMessage ?? ''}`.trim()))
}

async function request(url: URL, { headers, certificates, signal }: UrlOptions): Promise<IncomingMessage> {
  try {
    const options: RequestOptions & { ca?: string[] } = { headers: { 'user-agent': 'dvoynik', ...headers }, signal }
    if (certificates) options.ca = [...rootCertificates, await readFile(certificates, 'utf8')]
    const sent = (url.protocol === 'http:' ? getHttp : getHttps)(url, options)
    sent.setTimeout(idleMs, () => sent.destroy(new Error(`no answer for ${idleMs / 1000} s`)))
    const [message] = (await once(sent, 'response')) as [IncomingMessage]
    return message
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw downloadFailed(url, asError(cause))
  }
}

/** @throws AppError `download-failed` when the connection breaks */
export async function readText({ url, message }: UrlResponse): Promise<string> {
  try {
    const chunks: Buffer[] = []
    for await (const chunk of message) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks).toString('utf8')
  } catch (cause) {
    throw downloadFailed(url, asError(cause))
  }
}

/** An address without its password. */
export function shownUrl(url: URL): string {
  return url.origin + url.pathname
}

/** Says that the network, not the user, is to blame. */
export function downloadFailed(url: URL, cause: Error): AppError {
  const detail = cause.message || (cause as NodeJS.ErrnoException).code || cause.name
  return new AppError('download-failed', {
    where: shownUrl(url),
    kind: 'environment',
    what: { en: `the download failed (${detail})`, ru: `не удалось скачать (${detail})` },
    fix: {
      en: 'Check the network and run the command again; it goes on where it stopped',
      ru: 'Проверьте сеть и повторите команду: она продолжит с места остановки',
    },
    cause,
  })
}
