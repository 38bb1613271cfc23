import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { beforeAll, expect, it } from 'vitest'
import { normalAt } from '../../src/base/random.js'
import * as g from '../../src/graph/build.js'
import { gradients } from '../../src/graph/gradient.js'
import { elementCount, type FloatTensor, type HostTensor } from '../../src/graph/tensor.js'
import { allocate } from '../../src/runtime/buffers.js'
import { createRuntime } from '../../src/runtime/registry.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { describeRuntimes } from './available.js'

function floats(shape: readonly number[], element: (i: number) => number): HostTensor & { data: Float32Array } {
  const data = Float32Array.from({ length: elementCount(shape) }, (_, i) => element(i))
  return { dtype: 'float32', shape, data }
}

/** One AdamW step over a chunk: p, m and v in, p, m and v out. */
function adamw(size: number) {
  const [p, m, v, gradient] = ['p', 'm', 'v', 'g'].map(name => g.input(name, [size]))
  const scaled = (x: typeof p, by: number) => g.mul(x, g.scalar(by))
  const m2 = g.add(scaled(m, 0.9), scaled(gradient, 0.1))
  const v2 = g.add(scaled(v, 0.999), scaled(g.mul(gradient, gradient), 0.001))
  const step = g.add(g.div(m2, g.add(g.sqrt(v2), g.scalar(1e-8))), scaled(p, 0.03))
  return { p: g.sub(p, g.mul(g.input('rate', []), step)), m: m2, v: v2 }
}

