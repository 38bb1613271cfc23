import { createHash } from 'node:crypto'
import { mkdtemp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import { ZipFile } from 'yazl'
import { AppError } from '../../src/base/errors.js'
import { installOpenvino, type Wheel } from '../../src/runtime/openvino-install.js'
import { locatePackage, readPipSettings } from '../../src/runtime/package-index.js'

const file = 'openvino-1.0-cp312-cp312-any.whl'
const library = Buffer.alloc(200_000, 'library ')
let wheelBytes: Buffer
let wheel: Wheel
let server: Server
let address: string
let folder: string
/** What the server does with the wheel, and what it was asked. */
let served: { bytes: Buffer; cutAt?: number; format: 'json' | 'html' }
let ranges: (string | undefined)[]

beforeAll(async () => {
  const zip = new ZipFile()
  zip.addBuffer(library, 'openvino/libs/libopenvino_c.so.1')
  zip.addBuffer(Buffer.from('tbb'), 'openvino/libs/libtbb.so.12')
  zip.addBuffer(Buffer.from('nothing of ours'), 'openvino/__init__.py')
  zip.addBuffer(Buffer.from('deeper'), 'openvino/libs/more/file.so')
  zip.end()
  const chunks: Buffer[] = []
  for await (const chunk of zip.outputStream) chunks.push(chunk as Buffer)
  wheelBytes = Buffer.concat(chunks)
  wheel = { file, bytes: wheelBytes.length, sha256: createHash('sha256').update(wheelBytes).digest('hex') }
  server = createServer((request, response) => {
    if (request.url === '/simple/openvino/') {
      const json = served.format === 'json'
      const link = `../../files/${file}#sha256=${wheel.sha256}`
      response.setHeader('content-type', json ? 'application/vnd.pypi.simple.v1+json' : 'text/html')
      response.end(json ? JSON.stringify({ files: [{ url: link }] }) : `<a class="x" href="${link}">${file}</a>`)
    } else if (request.url === `/files/${file}`) {
      const { range } = request.headers
      ranges.push(range)
      const start = Number(/bytes=(\d+)-/u.exec(range ?? '')?.[1] ?? 0)
      response.writeHead(range ? 206 : 200, { 'content-length': served.bytes.length - start })
      if (served.cutAt === undefined) response.end(served.bytes.subarray(start))
      else response.write(served.bytes.subarray(start, served.cutAt), () => setTimeout(() => response.destroy(), 50))
    } else response.writeHead(404).end()
  })
  await new Promise<void>(ready => server.listen(0, '127.0.0.1', ready))
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => void server.close())

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dvoynik-engine-'))
  served = { bytes: wheelBytes, format: 'json' }
  ranges = []
  vi.stubEnv('PIP_INDEX_URL', `${address}/simple`)
  vi.stubEnv('PIP_FIND_LINKS', '')
  vi.stubEnv('PIP_CONFIG_FILE', '/dev/null')
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true, force: true })
})

const install = (options = {}) => installOpenvino({ wheel, folder: join(folder, 'openvino'), ...options })
const failure = (work: Promise<unknown>) =>
  work.then(
    () => 'no error',
    (thrown: unknown) => (thrown instanceof AppError ? thrown.message.replaceAll(address, 'http://index') : thrown),
  )

it.each(['json', 'html'] as const)('finds the wheel on a page in %s and unpacks only its libraries', async format => {
  served.format = format
  const libs = await install()
  expect((await readdir(libs)).sort()).toEqual(['libopenvino_c.so.1', 'libtbb.so.12'])
  expect((await readFile(join(libs, 'libopenvino_c.so.1'))).equals(library)).toBe(true)
  expect(await readdir(folder)).toEqual(['openvino'])
  expect((await stat(folder)).mode & 0o777).toBe(0o700)
})

it('goes on where a broken download stopped', async () => {
  served.cutAt = 100
  expect(await failure(install())).toMatch(
    /^http:\/\/index\/files\/openvino-1.0-cp312-cp312-any.whl: the download failed/,
  )
  served.cutAt = undefined
  await install()
  expect(ranges).toEqual([undefined, 'bytes=100-'])
})

it('refuses a file with another hash, and does not keep it', async () => {
  served.bytes = Buffer.from(wheelBytes).fill(0, 50, 60)
  expect(await failure(install())).toMatch(
    /^http:\/\/index\/files\/.* this is not the expected file \(\d+ bytes, SHA-256 [0-9a-f]{64}; expected \d+ bytes, [0-9a-f]{64}\). Run the command again; if it repeats, the package index or a proxy changes files: do not use them.$/,
  )
  expect(await readdir(folder)).toEqual([])
})

it('says that the index does not have the file, or does not answer', async () => {
  expect(await failure(install({ wheel: { ...wheel, file: 'other.whl' } }))).toMatchInlineSnapshot(
    `"other.whl: the package index does not have this file (http://index/simple/openvino/). Check index-url of pip, or download the file by hand and pass it with --from."`,
  )
  vi.stubEnv('PIP_INDEX_URL', `${address}/elsewhere`)
  expect(await failure(install())).toMatchInlineSnapshot(
    `"http://index/elsewhere/openvino/: the download failed (HTTP 404 Not Found). Check the network and run the command again; it goes on where it stopped."`,
  )
})

it('refuses to start when the disk has no room', async () => {
  expect(await failure(install({ wheel: { ...wheel, bytes: 1e18 } }))).toMatch(/the disk is full \(\d+ MB needed/)
})

it('takes a wheel that was downloaded by hand, but only the right one', async () => {
  const path = join(folder, 'mine.whl')
  await writeFile(path, wheelBytes)
  await install({ from: path })
  expect((await readdir(folder)).sort()).toEqual(['mine.whl', 'openvino'])
  await writeFile(path, 'something else')
  expect(await failure(install({ from: path }))).toMatch(/this is not the expected file/)
  expect((await readdir(folder)).sort()).toEqual(['mine.whl', 'openvino'])
  expect(ranges).toEqual([])
})

it("reads pip's files: the user's over the machine's, lists over several lines, folders before indexes", async () => {
  const config = join(folder, 'pip')
  await mkdir(config)
  const lines = ['[global]', 'index-url = https://one.example/simple', 'find_links =', `    ${folder}`, '    /nowhere', '[list]', 'index-url = no'] // prettier-ignore
  await writeFile(join(config, 'pip.conf'), lines.join('\n'))
  const settings = await readPipSettings({ XDG_CONFIG_HOME: folder, PIP_EXTRA_INDEX_URL: 'https://two.example/simple' })
  expect(settings.indexes).toEqual(['https://one.example/simple', 'https://two.example/simple'])
  expect(settings.findLinks).toEqual([folder, '/nowhere'])
  await writeFile(join(folder, file), wheelBytes)
  expect(await locatePackage('openvino', file, settings)).toEqual({ path: join(folder, file) })
  expect((await readPipSettings({ PIP_NO_INDEX: '1', PIP_CONFIG_FILE: '/dev/null' })).indexes).toEqual([])
})
