// Positions of tokens to graph nodes: the turning of queries and keys, or a penalty of scores by the place of the key.
import { fromBfloat16, toBfloat16 } from '../formats/half.js'
import { add, cast, concat, constant, gather, less, mul, reduceMax, reshape, scalar, split, transpose, where } from '../graph/build.js' // prettier-ignore
import type { Node } from '../graph/graph.js'
import type { AlibiPositions, ModelConfig, RotaryPositions, Turning } from './model-config.js'

/** Queries or keys [B, T, n, D] to the same, turned by their positions. */
type Turn = (x: Node) => Node

/**
 * The turn of each layer; layers of one kind share their tables.
 * @param positions [B, T] int64, each below `limit`
 */
export function rotations(config: ModelConfig, positions: Node, limit: number): (layer: number) => Turn {
  const kind = config.positions
  if (kind.kind !== 'rotary') return () => x => x
  const turn = rotation(kind, kind.pairs, positions, limit)
  const local = kind.window && rotation(kind.window, kind.pairs, positions, limit)
  return layer => (local && config.attention.windows[layer] !== null ? local : turn)
}

/**
 * As transformers rounds it, on the way to it too: the error of an angle in float32 grows with the position, and models are
 * trained with it. An exact angle is another one.
 */
function angleOf(position: number, frequency: number): number {
  return Math.fround(position * Math.fround(frequency))
}

/**
 * Turns each pair (a, b) of a head by position · frequency; with R turned places in halves: [a, b]·[cos, cos] + [b, a]·[−sin, sin].
 * Neighbours are the same with each pair side by side.
 */
function rotation(turning: Turning, pairs: RotaryPositions['pairs'], positions: Node, limit: number): Turn {
  const { frequencies, gain = 1 } = turning
  const half = frequencies.length
  const pairOf = (column: number): number => (pairs === 'halves' ? column % half : Math.floor(column / 2))
  const isFirst = (column: number): boolean => (pairs === 'halves' ? column < half : column % 2 === 0)
  const tableOf = (of: (angle: number, column: number) => number, frequencies: readonly number[]): Node => {
    const data = Float32Array.from({ length: limit * 2 * half }, (_, i) => {
      const column = i % (2 * half)
      return gain * of(angleOf(Math.floor(i / (2 * half)), frequencies[pairOf(column)]), column)
    })
    const rows = gather(constant({ dtype: 'float32', shape: [limit, 2 * half], data }), positions)
    return reshape(rows, [...positions.shape, 1, 2 * half])
  }
  const table = (of: (angle: number, column: number) => number): Node =>
    byLength(turning, positions, limit, frequencies => tableOf(of, frequencies))
  const cosine = table(Math.cos)
  const sine = table((angle, column) => (isFirst(column) ? -Math.sin(angle) : Math.sin(angle)))
  const swap = pairs === 'halves' ? swapHalves : swapNeighbours
  return x => {
    const rest = x.shape[3] - 2 * half
    const [turned, still] = rest === 0 ? [x] : split(x, -1, [2 * half, rest])
    const result = add(mul(turned, cosine), mul(swap(turned), sine))
    return rest === 0 ? result : concat([result, still], -1)
  }
}

/** One position beyond the first context turns all places of all rows by the frequencies of long texts. */
function byLength(
  { frequencies, long }: Turning,
  positions: Node,
  limit: number,
  table: (frequencies: readonly number[]) => Node,
): Node {
  const short = table(frequencies)
  if (long === undefined || limit <= long.beyond) return short
  const last = reduceMax(cast(positions, 'float32'))
  return where(less(last, scalar(long.beyond)), short, table(long.frequencies))
}

function swapHalves(x: Node): Node {
  const half = x.shape[3] / 2
  const [a, b] = split(x, -1, [half, half])
  return concat([b, a], -1)
}

function swapNeighbours(x: Node): Node {
  const [a, b] = split(reshape(x, [...x.shape.slice(0, 3), x.shape[3] / 2, 2]), -1, [1, 1])
  return reshape(concat([b, a], -1), x.shape)
}

/**
 * What the score of each head gets from the place of the key; undefined where positions are not a penalty.
 * @param positions [B, S] int64 of the keys, each below `limit`
 * @returns [B, H, 1, S]
 */
export function keyPenalty({ positions: kind, heads }: ModelConfig, positions: Node, limit: number): Node | undefined {
  if (kind.kind !== 'alibi') return undefined
  const table = constant({ dtype: 'float32', shape: [limit, heads], data: penaltyTable(kind, limit) })
  const [batch, length] = positions.shape
  return reshape(transpose(gather(table, positions), [0, 2, 1]), [batch, heads, 1, length])
}

/** [limit, H] */
function penaltyTable({ slopes, factor, rounded }: AlibiPositions, limit: number): Float32Array {
  const round = (values: Float32Array): Float32Array => (rounded ? fromBfloat16(toBfloat16(values)) : values)
  const heads = slopes.length
  const places = round(Float32Array.from({ length: limit }, (_, place) => place))
  const steps = round(Float32Array.from(slopes))
  const products = Float32Array.from(
    { length: limit * heads },
    (_, i) => steps[i % heads] * places[Math.floor(i / heads)],
  )
  return round(products).map(product => factor * product)
}
