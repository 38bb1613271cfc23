// Hidden states and labels to the loss and its gradients, a few rows of logits at a time.
import {
  add,
  cast,
  concat,
  equal,
  int64s,
  knownNumber,
  mul,
  not,
  reduceSum,
  reshape,
  scalar,
  split,
  stopGradient,
  sub,
  where,
} from '../graph/build.js'
import { gradients } from '../graph/gradient.js'
import type { Node } from '../graph/graph.js'
import type { Recompute } from '../graph/recompute.js'
import { evenStretches } from '../graph/stretches.js'
import { waitFor } from '../graph/wait.js'
import { rowLosses } from './logit-stretches.js'
import { badSetting, checkCount } from './method.js'
import { addTables, partsOf } from './row-gradients.js'

/** What training adds to the cross-entropy; evaluation never does. */
export interface LossSettings {
  /** Share ε of each target spread over the whole vocabulary, as PyTorch's CrossEntropyLoss defines it. Default 0. */
  readonly labelSmoothing?: number
  /** Factor of (log Σ exp(logits))², which keeps logits from drifting (PaLM used 1e-4). Default 0. */
  readonly zLoss?: number
  /** Rows of logits that exist at once; by default as many as fit into 64 MiB, or all where more pieces would save nothing. */
  readonly lossRows?: number
  /**
   * In how many stretches of the vocabulary the loss is computed where its gradients are wanted; default 1. More are for a
   * runtime that keeps the logits beside their softmax.
   */
  readonly lossStretches?: number
  /**
   * Whether the gradients of the head come before those of what lies under it, so that the logits are gone by then.
   * Default true; a runtime that copies results which the graph reads had better choose the order itself.
   */
  readonly headFirst?: boolean
}

/** What the loss is made from. */
export interface LossInputs {
  /** [N, C] */
  readonly states: Node
  /** [N] int64; -100 does not count */
  readonly labels: Node
  /** Logits [n, V] of states [n, C]. */
  readonly logits: (states: Node) => Node
}

/**
 * Cross-entropy summed over the counted rows, in nats, without smoothing or z-loss.
 * @param rows of logits that exist at once
 * @returns []
 */
export function plainLoss(inputs: LossInputs, rows: number): Node {
  return pieces(inputs, rows).reduce<Node | undefined>((sum, { states, labels }) => {
    const waiting = sum === undefined ? states : waitFor(states, [sum])
    const loss = rowsLoss(inputs.logits(waiting), labels, {})
    return sum === undefined ? loss : add(sum, loss)
  }, undefined)!
}

interface LossGradients {
  /** Sum over the counted rows, with smoothing and z-loss: []. */
  readonly lossSum: Node
  /** [N, C] */
  readonly slope: Node
  /** The slope again; it waits for everything else, so that no logits outlive the loss. */
  readonly states: Node
  /** For each node of `wrt`; undefined where the head does not use it. */
  readonly head: readonly (Node | undefined)[]
}

/**
 * The loss and its gradients for states and head. A piece of rows goes through forward and backward before the next one
 * starts, so that only its logits exist.
 * @param wrt nodes whose gradients are wanted
 * @param seed gradient of the loss itself, []
 */
export function lossGradients(
  inputs: LossInputs,
  wrt: readonly Node[],
  seed: Node,
  rows: number,
  settings: LossSettings,
  recompute?: Recompute,
): LossGradients {
  const slopes: Node[] = []
  let lossSum: Node | undefined
  let head: readonly (Node | undefined)[] = wrt.map(() => undefined)
  for (const { states, labels } of pieces(inputs, rows)) {
    const done = [lossSum, slopes.at(-1)].filter(node => node !== undefined).concat(computed(head))
    const start = waitFor(states, done)
    const loss = rowsLoss(inputs.logits(start), labels, settings)
    // the loss comes first: then the logits are read for the last time, and gradients take their place
    const later = reshape(waitFor(reshape(seed, [1]), [loss]), [])
    const [slope, ...ofHead] = gradients(loss, [start, ...wrt], later, recompute)
    slopes.push(slope)
    lossSum = lossSum === undefined ? loss : add(lossSum, loss)
    head = head.map((sum, i) =>
      knownNumber(ofHead[i]) === 0 ? sum : sum === undefined ? ofHead[i] : addTables(sum, ofHead[i]),
    )
  }
  const slope = concat(slopes, 0)
  const { headFirst = true } = settings
  return { lossSum: lossSum!, slope, states: waitFor(slope, [lossSum!, ...(headFirst ? computed(head) : [])]), head }
}

