import { readdirSync } from 'node:fs'
import { expect, it, vi } from 'vitest'
import type { Parameter } from '../../src/model/step.js'
import { sumOfSquares } from '../../src/runtime/sum-of-squares.js'
import { fromBfloat16, toBfloat16 } from '../../src/formats/half.js'
import { allocateBeside, allocateHalvesBeside, openPlaces } from '../../src/runtime/wasm-memory.js'
import { createOptimizer, type Optimizer } from '../../src/train/optimizer.js'
import type { OptimizerSettings } from '../../src/train/update-rules.js'
import { noRuntime } from './bigram.mjs'

/** Enough for three threads, of odd lengths; the last is in no shared memory. */
const lengths = [5_300_001, 1_000_003, 17, 3]

const starts = [...lengths, 30_001].map((length, i) => {
  const [data, gradient] = [new Float32Array(length), new Float32Array(length)]
  for (let j = 0; j < length; j++) [data[j], gradient[j]] = [((j * 7919 + i) % 1009) / 500 - 1, ((j * 104_729 + i) % 997) / 1e4 - 0.05] // prettier-ignore
  return { data, gradient }
})

function makeParameters(): Parameter[] {
  const place = openPlaces()
  return starts.map((start, i) => {
    const data = i < lengths.length ? place(lengths[i]) : start.data.slice()
    const gradient = allocateBeside(data, data.length)
    data.set(start.data)
    gradient.set(start.gradient)
    return { name: `p${i}`, shape: [data.length], data, gradient, decay: i % 2 === 0 }
  })
}

const bytes = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer => Buffer.from(buffer, byteOffset, byteLength)

function expectEqual(a: Optimizer, b: Optimizer): void {
  a.parameters.forEach(({ name, data }, i) => expect(bytes(data).equals(bytes(b.parameters[i].data)), name).toBe(true))
  const others = b.state().moments
  for (const [name, moment] of a.state().moments)
    expect(bytes(moment as Float32Array).equals(bytes(others.get(name) as Float32Array)), name).toBe(true)
}

const threadCount = (): number => readdirSync('/proc/self/task').length

const settings: OptimizerSettings[] = [
  { kind: 'adamw', weightDecay: 0.03 },
  { kind: 'lion', weightDecay: 0.1 },
  { kind: 'sgd', momentum: 0.9, weightDecay: 0.01 },
]

it.each(settings)(
  '$kind on three threads leaves the bits of one, also when it goes on with what was saved',
  async row => {
    const create = (threads: number) => createOptimizer(row, makeParameters(), noRuntime, { threads })
    const [one, three] = [await create(1), await create(3)]
    await new Promise(resolve => setTimeout(resolve, 500)) // until the threads have started; results do not depend on it
    for (const optimizer of [one, three]) for (let step = 0; step < 3; step++) await optimizer.step(1e-2, 0.7)
    expectEqual(one, three)
    const squares = one.parameters.reduce((sum, { gradient }) => sum + sumOfSquares(gradient), 0)
    expect(await three.gradientNorm()).toBe(Math.sqrt(squares))
    const later = await create(1)
    later.parameters.forEach(({ data }, i) => data.set(three.parameters[i].data))
    later.load(three.state())
    for (const optimizer of [three, later]) await optimizer.step(1e-3)
    expectEqual(three, later)
    await Promise.all([one, three, later].map(optimizer => optimizer.close()))
  },
)

it.skipIf(process.platform !== 'linux')('small updates and one thread start no others; close ends them', async () => {
  const before = threadCount()
  const parameters = makeParameters()
  const alone = await createOptimizer({ kind: 'sgd' }, parameters, noRuntime, { threads: 1 })
  const small = await createOptimizer({ kind: 'sgd' }, parameters.slice(1), noRuntime, { threads: 3 })
  expect(threadCount()).toBe(before)
  const large = await createOptimizer({ kind: 'sgd' }, parameters, noRuntime, { threads: 3 })
  expect(threadCount()).toBeGreaterThanOrEqual(before + 2)
  await large.close()
  await vi.waitFor(() => expect(threadCount()).toBe(before), 5000)
  await alone.close()
  await small.close()
})

const kinds: OptimizerSettings[] = [...settings, { kind: 'adamw-8bit' }, { kind: 'adafactor' }]

it.each(kinds)(
  '$kind updates from gradients in bfloat16 as from the same numbers in float32',
  async row => {
    const make = (isHalf: boolean): Parameter[] =>
      [5_300_001, 40_000].map((length, i) => {
        const data = openPlaces()(length)
        data.set(starts[i].data.subarray(0, length))
        const bits = allocateHalvesBeside(data, length)
        bits.set(toBfloat16(starts[i].gradient.subarray(0, length)))
        const gradient = fromBfloat16(bits)
        const own = { name: `p${i}`, shape: [length, 1], data, gradient, decay: true }
        return isHalf ? { ...own, halfGradient: bits } : own
      })
    const create = (isHalf: boolean, threads: number) => createOptimizer(row, make(isHalf), noRuntime, { threads })
    const [whole, half] = [await create(false, 1), await create(true, 3)]
    for (const optimizer of [whole, half]) for (let step = 0; step < 2; step++) await optimizer.step(1e-2, 0.7)
    expectEqual(whole, half)
    expect(await half.gradientNorm()).toBe(await whole.gradientNorm())
    for (const optimizer of [whole, half]) await optimizer.close()
  },
  60_000,
)
