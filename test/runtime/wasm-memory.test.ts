import { expect, it } from 'vitest'
import { allocateBeside, memoryOf, openArrayMemory, openPlaces } from '../../src/runtime/wasm-memory.js'

it('arrays of one memory are zeros, never share a line of the cache, and keep their numbers while it grows', () => {
  const { allocate } = openArrayMemory()
  const arrays = [1, 16, 17, 100_003, 0, 5].map((length, i) => allocate(length)!.fill(i + 1))
  const spans = arrays.map(({ byteOffset, byteLength }) => [byteOffset, byteOffset + byteLength])
  spans.slice(1).forEach(([begin], i) => expect(begin - spans[i][1]).toBeGreaterThanOrEqual(64))
  for (const [begin] of spans) expect(begin % 64).toBe(0)
  arrays.forEach((array, i) => expect(array.every(x => x === i + 1)).toBe(true))
  expect(allocate(70_000)!.every(x => x === 0)).toBe(true)
})

it('what is put beside an array lies in its memory, beside an ordinary one in a buffer of its own', () => {
  const place = openPlaces()
  const [first, second] = [place(1000), place(30_000)]
  expect(memoryOf(second)).toBe(memoryOf(first))
  expect(memoryOf(allocateBeside(first, 2000))).toBe(memoryOf(first))
  expect(memoryOf(openPlaces()(10))).not.toBe(memoryOf(first))
  const ordinary = allocateBeside(new Float32Array(3), 7)
  expect(memoryOf(ordinary)).toBeUndefined()
  expect([ordinary.length, ordinary.buffer.byteLength]).toEqual([7, 28])
})

it('a memory that is full gives nothing', () => {
  expect(openArrayMemory().allocate(2 ** 30 + 1)).toBeUndefined()
})

it('a slice of an array owns its buffer, and bytes are read as those of any other', () => {
  const array = openPlaces()(5)
  array.set([1, 2, 3, 4, 5])
  expect(array.slice().buffer).toBeInstanceOf(ArrayBuffer)
  expect(array.slice()).toEqual(Float32Array.of(1, 2, 3, 4, 5))
  expect([...Buffer.from(array.buffer, array.byteOffset, 4)]).toEqual([0, 0, 0x80, 0x3f])
})
