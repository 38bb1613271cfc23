// A model hub on this machine: its routes for one model, and what goes wrong on request.
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const commit = '0123456789abcdef0123456789abcdef01234567'

/** What the hub holds and how it behaves; tests change it. */
interface HubState {
  /** Content by path; `lfs` files are large ones, served by another host after a redirect. */
  files: Map<string, { bytes: Buffer; lfs: boolean }>
  name: string
  /** Answers for any request, before anything else. */
  refuse?: (request: IncomingMessage, response: ServerResponse) => boolean
  /** The connection of a large file breaks after this many bytes. */
  cutAt?: number
  /** The server of large files knows no ranges. */
  noRange?: boolean
  /** What is sent in place of a file. */
  tamper?: (path: string, bytes: Buffer) => Buffer
  /** Changes what the tree tells of a file. */
  lie?: (entry: TreeEntry) => void
}

interface TreeEntry {
  type: 'file' | 'directory'
  path: string
  oid: string
  size: number
  lfs?: { oid: string; size: number; pointerSize: number }
}

interface Asked {
  readonly host: 'hub' | 'files'
  readonly url: string
  readonly range?: string
  readonly authorization?: string
}

export interface TestHub {
  readonly endpoint: string
  readonly state: HubState
  readonly asked: Asked[]
  close(): Promise<void>
}

export async function startHub(): Promise<TestHub> {
  const state: HubState = { files: new Map(), name: 'org/tiny' }
  const asked: Asked[] = []
  const files = await listen((request, response) => {
    asked.push(note('files', request))
    sendContent(state, decodeURIComponent(request.url!.slice(1)), request, response)
  })
  const hub = await listen((request, response) => {
    asked.push(note('hub', request))
    if (state.refuse?.(request, response)) return
    answer(state, address(files), address(hub), request, response)
  })
  return {
    endpoint: address(hub),
    state,
    asked,
    close: async () => {
      await Promise.all([hub, files].map(server => new Promise(done => server.close(done).closeAllConnections())))
    },
  }
}

async function listen(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> {
  const server = createServer(handle)
  await new Promise<void>(ready => server.listen(0, '127.0.0.1', ready))
  return server
}

function address(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function note(host: Asked['host'], { url, headers }: IncomingMessage): Asked {
  return { host, url: url!, range: headers.range, authorization: headers.authorization }
}

function answer(state: HubState, files: string, self: string, request: IncomingMessage, response: ServerResponse) {
  const { pathname, searchParams } = new URL(request.url!, self)
  const api = `/api/models/${state.name}`
  const resolve = `/${state.name}/resolve/${commit}/`
  if (pathname === `${api}/revision/main` || pathname === `${api}/revision/${commit}`)
    return json(response, {
      _id: '1',
      id: state.name,
      sha: commit,
      private: false,
      gated: false,
      lastModified: '2026-01-02T03:04:05.000Z',
      siblings: [...state.files.keys()].map(rfilename => ({ rfilename })),
    })
  if (pathname.startsWith(`${api}/revision/`)) return refuse(response, 404, 'RevisionNotFound')
  if (pathname === `${api}/tree/${commit}`) return tree(state, self + pathname, searchParams, response)
  if (!pathname.startsWith(resolve)) return refuse(response, 401, 'RepoNotFound')
  const path = decodeURIComponent(pathname.slice(resolve.length))
  const file = state.files.get(path)
  if (!file) return refuse(response, 404, 'EntryNotFound')
  response.setHeader('x-repo-commit', commit)
  if (!file.lfs) {
    response.setHeader('etag', `"${entryOf(path, file).oid}"`)
    return sendContent(state, path, request, response)
  }
  const headers = { location: `${files}/${path}`, 'x-linked-etag': `"${sha256(file.bytes)}"`, 'x-linked-size': file.bytes.length } // prettier-ignore
  response.writeHead(302, headers).end()
}

/** Two pages, so that the link to the next one is followed. */
function tree(state: HubState, url: string, words: URLSearchParams, response: ServerResponse): void {
  const entries = [...state.files].map(([path, file]) => entryOf(path, file))
  entries.forEach(entry => state.lie?.(entry))
  const all: TreeEntry[] = [{ type: 'directory', path: 'onnx', oid: 'f'.repeat(40), size: 0 }, ...entries]
  const half = Math.ceil(all.length / 2)
  const second = words.get('cursor') === 'two'
  if (!second) response.setHeader('link', `<${url}?cursor=two>; rel="next"`)
  json(response, second ? all.slice(half) : all.slice(0, half))
}

function entryOf(path: string, { bytes, lfs }: { bytes: Buffer; lfs: boolean }): TreeEntry {
  const oid = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
  if (!lfs) return { type: 'file', path, oid, size: bytes.length }
  const size = bytes.length
  return { type: 'file', path, oid: 'a'.repeat(40), size, lfs: { oid: sha256(bytes), size, pointerSize: 134 } }
}

function sendContent(state: HubState, path: string, request: IncomingMessage, response: ServerResponse): void {
  const whole = state.files.get(path)!.bytes
  const bytes = state.tamper?.(path, whole) ?? whole
  const asked = state.noRange ? undefined : /bytes=(\d+)-/u.exec(request.headers.range ?? '')?.[1]
  const start = Number(asked ?? 0)
  const range = asked === undefined ? {} : { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }
  response.writeHead(asked === undefined ? 200 : 206, { 'content-length': bytes.length - start, ...range })
  const { cutAt } = state
  if (cutAt === undefined || !state.files.get(path)!.lfs || start + cutAt >= bytes.length)
    response.end(bytes.subarray(start))
  else response.write(bytes.subarray(start, start + cutAt), () => setTimeout(() => response.destroy(), cutAt ? 100 : 0))
}

function json(response: ServerResponse, value: unknown): void {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(value))
}

export function refuse(response: ServerResponse, status: number, code?: string, message?: string): void {
  const headers = { ...(code ? { 'x-error-code': code } : {}), ...(message ? { 'x-error-message': message } : {}) }
  response.writeHead(status, headers).end(JSON.stringify({ error: message ?? code ?? '' }))
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
