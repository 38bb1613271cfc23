// Turns a graph and its inputs into values in float64, slowly: the reference that gradients and runtimes are held against.
import type { Node } from '../../src/graph/graph.js'
import type { OpAttributes, OpName } from '../../src/graph/ops.js'
import { topologicalOrder } from '../../src/graph/order.js'
import { elementCount, type HostTensor } from '../../src/graph/tensor.js'

/** Numbers of any element type; truth values are 0 and 1. */
export interface Value {
  readonly shape: readonly number[]
  readonly data: Float64Array
}

type Evaluator<Op extends OpName> = (inputs: readonly Value[], attributes: OpAttributes[Op]) => readonly Value[]

/** Values of `nodes`, given the graph inputs by name. */
export function evaluate(nodes: readonly Node[], feeds: Readonly<Record<string, Float64Array>>): readonly Value[] {
  const results = new Map<Node['attributes'], readonly Value[]>()
  for (const node of topologicalOrder(nodes)) {
    if (results.has(node.attributes)) continue
    const inputs = node.inputs.map(x => results.get(x.attributes)![x.output])
    results.set(node.attributes, evaluateOne(node, inputs, feeds))
  }
  return nodes.map(node => results.get(node.attributes)![node.output])
}

function evaluateOne(
  node: Node,
  inputs: readonly Value[],
  feeds: Readonly<Record<string, Float64Array>>,
): readonly Value[] {
  if (node.op === 'Input') return [{ shape: node.shape, data: feeds[node.attributes.name as string] }]
  const evaluator = evaluators[node.op] as (inputs: readonly Value[], attributes: unknown) => readonly Value[]
  return evaluator(inputs, node.attributes)
}

/** float64 from any host array. */
export function fromHost({ shape, data }: HostTensor): Value {
  return { shape, data: Float64Array.from(data as ArrayLike<number | bigint>, Number) }
}

function coordinates(flat: number, shape: readonly number[]): number[] {
  const at = new Array<number>(shape.length)
  let rest = flat
  for (let i = shape.length - 1; i >= 0; i--) {
    at[i] = rest % shape[i]
    rest = Math.floor(rest / shape[i])
  }
  return at
}

/** The element at coordinates aligned at the last axis; sizes of 1 repeat. */
function read({ shape, data }: Value, at: readonly number[]): number {
  const lead = at.length - shape.length
  return data[shape.reduce((offset, size, i) => offset * size + (size === 1 ? 0 : at[lead + i]), 0)]
}

function fill(shape: readonly number[], element: (at: readonly number[]) => number): Value {
  const data = new Float64Array(elementCount(shape))
  for (let i = 0; i < data.length; i++) data[i] = element(coordinates(i, shape))
  return { shape, data }
}

function stretched(...values: readonly Value[]): readonly number[] {
  const rank = Math.max(...values.map(({ shape }) => shape.length))
  return Array.from({ length: rank }, (_, i) =>
    values.reduce((size, { shape }) => {
      const own = shape[shape.length - rank + i] ?? 1
      return own === 1 ? size : own
    }, 1),
  )
}

function unary(f: (x: number) => number): (inputs: readonly Value[]) => readonly Value[] {
  return ([x]) => [{ shape: x.shape, data: x.data.map(f) }]
}

function binary(f: (a: number, b: number) => number): (inputs: readonly Value[]) => readonly Value[] {
  return ([a, b]) => [fill(stretched(a, b), at => f(read(a, at), read(b, at)))]
}

const erf = (x: number): number => {
  // 2/√π · e^(−x²) · Σ 2ⁿ·x^(2n+1)/(2n+1)!!
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) sum += term *= (2 * x * x) / (2 * n + 1)
  return Math.abs(x) > 6 ? Math.sign(x) : (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
const roundHalfEven = (x: number): number => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x))
const geluTanh = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)))