describeRuntimes('runs programs', name => {
  let runtime: Runtime
  beforeAll(async () => {
    runtime = await createRuntime({ name })
  })

  it('reads and writes arrays in memory that threads share, also where they have changed since', async () => {
    const x = g.input('x', [40])
    const program = await runtime.compile({ outputs: { y: g.mul(x, g.scalar(2)) } })
    const shared = (): FloatTensor => ({
      dtype: 'float32',
      shape: [40],
      data: new Float32Array(new SharedArrayBuffer(400), 64, 40),
    })
    const [from, to] = [shared(), shared()]
    for (const value of [3, 5]) {
      from.data.fill(value)
      await program.run({ x: from }, { y: to })
      expect([...to.data]).toEqual(new Array(40).fill(2 * value))
    }
    await program.close()
  })

  it('updates weights and moments in place, chunk by chunk, as with arrays of their own', async () => {
    const [size, chunks] = [1000, 7]
    const program = await runtime.compile({ outputs: adamw(size) }, { threads: 2 })
    const fresh = () =>
      ['p', 'm', 'v', 'g'].map((_, s) => floats([size * chunks], i => (s === 2 ? 1 : normalAt(s, 0, i))))
    const chunk = ({ data }: { data: Float32Array }, k: number): HostTensor => ({
      dtype: 'float32',
      shape: [size],
      data: data.subarray(k * size, (k + 1) * size),
    })
    const [shared, apart, results] = [fresh(), fresh(), fresh()]
    const rate = floats([], () => 0.01)
    const runChunk = (from: typeof shared, to: typeof shared, k: number) => {
      const [p, m, v, gradient] = from.map(array => chunk(array, k))
      return program.run({ p, m, v, g: gradient, rate }, { p: chunk(to[0], k), m: chunk(to[1], k), v: chunk(to[2], k) })
    }
    for (let step = 0; step < 3; step++) {
      for (let k = 0; k < chunks; k++) {
        await runChunk(shared, shared, k)
        await runChunk(apart, results, k)
      }
      apart.slice(0, 3).forEach((array, i) => array.data.set(results[i].data))
    }
    shared.forEach((array, i) =>
      expect(Buffer.from(array.data.buffer).equals(Buffer.from(apart[i].data.buffer))).toBe(true),
    )
    expect(shared[0].data[0]).not.toBe(fresh()[0].data[0])
    await program.close()
  })

  it('refuses to overwrite an array that is read later', async () => {
    const x = g.input('x', [2])
    const doubled = g.mul(x, g.scalar(2))
    const program = await runtime.compile({ outputs: { doubled, sum: g.add(doubled, x) } })
    const shared = allocate(x)
    await expect(program.run({ x: shared }, { doubled: shared, sum: allocate(x) })).rejects.toThrow(
      expect.objectContaining({ code: 'unsafe-in-place' }),
    )
    await program.run({ x: shared }, { doubled: allocate(x), sum: shared })
    await program.close()
  })

  it('gives the same values in place when an input is read by several operations on the way', async () => {
    const x = g.input('x', [300, 100])
    const row = g.reshape(g.slice(x, 0, 0, 1), [1, 100])
    const y = g.mul(g.relu(g.sub(g.exp(x), g.scalar(1))), g.add(g.mul(x, x), g.tanh(x)))
    const program = await runtime.compile({ outputs: { y } }, { threads: 2 })
    const values = () => floats([300, 100], i => normalAt(5, 0, i))
    const [shared, apart] = [values(), allocate(y)]
    await program.run({ x: shared }, { y: apart })
    await program.run({ x: shared }, { y: shared })
    expect(shared.data).toEqual(apart.data)
    await program.close()
    const sliced = await runtime.compile({ outputs: { y: g.add(x, row) } })
    await expect(sliced.run({ x: shared }, { y: shared })).rejects.toThrow(
      expect.objectContaining({ code: 'unsafe-in-place' }),
    )
    await sliced.close()
  })

  it('keeps small arrays in place while the garbage collector works', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const x = g.input('x', [3])
    const program = await runtime.compile({ outputs: { y: g.mul(x, g.scalar(2)) } })
    const feed = floats([3], i => i)
    const result = { dtype: 'float32', shape: [3], data: new Float32Array(3) } as const
    for (let round = 1; round <= 20; round++) {
      feed.data.fill(round)
      await program.run({ x: feed }, { y: result })
      expect([...result.data]).toEqual([2 * round, 2 * round, 2 * round])
      collect()
    }
    await program.close()
  })

  it('refuses in-place matrix products, hidden reshapes and partly shared arrays', async () => {
    const x = g.input('x', [2, 2])
    const later = g.exp(g.reshape(x, [4]))
    const program = await runtime.compile({ outputs: { y: g.matmul(x, x), half: g.mul(x, g.scalar(0.5)), later } })
    const shared = allocate(x)
    const own = () => ({ y: allocate(x), half: allocate(x), later: allocate(later) })
    const unsafe = expect.objectContaining({ code: 'unsafe-in-place' })
    await expect(program.run({ x: shared }, { ...own(), y: shared })).rejects.toThrow(unsafe)
    await expect(program.run({ x: shared }, { ...own(), half: shared })).rejects.toThrow(unsafe)
    const buffer = new ArrayBuffer(64)
    const at = (offset: number): HostTensor => ({ ...x, data: new Float32Array(buffer, offset, 4) }) as HostTensor
    const moved = { dtype: 'float32', shape: [2, 2], data: at(4).data } as const
    const base = { dtype: 'float32', shape: [2, 2], data: at(0).data } as const
    await expect(program.run({ x: base }, { ...own(), y: moved })).rejects.toThrow(unsafe)
    await program.close()
  })

  it('lets an output have the name of an input, an input be an output, and one value have two names', async () => {
    const x = g.input('x', [2])
    const y = g.exp(x)
    const two = g.scalar(2)
    const program = await runtime.compile({ outputs: { x: y, again: g.stopGradient(y), copy: x, two } })
    const results = { x: allocate(x), again: allocate(x), copy: allocate(x), two: allocate(two) }
    await program.run({ x: floats([2], i => i) }, results)
    expect([...results.x.data].map(Number)).toEqual([1, expect.closeTo(Math.E, 6)])
    expect(results.again.data).toEqual(results.x.data)
    expect([...results.copy.data, ...results.two.data]).toEqual([0, 1, 2])
    await program.close()
  })

  it('carries whole numbers, bytes and truth values', async () => {
    const n = g.input('n', [3], 'int64')
    const outputs = { n: g.add(n, g.int64s([1])), b: g.cast(n, 'uint8'), t: g.greater(n, g.int64s([1])) }
    const program = await runtime.compile({ outputs })
    const results = { n: allocate(outputs.n), b: allocate(outputs.b), t: allocate(outputs.t) }
    await program.run({ n: { dtype: 'int64', shape: [3], data: BigInt64Array.of(0n, 5n, 200n) } }, results)
    expect([...results.n.data]).toEqual([1n, 6n, 201n])
    expect([...results.b.data]).toEqual([0, 5, 200])
    expect([...results.t.data]).toEqual([0, 1, 1])
    await program.close()
  })

  it('passes on what the runtime says when ids lie outside the table', async () => {
    const ids = g.input('ids', [1], 'int64')
    const rows = g.gather(g.input('table', [2, 3]), ids)
    const program = await runtime.compile({ outputs: { rows } })
    const feeds = {
      table: floats([2, 3], () => 7),
      ids: { dtype: 'int64', shape: [1], data: BigInt64Array.of(9n) } as const,
    }
    const results = { rows: allocate(rows) }
    if (name !== 'onnxruntime-cpu') {
      // an exception of these runtimes: such rows are zeros and nothing is said
      await program.run(feeds, results)
      expect([...results.rows.data]).toEqual([0, 0, 0])
    } else
      await expect(program.run(feeds, results)).rejects.toThrow(
        expect.objectContaining({ code: 'runtime-run', message: expect.stringContaining('9') as string }),
      )
    await program.close()
  })

  it('gives the same numbers where values lie in memory of its own or shared with other programs', async () => {
    const x = g.input('x', [64, 64])
    const y = g.softmax(g.matmul(x, x))
    const [gradient] = gradients(g.reduceSum(g.mul(y, y)), [x])
    const feeds = { x: floats([64, 64], i => normalAt(3, 0, i)) }
    const run = async (values: 'own' | 'shared') => {
      const results = [y, gradient]
      const programs = await Promise.all(results.map(result => runtime.compile({ outputs: { result } }, { values })))
      const found = results.map(result => allocate(result))
      for (let round = 0; round < 2; round++)
        for (const [i, program] of programs.entries()) await program.run(feeds, { result: found[i] })
      for (const program of programs) await program.close()
      return found.map(({ data }) => data)
    }
    const own = await run('own')
    expect(await run('shared')).toEqual(own)
    expect(await run('shared')).toEqual(own) // the shared memory was given back in between
  })

  it('passes on why it refuses a graph', async () => {
    const wrong = g.abs(g.greater(g.input('x', [2]), g.scalar(0)))
    await expect(runtime.compile({ outputs: { wrong } })).rejects.toThrow(
      expect.objectContaining({ code: 'runtime-compile', message: expect.stringContaining('bool') as string }),
    )
  })

  it('refuses two inputs of one name and different shapes', async () => {
    const outputs = { y: g.exp(g.input('x', [2])), z: g.exp(g.input('x', [3])) }
    await expect(runtime.compile({ outputs })).rejects.toThrow(expect.objectContaining({ code: 'duplicate-input' }))
  })

  it('trains two layers to tell apart points inside and outside a circle', async () => {
    const [points, width] = [256, 24]
    const parameters = { w1: [2, width], b1: [width], w2: [width, 2], b2: [2] }
    const nodes = Object.entries(parameters).map(([key, shape]) => g.input(key, shape))
    const [w1, b1, w2, b2] = nodes
    const hidden = g.tanh(g.linear(g.input('x', [points, 2]), w1, b1))
    const { lossSum, count } = g.crossEntropySum(g.linear(hidden, w2, b2), g.input('labels', [points], 'int64'))
    const loss = g.div(lossSum, count)
    const slopes = gradients(loss, nodes)
    const updated = nodes.map((p, i) => g.sub(p, g.mul(g.scalar(2), slopes[i])))
    const names = Object.keys(parameters)
    const outputs = { loss, ...Object.fromEntries(names.map((key, i) => [key, updated[i]])) }
    const program = await runtime.compile({ outputs })
    const x = floats([points, 2], i => normalAt(1, 0, i))
    const isOutside = (i: number) => Math.hypot(x.data[2 * i], x.data[2 * i + 1]) > 1.2
    const labels = allocate({ dtype: 'int64', shape: [points] })
    for (let i = 0; i < points; i++) labels.data[i] = BigInt(isOutside(i))
    labels.data[0] = -100n
    let weights = Object.fromEntries(names.map((key, s) => [key, floats(nodes[s].shape, i => normalAt(2, s, i))]))
    const losses: number[] = []
    for (let step = 0; step < 50; step++) {
      const results = Object.fromEntries(names.map((key, s) => [key, allocate(nodes[s]) as (typeof weights)[string]]))
      const value = allocate(loss)
      await program.run({ ...weights, x, labels }, { ...results, loss: value })
      losses.push(Number(value.data[0]))
      weights = results
    }
    expect(losses[0]).toBeGreaterThan(0.7)
    expect(losses[49]).toBeLessThan(0.25)
    await program.close()
  })
})

