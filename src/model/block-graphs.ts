// The graph of a training step to one program for each part of the model, so that gradients need not all exist at once.
import { sha256 } from '../base/hash.js'
import { encodeOnnx } from '../formats/onnx.js'
import { input } from '../graph/build.js'
import { cut } from '../graph/cut.js'
import { gradients } from '../graph/gradient.js'
import type { Graph, Node } from '../graph/graph.js'
import { writeOnnx } from '../graph/onnx.js'
import { topologicalOrder } from '../graph/order.js'
import { recomputeFactors } from '../graph/recompute.js'
import { lossGradients, plainLoss, type LossInputs } from './loss.js'
import type { BoundParts } from './parts.js'
import { takeRows, type TableGradient } from './row-gradients.js'
import { forwardPass, rowsOf, sumOf, type StepSettings } from './step-graph.js'
import type { Model } from './weights.js'

/** Names of inputs and outputs that all parts share: what passes between blocks, and its gradient; [B·T, C] each. */
export const streamNames = {
  before: 'stream',
  after: 'stream:next',
  slopeAfter: 'slope',
  slopeBefore: 'slope:before',
} as const

/** Two programs that all blocks of one structure share. */
interface BlockPrograms {
  /** `stream` to `stream:next`. */
  readonly forward: Graph
  /** `stream` and `slope`, the gradient of `stream:next`, to `slope:before` and a gradient for each trained weight. */
  readonly backward: Graph
}

/** A block: the programs it shares, and what they call its weights. */
export interface BlockPart {
  readonly programs: BlockPrograms
  /** Names of the model by the names of inputs. */
  readonly weights: ReadonlyMap<string, string>
  /** Of its trained tensors, by the names of outputs of `backward`. */
  readonly gradients: ReadonlyMap<string, string>
}

/** Something at either end of the stream, with gradients by the names of the model. */
export interface EndPart {
  readonly outputs: Readonly<Record<string, Node>>
  readonly gradients: ReadonlyMap<string, TableGradient>
}

export interface BlockGraphs {
  /** `stream:next` of the tokens. */
  readonly tokens: Graph
  /** What `slope`, the gradient of the first stream, gives for the tables behind it; no outputs of its own. */
  readonly embedding: EndPart
  /** From the first block on. */
  readonly blocks: readonly BlockPart[]
  /** `stream` of the last block to `loss` and `slope:before`, with `scale` as in `stepGraph`. */
  readonly head: EndPart
  /** `stream` of the last block to `loss` as `evaluationGraph` has it. */
  readonly evaluation: Graph
}

/**
 * The parts of a step of full training.
 * @returns undefined where a trained tensor belongs to several blocks, or to none and neither end
 */
export function blockGraphs(
  model: Model,
  parts: BoundParts,
  names: readonly string[],
  settings: StepSettings,
): BlockGraphs | undefined {
  const { inputs, streams } = forwardPass(model, parts, settings)
  const [first, last] = [streams[0], streams[streams.length - 1]]
  const stream = input(streamNames.before, last.shape)
  const [states] = cut([inputs.states], new Map([[last, stream]]))
  const open = { ...inputs, states }
  const trained = new Set(names)
  const known = new Map<string, BlockPrograms>()
  const head = headPart(stream, open, { model, parts, trained, settings })
  const graphs: BlockGraphs = {
    tokens: { outputs: { [streamNames.after]: first } },
    embedding: embeddingPart(first, { model, parts, trained, settings }),
    blocks: streams.slice(1).map((end, i) => blockPart(streams[i], end, { model, parts, trained, settings }, known)),
    head,
    evaluation: { outputs: { loss: plainLoss(open, rowsOf(model, open, [], settings)) } },
  }
  return isWhole(graphs, names) ? graphs : undefined
}

interface PartSettings {
  readonly model: Model
  readonly parts: BoundParts
  readonly trained: ReadonlySet<string>
  readonly settings: StepSettings
}

