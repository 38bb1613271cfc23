// Damaged and lying .safetensors files and indexes: each one an error that says what is wrong, never wrong numbers.
import fc from 'fast-check'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import {
  listSafetensors,
  readSafetensors,
  readStored,
  streamStored,
  writeSafetensors,
} from '../../src/formats/safetensors.js'
import { listShards, writeShards } from '../../src/formats/safetensors-shards.js' // prettier-ignore

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'damage-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof AppError)) throw new Error('expected an AppError', { cause: error })
  return `${error.code} | ${error.message} | ${error.render('ru')}`.replaceAll(folder + '/', '')
}

/** A file with this header over `bytes` bytes of data. */
async function raw(header: unknown, bytes: number): Promise<string> {
  const path = join(folder, 'raw.safetensors')
  const json = Buffer.isBuffer(header)
    ? header
    : Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  await writeFile(path, Buffer.concat([length, json, Buffer.alloc(bytes)]))
  return path
}

const one = { dtype: 'F32', shape: [1], data_offsets: [0, 4] }

describe('a file', () => {
  it('that is empty, or has no header, is refused', async () => {
    const path = join(folder, 'empty.safetensors')
    await writeFile(path, '')
    expect(await failure(readSafetensors(path))).toMatchInlineSnapshot(
      `"bad-safetensors | empty.safetensors: truncated: 0 bytes. The file is damaged or not safetensors; fetch or write it again. | empty.safetensors: файл обрезан: 0 байт. Файл повреждён или это не safetensors; скачайте или запишите его заново."`,
    )
    expect(await failure(readSafetensors(await raw('', 0)))).toMatchInlineSnapshot(
      `"bad-safetensors | raw.safetensors: header is not JSON (Unexpected end of JSON input). The file is damaged or not safetensors; fetch or write it again. | raw.safetensors: заголовок не JSON (Unexpected end of JSON input). Файл повреждён или это не safetensors; скачайте или запишите его заново."`,
    )
  })

  it('whose sizes multiply to more than there is, or than can be counted, is refused', async () => {
    const shaped = (shape: number[], end = 4) => raw({ a: { dtype: 'F32', shape, data_offsets: [0, end] } }, 4)
    expect(await failure(readSafetensors(await shaped([2 ** 40, 2 ** 40])))).toMatchInlineSnapshot(`"bad-safetensors | raw.safetensors, tensor a: 4 bytes for F32 [1099511627776,1099511627776], expected 4.835703278458517e+24. The file is damaged or not safetensors; fetch or write it again. | raw.safetensors, tensor a: 4 байт для F32 [1099511627776,1099511627776], нужно 4.835703278458517e+24. Файл повреждён или это не safetensors; скачайте или запишите его заново."`)
    expect(await failure(readSafetensors(await shaped([2 ** 50], 2 ** 52)))).toMatchInlineSnapshot(`"bad-safetensors | raw.safetensors, tensor a: truncated: ends at byte 4503599627370588 of 96. The file is damaged or not safetensors; fetch or write it again. | raw.safetensors, tensor a: файл обрезан: конец на байте 4503599627370588 из 96. Файл повреждён или это не safetensors; скачайте или запишите его заново."`)
    expect(await failure(readSafetensors(await shaped([1e300])))).toContain('bad shape [1e+300]')
    expect(await failure(readSafetensors(await shaped([0.5, 2])))).toContain('bad shape [0.5,2]')
    expect(await failure(readSafetensors(await shaped(Array<number>(500).fill(2 ** 52))))).toContain('expected Infinity')
    expect(await failure(readSafetensors(await shaped([1], 2 ** 53)))).toContain('bad data_offsets')
  }) // prettier-ignore

  it('whose header is no text, or holds metadata that are no texts, is refused', async () => {
    const broken = Buffer.concat([Buffer.from('{"\xff":', 'latin1'), Buffer.from(JSON.stringify(one) + '}')])
    expect(await failure(readSafetensors(await raw(broken, 4)))).toMatchInlineSnapshot(
      `"bad-safetensors | raw.safetensors: header is not UTF-8. The file is damaged or not safetensors; fetch or write it again. | raw.safetensors: заголовок не в UTF-8. Файл повреждён или это не safetensors; скачайте или запишите его заново."`,
    )
    for (const metadata of [[], null, 'x', { a: 1 }])
      expect(await failure(readSafetensors(await raw({ __metadata__: metadata, a: one }, 4)))).toContain('__metadata__ is not a map of texts') // prettier-ignore
    expect(await failure(readSafetensors(await raw('\ufeff{}', 0)))).toContain('header is not JSON')
  })

  it('cannot fill or steer the terminal with what it says', async () => {
    const message = await failure(readSafetensors(await raw({ ['\u001b[2J' + 'x'.repeat(1e6)]: { ...one, shape: Array<number>(1e5).fill(-1) } }, 4))) // prettier-ignore
    expect(message).toContain('tensor \ufffd[2Jxxx')
    expect(message.length).toBeLessThan(1000)
  })

  it('may have a name of millions of characters, or the name of a property of objects', async () => {
    const name = '"\\ю'.repeat(1_000_000)
    expect([...(await readSafetensors(await raw({ [name]: one }, 4))).keys()]).toEqual([name])
    const odd = `{"__proto__":${JSON.stringify(one)},"constructor":${JSON.stringify({ ...one, data_offsets: [4, 8] })}}`
    expect([...(await readSafetensors(await raw(odd, 8))).keys()].sort()).toEqual(['__proto__', 'constructor'])
    const twice = `{"__proto__" : ${JSON.stringify(one)} , "__proto__"\n:${JSON.stringify(one)}}`
    expect(await failure(readSafetensors(await raw(twice, 4)))).toContain('tensor __proto__: stands twice')
  })

  it('of numbers that are no weights is told apart from a damaged one', async () => {
    const path = await raw({ a: { dtype: 'F8_E4M3', shape: [4], data_offsets: [0, 4] } }, 4)
    expect((await readSafetensors(path)).size).toBe(0)
    expect(await failure(readSafetensors(path, ['a']))).toContain('element type F8_E4M3 is not a weight type')
    expect((await listSafetensors(await raw({ a: { dtype: 'F4', shape: [8], data_offsets: [0, 4] } }, 4))).size).toBe(1)
  })

  it('that shrinks while it is read is an error', async () => {
    const path = await raw({ a: one }, 4)
    const tensor = (await listSafetensors(path)).get('a')!
    await writeFile(path, 'cut')
    expect(await failure(readStored(tensor))).toContain('truncated at byte')
    expect(await failure(streamStored(tensor).next())).toContain('truncated at byte')
  })

  it('with any bytes of its header changed is an error or gives the numbers that stand in it', async () => {
    const path = join(folder, 'whole.safetensors')
    const values = Float32Array.from({ length: 12 }, (_, i) => i - 5.5)
    await writeSafetensors(path, new Map([['a.weight', { shape: [2, 3], data: values.slice(0, 6) }], ['b', { shape: [6], data: values.slice(6) }]])) // prettier-ignore
    const bytes = await readFile(path)
    const length = 8 + Number(bytes.readBigUInt64LE())
    const change = fc.record({ at: fc.nat(length - 1), byte: fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('"{}[],:0123456789F'))) }) // prettier-ignore
    let read = 0
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async changes => {
        const damaged = Buffer.from(bytes)
        for (const { at, byte } of changes) damaged[at] = byte
        const file = join(folder, 'damaged.safetensors')
        await writeFile(file, damaged)
        const tensors = await readSafetensors(file).catch((thrown: unknown) => {
          if (thrown instanceof AppError) return undefined
          throw thrown
        })
        if (tensors === undefined) return
        read++
        for (const [name, { shape, data }] of tensors) expect([...data]).toEqual(numbersOf(damaged, name, shape))
      }),
      { numRuns: 500 },
    )
    expect(read).toBeGreaterThan(0) // a letter of a name changes no number
  })
})