function computed(head: readonly (Node | undefined)[]): readonly Node[] {
  return head.flatMap(node => (node === undefined ? [] : partsOf(node)))
}

/** Rows cut into pieces of nearly one size; no gradient passes from them to what computed the states. */
function pieces({ states, labels }: LossInputs, rows: number): readonly { states: Node; labels: Node }[] {
  const [count] = labels.shape
  const number = Math.ceil(count / rows)
  const sizes = evenStretches(count, number).map(({ size }) => size)
  const fixed = stopGradient(states)
  if (number === 1) return [{ states: fixed, labels }]
  const ofLabels = split(labels, 0, sizes)
  return split(fixed, 0, sizes).map((piece, i) => ({ states: piece, labels: ofLabels[i] }))
}

/** Σ over counted rows of (1 − ε)·(s − z[label]) + ε·(s − mean z) + ζ·s², with s = log Σ exp(z): [] */
function rowsLoss(logits: Node, labels: Node, settings: LossSettings): Node {
  const { labelSmoothing = 0, zLoss = 0, lossStretches = 1 } = settings
  const ignored = equal(labels, int64s([-100]))
  const { loss, logSumExp, sums } = rowLosses(logits, where(ignored, int64s([0]), labels), lossStretches)
  const spread = (): Node => sub(logSumExp, mul(sums(), scalar(1 / logits.shape[1])))
  const smooth =
    labelSmoothing === 0 ? loss : add(mul(loss, scalar(1 - labelSmoothing)), mul(spread(), scalar(labelSmoothing)))
  const whole = zLoss === 0 ? smooth : add(smooth, mul(mul(logSumExp, logSumExp), scalar(zLoss)))
  return reduceSum(mul(whole, cast(not(ignored), 'float32')))
}

interface LossSizes {
  readonly count: number
  readonly width: number
  readonly vocabulary: number
  /** Whether the head is. */
  readonly trained: boolean
  /** Bytes of one logit. */
  readonly logitBytes?: number
}

/** Largest size of the logits of one piece. */
const pieceBytes = 64 * 2 ** 20
/** Products over fewer rows than this spend their time reading the head. */
const fewestRows = 64

/**
 * Rows of logits at once. A piece costs little where the head is frozen; where it is trained, each piece adds to a
 * gradient as large as `width` rows of logits, so that pieces are at least so long, and fewer than three save nothing.
 * @param count rows in all
 */
export function rowsAtOnce(
  { lossRows }: LossSettings,
  { count, width, vocabulary, trained, logitBytes = 4 }: LossSizes,
): number {
  if (lossRows !== undefined) return Math.min(lossRows, count)
  const fitting = Math.max(fewestRows, Math.floor(pieceBytes / (logitBytes * vocabulary)))
  if (!trained) return Math.min(fitting, count)
  const rows = Math.max(fitting, width)
  return rows * 3 <= count ? rows : count
}

/** @throws AppError `bad-setting` */
export function checkLossSettings({ labelSmoothing = 0, zLoss = 0, lossRows = 1 }: LossSettings): void {
  if (!(labelSmoothing >= 0 && labelSmoothing < 1))
    throw badSetting('labelSmoothing', labelSmoothing, 'a share from 0 up to 1', 'доля от 0 до 1')
  if (!(zLoss >= 0 && Number.isFinite(zLoss))) throw badSetting('zLoss', zLoss, 'a number from 0', 'число от 0')
  checkCount('lossRows', lossRows)
}