function product({ transposeA, transposeB, alpha }: OpAttributes['MatMul'], a: Value, b: Value): Value {
  const inner = a.shape[a.shape.length - (transposeA ? 2 : 1)]
  const rows = a.shape[a.shape.length - (transposeA ? 1 : 2)]
  const columns = b.shape[b.shape.length - (transposeB ? 2 : 1)]
  const batch = stretched(...[a, b].map(({ shape, data }) => ({ shape: shape.slice(0, -2), data })))
  return fill([...batch, rows, columns], at => {
    const [lead, i, j] = [at.slice(0, -2), at[at.length - 2], at[at.length - 1]]
    let sum = 0
    for (let k = 0; k < inner; k++)
      sum +=
        read(a, [...lead, ...(transposeA ? [k, i] : [i, k])]) * read(b, [...lead, ...(transposeB ? [j, k] : [k, j])])
    return alpha * sum
  })
}

function reduce(
  { shape, data }: Value,
  { axes, keep }: OpAttributes['ReduceSum'],
  start: number,
  f: (sum: number, x: number) => number,
): Value {
  const kept = shape.map((size, i) => (axes.includes(i) ? 1 : size))
  const sums = new Float64Array(elementCount(kept)).fill(start)
  data.forEach((x, flat) => {
    const at = coordinates(flat, shape)
    const offset = kept.reduce((sum, size, i) => sum * size + (size === 1 ? 0 : at[i]), 0)
    sums[offset] = f(sums[offset], x)
  })
  return { shape: keep ? kept : shape.filter((_, i) => !axes.includes(i)), data: sums }
}

function logSoftmax(x: Value, axis: number): Value {
  const along = { axes: [axis], keep: true }
  const max = reduce(x, along, -Infinity, Math.max)
  const shifted = fill(x.shape, at => read(x, at) - read(max, at))
  const sum = reduce({ shape: x.shape, data: shifted.data.map(Math.exp) }, along, 0, (a, b) => a + b)
  return fill(x.shape, at => read(shifted, at) - Math.log(read(sum, at)))
}

function replaced(at: readonly number[], axis: number, position: number): readonly number[] {
  return at.map((old, i) => (i === axis ? position : old))
}

function add(target: Value, at: readonly number[], x: number): void {
  target.data[target.shape.reduce((offset, size, i) => offset * size + at[i], 0)] += x
}

function copy({ shape, data }: Value): Value {
  return { shape, data: data.slice() }
}

function gather(table: Value, ids: Value, axis: number): Value {
  const shape = [...table.shape.slice(0, axis), ...ids.shape, ...table.shape.slice(axis + 1)]
  const end = axis + ids.shape.length
  return fill(shape, at => read(table, [...at.slice(0, axis), read(ids, at.slice(axis, end)), ...at.slice(end)]))
}

