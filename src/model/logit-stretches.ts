// Logits to the loss of their rows, in stretches of the vocabulary where the logits of all of it need not exist at one time.
import { add, and, cast, crossEntropyRows, exp, int64s, less, log, matmul, maximum, mul, not, reduceSum, split, stopGradient, sub, where } from '../graph/build.js' // prettier-ignore
import type { Node } from '../graph/graph.js'
import { evenStretches, type Stretch } from '../graph/stretches.js'
import { waitFor } from '../graph/wait.js'

/** Of each row: loss = −log softmax(logits)[label], and log Σ exp(logits); [N] each. */
interface RowLosses {
  readonly loss: Node
  readonly logSumExp: Node
  /** Sum of the logits of each row: [N] */
  sums(): Node
}

/**
 * The same numbers whatever the stretches, up to rounding.
 * @param logits [N, V]; only a plain product of states and a matrix [V, C] can be cut
 * @param labels [N] int64 in 0..V-1
 * @param stretches in how many the matrix is cut
 */
export function rowLosses(logits: Node, labels: Node, stretches: number): RowLosses {
  const { transposeA, transposeB, alpha } = logits.attributes
  if (stretches > 1 && logits.op === 'MatMul' && transposeB && !transposeA && alpha === 1)
    return joinStretches(logits.inputs, labels, stretches)
  return { ...crossEntropyRows(logits, labels), sums: () => reduceSum(logits, [-1]) }
}

/** s = m + log Σ exp(sₖ − m) of the stretches' own sₖ, where m is the largest; the label's logit lies in one of them. */
function joinStretches([states, matrix]: readonly Node[], labels: Node, count: number): RowLosses {
  const stretches = evenStretches(matrix.shape[0], Math.min(count, matrix.shape[0]))
  const rows = split(matrix, 0, stretches.map(({ size }) => size)) // prettier-ignore
  const found: Stretched[] = []
  stretches.forEach((stretch, i) => {
    const start = waitFor(states, i === 0 ? [] : [found[i - 1].logSumExp])
    found.push(stretchLoss(matmul(start, rows[i], { transposeB: true }), labels, stretch))
  })
  const total = (of: keyof Stretched): Node => found.map(one => one[of]).reduce((a, b) => add(a, b))
  const largest = stopGradient(found.map(one => one.logSumExp).reduce((a, b) => maximum(a, b)))
  const shares = found.map(one => exp(sub(one.logSumExp, largest)))
  const logSumExp = add(largest, log(shares.reduce((a, b) => add(a, b))))
  return { logSumExp, loss: sub(logSumExp, total('picked')), sums: () => total('sum') }
}

/** What the logits of a stretch [N, n] are read for, [N] each; `logSumExp` waits for the rest, so that they are gone then. */
interface Stretched {
  readonly logSumExp: Node
  /** The logit of the label, 0 where that lies in another stretch. */
  readonly picked: Node
  readonly sum: Node
}

function stretchLoss(logits: Node, labels: Node, { start, end }: Stretch): Stretched {
  const isInside = and(not(less(labels, int64s([start]))), less(labels, int64s([end])))
  const { loss, logSumExp } = crossEntropyRows(logits, where(isInside, sub(labels, int64s([start])), int64s([0])))
  const picked = mul(sub(logSumExp, loss), cast(isInside, 'float32'))
  return { logSumExp: waitFor(logSumExp, [picked]), picked, sum: reduceSum(logits, [-1]) }
}
