// Adafactor (Shazeer & Stern 2018) as torch.optim.Adafactor has it: a matrix keeps the second moment of its rows and columns only.
import type { Parameter } from '../model/step.js'
import { sumOfSquares } from '../runtime/sum-of-squares.js'
import type { StateArray, TensorRule } from './update-rule.js'

export interface AdafactorSettings {
  /** The second moment forgets with 1 − stepᵏ, k being this. Default -.8. */
  readonly beta2Decay?: number
  /** Least root of the second moment (ε1). Default 2⁻²³, float32's precision. */
  readonly epsilon?: number
  /** Least root mean square of a parameter for the size of its steps (ε2). Default 1e-3. */
  readonly minimumScale?: number
  /** Largest root mean square of an update (d). Default 1. */
  readonly clipThreshold?: number
  /** Decoupled decay of parameters marked `decay`. Default 0. */
  readonly weightDecay?: number
}

/** The root of the estimated second moment is the product of one number of the row and one of the column, inverted. */
interface InverseRoots {
  readonly rows: Float64Array
  readonly columns: Float64Array
  /** Largest of `columns`: rows with which it stays within the limit need no look at each number. */
  readonly widest: number
}

// α = max(ε2, rms(p))·min(lr, 1/√t); p ← p·(1 − lr·wd); V ← V + t^k·(g² − V), by the means of rows R and columns C for
// matrices: V = R·C/mean(R); u = g/√max(V, ε1²); p ← p − α·u/max(1, rms(u)/d)
export function adafactor(settings: AdafactorSettings): TensorRule {
  const { beta2Decay = -0.8, epsilon = 2 ** -23, minimumScale = 1e-3, clipThreshold = 1, weightDecay = 0 } = settings
  return {
    family: 'tensor',
    createState(parameter): Record<string, StateArray> {
      const [rows, columns] = matrixSize(parameter)
      return rows === undefined
        ? { variance: new Float32Array(columns) }
        : { row: new Float32Array(rows), column: new Float32Array(columns) }
    },
    update(parameter, state, { step, learningRate, gradientScale }) {
      const { data, gradient, decay } = parameter
      const weight = step ** beta2Decay
      const inverse = state.variance
        ? vectorRoots(gradient, state.variance, weight, gradientScale)
        : matrixRoots(gradient, state.row, state.column, { weight, scale: gradientScale, epsilon })
      const alpha =
        Math.max(minimumScale, Math.sqrt(sumOfSquares(data) / data.length)) *
        Math.min(learningRate, 1 / Math.sqrt(step))
      const largest = 1 / epsilon
      const size = gradientScale * Math.sqrt(sumOfUpdates(gradient, inverse, largest) / gradient.length)
      const rate = (alpha / Math.max(1, size / clipThreshold)) * gradientScale
      applyUpdate(data, gradient, inverse, { largest, rate, keep: decay ? 1 - learningRate * weightDecay : 1 })
    },
  }
}

/** The last axis is the columns, all others together the rows, undefined for a vector. */
function matrixSize({ shape, data }: Pick<Parameter, 'shape' | 'data'>): [rows: number | undefined, columns: number] {
  if (shape.length < 2) return [undefined, data.length]
  const columns = shape[shape.length - 1]
  return [data.length / columns, columns]
}

function vectorRoots(g: Float32Array, variance: StateArray, weight: number, scale: number): InverseRoots {
  for (let i = 0; i < g.length; i++) variance[i] += weight * ((scale * g[i]) ** 2 - variance[i])
  return joinRoots(
    Float64Array.of(1),
    Float64Array.from(variance, x => 1 / Math.sqrt(x)),
  )
}

function matrixRoots(
  g: Float32Array,
  row: StateArray,
  column: StateArray,
  { weight, scale, epsilon }: { readonly weight: number; readonly scale: number; readonly epsilon: number },
): InverseRoots {
  const columnSums = new Float64Array(column.length)
  let rowTotal = 0
  for (let r = 0, i = 0; r < row.length; r++) {
    let sum = 0
    for (let c = 0; c < column.length; c++, i++) {
      const square = g[i] * g[i]
      sum += square
      columnSums[c] += square
    }
    row[r] += weight * ((sum * scale * scale) / column.length - row[r])
    rowTotal += row[r]
  }
  for (let c = 0; c < column.length; c++)
    column[c] += weight * ((columnSums[c] * scale * scale) / row.length - column[c])
  const mean = Math.max(rowTotal / row.length, epsilon)
  return joinRoots(
    Float64Array.from(row, x => 1 / Math.sqrt(x / mean)),
    Float64Array.from(column, x => 1 / Math.sqrt(x)),
  )
}

function joinRoots(rows: Float64Array, columns: Float64Array): InverseRoots {
  return { rows, columns, widest: columns.reduce((a, b) => Math.max(a, b), 0) }
}

// The limit min(r·c, largest) binds only where gradients all but vanish; other rows go without it.
function sumOfUpdates(g: Float32Array, { rows, columns, widest }: InverseRoots, largest: number): number {
  const squares = columns.map(x => x * x)
  let sum = 0
  for (let r = 0, i = 0; r < rows.length; r++) {
    const row = rows[r]
    let rowSum = 0
    if (row * widest <= largest) {
      for (let c = 0; c < squares.length; c++, i++) rowSum += squares[c] * (g[i] * g[i])
      rowSum *= row * row
    } else for (let c = 0; c < columns.length; c++, i++) rowSum += (g[i] * Math.min(row * columns[c], largest)) ** 2
    sum += rowSum
  }
  return sum
}

function applyUpdate(
  p: Float32Array,
  g: Float32Array,
  { rows, columns, widest }: InverseRoots,
  { largest, rate, keep }: { readonly largest: number; readonly rate: number; readonly keep: number },
): void {
  for (let r = 0, i = 0; r < rows.length; r++) {
    const row = rows[r]
    if (row * widest <= largest) {
      const rowRate = rate * row
      for (let c = 0; c < columns.length; c++, i++) p[i] = p[i] * keep - rowRate * columns[c] * g[i]
    } else
      for (let c = 0; c < columns.length; c++, i++)
        p[i] = p[i] * keep - rate * g[i] * Math.min(row * columns[c], largest)
  }
}
