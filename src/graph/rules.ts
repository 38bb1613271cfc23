// Turns the gradient of an operation's output into graph nodes for the gradients of its inputs.
import { AppError } from '../base/errors.js'
import * as g from './build.js'
import type { Node } from './graph.js'
import type { OpAttributes, OpName } from './ops.js'
import { elementCount } from './tensor.js'

/** An operation as its gradient rule sees it. */
export interface Applied<Op extends OpName> {
  readonly inputs: readonly Node[]
  readonly outputs: readonly Node[]
  readonly attributes: OpAttributes[Op]
}

/**
 * @param dy gradient of the first output
 * @param dys gradients of all outputs; undefined where the loss does not depend on one
 * @returns one gradient per input; undefined where it is zero
 */
type GradientRule<Op extends OpName> = (
  applied: Applied<Op>,
  dy: Node,
  dys: readonly (Node | undefined)[],
) => readonly (Node | undefined)[]

/** y moves only in jumps, so its derivative is zero almost everywhere. */
const flat = (): readonly undefined[] => []

/** A rule for an operation through which no gradient can pass. */
function notDifferentiable(op: OpName, reason: { readonly en: string; readonly ru: string }): () => never {
  return () => {
    throw new AppError('not-differentiable', {
      where: op,
      what: { en: `has no gradient: ${reason.en}`, ru: `не имеет производной: ${reason.ru}` },
      fix: {
        en: 'Wrap it in stopGradient, or choose another operation',
        ru: 'Оберните её в stopGradient или возьмите другую операцию',
      },
    })
  }
}

const truthValue = { en: 'its output is a truth value', ru: 'её выход логический' }