it('names the runtimes it has when asked for another', async () => {
  await expect(createRuntime({ name: 'openvine' })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: there is no runtime "openvine" in this version; available: onnxruntime-cpu, openvino, onnxruntime-webgpu. Choose openvino.]`,
  )
})

it('names the tensor that is missing or of another type', async () => {
  const x = g.input('x', [2])
  const runtime = await createRuntime()
  const program = await runtime.compile({ outputs: { y: g.exp(x) } })
  const y = allocate(x)
  await expect(program.run({}, { y })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: x: needs float32 [2], received nothing. Pass a tensor of the declared type.]`,
  )
  await expect(program.run({ x: floats([3], () => 0) }, { y })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: x: needs float32 [2], received float32 [3]. Pass a tensor of the declared type.]`,
  )
  const short = { dtype: 'float32', shape: [2], data: new Float32Array(1) } as const
  await expect(program.run({ x: short }, { y })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: x: needs float32 [2], received Float32Array(1). Pass a tensor of the declared type.]`,
  )
  await program.close()
})

it('says which arrays may not be shared, and why', async () => {
  const runtime = await createRuntime()
  const x = g.input('x', [2])
  const doubled = g.mul(x, g.scalar(2))
  const program = await runtime.compile({ outputs: { doubled, sum: g.add(doubled, x) } })
  const shared = allocate(x)
  await expect(
    program.run({ x: shared }, { doubled: shared, sum: allocate(x) }),
  ).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: Add: input "x" and output "doubled" share an array, but this operation may read the old values after they are overwritten. Give the output an array of its own.]`,
  )
  await program.close()
})
