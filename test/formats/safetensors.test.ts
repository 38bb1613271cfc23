import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import { readSafetensors, readSafetensorsHeader, readStored, writeSafetensors } from '../../src/formats/safetensors.js'
import { listShards } from '../../src/formats/safetensors-shards.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'))
})
afterAll(() => rm(folder, { recursive: true }))

const tensors = new Map([
  ['b.weight', { shape: [2, 3], data: Float32Array.of(1, -2, 0.5, 1024, -0.125, 3) }],
  ['a', { shape: [], data: Float32Array.of(7) }],
  ['none', { shape: [0, 4], data: new Float32Array(0) }],
])

/** A file with this header over `bytes` bytes of data. */
async function raw(header: unknown, bytes: number): Promise<string> {
  const path = join(folder, 'raw.safetensors')
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  await writeFile(path, Buffer.concat([length, json, Buffer.alloc(bytes)]))
  return path
}

async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof AppError)) throw new Error('expected an AppError', { cause: error })
  return `${error.code} | ${error.message} | ${error.render('ru')}`.replaceAll(folder + '/', '')
}

test.each(['F32', 'F16', 'BF16'] as const)(
  'what is written as %s reads back equal, names, shapes and values',
  async dtype => {
    const path = join(folder, `${dtype}.safetensors`)
    await writeSafetensors(path, tensors, { dtype, metadata: { format: 'pt', made: 'here' } })
    const read = await readSafetensors(path)
    expect([...read.keys()].sort()).toEqual(['a', 'b.weight', 'none'])
    for (const [name, { shape, data }] of tensors) {
      expect(read.get(name)).toMatchObject({ dtype: 'float32', shape, data })
      expect(read.get(name)!.data.buffer.byteLength).toBe(4 * data.length)
    }
    const { metadata, entries } = await readSafetensorsHeader(path)
    expect(metadata).toEqual({ format: 'pt', made: 'here' })
    expect(entries.get('b.weight')!.dtype).toBe(dtype)
    expect(entries.get('a')!.begin % 8).toBe(0)
  },
)

test('F64 becomes float32, integers are left out unless asked for', async () => {
  const path = await raw({ x: { dtype: 'F64', shape: [1], data_offsets: [0, 8] }, mask: { dtype: 'I64', shape: [1], data_offsets: [8, 16] } }, 16) // prettier-ignore
  expect([...(await readSafetensors(path)).keys()]).toEqual(['x'])
  expect(await failure(readSafetensors(path, ['mask']))).toMatchInlineSnapshot(
    `"safetensors-dtype | raw.safetensors, tensor mask: element type I64 is not a weight type. Use a checkpoint in F32, F16 or BF16. | raw.safetensors, tensor mask: тип элементов I64 не годится для весов. Возьмите веса в F32, F16 или BF16."`,
  )
  expect(await failure(readSafetensors(path, ['y']))).toMatchInlineSnapshot(
    `"missing-tensor | raw.safetensors, tensor y: there is no such tensor in the file. Fetch the model again; its files do not belong together. | raw.safetensors, tensor y: такого тензора в файле нет. Скачайте модель заново: файлы не подходят друг к другу."`,
  )
})

test('shards are read through their index', async () => {
  await writeSafetensors(join(folder, 'one.safetensors'), new Map([['x', { shape: [1], data: Float32Array.of(1) }]]))
  await writeSafetensors(join(folder, 'two.safetensors'), new Map([['y', { shape: [1], data: Float32Array.of(2) }]]))
  const index = join(folder, 'model.safetensors.index.json')
  await writeFile(index, JSON.stringify({ weight_map: { x: 'one.safetensors', y: 'two.safetensors' } }))
  const read = await Promise.all([...(await listShards(index))].map(async ([name, one]) => [name, ...(await readStored(one)).data])) // prettier-ignore
  expect(read).toEqual([['x', 1], ['y', 2]]) // prettier-ignore
  await writeFile(index, JSON.stringify({ weight_map: { x: 'one.safetensors', z: 'two.safetensors' } }))
  expect(await failure(listShards(index))).toMatch('missing-tensor | two.safetensors, tensor z')
  await writeFile(index, JSON.stringify({ weight_map: { x: '../one.safetensors' } }))
  expect(await failure(listShards(index))).toMatch('bad-safetensors')
})