/** Gradient of every operation, as more graph. */
export const gradientRules: { readonly [Op in OpName]: GradientRule<Op> } = {
  Input: flat,
  Constant: flat,
  StopGradient: flat,
  // d(a + b) = da + db; sumTo undoes broadcasting
  Add: ({ inputs: [a, b] }, dy) => [sumTo(dy, a.shape), sumTo(dy, b.shape)],
  // d(a − b) = da − db
  Sub: ({ inputs: [a, b] }, dy) => [sumTo(dy, a.shape), g.neg(sumTo(dy, b.shape))],
  // d(ab) = b·da + a·db
  Mul: ({ inputs: [a, b] }, dy) => [sumTo(g.mul(dy, b), a.shape), sumTo(g.mul(dy, a), b.shape)],
  // d(a/b) = da/b − (y/b)·db
  Div: ({ inputs: [a, b], outputs: [y] }, dy) => [
    sumTo(g.div(dy, b), a.shape),
    sumTo(g.neg(g.mul(dy, g.div(y, b))), b.shape),
  ],
  // the larger gets dy; at a tie both get half, as in PyTorch
  Maximum: ({ inputs: [a, b] }, dy) => [
    sumTo(g.mul(dy, greaterShare(a, b)), a.shape),
    sumTo(g.mul(dy, greaterShare(b, a)), b.shape),
  ],
  Minimum: ({ inputs: [a, b] }, dy) => [
    sumTo(g.mul(dy, greaterShare(b, a)), a.shape),
    sumTo(g.mul(dy, greaterShare(a, b)), b.shape),
  ],
  Neg: (_, dy) => [g.neg(dy)],
  // 0 at 0
  Abs: ({ inputs: [x] }, dy) => [g.mul(dy, g.sign(x))],
  Sign: flat,
  Round: flat,
  // d eˣ = y·dx
  Exp: ({ outputs: [y] }, dy) => [g.mul(dy, y)],
  Log: ({ inputs: [x] }, dy) => [g.div(dy, x)],
  // d √x = dx/2y
  Sqrt: ({ outputs: [y] }, dy) => [g.div(g.mul(dy, g.scalar(0.5)), y)],
  Sin: ({ inputs: [x] }, dy) => [g.mul(dy, g.cos(x))],
  Cos: ({ inputs: [x] }, dy) => [g.neg(g.mul(dy, g.sin(x)))],
  // d tanh x = (1 − y²)·dx
  Tanh: ({ outputs: [y] }, dy) => [g.mul(dy, oneMinus(g.mul(y, y)))],
  // d σ(x) = y(1 − y)·dx
  Sigmoid: ({ outputs: [y] }, dy) => [g.mul(dy, g.mul(y, oneMinus(y)))],
  // d erf x = 2/√π · e^(−x²)·dx
  Erf: ({ inputs: [x] }, dy) => [g.mul(dy, g.mul(g.scalar(2 / Math.sqrt(Math.PI)), g.exp(g.neg(g.mul(x, x)))))],
  // 0 at 0
  Relu: ({ inputs: [x] }, dy) => [g.where(g.greater(x, g.scalar(0)), dy, g.scalar(0))],
  // d(x·s) = s·(1 + x·(1 − s))·dx, s = σ(x)
  Silu: ({ inputs: [x] }, dy) => {
    const s = g.sigmoid(x)
    return [g.mul(g.mul(dy, s), g.add(g.mul(x, oneMinus(s)), g.scalar(1)))]
  },
  Gelu: ({ inputs: [x], attributes: { approximate } }, dy) => [geluGradient[approximate](x, dy)],
  Where: ({ inputs: [condition, a, b] }, dy) => [
    undefined,
    sumTo(g.where(condition, dy, g.scalar(0)), a.shape),
    sumTo(g.where(condition, g.scalar(0), dy), b.shape),
  ],
  Equal: notDifferentiable('Equal', truthValue),
  Less: notDifferentiable('Less', truthValue),
  LessOrEqual: notDifferentiable('LessOrEqual', truthValue),
  Greater: notDifferentiable('Greater', truthValue),
  And: notDifferentiable('And', truthValue),
  Not: notDifferentiable('Not', truthValue),
  // whole numbers have no slope
  Cast: ({ inputs: [x], outputs: [y] }, dy) => [isFloat(x) && isFloat(y) ? g.cast(dy, x.dtype) : undefined],
  MatMul: ({ inputs: [a, b], attributes }, dy) => productGradients(a, b, attributes, dy),
  Linear: ({ inputs: [x, w], attributes }, dy) => [...productGradients(x, w, attributes, dy), g.reduceSum(dy, [0])],
  // y = x·Wᵀ: dx = dy·W. The codes are frozen
  QuantizedMatMul: ({ inputs: [, codes, scales, mirror], attributes }, dy) => [
    quantizedGradient({ codes, scales }, attributes, mirror, dy),
  ],
  CachedAttention: notDifferentiable('CachedAttention', {
    en: 'it is there for generation alone',
    ru: 'она нужна только для генерации',
  }),
  // d softmax = y·(dx − Σ y·dx)
  Softmax: ({ outputs: [y], attributes: { axis } }, dy) => {
    const weighted = g.mul(dy, y)
    return [g.sub(weighted, g.mul(y, g.reduceSum(weighted, [axis], true)))]
  },
  // d log softmax = dx − Σ e^y·dx, transposed: dy − e^y·Σ dy
  LogSoftmax: ({ outputs: [y], attributes: { axis } }, dy) => [
    g.sub(dy, g.mul(g.exp(y), g.reduceSum(dy, [axis], true))),
  ],
  ReduceSum: ({ inputs: [x], attributes: { axes } }, dy) => [spread(dy, x, axes)],
  ReduceMean: ({ inputs: [x], attributes: { axes } }, dy) => {
    const count = elementCount(axes.map(axis => x.shape[axis]))
    return [spread(g.mul(dy, g.scalar(1 / count)), x, axes)]
  },
  // equal maxima share the gradient, as in PyTorch's amax
  ReduceMax: ({ inputs: [x], outputs: [y], attributes: { axes } }, dy) => {
    const isMax = g.cast(g.equal(x, spread(y, x, axes)), x.dtype)
    return [g.mul(isMax, spread(g.div(dy, g.reshape(g.reduceSum(isMax, axes), dy.shape)), x, axes))]
  },
  Reshape: ({ inputs: [x] }, dy) => [g.reshape(dy, x.shape)],
  Transpose: ({ attributes: { perm } }, dy) => [g.transpose(dy, invert(perm))],
  Concat: ({ inputs, attributes: { axis } }, dy) => {
    const sizes = inputs.map(({ shape }) => shape[axis])
    return g.split(dy, axis, sizes)
  },
  Slice: ({ inputs: [x], attributes: { axis, start, end } }, dy) => [g.pad(dy, axis, start, x.shape[axis] - end)],
  Pad: ({ inputs: [x], attributes: { axis, before } }, dy) => [g.slice(dy, axis, before, before + x.shape[axis])],
  Split: ({ outputs, attributes: { axis } }, _, dys) => [
    joinGradients(
      outputs.map(({ shape }, i) => dys[i] ?? g.zeros(shape)),
      axis,
    ),
  ],
  Expand: ({ inputs: [x] }, dy) => [sumTo(dy, x.shape)],
  Gather: ({ inputs: [table, ids], attributes: { axis } }, dy) => [gatherGradient(table, ids, axis, dy)],
  ScatterAddRows: ({ inputs: [, ids] }, dy) => [dy, undefined, g.gather(dy, ids)],
  GatherElements: ({ inputs: [x, ids], attributes: { axis } }, dy) => [g.scatterElementsAdd(x.shape, ids, dy, axis)],
  ScatterElementsAdd: ({ inputs: [, ids], attributes: { axis } }, dy) => [
    dy,
    undefined,
    g.gatherElements(dy, ids, axis),
  ],
  // x̂ = (x − mean)/σ, d = w·dy: dx = (d − mean d − x̂·mean(d·x̂))/σ, dw = Σ dy·x̂, db = Σ dy
  LayerNorm: ({ inputs: [x, weight], outputs: [, mean, inverse] }, dy, dys) => {
    onlyFirst('LayerNorm', dys)
    const normal = g.mul(g.sub(x, mean), inverse)
    const d = g.mul(dy, weight)
    const centred = g.sub(g.sub(d, meanOfLast(d)), g.mul(normal, meanOfLast(g.mul(d, normal))))
    return [g.mul(centred, inverse), sumTo(g.mul(dy, normal), weight.shape), sumTo(dy, weight.shape)]
  },
  // x̂ = x/r, d = w·dy: dx = (d − x̂·mean(d·x̂))/r, dw = Σ dy·x̂
  RmsNorm: ({ inputs: [x, weight], outputs: [, inverse] }, dy, dys) => {
    onlyFirst('RmsNorm', dys)
    const normal = g.mul(x, inverse)
    const d = g.mul(dy, weight)
    const dx = g.mul(g.sub(d, g.mul(normal, meanOfLast(g.mul(d, normal)))), inverse)
    return [dx, sumTo(g.mul(dy, normal), weight.shape)]
  },
  // dz = (p − onehot)·dy + p·d log Σ eᶻ: scaled first, then dy is taken off at the labels, so one [N, V] buffer is enough
  CrossEntropy: ({ inputs: [, labels], outputs: [, probabilities] }, dy, [, dp, dSum]) => {
    onlyFirst('CrossEntropy', [dy, dp])
    const asColumn = (rows: Node): Node => g.reshape(rows, [-1, 1])
    // products take the columns of factors off again; one number for all rows would not do, for OpenVINO would multiply
    // the whole table by it before it gathers rows
    const scaled = g.mul(probabilities, asColumn(dSum === undefined ? dy : g.add(dy, dSum)))
    return [g.scatterElementsAdd(scaled, asColumn(labels), asColumn(g.neg(dy)), 1), undefined]
  },
}

