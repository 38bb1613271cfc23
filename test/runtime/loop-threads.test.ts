import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { packageRoot } from '../../src/base/package.js'
import { uniformAt } from '../../src/base/random.js'
import * as g from '../../src/graph/build.js'
import { openLoopThreads, type LoopThreads } from '../../src/runtime/loop-threads.js'
import { shareLoops, type LoopSet } from '../../src/runtime/loop-work.js'
import { compilePointwise } from '../../src/runtime/pointwise.js'
import { stretch, sumOfSquares, totalOfSquares, wholeStretches } from '../../src/runtime/sum-of-squares.js'
import { openArrayMemory } from '../../src/runtime/wasm-memory.js'

/** Where the program of a thread lies, when a test has another one. */
const program = vi.hoisted(() => ({ path: undefined as string | undefined }))

vi.mock('../../src/base/package.js', async importOriginal => {
  const original = await importOriginal<typeof import('../../src/base/package.js')>()
  return { ...original, programPath: (beside: URL) => program.path ?? original.programPath(beside) }
})

const opened: LoopThreads[] = []

afterEach(async () => {
  program.path = undefined
  await Promise.all(opened.splice(0).map(threads => threads.close()))
})

const lengths = [5, 16, 1000, 70_001, 200_000]

/** x ← x·factor + shift over arrays of many lengths, and the sums of their squares. */
function prepare() {
  const [x, factor, shift] = [g.input('x', [1]), g.input('factor', []), g.input('shift', [])]
  const loop = compilePointwise({ outputs: { x: g.add(g.mul(x, factor), shift) } })
  const { allocate } = openArrayMemory()
  const arrays = lengths.map(length => allocate(length)!)
  arrays.forEach((array, i) => array.set(Float32Array.from(array, (_, j) => uniformAt(1, i, j) - 0.5)))
  const bound = arrays.map(array => loop.bind({ x: array }, { x: array }))
  const numbers = bound.map(({ numbers }, i) => numbers({ factor: 1.3, shift: i / 7 }))
  const sets: LoopSet[] = [
    { works: bound.map(({ inPlace }) => inPlace!), chunk: 1 << 12 },
    { works: arrays.flatMap(array => wholeStretches(array) ?? []), chunk: stretch },
  ]
  return { arrays, bound, numbers, sets }
}

function openThreads(sets: readonly LoopSet[], threads: number): LoopThreads {
  const pool = openLoopThreads(sets, threads)
  opened.push(pool)
  return pool
}

/** What three runs leave in the arrays, and the sums after each. */
async function runThrice({ arrays, bound, numbers, sets }: ReturnType<typeof prepare>, pool: LoopThreads) {
  const sums: number[] = []
  for (let run = 0; run < 3; run++) {
    await pool.run(0, numbers)
    bound.forEach(({ runRest }, i) => runRest(numbers[i]))
    sums.push(...(await pool.run(1, sets[1].works.map(() => [])))) // prettier-ignore
  }
  return { sums, arrays: arrays.map(array => [...array]) }
}

describe('loops on several threads', () => {
  it('leave the very numbers that one thread leaves', async () => {
    const [alone, together] = [prepare(), prepare()]
    const pool = openThreads(together.sets, 4)
    await vi.waitFor(() => expect(pool.count()).toBe(4), 10_000)
    const expected = await runThrice(alone, openThreads(alone.sets, 1))
    expect(await runThrice(together, pool)).toEqual(expected)
    expect(expected.arrays[3][70_000]).not.toBe(prepare().arrays[3][70_000])
    const [x, sums] = [together.arrays[4], expected.sums.slice(-Math.floor(200_000 / stretch))]
    expect(totalOfSquares(x, sums)).toBe(sumOfSquares(x))
  })

  it('run one set after another, and close waits for them', async () => {
    const [alone, together] = [prepare(), prepare()]
    for (let run = 0; run < 3; run++) await openThreads(alone.sets, 1).run(0, alone.numbers)
    const pool = openThreads(together.sets, 3)
    await vi.waitFor(() => expect(pool.count()).toBe(3), 10_000)
    const runs = [1, 2, 3].map(() => pool.run(0, together.numbers))
    await pool.close()
    await Promise.all(runs)
    expect(together.arrays).toEqual(alone.arrays)
  })

  it('are taken by another thread too: what this one leaves is done', async () => {
    const { arrays, numbers, sets } = prepare()
    const whole = arrays.map(array => array.slice(0, array.length - (array.length % 4)))
    const shared = sets.map(shareLoops)
    const worker = new Worker(join(packageRoot, 'dist/src/runtime/loop-thread.js'), { workerData: shared })
    const said = () => new Promise(resolve => worker.once('message', resolve))
    expect(await said()).toBe('ready')
    worker.postMessage({ set: 0, numbers })
    expect(await said()).toBe('done')
    await worker.terminate()
    whole.forEach((before, i) => {
      const expected = before.map(x => Math.fround(Math.fround(x * Math.fround(1.3)) + Math.fround(i / 7)))
      expect(arrays[i].slice(0, before.length)).toEqual(expected)
    })
  })

  it('go on without threads that cannot be started', async () => {
    const [alone, together] = [prepare(), prepare()]
    program.path = join(tmpdir(), 'dvoynik-no-such-program.js')
    const pool = openThreads(together.sets, 3)
    const expected = await runThrice(alone, openThreads(alone.sets, 1))
    expect(await runThrice(together, pool)).toEqual(expected)
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(pool.count()).toBe(1)
    expect((await runThrice(together, pool)).sums).toEqual((await runThrice(alone, openThreads(alone.sets, 1))).sums)
  })

  it('fail when a thread ends in a run, and later runs do without it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dvoynik-threads-'))
    program.path = join(folder, 'thread.mjs')
    writeFileSync(
      program.path,
      `import { parentPort } from 'node:worker_threads'
       parentPort.on('message', () => { throw new Error('out of memory') })
       parentPort.postMessage('ready')`,
    )
    const { sets, numbers } = prepare()
    const pool = openThreads(sets, 2)
    await vi.waitFor(() => expect(pool.count()).toBe(2), 10_000)
    await expect(pool.run(0, numbers)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[AppError: a thread that updates parameters ended (out of memory).]`,
    )
    expect(pool.count()).toBe(1)
    await pool.run(0, numbers)
    rmSync(folder, { recursive: true })
  })

  it('end with close', async () => {
    const pool = openThreads(prepare().sets, 3)
    await vi.waitFor(() => expect(pool.count()).toBe(3), 10_000)
    await pool.close()
    expect(pool.count()).toBe(1)
  })

  it('do not keep a process alive, and are waited for while they work', async () => {
    const at = (file: string): string => pathToFileURL(join(packageRoot, 'dist/src/runtime', file)).href
    const script = `
      const { openLoopThreads } = await import('${at('loop-threads.js')}')
      const { wholeStretches, stretch } = await import('${at('sum-of-squares.js')}')
      const { openArrayMemory } = await import('${at('wasm-memory.js')}')
      const x = openArrayMemory().allocate(1 << 20).fill(1)
      const pool = openLoopThreads([{ works: [wholeStretches(x)], chunk: stretch }], 2)
      while (pool.count() < 2) await new Promise(resolve => setTimeout(resolve, 10))
      console.log((await pool.run(0, [[]])).reduce((a, b) => a + b))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 }) // prettier-ignore
    expect(stdout).toBe(`${1 << 20}\n`)
  })
})
