import { describe, expect, it } from 'vitest'
import { uniformAt } from '../../src/base/random.js'
import * as g from '../../src/graph/build.js'
import type { Graph, Node } from '../../src/graph/graph.js'
import { compilePointwise } from '../../src/runtime/pointwise.js'
import { fromBfloat16, toBfloat16 } from '../../src/formats/half.js'
import { allocateHalvesBeside, openArrayMemory } from '../../src/runtime/wasm-memory.js'

const { fround } = Math
const draw = (stream: number, length: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => 4 * uniformAt(5, stream, i) - 2)

/** Every operation of a loop with what it is in float32. */
const operations: { op: string; build: (a: Node, b: Node) => Node; of: (a: number, b: number) => number }[] = [
  { op: 'Add', build: g.add, of: (a, b) => a + b },
  { op: 'Sub', build: g.sub, of: (a, b) => a - b },
  { op: 'Mul', build: g.mul, of: (a, b) => a * b },
  { op: 'Div', build: g.div, of: (a, b) => a / b },
  { op: 'Maximum', build: g.maximum, of: Math.max },
  { op: 'Minimum', build: g.minimum, of: Math.min },
  { op: 'Neg', build: g.neg, of: a => -a },
  { op: 'Abs', build: g.abs, of: Math.abs },
  { op: 'Sqrt', build: a => g.sqrt(g.abs(a)), of: a => Math.sqrt(Math.abs(a)) },
  { op: 'Sign', build: g.sign, of: a => Math.sign(a) + 0 },
]

describe('one loop over arrays', () => {
  it.each(operations)('$op gives float32 as IEEE 754 rounds it', ({ build, of }) => {
    const y = build(g.input('a', [1]), g.input('b', [1]))
    const a = Float32Array.of(...draw(1, 500), 0, -0, 1e30, -1e-30, Infinity, -Infinity)
    const b = Float32Array.of(...draw(2, 500), 3, 2, 1e30, 1e-30, 1, -2)
    const result = new Float32Array(a.length)
    compilePointwise({ outputs: { y } }).run({ a, b }, {}, { y: result })
    expect(result).toEqual(a.map((x, i) => fround(of(x, b[i]))))
  })

  it.each([1, 3, 4, 8191, 8192, 8193, 20_001])('of length %i reads every number and writes nothing beyond', length => {
    const [a, b] = [draw(3, length), draw(4, length)]
    const shift = g.input('shift', [])
    const x = g.add(g.mul(g.input('a', [1]), g.scalar(0.3)), shift)
    const program = compilePointwise({ outputs: { x, y: g.mul(x, g.input('b', [1])) } })
    const [room, y] = [new Float32Array(length + 2).fill(7), new Float32Array(length)]
    program.run({ a, b }, { shift: 1.7 }, { x: room.subarray(1, -1), y })
    const expected = a.map(value => fround(fround(value * fround(0.3)) + fround(1.7)))
    expect(room.subarray(1, -1)).toEqual(expected)
    expect([room[0], room.at(-1)]).toEqual([7, 7])
    expect(y).toEqual(expected.map((value, i) => fround(value * b[i])))
  })

  it('in place gives what it gives apart', () => {
    const [p, m] = ['p', 'm'].map(name => g.input(name, [1]))
    const moved: Graph = { outputs: { p: g.sub(p, g.mul(m, g.scalar(0.5))), m: g.add(m, p) } }
    const program = compilePointwise(moved)
    const shared = { p: draw(5, 10_000), m: draw(6, 10_000) }
    const apart = { p: new Float32Array(10_000), m: new Float32Array(10_000) }
    program.run(shared, {}, apart)
    program.run(shared, {}, shared)
    expect(shared).toEqual(apart)
  })

  it.each([1, 4, 8191, 20_002])('reads %i numbers of bfloat16 as the float32 numbers they are', length => {
    const bits = toBfloat16(draw(7, length))
    const graph: Graph = { outputs: { p: g.sub(g.input('p', [1]), g.mul(g.input('g', [1]), g.input('rate', []))) } }
    const [apart, expected] = [draw(8, length), draw(8, length)]
    compilePointwise(graph).run({ p: expected, g: fromBfloat16(bits) }, { rate: 0.3 }, { p: expected })
    const program = compilePointwise(graph, new Set(['g']))
    program.run({ p: apart, g: bits }, { rate: 0.3 }, { p: apart })
    expect(apart).toEqual(expected)
    const placed = openArrayMemory().allocate(length)!
    const placedBits = allocateHalvesBeside(placed, length)
    placed.set(draw(8, length))
    placedBits.set(bits)
    program.run({ p: placed, g: placedBits }, { rate: 0.3 }, { p: placed })
    expect(placed.slice()).toEqual(expected)
  })

  it.each([1, 2, 3, 4, 10_001, 10_004])('gives the same on %i numbers where they lie', length => {
    const [p, m] = ['p', 'm'].map(name => g.input(name, [1]))
    const graph: Graph = { outputs: { p: g.sub(p, g.mul(m, g.scalar(0.5))), m: g.add(m, p) } }
    const program = compilePointwise(graph)
    const { allocate } = openArrayMemory()
    const apart = { p: draw(5, length), m: draw(6, length) }
    const shared = { p: allocate(length + 2)!.subarray(1, -1), m: allocate(length)! }
    shared.p.set(apart.p)
    shared.m.set(apart.m)
    program.run(shared, {}, shared)
    program.run(apart, {}, apart)
    expect([...shared.p]).toEqual([...apart.p])
    expect([...shared.m]).toEqual([...apart.m])
    const [before, after] = [-4, shared.p.byteLength].map(
      shift => new Float32Array(shared.p.buffer, shared.p.byteOffset + shift, 1)[0],
    )
    expect([before, after]).toEqual([0, 0])
  })

  it('refuses what is not pointwise arithmetic on float32', () => {
    const x = g.input('x', [1])
    expect(() => compilePointwise({ outputs: { y: g.exp(x) } })).toThrowErrorMatchingInlineSnapshot(
      `[AppError: Exp: a loop over float32 cannot hold this operation; it can hold Add, Sub, Mul, Div, Maximum, Minimum, Neg, Abs, Sqrt, Sign on float32. Compile the graph for a runtime.]`,
    )
    const ids = g.input('ids', [1], 'int64')
    expect(() => compilePointwise({ outputs: { y: g.add(ids, ids) } })).toThrowErrorMatchingInlineSnapshot(
      `[AppError: Add: a loop over int64 cannot hold this operation; it can hold Add, Sub, Mul, Div, Maximum, Minimum, Neg, Abs, Sqrt, Sign on float32. Compile the graph for a runtime.]`,
    )
  })
})