/** The numbers of a tensor by the plain reading of the format. */
function numbersOf(bytes: Buffer, name: string, shape: readonly number[]): number[] {
  const start = 8 + Number(bytes.readBigUInt64LE())
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<string, typeof one>
  const { dtype, data_offsets: offsets } = header[name]
  expect([dtype, shape]).toEqual(['F32', header[name].shape])
  const count = (offsets[1] - offsets[0]) / 4
  expect(shape.reduce((product, size) => product * size, 1)).toBe(count)
  return Array.from({ length: count }, (_, i) => bytes.readFloatLE(start + offsets[0] + 4 * i))
}

describe('an index', () => {
  const write = async (index: unknown) => {
    const path = join(folder, 'model.safetensors.index.json')
    await writeFile(path, typeof index === 'string' ? index : JSON.stringify(index))
    return path
  }

  it('that leads out of its folder, or to what is no .safetensors, is refused', async () => {
    expect(await failure(listShards(await write({ weight_map: { x: '../one.safetensors' } })))).toMatchInlineSnapshot(`"bad-safetensors | model.safetensors.index.json, tensor x: "../one.safetensors" is not a .safetensors file beside the index. The file is damaged or not safetensors; fetch or write it again. | model.safetensors.index.json, tensor x: "../one.safetensors": это не файл .safetensors рядом с указателем. Файл повреждён или это не safetensors; скачайте или запишите его заново."`)
    for (const file of ['/etc/one.safetensors', 'a/one.safetensors', '..\\one.safetensors', 'C:one.safetensors', 'model.bin', '..', '', 7, null, 'a\0.safetensors'])
      expect(await failure(listShards(await write({ weight_map: { x: file } })))).toContain('is not a .safetensors file beside the index')
  }) // prettier-ignore

  it('without a map, or that is no JSON, is refused', async () => {
    for (const index of [{}, [], null, 5, { weight_map: [] }, { weight_map: 'x' }])
      expect(await failure(listShards(await write(index)))).toContain('no weight_map in the index')
    expect(await failure(listShards(await write('{"weight_map":')))).toContain('bad-json')
  })

  it('that names a file that is not there, or another one than the tensor’s, is an error', async () => {
    await writeSafetensors(join(folder, 'one.safetensors'), new Map([['x', { shape: [1], data: Float32Array.of(1) }]]))
    await writeSafetensors(join(folder, 'two.safetensors'), new Map([['y', { shape: [1], data: Float32Array.of(2) }]]))
    const gone = await write({ weight_map: { x: 'one.safetensors', y: 'gone.safetensors' } })
    expect(await failure(listShards(gone))).toMatchInlineSnapshot(
      `"missing-shard | model.safetensors.index.json: the index names gone.safetensors, which is not beside it. Fetch the model again; a part of it is missing. | model.safetensors.index.json: указатель называет gone.safetensors, а рядом его нет. Скачайте модель заново: части не хватает."`,
    )
    const swapped = await write({ weight_map: { x: 'two.safetensors', y: 'two.safetensors' } })
    expect(await failure(listShards(swapped))).toMatchInlineSnapshot(
      `"missing-tensor | two.safetensors, tensor x: there is no such tensor in the file. Fetch the model again; its files do not belong together. | two.safetensors, tensor x: такого тензора в файле нет. Скачайте модель заново: файлы не подходят друг к другу."`,
    )
  })
})