function headPart(stream: Node, open: LossInputs, { model, parts, trained, settings }: PartSettings): EndPart {
  const names = weightsOf([open.logits(open.states)], parts).filter(name => trained.has(name))
  const wrt = names.map(parts.input)
  const loss = lossGradients(open, wrt, input('scale', []), rowsOf(model, open, wrt, settings), settings)
  const [before, ...trunk] = gradients(open.states, [stream, ...wrt], loss.slope)
  const whole = trunk.map((gradient, i) => takeRows(sumOf(gradient, loss.head[i])))
  return {
    // in this order: runtimes finish the loss first then, and the softmax and the gradients take the place of the logits
    outputs: { loss: loss.lossSum, [streamNames.slopeBefore]: before },
    gradients: new Map(names.map((name, i) => [name, whole[i]])),
  }
}

function embeddingPart(first: Node, { parts, trained }: PartSettings): EndPart {
  const names = weightsOf([first], parts).filter(name => trained.has(name))
  const found = gradients(first, names.map(parts.input), input(streamNames.slopeAfter, first.shape)) // prettier-ignore
  return { outputs: {}, gradients: new Map(names.map((name, i) => [name, takeRows(found[i])])) }
}

/** @param known programs by the structure of their block */
function blockPart(
  start: Node,
  end: Node,
  { parts, trained, settings }: PartSettings,
  known: Map<string, BlockPrograms>,
): BlockPart {
  const stream = input(streamNames.before, start.shape)
  const [own] = cut([end], new Map([[start, stream]]))
  const names = weightsOf([own], parts)
  const weights = names.map((name, i) => input(`weight:${i}`, parts.input(name).shape))
  const [next] = cut([own], new Map(names.map((name, i) => [parts.input(name), weights[i]])))
  const isTrained = names.map(name => trained.has(name))
  const forward = { outputs: { [streamNames.after]: next } }
  const key = sha256(encodeOnnx(writeOnnx(forward, 'standard').model)) + isTrained.join()
  const programs = known.get(key) ?? { forward, backward: backwardOf(next, stream, weights.filter((_, i) => isTrained[i]), settings) } // prettier-ignore
  known.set(key, programs)
  const named = names.map((name, i) => [`weight:${i}`, name] as const)
  const ofTrained = named.filter((_, i) => isTrained[i])
  return {
    programs,
    weights: new Map(named),
    gradients: new Map(ofTrained.map(([weight, name]) => [gradientOf(weight), name])),
  }
}

/** Equal blocks have equal gradients, so that only one of them is derived. */
function backwardOf(next: Node, stream: Node, weights: readonly Node[], { recomputing }: StepSettings): Graph {
  const slope = input(streamNames.slopeAfter, next.shape)
  const recompute = recomputing ? recomputeFactors() : undefined
  const [before, ...found] = gradients(next, [stream, ...weights], slope, recompute)
  const ofWeights = weights.map((weight, i) => [gradientOf(String(weight.attributes.name)), found[i]])
  return { outputs: { ...Object.fromEntries(ofWeights), [streamNames.slopeBefore]: before } }
}

function gradientOf(weight: string): string {
  return `gradient:${weight}`
}

/** Tensors of the model that outputs are made of, in the order in which they are met. */
function weightsOf(outputs: readonly Node[], { feeds }: BoundParts): readonly string[] {
  const names = topologicalOrder(outputs).flatMap(({ op, attributes }) =>
    op === 'Input' ? String(attributes.name) : [],
  )
  return names.filter(name => feeds.has(name))
}

/** Whether every gradient has one place: one block, or the ends, which may share a table that only the embedding reads by rows. */
function isWhole({ embedding, blocks, head }: BlockGraphs, names: readonly string[]): boolean {
  const inBlocks = blocks.flatMap(({ gradients }) => [...gradients.values()])
  const inEnds = new Set([...embedding.gradients.keys(), ...head.gradients.keys()])
  const shared = [...head.gradients].filter(([name]) => embedding.gradients.has(name))
  return (
    new Set(inBlocks).size === inBlocks.length &&
    !inBlocks.some(name => inEnds.has(name)) &&
    inBlocks.length + inEnds.size === names.length &&
    [...head.gradients.values()].every(({ base }) => base !== undefined) &&
    shared.every(([name]) => embedding.gradients.get(name)!.base === undefined)
  )
}
