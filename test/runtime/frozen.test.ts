import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import * as g from '../../src/graph/build.js'
import { gradients } from '../../src/graph/gradient.js'
import type { FrozenTensor, HostTensor } from '../../src/graph/tensor.js'
import { allocate } from '../../src/runtime/buffers.js'
import { createRuntime } from '../../src/runtime/registry.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { describeRuntimes } from './available.js'

const weight: HostTensor = {
  dtype: 'float32',
  shape: [3, 4],
  data: Float32Array.from({ length: 12 }, (_, i) => Math.sin(i + 1)),
}
const codes: HostTensor = {
  dtype: 'uint8',
  shape: [4, 2, 8],
  data: Uint8Array.from({ length: 64 }, (_, i) => (i * 37) % 256),
}
const scales: HostTensor = { dtype: 'float32', shape: [4, 2], data: new Float32Array(8).fill(0.1) }

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'frozen '))
})
afterAll(() => rm(folder, { recursive: true }))

/** The same values in a file, after bytes that are none of theirs. */
async function stored(tensor: HostTensor, name: string): Promise<FrozenTensor> {
  const path = join(folder, `${name}.bin`)
  const { buffer, byteOffset, byteLength } = tensor.data
  await writeFile(path, Buffer.concat([Buffer.alloc(3), new Uint8Array(buffer, byteOffset, byteLength)]))
  return { dtype: tensor.dtype, shape: tensor.shape, path, offset: 3 }
}

describeRuntimes('takes frozen inputs when it compiles', name => {
  let runtime: Runtime
  beforeAll(async () => {
    runtime = await createRuntime({ name })
  })

  /** y = (x·W)·codesᵀ and dy/dx; W in both directions. */
  async function compute(frozen: ReadonlyMap<string, FrozenTensor> | undefined): Promise<readonly number[]> {
    const x = g.input('x', [2, 3])
    const tables = { codes: g.input('codes', [4, 2, 8], 'uint8'), scales: g.input('scales', [4, 2]) }
    const attributes = { inputs: 20, outputs: 4, bits: 4, block: 16, activations: 'float32' } as const
    const wide = g.pad(g.matmul(x, g.input('w', [3, 4])), 1, 0, 16)
    const y = g.quantizedMatmul(wide, tables, attributes)
    const [dx] = gradients(g.reduceSum(g.mul(y, y)), [x])
    const program = await runtime.compile({ outputs: { y, dx } }, { threads: 1, frozen })
    const results = { y: allocate(y), dx: allocate(dx) }
    const feeds = { x: { dtype: 'float32', shape: [2, 3], data: Float32Array.of(1, -2, 3, 0.5, 2, -1) } } as const
    await program.run(frozen ? feeds : { ...feeds, w: weight, codes, scales }, results)
    await program.close()
    return [...results.y.data, ...results.dx.data].map(Number)
  }

  it('from arrays and from files, with the results of feeding them', async () => {
    const fed = await compute(undefined)
    const all = Object.entries({ w: weight, codes, scales })
    const files = await Promise.all(all.map(async ([key, tensor]) => [key, await stored(tensor, key)] as const))
    for (const frozen of [new Map<string, FrozenTensor>(all), new Map(files)])
      for (const [i, value] of (await compute(frozen)).entries()) expect(value).toBeCloseTo(fed[i], 4)
  })

  it('of a program without gradients: one table read by rows and as the factor of a product, kept by the program alone', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const make = (): HostTensor => ({
      dtype: 'float32',
      shape: [50, 32],
      data: Float32Array.from({ length: 1600 }, (_, i) => Math.sin(i)),
    })
    const table = g.input('table', [50, 32])
    const rows = g.gather(table, g.input('ids', [2], 'int64'))
    const outputs = { rows, scores: g.matmul(rows, table, { transposeB: true }) }
    const program = await runtime.compile(
      { outputs },
      { threads: 1, inference: true, frozen: new Map([['table', make()]]) },
    )
    const expected = make().data as Float32Array
    for (const [first, second] of [
      [3, 7],
      [49, 0],
      [3, 3],
    ]) {
      collect()
      Array.from({ length: 200 }, () => new Float32Array(1600).fill(9)) // takes the place of what nobody holds
      const results = { rows: allocate(rows), scores: allocate(outputs.scores) }
      const ids = { dtype: 'int64', shape: [2], data: BigInt64Array.of(BigInt(first), BigInt(second)) } as const
      await program.run({ ids }, results)
      const row = (id: number): number[] => [...expected.subarray(32 * id, 32 * id + 32)]
      const product = (a: number, b: number): number => row(a).reduce((sum, x, i) => sum + x * row(b)[i], 0)
      expect([...results.rows.data]).toEqual([...row(first), ...row(second)])
      for (const id of [0, 1, 20, 49])
        for (const [i, own] of [first, second].entries())
          expect(Number(results.scores.data[50 * i + id])).toBeCloseTo(product(own, id), 4)
    }
    await program.close()
  })

  it('says which value does not fit its input', async () => {
    const frozen = new Map([['w', { ...weight, shape: [4, 3] }]])
    await expect(compute(frozen)).rejects.toThrow(/^w: needs float32 \[3, 4\]/)
  })
})

it('tells that a file of frozen weights is gone', async () => {
  const { readFrozen } = await import('../../src/runtime/frozen-feeds.js')
  const lost: FrozenTensor = { dtype: 'float32', shape: [1], path: join(folder, 'lost.bin'), offset: 0 }
  expect(() => readFrozen(lost)).toThrow(/the frozen weights cannot be read any more \(ENOENT/)
})
