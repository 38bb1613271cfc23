// Small graphs for every operation; the gradient check and the comparison with runtimes walk them all.
import * as g from '../../src/graph/build.js'
import type { Node } from '../../src/graph/graph.js'
import type { OpName } from '../../src/graph/ops.js'

export interface Sample {
  /** Shapes of the float32 inputs. */
  readonly shapes: readonly (readonly number[])[]
  readonly build: (...inputs: readonly Node[]) => Node | readonly Node[]
  /** Inputs are drawn evenly from here; default [-2, 2]. */
  readonly range?: readonly [number, number]
  /** `slope` (default): finite differences; `flat`: the gradient is zero; `none`: asking for it is an error. */
  readonly gradient?: 'slope' | 'flat' | 'none'
}

const positive = [0.5, 2] as const

function pointwise(build: (x: Node) => Node, rest: Partial<Sample> = {}): readonly Sample[] {
  return [{ shapes: [[3, 4]], build, ...rest }]
}

function broadcasting(build: (a: Node, b: Node) => Node, rest: Partial<Sample> = {}): readonly Sample[] {
  const shapes = [[[2, 3], [2, 3]], [[2, 3, 4], [3, 1]], [[4], [2, 1, 4]], [[2, 3], []]] // prettier-ignore
  return shapes.map(pair => ({ shapes: pair, build, ...rest }))
}

function comparing(build: (a: Node, b: Node) => Node): readonly Sample[] {
  return broadcasting(build, { gradient: 'none' })
}

/** int64 ids of any shape. */
function ids(shape: readonly number[], list: readonly number[]): Node {
  return g.constant({ dtype: 'int64', shape, data: BigInt64Array.from(list, BigInt) })
}

const zero = g.scalar(0)

/** Codes and scales, all different, of a matrix in blocks of 16. */
function quantizedTables(inputs: number, outputs: number, bits: number) {
  const blocks = Math.ceil(inputs / 16)
  const codes = Uint8Array.from({ length: outputs * blocks * 2 * bits }, (_, i) => (37 * i + 11) % 256)
  const scales = Float32Array.from({ length: outputs * blocks }, (_, i) => ((i % 3) + 1) / 2 ** bits)
  return {
    codes: g.constant({ dtype: 'uint8', shape: [outputs, blocks, 2 * bits], data: codes }),
    scales: g.constant({ dtype: 'float32', shape: [outputs, blocks], data: scales }),
  }
}

function quantizedProduct(
  x: Node,
  attributes: { inputs: number; outputs: number; bits: 8 | 4; transposed: boolean },
): Node {
  const { inputs, outputs, bits } = attributes
  const rest = { block: 16, activations: 'float32' } as const
  return g.quantizedMatmul(x, quantizedTables(inputs, outputs, bits), { ...attributes, ...rest })
}

/** A matrix whose transpose has codes too; a row has one scale. */
function mirroredProduct(x: Node, bits: 8 | 4): Node {
  const numbers = Array.from({ length: 32 * 32 }, (_, i) => (37 * i + 11) % 2 ** bits)
  const turned = numbers.map((_, i) => numbers[32 * (i % 32) + Math.floor(i / 32)])
  const scales = Float32Array.from({ length: 64 }, (_, i) => 1 / 2 ** bits + (Math.floor(i / 2) % 3) / 8)
  const [codes, mirror] = [numbers, turned].map(list =>
    g.constant({ dtype: 'uint8', shape: [32, 2, 2 * bits], data: packed(list, bits) }),
  )
  const attributes = { inputs: 32, outputs: 32, bits, block: 16, activations: 'float32' } as const
  return g.quantizedMatmul(x, { codes, scales: g.constant({ dtype: 'float32', shape: [32, 2], data: scales }) }, attributes, mirror) // prettier-ignore
}

function squared(y: Node): Node {
  return g.mul(y, y)
}