describe('shards', () => {
  const tensors = (...sizes: number[]) => new Map(sizes.map((size, i) => [`t${i}`, { shape: [size], data: new Float32Array(size) }])) // prettier-ignore

  it('are filled in order as transformers fills them, and take the place of an earlier save', async () => {
    const target = await mkdtemp(join(folder, 'shards-'))
    await writeFile(join(target, 'config.json'), '{}')
    expect(await writeShards(target, tensors(6, 6, 2, 6, 2, 2), { maxShardBytes: 40 })).toBe(96)
    const map = async () => (JSON.parse(await readFile(join(target, 'model.safetensors.index.json'), 'utf8')) as { weight_map: Record<string, string> }).weight_map // prettier-ignore
    expect(Object.entries(await map()).map(([name, file]) => `${name} ${file[10]}`)).toEqual(['t0 1', 't1 2', 't2 2', 't3 3', 't4 3', 't5 3']) // prettier-ignore
    await writeShards(target, tensors(3, 30, 3), { maxShardBytes: 40 })
    expect(Object.entries(await map()).map(([name, file]) => `${name} ${file[10]}`)).toEqual(['t0 2', 't1 1', 't2 2'])
    expect((await readdir(target)).length).toBe(4)
    await writeShards(target, tensors(3))
    expect((await readdir(target)).sort()).toEqual(['config.json', 'model.safetensors'])
    await writeShards(target, tensors(30, 30), { maxShardBytes: 40 })
    expect((await readdir(target)).includes('model.safetensors')).toBe(false)
  })
})

describe('a tensor given piece by piece', () => {
  const pieces = (...sizes: number[]) =>
    async function* () {
      for (const size of sizes) yield await Promise.resolve(new Float32Array(size).fill(size))
    }

  it('is written as one, in any element type', async () => {
    const path = join(folder, 'pieces.safetensors')
    for (const dtype of ['F32', 'F16', 'BF16'] as const) {
      await writeSafetensors(path, new Map([['x', { shape: [5], data: pieces(2, 3) }]]), { dtype })
      expect([...(await readSafetensors(path)).get('x')!.data]).toEqual([2, 2, 3, 3, 3])
    }
  })

  it('that does not fill its shape, or overflows float16, leaves no file', async () => {
    const path = join(folder, 'never.safetensors')
    expect(await failure(writeSafetensors(path, new Map([['x', { shape: [6], data: pieces(2, 3) }]])))).toContain('shape | never.safetensors, tensor x: 5 values for shape [6]')
    const large = { shape: [3], data: Float32Array.of(65_519, -65_520, 1e30) }
    expect(await failure(writeSafetensors(path, new Map([['x', large]]), { dtype: 'F16' }))).toContain('float16-overflow | never.safetensors, tensor x: float16 ends at 65504, and numbers beyond it would become infinite: at least 2 here, up to 1e+30')
    expect((await readdir(folder)).filter(name => name.includes('never'))).toEqual([])
  }) // prettier-ignore
})
