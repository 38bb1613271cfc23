import { expect, test } from 'vitest'
import * as g from '../../src/graph/build.js'
import { gradients } from '../../src/graph/gradient.js'
import type { Node } from '../../src/graph/graph.js'
import { recomputeBetween, recomputeFactors, rereadFactors, rereadInputs } from '../../src/graph/recompute.js'
import { elementCount } from '../../src/graph/tensor.js'
import { topologicalOrder } from '../../src/graph/order.js'
import { evaluate } from './evaluate.js'

/** Numbers for inputs, all different. */
function waves(inputs: readonly Node[]): Readonly<Record<string, Float64Array>> {
  return Object.fromEntries(
    inputs.map(({ attributes, shape }, i) => {
      const data = Float64Array.from({ length: elementCount(shape) }, (_, j) => Math.sin(3 * i + j + 1))
      return [attributes.name as string, data]
    }),
  )
}

/** Three layers of tanh(x·w), each with a weight of its own; the streams before, between and after them. */
function layers() {
  const weights = [0, 1, 2].map(i => g.input(`w${i}`, [3, 3]))
  const streams = [g.input('x', [2, 3])]
  for (const w of weights) {
    const [left, right] = g.split(g.tanh(g.matmul(streams.at(-1)!, w)), -1, [1, 2])
    streams.push(g.concat([g.mul(left, left), right], -1))
  }
  const feeds = waves([streams[0], ...weights])
  return { streams, weights, feeds, loss: g.reduceSum(streams[3]) }
}

const count = (nodes: readonly Node[], op: string): number =>
  new Set(topologicalOrder(nodes).filter(node => node.op === op).map(({ attributes }) => attributes)).size // prettier-ignore

test('gradients over recomputed layers are bit for bit those of the kept ones', () => {
  const { streams, weights, feeds, loss } = layers()
  const wrt = [streams[0], ...weights]
  const plain = evaluate(gradients(loss, wrt), feeds)
  const again = evaluate(gradients(loss, wrt, undefined, recomputeBetween(streams)), feeds)
  expect(again).toEqual(plain)
})

test('what lies before the first checkpoint and behind the last is computed once, what lies between twice', () => {
  const { streams, weights, loss } = layers()
  const tanhs = (checkpoints: readonly Node[]): number =>
    count([loss, ...gradients(loss, weights, undefined, recomputeBetween(checkpoints))], 'Tanh')
  expect(tanhs([])).toBe(3)
  expect(tanhs(streams)).toBe(6)
  expect(tanhs(streams.slice(1))).toBe(5)
  expect(tanhs(streams.slice(0, 2))).toBe(4)
  expect(tanhs([streams[0], streams[3]])).toBe(6)
})

test('a copy waits for the gradient that arrives at its end', () => {
  const { streams, weights, loss } = layers()
  const [dw] = gradients(loss, [weights[0]], undefined, recomputeBetween(streams))
  const originals = new Set(topologicalOrder([loss]).map(({ attributes }) => attributes))
  const tanhs = (node: Node): ReadonlySet<Node['attributes']> =>
    new Set(topologicalOrder([node]).flatMap(({ op, attributes }) => (op === 'Tanh' ? [attributes] : [])))
  const copies = topologicalOrder([dw]).filter(({ op, attributes }) => op === 'Tanh' && !originals.has(attributes))
  // of the copies, that of the last layer needs no other, that of the first both others
  const needed = copies.map(copy => [...tanhs(copy)].filter(attributes => !originals.has(attributes)).length)
  expect([...new Set(needed)].sort()).toEqual([1, 2, 3])
})

test('norms and activations before a product are computed anew behind it, once for all that read them', () => {
  const [x, weight, bias, up, gate, down] = [[4, 3], [3], [3], [3, 6], [3, 6], [6, 3]].map((shape, i) => g.input(`i${i}`, shape)) // prettier-ignore
  const normed = g.layerNorm(x, weight, bias, 1e-5)
  const mixed = g.mul(g.silu(g.matmul(normed, gate)), g.gelu(g.matmul(normed, up), 'tanh'))
  const loss = g.reduceSum(g.mul(g.matmul(mixed, down), x))
  const wrt = [x, weight, bias, up, gate, down]
  const feeds = waves(wrt)
  const plain = gradients(loss, wrt)
  const again = gradients(loss, wrt, undefined, recomputeFactors())
  expect(evaluate(again, feeds)).toEqual(evaluate(plain, feeds))
  for (const op of ['LayerNorm', 'Silu', 'Gelu']) expect([op, count([loss, ...again], op) - count([loss, ...plain], op)]).toEqual([op, 1]) // prettier-ignore
  expect(count([loss, ...again], 'MatMul')).toBe(count([loss, ...plain], 'MatMul'))
})

test('the weights of attention are computed anew from queries and keys, once for the values and the scores', () => {
  const [query, key, value] = ['q', 'k', 'v'].map(name => g.input(name, [1, 2, 3, 4]))
  const mask = g.input('mask', [1, 1, 3, 3])
  const scores = g.add(g.mul(g.tanh(g.matmul(query, key, { transposeB: true })), g.scalar(2)), mask)
  const loss = g.reduceSum(g.mul(g.matmul(g.softmax(scores, -1), value), query))
  const wrt = [query, key, value]
  const feeds = waves([...wrt, mask])
  const plain = gradients(loss, wrt)
  const again = gradients(loss, wrt, undefined, recomputeFactors())
  expect(evaluate(again, feeds)).toEqual(evaluate(plain, feeds))
  for (const op of ['Softmax', 'Tanh', 'MatMul']) expect([op, count([loss, ...again], op) - count([loss, ...plain], op)]).toEqual([op, 1]) // prettier-ignore
  const originals = new Set(topologicalOrder([loss]).map(({ attributes }) => attributes))
  const behind = topologicalOrder(again).filter(({ attributes }) => !originals.has(attributes))
  const kept = behind.flatMap(({ inputs }) => inputs).filter(x => originals.has(x.attributes) && x.shape.join() === '1,2,3,3') // prettier-ignore
  expect(kept).toEqual([])
})

test('behind the loss matrices are read through their second inputs, in copies of layers too', () => {
  const { streams, weights, feeds, loss } = layers()
  const reread = rereadInputs(new Set(['w0', 'w1', 'w2']))
  const fedTwice = { ...feeds, ...Object.fromEntries(weights.map((_, i) => [`w${i}:again`, feeds[`w${i}`]])) }
  const before = new Set(topologicalOrder([loss]).map(({ attributes }) => attributes))
  for (const recompute of [undefined, recomputeBetween(streams, reread)]) {
    const again = gradients(loss, weights, undefined, rereadFactors(reread, recompute))
    expect(evaluate(again, fedTwice)).toEqual(evaluate(gradients(loss, weights), feeds))
    const behind = topologicalOrder(again).filter(({ op, attributes }) => op === 'MatMul' && !before.has(attributes))
    const read = behind.flatMap(({ inputs }) => inputs.flatMap(({ op, attributes }) => (op === 'Input' ? [attributes.name] : []))) // prettier-ignore
    expect([...new Set(read)].filter(name => name !== 'x').sort()).toEqual(recompute ? ['w0:again', 'w1:again', 'w2:again'] : ['w1:again', 'w2:again']) // prettier-ignore
  }
})