/** dy times the slope of GELU; dy comes first, so that runtimes compute the slopes of a block when its gradient is there. */
const geluGradient: { readonly [Kind in OpAttributes['Gelu']['approximate']]: (x: Node, dy: Node) => Node } = {
  // y = x·s with s = σ(2u), 2u = x·(k + k·c·x²): y' = s·(1 + (1 − s)·x·(2u)'), and x·(2u)' = 3·2u − 2k·x
  tanh: (x, dy) => {
    const k = 2 * Math.sqrt(2 / Math.PI)
    const u2 = g.mul(x, g.add(g.mul(g.mul(x, x), g.scalar(k * 0.044715)), g.scalar(k)))
    const s = g.sigmoid(u2)
    const inner = g.sub(g.mul(u2, g.scalar(3)), g.mul(x, g.scalar(2 * k)))
    return g.mul(g.mul(dy, s), g.add(g.mul(oneMinus(s), inner), g.scalar(1)))
  },
  // y = x·Φ(x): y' = Φ(x) + x·φ(x)
  none: (x, dy) => {
    const cumulative = g.mul(g.add(g.erf(g.mul(x, g.scalar(Math.SQRT1_2))), g.scalar(1)), g.scalar(0.5))
    const density = g.mul(g.exp(g.mul(g.mul(x, x), g.scalar(-0.5))), g.scalar(1 / Math.sqrt(2 * Math.PI)))
    return g.mul(dy, g.add(cumulative, g.mul(x, density)))
  },
}

