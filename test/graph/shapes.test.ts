import { expect, it, test } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import * as g from '../../src/graph/build.js'
import { topologicalOrder } from '../../src/graph/order.js'

const x = g.input('x', [2, 3])
const ids = g.input('ids', [2], 'int64')

function messageOf(build: () => unknown): string {
  try {
    build()
  } catch (error) {
    if (error instanceof AppError && error.code === 'shape') return `${error.message}\n${error.render('ru')}`
  }
  throw new Error('no AppError shape')
}

it('says which shapes do not fit', () => {
  expect(messageOf(() => g.matmul(x, g.input('w', [4, 5])))).toMatchInlineSnapshot(`
    "MatMul: [2, 3] and [4, 5]: inner sizes 3 and 4 differ. Correct the shapes where the graph is built.
    MatMul: [2, 3] и [4, 5]: внутренние размеры 3 и 4 различаются. Исправьте формы там, где строится граф."
  `)
  expect(messageOf(() => g.add(x, g.input('b', [2])))).toMatchInlineSnapshot(`
    "Add: [2, 3] and [2] do not broadcast: sizes 3 and 2 meet. Correct the shapes where the graph is built.
    Add: [2, 3] и [2] не совместимы: встречаются размеры 3 и 2. Исправьте формы там, где строится граф."
  `)
  expect(messageOf(() => g.reshape(x, [4, 2]))).toMatchInlineSnapshot(`
    "Reshape: [2, 3] holds 6 elements, [4, 2] would hold 8. Correct the shapes where the graph is built.
    Reshape: в [2, 3] элементов 6, а в [4, 2] было бы 8. Исправьте формы там, где строится граф."
  `)
  expect(messageOf(() => g.linear(x, g.input('w', [3, 5]), g.input('b', [4])))).toMatchInlineSnapshot(`
    "Linear: bias must be [5], received [4]. Correct the shapes where the graph is built.
    Linear: bias: нужна форма [5], получена [4]. Исправьте формы там, где строится граф."
  `)
  expect(messageOf(() => g.add(x, g.input('n', [2, 3], 'int64')))).toMatchInlineSnapshot(`
    "Add: element types float32 and int64 differ. Correct the shapes where the graph is built.
    Add: типы элементов float32 и int64 различаются. Исправьте формы там, где строится граф."
  `)
})

const refused: Readonly<Record<string, () => unknown>> = {
  'a product of vectors': () => g.matmul(g.input('v', [3]), x),
  'a bias of the wrong rank': () => g.linear(x, g.input('w', [3, 5]), g.input('b', [1, 5])),
  'whole numbers where fractions are needed': () => g.exp(ids),
  'an axis that is not there': () => g.softmax(x, 2),
  'an order of axes that repeats one': () => g.transpose(x, [0, 0]),
  'pieces that differ off the axis': () => g.concat([x, g.input('y', [3, 3])], 1),
  'a slice past the end': () => g.slice(x, 1, 1, 4),
  'an empty slice': () => g.slice(x, 1, 1, 1),
  'sizes that do not add up': () => g.split(x, 1, [1, 1]),
  'an expansion that would shrink': () => g.expand(x, [2, 1]),
  'fractional ids': () => g.gather(x, g.input('i', [2])),
  'updates of another width': () => g.scatterAddRows(x, ids, g.input('u', [2, 4])),
  'ids of another rank': () => g.gatherElements(x, ids, 1),
  'a weight of another width': () => g.layerNorm(x, g.input('w', [2]), g.input('b', [2]), 1e-5),
  'labels for another number of rows': () => g.crossEntropySum(x, g.input('labels', [3], 'int64')),
  'labels of another type': () => g.crossEntropySum(x, g.input('labels', [2])),
  'a condition that is no truth value': () => g.where(x, x, x),
  'a constant with too few values': () => g.constant({ dtype: 'float32', shape: [3], data: Float32Array.of(1, 2) }),
  'a negative size': () => g.input('n', [-1, 2]),
  'a fractional size worked out by reshape': () => g.reshape(x, [4, -1]),
  'nothing to join': () => g.concat([], 0),
}

test.each(Object.entries(refused))('%s is refused with code shape', (_, build) => {
  expect(messageOf(build)).not.toContain('undefined')
})

it('writes no operation where nothing would change', () => {
  const same = [
    g.add(x, g.scalar(0)),
    g.sub(x, g.zeros([2, 3])),
    g.mul(g.scalar(1), x),
    g.div(x, g.scalar(1)),
    g.reshape(x, [2, -1]),
    g.transpose(x, [0, 1]),
    g.slice(x, 1, 0, 3),
    g.expand(x, [2, 3]),
    g.cast(x, 'float32'),
    g.concat([x], 0),
  ]
  expect(same.every(y => y === x)).toBe(true)
})

it('keeps an operation that stretches, even with a neutral number', () => {
  expect(g.add(x, g.zeros([4, 2, 3])).shape).toEqual([4, 2, 3])
  expect(g.mul(g.zeros([4, 1, 3]), g.expand(x, [4, 2, 3])).shape).toEqual([4, 2, 3])
})

it('does arithmetic on numbers when the graph is built', () => {
  const number = g.div(g.sub(g.mul(g.scalar(6), g.scalar(2)), g.scalar(2)), g.neg(g.scalar(-4)))
  expect(g.knownNumber(number)).toBe(2.5)
})

it('lists inputs before users, and each node once', () => {
  const y = g.add(g.exp(x), x)
  expect(topologicalOrder([y, x]).map(({ op }) => op)).toEqual(['Input', 'Exp', 'Add'])
})