/** Two codes of four bits in a byte, the first one low. */
function packed(codes: readonly number[], bits: 8 | 4): Uint8Array {
  if (bits === 8) return Uint8Array.from(codes)
  return Uint8Array.from({ length: codes.length / 2 }, (_, i) => codes[2 * i] | (codes[2 * i + 1] << 4))
}

const attention = { heads: 4, keyHeads: 2, scale: 0.5, cap: 0, window: 0 }

/** Queries, keys and values of B·T tokens, and a cache of S places for each of B rows; heads are 8 wide. */
function attentionShapes(batch: number, length: number, places: number): number[][] {
  const cache = [batch, 2, places, 8]
  return [[batch * length, 32], [batch * length, 16], [batch * length, 16], cache, cache]
}

/** @param lasts place of the last token of each row */
function attending(lasts: readonly number[], length: number, options: Partial<typeof attention>) {
  const int32 = (shape: readonly number[], list: readonly number[]): Node =>
    g.constant({ dtype: 'int32', shape, data: Int32Array.from(list) })
  const last = int32([lasts.length], lasts)
  const total = int32([], [Math.max(...lasts) + 1])
  const layout = ids([3], [lasts.length, length, -1])
  return (query: Node, key: Node, value: Node, pastKey: Node, pastValue: Node): Node =>
    g.cachedAttention({ query, key, value, pastKey, pastValue, last, total, layout }, { ...attention, ...options })
      .mixed
}