/**
 * y = α·a'·b' with a' = a or aᵀ: da' = α·dy·b'ᵀ and db' = α·a'ᵀ·dy, each transposed back where needed.
 * Logits are many times wider than states, so what their gradient is made of goes to the narrower side (`narrowed`).
 */
function productGradients(a: Node, b: Node, attributes: OpAttributes['MatMul'], dy: Node): Node[] {
  const { transposeA, transposeB, alpha } = attributes
  const wide = dy.shape.length === 2 && !transposeA && a.shape[1] < dy.shape[1]
  const other = wide ? narrowed(a, b, attributes, dy) : undefined
  if (other !== undefined) return other
  const da = transposeA
    ? g.matmul(b, dy, { transposeA: transposeB, transposeB: true, alpha })
    : g.matmul(dy, b, { transposeB: !transposeB, alpha })
  const db = transposeB
    ? g.matmul(dy, a, { transposeA: true, transposeB: transposeA, alpha })
    : g.matmul(a, dy, { transposeA: !transposeA, alpha })
  return [sumTo(da, a.shape), sumTo(db, b.shape)]
}

/**
 * Where dy = c∘D with a column c: da = c∘(D·b'ᵀ), db' = (c∘a)ᵀ·D. Where dy is D with u added at one place k of each row,
 * and b' = bᵀ: da = D·b + u∘(rows k of b), db = Dᵀ·a with u∘a added to the rows k.
 */
function narrowed(a: Node, b: Node, attributes: OpAttributes['MatMul'], dy: Node): Node[] | undefined {
  const column = dy.op === 'Mul' ? columnOf(dy) : undefined
  if (column !== undefined) {
    const [da] = productGradients(a, b, attributes, column.rest)
    const [, db] = productGradients(g.mul(a, column.factors), b, attributes, column.rest)
    return [g.mul(da, column.factors), db]
  }
  const [base, places, updates] = dy.inputs
  if (dy.op !== 'ScatterElementsAdd' || places.shape[1] !== 1 || !attributes.transposeB) return undefined
  const [da, db] = productGradients(a, b, attributes, base)
  const rows = g.reshape(places, [places.shape[0]])
  const factors = g.mul(updates, g.scalar(attributes.alpha))
  return [g.add(da, g.mul(g.gather(b, rows), factors)), g.scatterAddRows(db, rows, g.mul(a, factors))]
}

/**
 * As `narrowed` does it: what is added at one place of each row would be the largest number of its row by far, and the others
 * nothing beside it where rows are rounded to a few bits.
 */
function quantizedGradient(
  matrix: g.QuantizedNodes,
  attributes: OpAttributes['QuantizedMatMul'],
  mirror: Node | undefined,
  dy: Node,
): Node {
  const { inputs, outputs, bits, transposed } = attributes
  if (!transposed && bits === 8 && inputs < outputs) {
    const column = dy.op === 'Mul' ? columnOf(dy) : undefined
    if (column) return g.mul(quantizedGradient(matrix, attributes, mirror, column.rest), column.factors)
    const [base, places, updates] = dy.inputs
    if (dy.op === 'ScatterElementsAdd' && places.shape[1] === 1) {
      const rows = rowsOfCodes(matrix, inputs, g.reshape(places, [places.shape[0]]))
      return g.add(quantizedGradient(matrix, attributes, mirror, base), g.mul(rows, updates))
    }
  }
  return g.quantizedMatmul(dy, matrix, { ...attributes, transposed: !transposed }, mirror)
}