const evaluators: { readonly [Op in OpName]: Evaluator<Op> } = {
  Input: () => [],
  Constant: (_, { value }) => [fromHost(value)],
  StopGradient: ([x]) => [x],
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: binary((a, b) => a / b),
  Maximum: binary(Math.max),
  Minimum: binary(Math.min),
  Neg: unary(x => -x),
  Abs: unary(Math.abs),
  Sign: unary(Math.sign),
  Round: unary(roundHalfEven),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Sqrt: unary(Math.sqrt),
  Sin: unary(Math.sin),
  Cos: unary(Math.cos),
  Tanh: unary(Math.tanh),
  Sigmoid: unary(sigmoid),
  Erf: unary(erf),
  Relu: unary(x => Math.max(x, 0)),
  Silu: unary(x => x * sigmoid(x)),
  Gelu: ([x], { approximate }) =>
    unary(approximate === 'tanh' ? geluTanh : z => 0.5 * z * (1 + erf(z * Math.SQRT1_2)))([x]),
  Where: ([condition, a, b]) => [
    fill(stretched(condition, a, b), at => (read(condition, at) ? read(a, at) : read(b, at))),
  ],
  Equal: binary((a, b) => Number(a === b)),
  Less: binary((a, b) => Number(a < b)),
  LessOrEqual: binary((a, b) => Number(a <= b)),
  Greater: binary((a, b) => Number(a > b)),
  And: binary((a, b) => a && b),
  Not: unary(x => 1 - x),
  Cast: ([x], { to }) => {
    if (to === 'bool') return unary(z => Number(z !== 0))([x])
    return to === 'float32' || to === 'float16' ? [x] : unary(Math.trunc)([x])
  },
  MatMul: ([a, b], attributes) => [product(attributes, a, b)],
  Linear: ([x, w, bias], attributes) => {
    const y = product(attributes, x, w)
    return [fill(y.shape, at => read(y, at) + read(bias, at))]
  },
  QuantizedMatMul: ([x, codes, scales], attributes) => {
    const { inputs, outputs, bits, block, transposed } = attributes
    const matrix = fill([outputs, inputs], ([o, i]) => {
      const [group, place] = [Math.floor(i / block), i % block]
      const byte = read(codes, [o, group, bits === 8 ? place : Math.floor(place / 2)])
      const code = bits === 8 ? byte : place % 2 === 0 ? byte % 16 : Math.floor(byte / 16)
      return (code - 2 ** (bits - 1)) * read(scales, [o, group])
    })
    return [product({ transposeA: false, transposeB: !transposed, alpha: 1 }, x, matrix)]
  },
  Softmax: ([x], { axis }) => unary(Math.exp)([logSoftmax(x, axis)]),
  LogSoftmax: ([x], { axis }) => [logSoftmax(x, axis)],
  ReduceSum: ([x], attributes) => [reduce(x, attributes, 0, (a, b) => a + b)],
  ReduceMean: ([x], attributes) => {
    const count = elementCount(attributes.axes.map(axis => x.shape[axis]))
    return unary(sum => sum / count)([reduce(x, attributes, 0, (a, b) => a + b)])
  },
  ReduceMax: ([x], attributes) => [reduce(x, attributes, -Infinity, Math.max)],
  Reshape: ([x], { shape }) => [{ shape, data: x.data }],
  Transpose: ([x], { perm }) => [
    fill(
      perm.map(i => x.shape[i]),
      at =>
        read(
          x,
          perm.map((_, i) => at[perm.indexOf(i)]),
        ),
    ),
  ],
  Concat: (inputs, { axis }) => {
    const total = inputs.reduce((sum, { shape }) => sum + shape[axis], 0)
    return [
      fill(replaced(inputs[0].shape, axis, total), at => {
        let position = at[axis]
        const part = inputs.find(({ shape }) => position < shape[axis] || ((position -= shape[axis]), false))!
        return part.data[part.shape.reduce((o, size, i) => o * size + (i === axis ? position : at[i]), 0)]
      }),
    ]
  },
  Slice: ([x], { axis, start, end }) => [
    fill(replaced(x.shape, axis, end - start), at => read(x, replaced(at, axis, at[axis] + start))),
  ],
  Pad: ([x], { axis, before, after }) => [
    fill(replaced(x.shape, axis, before + x.shape[axis] + after), at => {
      const position = at[axis] - before
      return position < 0 || position >= x.shape[axis] ? 0 : read(x, replaced(at, axis, position))
    }),
  ],
  Split: ([x], { axis, sizes }) =>
    sizes.map((size, i) => {
      const start = sizes.slice(0, i).reduce((a, b) => a + b, 0)
      return fill(replaced(x.shape, axis, size), at => read(x, replaced(at, axis, at[axis] + start)))
    }),
  Expand: ([x], { shape }) => [fill(shape, at => read(x, at))],
  Gather: ([table, ids], { axis }) => [gather(table, ids, axis)],
  ScatterAddRows: ([base, ids, updates]) => {
    const sum = copy(base)
    updates.data.forEach((x, flat) => {
      const at = coordinates(flat, updates.shape)
      add(sum, [read(ids, at.slice(0, ids.shape.length)), ...at.slice(ids.shape.length)], x)
    })
    return [sum]
  },
  GatherElements: ([x, ids], { axis }) => [fill(ids.shape, at => read(x, replaced(at, axis, read(ids, at))))],
  ScatterElementsAdd: ([base, ids, updates], { axis }) => {
    const sum = copy(base)
    updates.data.forEach((x, flat) => {
      const at = coordinates(flat, updates.shape)
      add(sum, replaced(at, axis, read(ids, at)), x)
    })
    return [sum]
  },
  LayerNorm: ([x, weight, bias], { epsilon }) => {
    const mean = meanOfLast(x)
    const centred = fill(x.shape, at => read(x, at) - read(mean, at))
    const variance = meanOfLast({ shape: x.shape, data: centred.data.map(z => z * z) })
    const [inverse] = unary(z => 1 / Math.sqrt(z + epsilon))([variance])
    const y = fill(x.shape, at => read(centred, at) * read(inverse, at) * read(weight, at) + read(bias, at))
    return [y, mean, inverse]
  },
  RmsNorm: ([x, weight], { epsilon }) => {
    const square = meanOfLast({ shape: x.shape, data: x.data.map(z => z * z) })
    const [inverse] = unary(z => 1 / Math.sqrt(z + epsilon))([square])
    return [fill(x.shape, at => read(x, at) * read(inverse, at) * read(weight, at)), inverse]
  },
  CachedAttention: (inputs, attributes) => {
    const [query, key, value, pastKey, pastValue, last] = inputs
    const { heads, keyHeads, scale, cap, window } = attributes
    const [batch, , , width] = pastKey.shape
    const length = query.shape[0] / batch
    const first = (row: number): number => last.data[row] + 1 - length
    const updated = (past: Value, fresh: Value): Value =>
      fill(past.shape, ([row, head, place, d]) => {
        const t = place - first(row)
        return t >= 0 && t < length
          ? read(fresh, [row * length + t, head * width + d])
          : read(past, [row, head, place, d])
      })
    const [keys, values] = [updated(pastKey, key), updated(pastValue, value)]
    const mixed = fill(query.shape, ([token, column]) => {
      const [row, head] = [Math.floor(token / length), Math.floor(column / width)]
      const place = first(row) + (token % length)
      const from = window > 0 ? Math.max(0, place + 1 - window) : 0
      const keyHead = Math.floor(head / (heads / keyHeads))
      const weights = Array.from({ length: place + 1 - from }, (_, i) => {
        let product = 0
        for (let d = 0; d < width; d++)
          product += read(query, [token, head * width + d]) * read(keys, [row, keyHead, from + i, d])
        return Math.exp(cap > 0 ? cap * Math.tanh((product * scale) / cap) : product * scale)
      })
      const total = weights.reduce((a, b) => a + b)
      return weights.reduce((sum, w, i) => sum + w * read(values, [row, keyHead, from + i, column % width]), 0) / total
    })
    return [mixed, keys, values]
  },
  CrossEntropy: ([logits, labels]) => {
    const logProbabilities = logSoftmax(logits, 1)
    const loss = fill(labels.shape, ([row]) => -read(logProbabilities, [row, labels.data[row]]))
    const logSumExp = fill(labels.shape, ([row]) => read(logits, [row, 0]) - read(logProbabilities, [row, 0]))
    return [loss, unary(Math.exp)([logProbabilities])[0], logSumExp]
  },
}

function meanOfLast(x: Value): Value {
  const axis = x.shape.length - 1
  const [mean] = unary(sum => sum / x.shape[axis])([reduce(x, { axes: [axis], keep: true }, 0, (a, b) => a + b)])
  return mean
}