/** A missing operation does not compile. */
export const samples: { readonly [Op in OpName]: readonly Sample[] } = {
  Input: pointwise(x => x),
  Constant: pointwise(x => g.mul(x, g.constant({ dtype: 'float32', shape: [4], data: Float32Array.of(1, 2, -3, 4) }))),
  StopGradient: pointwise(x => g.stopGradient(x), { gradient: 'flat' }),
  Add: broadcasting(g.add),
  Sub: broadcasting(g.sub),
  Mul: broadcasting(g.mul),
  Div: broadcasting(g.div, { range: positive }),
  Maximum: broadcasting(g.maximum),
  Minimum: broadcasting(g.minimum),
  Neg: pointwise(g.neg),
  Abs: pointwise(g.abs),
  Sign: pointwise(g.sign, { gradient: 'flat' }),
  Round: pointwise(g.round, { gradient: 'flat' }),
  Exp: pointwise(g.exp),
  Log: pointwise(g.log, { range: positive }),
  Sqrt: [...pointwise(g.sqrt, { range: positive }), ...pointwise(g.rsqrt, { range: positive })],
  Sin: pointwise(g.sin),
  Cos: pointwise(g.cos),
  Tanh: pointwise(g.tanh),
  Sigmoid: pointwise(g.sigmoid),
  Erf: pointwise(g.erf),
  Relu: pointwise(g.relu),
  Silu: pointwise(g.silu),
  Gelu: [...pointwise(x => g.gelu(x, 'tanh')), ...pointwise(x => g.gelu(x, 'none'))],
  Where: [
    { shapes: [[2, 3], [2, 3]], build: (a, b) => g.where(g.greater(a, zero), a, g.mul(b, b)) }, // prettier-ignore
    { shapes: [[3], [2, 1], [2, 3]], build: (a, b, c) => g.mul(c, g.where(g.greater(c, zero), a, b)) },
  ],
  Equal: comparing(g.equal),
  Less: comparing(g.less),
  LessOrEqual: comparing(g.lessOrEqual),
  Greater: comparing(g.greater),
  And: comparing((a, b) => g.and(g.less(a, b), g.greater(a, zero))),
  Not: pointwise(x => g.not(g.greater(x, zero)), { gradient: 'none' }),
  Cast: [
    ...pointwise(x => g.cast(g.cast(x, 'int64'), 'float32'), { gradient: 'flat' }),
    ...pointwise(x => g.cast(g.less(x, zero), 'float32'), { gradient: 'flat' }),
    ...pointwise(x => g.cast(g.cast(x, 'uint8'), 'float32'), { gradient: 'flat', range: [0, 200] }),
    ...pointwise(x => g.cast(x, 'int32'), { gradient: 'flat' }),
  ],
  MatMul: [
    ...[false, true].flatMap(transposeA =>
      [false, true].flatMap(transposeB => {
        const a = transposeA ? [3, 2] : [2, 3]
        const b = transposeB ? [4, 3] : [3, 4]
        return [
          { shapes: [a, b], build: (x: Node, y: Node) => g.matmul(x, y, { transposeA, transposeB, alpha: 0.5 }) },
          { shapes: [[5, ...a], [5, ...b]], build: (x: Node, y: Node) => g.matmul(x, y, { transposeA, transposeB }) }, // prettier-ignore
          { shapes: [[5, ...a], b], build: (x: Node, y: Node) => g.matmul(x, y, { transposeA, transposeB }) },
        ]
      }),
    ),
    { shapes: [[2, 3, 2, 4], [2, 1, 4, 3]], build: (a, b) => g.matmul(a, b, { alpha: 2 }) }, // prettier-ignore
    { shapes: [[2, 1, 3, 2, 4], [2, 2, 1, 3, 4]], build: (a, b) => g.matmul(a, b, { transposeB: true }) }, // prettier-ignore
  ],
  Linear: [
    { shapes: [[2, 3], [3, 4], [4]], build: (x, w, b) => g.linear(x, w, b) }, // prettier-ignore
    { shapes: [[2, 2, 3], [4, 3], [4]], build: (x, w, b) => g.linear(x, w, b, { transposeB: true }) }, // prettier-ignore
  ],
  QuantizedMatMul: [8 as const, 4 as const].flatMap(bits => [
    // 20 inputs do not fill their second block
    { shapes: [[3, 20]], build: (x: Node) => quantizedProduct(x, { inputs: 20, outputs: 6, bits, transposed: false }) },
    { shapes: [[3, 6]], build: (x: Node) => quantizedProduct(x, { inputs: 20, outputs: 6, bits, transposed: true }) },
    // OpenVINO fails to fold a product with codes, so what the transpose is multiplied by must depend on x; and it computes
    // wrongly with one stored matrix in both directions, which those of four bits are
    { shapes: [[2, 1, 32]], build: (x: Node) => (bits === 8 ? squared : g.neg)(mirroredProduct(x, bits)) },
  ]),
  Softmax: [...pointwise(x => g.softmax(x)), ...pointwise(x => g.softmax(x, 0))],
  LogSoftmax: [...pointwise(x => g.logSoftmax(x)), ...pointwise(x => g.logSoftmax(x, 0))],
  ReduceSum: reducing(g.reduceSum),
  ReduceMean: reducing(g.reduceMean),
  ReduceMax: reducing(g.reduceMax),
  Reshape: [...pointwise(x => g.reshape(x, [2, -1, 3])), { shapes: [[1, 1]], build: x => g.reshape(x, []) }],
  Transpose: [{ shapes: [[2, 3, 4]], build: x => g.transpose(x, [2, 0, 1]) }],
  Concat: [{ shapes: [[2, 3], [2, 1], [2, 2]], build: (...xs) => g.concat(xs, -1) }], // prettier-ignore
  Slice: [
    ...pointwise(x => g.slice(x, 1, 1, 3)),
    // neighbouring slices: their gradients are joined instead of padded and added
    ...pointwise(x => g.mul(g.slice(x, -1, 2, 4), g.exp(g.slice(x, -1, 0, 2)))),
    ...pointwise(x => g.mul(g.slice(x, 1, 0, 3), g.exp(g.slice(x, 1, 1, 4)))),
  ],
  Pad: pointwise(x => g.pad(x, 0, 2, 1)),
  Split: [
    { shapes: [[2, 6]], build: x => g.split(x, 1, [1, 3, 2]) },
    { shapes: [[2, 6]], build: x => g.split(x, -1, [1, 3, 2])[1] },
  ],
  Expand: [
    { shapes: [[3, 1]], build: x => g.expand(x, [2, 3, 4]) },
    { shapes: [[]], build: x => g.expand(x, [2, 2]) },
  ],
  Gather: [
    { shapes: [[5, 3]], build: x => g.gather(x, ids([2, 2], [4, 0, 4, 1])) },
    { shapes: [[5]], build: x => g.gather(x, ids([3], [4, 0, 4])) },
    { shapes: [[2, 5, 3]], build: x => g.gather(x, ids([2, 2], [4, 0, 4, 1]), 1) },
    // tied embedding: rows are scattered onto the other gradient
    { shapes: [[5, 3]], build: x => g.matmul(g.gather(x, ids([4], [4, 0, 4, 1])), x, { transposeB: true }) },
  ],
  ScatterAddRows: [
    { shapes: [[3, 2], [5, 2]], build: (base, rows) => g.scatterAddRows(base, ids([5], [0, 2, 2, 0, 2]), rows) }, // prettier-ignore
    { shapes: [[2, 2, 2, 3]], build: rows => g.scatterAddRows([4, 2, 3], ids([2, 2], [3, 1, 1, 1]), rows) },
  ],
  GatherElements: [{ shapes: [[2, 4]], build: x => g.gatherElements(x, ids([2, 3], [3, 0, 3, 1, 1, 2]), 1) }],
  ScatterElementsAdd: [
    {
      shapes: [[2, 4], [2, 3]], // prettier-ignore
      build: (base, updates) => g.scatterElementsAdd(base, ids([2, 3], [3, 0, 3, 1, 1, 2]), updates, 1),
    },
  ],
  CachedAttention: [
    { shapes: attentionShapes(1, 3, 5), build: attending([4], 3, {}), gradient: 'none' },
    { shapes: attentionShapes(1, 5, 5), build: attending([4], 5, { window: 2, cap: 3 }), gradient: 'none' },
    // rows of different lengths: nothing is promised of what follows the shorter one in the cache
    {
      shapes: attentionShapes(2, 1, 5),
      build: (q, k, v, pk, pv) => g.neg(attending([4, 1], 1, {})(q, k, v, pk, pv)),
      gradient: 'none',
    },
  ],
  LayerNorm: [{ shapes: [[2, 3, 5], [5], [5]], build: (x, w, b) => g.layerNorm(x, w, b, 1e-3) }], // prettier-ignore
  RmsNorm: [{ shapes: [[2, 3, 5], [5]], build: (x, w) => g.rmsNorm(x, w, 1e-3) }], // prettier-ignore
  CrossEntropy: [
    { shapes: [[3, 5]], build: x => g.crossEntropyRows(x, ids([3], [4, 0, 2])).loss },
    { shapes: [[3, 5]], build: x => g.crossEntropyRows(x, ids([3], [4, 0, 2])).logSumExp },
    {
      shapes: [[3, 5]],
      build: x => {
        const { loss, logSumExp } = g.crossEntropyRows(x, ids([3], [4, 0, 2]))
        return g.add(g.mul(loss, logSumExp), g.mul(logSumExp, logSumExp))
      },
    },
    { shapes: [[4, 5]], build: x => g.crossEntropySum(x, ids([4], [4, -100, 0, 2])).lossSum },
  ],
}

function reducing(build: (x: Node, axes?: readonly number[], keep?: boolean) => Node): readonly Sample[] {
  const cases = [[[0, 2], false], [[1], true], [undefined, false], [[-1], false]] as const // prettier-ignore
  return cases.map(([axes, keep]) => ({ shapes: [[2, 3, 4]], build: x => build(x, axes, keep) }))
}