/** Rows of a matrix in codes of 8 bits: [N, inputs]. */
function rowsOfCodes({ codes, scales }: g.QuantizedNodes, inputs: number, ids: Node): Node {
  const [blocks, block] = codes.shape.slice(1)
  const each = g.sub(g.cast(g.gather(codes, ids), 'float32'), g.scalar(128))
  const numbers = g.mul(each, g.reshape(g.gather(scales, ids), [ids.shape[0], blocks, 1]))
  return g.slice(g.reshape(numbers, [ids.shape[0], blocks * block]), 1, 0, inputs)
}

/** The factor [N, 1] of a product element by element, and the other factor, where that has the whole shape [N, M]. */
function columnOf({ inputs, shape }: Node): { readonly factors: Node; readonly rest: Node } | undefined {
  const [rest, factors] = inputs[1].shape[1] === 1 ? inputs : [inputs[1], inputs[0]]
  const fits = factors.shape.join() === `${shape[0]},1` && rest.shape.join() === shape.join()
  return fits ? { factors, rest } : undefined
}

/** Rows that are added to parts of a table are added to the whole table. */
function joinGradients(parts: readonly Node[], axis: number): Node {
  const isAdded = ({ op }: Node): boolean => op === 'ScatterAddRows'
  if (axis !== 0 || !parts.some(isAdded)) return g.concat(parts, axis)
  const bases = parts.map(part => (isAdded(part) ? part.inputs[0] : part))
  let start = 0
  return parts.reduce(
    (table, part) => {
      const from = g.int64s([start])
      start += part.shape[0]
      return isAdded(part) ? g.scatterAddRows(table, g.add(part.inputs[1], from), part.inputs[2]) : table
    },
    joinGradients(bases, axis),
  )
}

/** dy [...before, ...ids, ...after]: the axes of ids go first, rows are added up, the axis goes back. */
function gatherGradient(table: Node, ids: Node, axis: number, dy: Node): Node {
  if (axis === 0) return g.scatterAddRows(table.shape, ids, dy)
  const before = Array.from({ length: axis }, (_, i) => i)
  const chosen = ids.shape.map((_, i) => axis + i)
  const after = dy.shape.map((_, i) => i).slice(axis + chosen.length)
  const rowsFirst = [axis, ...before, ...table.shape.map((_, i) => i).slice(axis + 1)]
  const rows = g.scatterAddRows(
    rowsFirst.map(i => table.shape[i]),
    ids,
    g.transpose(dy, [...chosen, ...before, ...after]),
  )
  return g.transpose(rows, invert(rowsFirst))
}

/** Adds up what broadcasting spread, until the shape is `shape` again. */
function sumTo(dy: Node, shape: readonly number[]): Node {
  const lead = dy.shape.length - shape.length
  const axes = dy.shape.flatMap((size, i) => (i < lead || (shape[i - lead] === 1 && size !== 1) ? [i] : []))
  return g.reshape(g.reduceSum(dy, axes), shape)
}

/** Undoes a reduction of x over `axes`: the reduced axes come back and are filled with copies. */
function spread(dy: Node, x: Node, axes: readonly number[]): Node {
  return g.expand(
    g.reshape(
      dy,
      x.shape.map((size, i) => (axes.includes(i) ? 1 : size)),
    ),
    x.shape,
  )
}

/** 1 where a is larger, ½ where equal, else 0. */
function greaterShare(a: Node, b: Node): Node {
  return g.add(g.cast(g.greater(a, b), a.dtype), g.mul(g.cast(g.equal(a, b), a.dtype), g.scalar(0.5)))
}

function oneMinus(x: Node): Node {
  return g.sub(g.scalar(1), x)
}

function meanOfLast(x: Node): Node {
  return g.reduceMean(x, [-1], true)
}

function invert(perm: readonly number[]): number[] {
  return perm.map((_, i) => perm.indexOf(i))
}

function isFloat({ dtype }: Node): boolean {
  return dtype === 'float32' || dtype === 'float16' || dtype === 'bfloat16'
}

/** The further outputs of some operations are there for their own gradients and lead no further. */
function onlyFirst(op: OpName, dys: readonly (Node | undefined)[]): void {
  const twice = { en: 'second derivatives of it are not supported', ru: 'вторые производные для неё не поддержаны' }
  if (dys.slice(1).some(dy => dy !== undefined)) notDifferentiable(op, twice)()
}
