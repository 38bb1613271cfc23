// A model and a method to the graph of a training step: the loss, and a gradient for each trained tensor.
import { AppError } from '../base/errors.js'
import { input, knownNumber, reshape } from '../graph/build.js'
import { gradients } from '../graph/gradient.js'
import type { Node } from '../graph/graph.js'
import {
  againName,
  recomputeBetween,
  recomputeFactors,
  rereadFactors,
  rereadInputs,
  type Recompute,
} from '../graph/recompute.js'
import type { HostTensor } from '../graph/tensor.js'
import { blockStates, placesBefore } from './block-states.js'
import { decoderLogits } from './decoder-graph.js'
import { lossGradients, plainLoss, rowsAtOnce, type LossInputs, type LossSettings } from './loss.js'
import type { Method } from './method.js'
import type { ModelConfig } from './model-config.js'
import type { BoundParts } from './parts.js'
import { addTables, takeRows, type TableGradient } from './row-gradients.js'
import type { Model } from './weights.js'

/** Inputs of every step, [B, T] int64 each. */
export const batchKeys = ['ids', 'labels', 'positions', 'segments'] as const

export interface StepShape {
  /** Rows of a micro-batch. */
  readonly batch: number
  /** Positions of a row. */
  readonly length: number
}

export interface StepSettings extends StepShape, LossSettings {
  /** Keep only the stream between the blocks for the backward pass and compute their insides again: less memory, more time. */
  readonly checkpointing?: boolean
  /** Compute the norms and activations that products read again for the backward pass, which costs little time. */
  readonly recomputing?: boolean
  /** Let the backward pass read matrices through the inputs that `againFeeds` feeds; for full training. */
  readonly rereading?: boolean
  /** Bytes of one logit where it is computed; default 4. */
  readonly logitBytes?: number
}

/** Memory that a step with an adapter may take for what could be computed again: some 10 % of its time. */
const spareBytes = 2 ** 29

/**
 * Whether the norms, activations and attention weights of all blocks together are too large to be kept for the backward
 * pass. Full training has less memory to spare: its gradients and moments are as large as the model.
 */
export function isWorthRecomputing(config: ModelConfig, method: Method, { batch, length }: StepShape): boolean {
  const { layers, heads, innerWidth, width } = config
  return (
    method.kind === 'full' || 4 * layers * batch * length * (heads * length + 2 * innerWidth + 2 * width) > spareBytes
  )
}

export interface StepGraph {
  /** []: as `lossGradients` says. */
  readonly lossSum: Node
  /** Of each trained tensor: d(scale · lossSum), with `scale` an input []. */
  readonly gradients: readonly TableGradient[]
}

/** @param names trained tensors, as `parts.input` knows them */
export function stepGraph(
  model: Model,
  parts: BoundParts,
  names: readonly string[],
  settings: StepSettings,
): StepGraph {
  const { inputs, streams } = forwardPass(model, parts, settings)
  const wrt = names.map(parts.input)
  const seed = input('scale', [])
  const { checkpointing, recomputing, rereading } = settings
  const reread = rereading ? rereadInputs(new Set(wrt.flatMap((x, i) => (isMatrix(x) ? names[i] : [])))) : undefined
  const again = (recompute?: Recompute): Recompute | undefined =>
    reread ? rereadFactors(reread, recompute) : recompute
  const loss = lossGradients(inputs, wrt, seed, rowsOf(model, inputs, wrt, settings), settings, again())
  const recompute = checkpointing ? recomputeBetween(streams, reread) : recomputing ? recomputeFactors() : undefined
  const trunk = gradients(inputs.states, wrt, loss.states, again(recompute))
  const whole = trunk.map((gradient, i) => sumOf(gradient, loss.head[i]))
  return { lossSum: loss.lossSum, gradients: whole.map(takeRows) }
}

/** What the second inputs of `rereading` are fed: the same matrices. */
export function againFeeds(
  feeds: ReadonlyMap<string, HostTensor>,
  names: readonly string[],
): Record<string, HostTensor> {
  const again = names.flatMap(name => {
    const tensor = feeds.get(name)!
    return isMatrix(tensor) ? [[againName(name), tensor] as const] : []
  })
  return Object.fromEntries(again)
}

const isMatrix = ({ shape }: { readonly shape: readonly number[] }): boolean => shape.length === 2

/**
 * The loss of a batch as evaluation reports it: no smoothing, no z-loss.
 * @returns []
 */
export function evaluationGraph(model: Model, parts: BoundParts, settings: StepSettings): Node {
  const { inputs } = forwardPass(model, parts, settings)
  return plainLoss(inputs, rowsOf(model, inputs, [], settings))
}

/** @returns logits [B·T, V] and the loss of evaluation */
export function forwardGraph(model: Model, parts: BoundParts, shape: StepShape): { lossSum: Node; logits: Node } {
  const { inputs } = forwardPass(model, parts, shape)
  const logits = inputs.logits(inputs.states)
  return { lossSum: plainLoss({ ...inputs, logits: () => logits }, logits.shape[0]), logits }
}

/** @returns also the stream before the first block and after each */
export function forwardPass(model: Model, parts: BoundParts, { batch, length }: StepShape) {
  checkLength(model, length, placesBefore(parts))
  const { config } = model
  const [ids, labels, positions, segments] = batchKeys.map(key => input(key, [batch, length], 'int64'))
  const streams: Node[] = []
  const onStream = (stream: Node): void => void streams.push(stream)
  const inputs: LossInputs = {
    states: blockStates(config, parts, { ids, positions, segments, onStream }),
    labels: reshape(labels, [batch * length]),
    logits: states => decoderLogits(config, parts, states),
  }
  return { inputs, streams }
}

/** Rows of logits at once: it matters whether a matrix as large as the head is trained behind the states. */
export function rowsOf(
  { config }: Model,
  { states }: LossInputs,
  wrt: readonly Node[],
  settings: StepSettings,
): number {
  const head = config.vocabulary * config.width
  const trained = wrt.some(({ shape }) => shape.length === 2 && shape[0] * shape[1] === head)
  return rowsAtOnce(settings, { count: states.shape[0], ...config, trained, logitBytes: settings.logitBytes })
}

/** What the blocks and what the head give for one tensor. */
export function sumOf(trunk: Node, head: Node | undefined): Node {
  if (head === undefined) return trunk
  return knownNumber(trunk) === 0 ? head : addTables(trunk, head)
}

function checkLength({ config }: Model, length: number, before: number): void {
  const room = config.maxPositions - before
  if (config.positions.kind !== 'learned' || length <= room) return
  const taken = { en: ` and ${before} before them`, ru: ` и ещё ${before} перед ними` }
  throw new AppError('sequence-too-long', {
    what: {
      en: `blocks of ${length} tokens${before > 0 ? taken.en : ''}, the model has ${config.maxPositions} positions`,
      ru: `блоки по ${length} токенов${before > 0 ? taken.ru : ''}, а позиций у модели ${config.maxPositions}`,
    },
    fix: { en: `Choose a length up to ${room}`, ru: `Выберите длину до ${room}` },
  })
}