const entry = (from: number, to: number, count: number, dtype = 'F32') => ({
  dtype,
  shape: [count],
  data_offsets: [from, to],
})

test.each([
  ['an overlap', { a: entry(0, 8, 2), b: entry(4, 12, 2) }, 12, 'tensor b: overlaps'],
  ['a hole', { a: entry(0, 4, 1), b: entry(8, 12, 1) }, 12, 'tensor b: a hole of 4 bytes'],
  ['a hole at the start', { a: entry(4, 8, 1) }, 8, 'tensor a: a hole of 4 bytes'],
  ['data cut off', { a: entry(0, 8, 2) }, 7, 'tensor a: truncated'],
  ['data after the last tensor', { a: entry(0, 8, 2) }, 9, '1 bytes after the last tensor'],
  ['a size that is not the shape’s', { a: entry(0, 8, 3) }, 8, 'tensor a: 8 bytes for F32 [3], expected 12'],
  ['an unknown element type', { a: entry(0, 8, 2, 'F31') }, 8, 'tensor a: unknown element type "F31"'],
  ['a name of Object.prototype as element type', { a: entry(0, 8, 2, 'toString') }, 8, 'unknown element type'],
  ['a negative size', { a: { dtype: 'F32', shape: [-1, -1], data_offsets: [0, 4] } }, 4, 'tensor a: bad shape [-1,-1]'],
  ['offsets the wrong way round', { a: entry(4, 0, 1) }, 4, 'tensor a: bad data_offsets [4,0]'],
  ['a tensor that is no object', { a: null }, 0, 'tensor a: unknown element type'],
  ['a header that is no object', [], 0, 'header is not a JSON object'],
  ['a header that is no JSON', '{"a":', 0, 'header is not JSON'],
  ['a name twice', `{"a":${JSON.stringify(entry(0, 4, 1))},"b":${JSON.stringify(entry(4, 8, 1))},"\\u0061":${JSON.stringify(entry(0, 4, 1))}}`, 8, 'tensor a: stands twice'],
  ['a key of a tensor twice', '{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}', 4, 'tensor shape: stands twice'],
] as const)('%s is refused', async (_title, header, bytes, words) => {
  const message = await failure(readSafetensors(await raw(header, bytes)))
  expect(message).toMatch('bad-safetensors | raw.safetensors')
  expect(message).toContain(words)
}) // prettier-ignore

test('a header that claims more than the limit or the file is refused before it is read', async () => {
  const path = join(folder, 'long.safetensors')
  const claim = (length: bigint) => {
    const bytes = Buffer.alloc(16)
    bytes.writeBigUInt64LE(length)
    return writeFile(path, bytes)
  }
  await claim(100_000_001n)
  expect(await failure(readSafetensors(path))).toMatchInlineSnapshot(
    `"bad-safetensors | long.safetensors: header of 100000001 bytes, the limit is 100000000. The file is damaged or not safetensors; fetch or write it again. | long.safetensors: заголовок в 100000001 байт, предел 100000000. Файл повреждён или это не safetensors; скачайте или запишите его заново."`,
  )
  await claim(9n)
  expect(await failure(readSafetensors(path))).toContain('truncated in the header: 16 bytes')
  await writeFile(path, 'short')
  expect(await failure(readSafetensors(path))).toContain('truncated: 5 bytes')
  expect(await failure(readSafetensors(join(folder, 'absent.safetensors')))).toMatch('file-not-found')
})

test('equal strings in values and braces in names are no repeated keys', async () => {
  const path = await raw({ '{"}': entry(0, 4, 1), __metadata__: { a: 'b', b: 'a"b:' } }, 4)
  expect([...(await readSafetensors(path)).keys()]).toEqual(['{"}'])
})

test('a failed write leaves the old file', async () => {
  const path = join(folder, 'kept.safetensors')
  await writeSafetensors(path, tensors)
  const before = await readFile(path)
  const wrong = new Map([['x', { shape: [3], data: new Float32Array(2) }]])
  expect(await failure(writeSafetensors(path, wrong))).toContain(
    'shape | kept.safetensors, tensor x: 2 values for shape [3]',
  )
  expect(await readFile(path)).toEqual(before)
})
