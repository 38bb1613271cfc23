import { expect, it } from 'vitest'
import * as g from '../../src/graph/build.js'
import { freeSizes } from '../../src/graph/free-sizes.js'
import type { Graph, Node } from '../../src/graph/graph.js'
import { createRuntime } from '../../src/runtime/registry.js'

const weight = g.input('w', [6, 6])

function graph(rows: number, make: (x: Node) => Node = x => x): Graph {
  const x = g.reshape(g.input('x', [rows, 2, 3]), [rows, 6])
  return { outputs: { y: make(g.relu(g.matmul(x, weight))) } }
}

it('runs with any number of rows where two graphs differ in nothing else', async () => {
  const joined = freeSizes(graph(2), graph(3))!
  expect(joined.outputs.y.shape).toEqual([-1, 6])
  const program = await (await createRuntime()).compile(joined)
  const w = { dtype: 'float32', shape: [6, 6], data: Float32Array.from({ length: 36 }, (_, i) => (i % 7 === 0 ? 2 : 0)) } as const // prettier-ignore
  for (const rows of [1, 5, 3]) {
    const data = Float32Array.from({ length: rows * 6 }, (_, i) => i)
    const y = { dtype: 'float32', shape: [rows, 6], data: new Float32Array(rows * 6) } as const
    await program.run({ x: { dtype: 'float32', shape: [rows, 2, 3], data }, w }, { y })
    expect([...y.data]).toEqual([...data].map(x => 2 * x))
  }
  const wrong = { dtype: 'float32', shape: [2, 3, 2], data: new Float32Array(12) } as const
  await expect(program.run({ x: wrong, w }, { y: wrong })).rejects.toThrow(expect.objectContaining({ where: 'x' }))
  await program.close()
})

it('gives up where the sizes stand in an operation, in two places of one shape, or in constants', () => {
  const differing: ((x: Node) => Node)[] = [
    x => g.slice(g.concat([x, x], 0), 0, 1, x.shape[0]),
    x => g.reshape(g.concat([x, x, x], 1), [3, x.shape[0], 6]),
    x => g.mul(x, g.scalar(x.shape[0])),
    x => (x.shape[0] === 2 ? g.tanh(x) : g.relu(x)),
  ]
  const open = differing.map(make => freeSizes(graph(2, make), graph(3, make)) !== undefined)
  expect(open).toEqual([false, true, false, false]) // one free size of a reshape can be found, wherever it stands
  const two = (rows: number): Graph => ({ outputs: { y: g.reshape(g.input('x', [rows, rows]), [rows, 1, rows]) } })
  expect(freeSizes(two(2), two(3))).toBeUndefined()
})
