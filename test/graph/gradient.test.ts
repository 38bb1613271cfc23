import { describe, expect, it, test } from 'vitest'
import * as g from '../../src/graph/build.js'
import { gradients } from '../../src/graph/gradient.js'
import type { Node } from '../../src/graph/graph.js'
import type { OpName } from '../../src/graph/ops.js'
import { topologicalOrder } from '../../src/graph/order.js'
import { draw, type Drawn } from './drawn.js'
import { evaluate } from './evaluate.js'
import { samples } from './samples.js'

const rows = Object.entries(samples).flatMap(([op, list]) =>
  list.map((sample, i) => ({ op: op as OpName, title: `${op} ${i}: ${JSON.stringify(sample.shapes)}`, sample })),
)
const withGradient = (kind: string) => rows.filter(({ sample }) => (sample.gradient ?? 'slope') === kind)

/** (loss(x + h) − loss(x − h))/2h for every element of every input. */
function centralDifferences({ feeds, loss }: Drawn): readonly Float64Array[] {
  const step = 1e-5
  const lossAt = (name: string, i: number, by: number): number => {
    const moved = feeds[name].map((x, j) => (i === j ? x + by : x))
    return evaluate([loss as Node], { ...feeds, [name]: moved })[0].data[0]
  }
  return Object.keys(feeds).map(name =>
    feeds[name].map((_, i) => (lossAt(name, i, step) - lossAt(name, i, -step)) / (2 * step)),
  )
}

describe('every gradient rule agrees with central differences in float64', () => {
  test.each(withGradient('slope'))('$title', ({ op, sample }) => {
    const drawn = draw(sample)
    expect(topologicalOrder(drawn.outputs).map(node => node.op)).toContain(op)
    const found = evaluate(gradients(drawn.loss as Node, drawn.inputs), drawn.feeds)
    centralDifferences(drawn).forEach((expected, i) => {
      expect(found[i].shape).toEqual(drawn.inputs[i].shape)
      const scale = Math.max(...expected.map(Math.abs))
      expect(scale).toBeGreaterThan(1e-3)
      expected.forEach((x, j) => expect(Math.abs(found[i].data[j] - x) / scale).toBeLessThan(1e-6))
    })
  })
})

describe('what moves in jumps has a zero gradient', () => {
  test.each(withGradient('flat'))('$title', ({ op, sample }) => {
    const { inputs, outputs, feeds } = draw(sample)
    expect(topologicalOrder(outputs).map(node => node.op)).toContain(op)
    const [dx] = evaluate(gradients(outputs[0], inputs, g.expand(g.scalar(1), outputs[0].shape)), feeds)
    expect([...dx.data]).toEqual([...dx.data].map(() => 0))
  })
})

describe('an operation without a gradient refuses', () => {
  test.each(withGradient('none'))('$title', ({ op, sample }) => {
    const { inputs, outputs } = draw(sample)
    const ask = () => gradients(outputs[0], inputs, g.expand(g.scalar(1), outputs[0].shape))
    expect(ask).toThrow(expect.objectContaining({ code: 'not-differentiable', where: op }))
  })
})

it('names the operation and the way out when there is no gradient', () => {
  const x = g.input('x', [2])
  const ask = () => gradients(g.less(x, g.scalar(0)), [x], g.scalar(1))
  expect(ask).toThrowErrorMatchingInlineSnapshot(
    `[AppError: Less: has no gradient: its output is a truth value. Wrap it in stopGradient, or choose another operation.]`,
  )
})

it('asks for a single number when the loss has axes', () => {
  const x = g.input('x', [2])
  expect(() => gradients(g.exp(x), [x])).toThrowErrorMatchingInlineSnapshot(
    `[AppError: Exp: a loss must be a single number, received [2]. Correct the shapes where the graph is built.]`,
  )
})

it('shares the gradient between equal maxima', () => {
  const x = g.input('x', [4])
  const half = g.scalar(1)
  const loss = g.add(g.reduceMax(x), g.reduceSum(g.maximum(x, half)))
  const [dx] = evaluate(gradients(loss, [x]), { x: Float64Array.of(1, 3, 3, 0) })
  expect([...dx.data]).toEqual([0.5, 1.5, 1.5, 0])
})

it('gives zeros for an input the loss does not depend on', () => {
  const [x, y] = [g.input('x', [2]), g.input('y', [3])]
  const [dy] = evaluate(gradients(g.reduceSum(x), [y]), {})
  expect([...dy.data]).toEqual([0, 0, 0])
})

it('computes nothing for inputs that need no gradient', () => {
  const [x, frozen, trained] = [g.input('x', [2, 3]), g.input('frozen', [3, 4]), g.input('trained', [4, 5])]
  const loss = g.reduceSum(g.matmul(g.matmul(x, frozen), trained))
  const products = (nodes: readonly Node[]) => topologicalOrder(nodes).filter(({ op }) => op === 'MatMul').length
  expect(products([loss])).toBe(2)
  expect(products([loss, ...gradients(loss, [trained])])).toBe(3)
  expect(products([loss, ...gradients(loss, [x, frozen, trained])])).toBe(6)
})

it('walks a chain of 20,000 operations without recursion', () => {
  const x = g.input('x', [])
  let y = x
  for (let i = 0; i < 20_000; i++) y = g.mul(y, g.scalar(i % 2 === 0 ? 2 : 0.5))
  const [dx] = evaluate(gradients(y, [x]), { x: Float64Array.of(3) })
  expect(dx.data[0]).toBe(1)
})

it('makes nothing of [N, V] for the gradient of the cross-entropy but the probabilities, where products follow', () => {
  const [states, head] = [g.input('states', [3, 2]), g.input('head', [7, 2])]
  const logits = g.matmul(states, head, { transposeB: true })
  const { lossSum } = g.crossEntropySum(logits, g.input('labels', [3], 'int64'))
  const large = topologicalOrder(gradients(lossSum, [states, head])).filter(({ shape }) => shape.join() === '3,7')
  expect(large.map(({ op }) => op)).toEqual(['MatMul', 'CrossEntropy'])
})
