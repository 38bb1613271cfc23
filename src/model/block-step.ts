// A model to a training step that lets go of each block's gradients before it makes the next one's: full training in little memory.
import type { Graph, Node } from '../graph/graph.js'
import { elementCount, type HostTensor } from '../graph/tensor.js'
import type { Program } from '../runtime/runtime.js'
import { allocateBeside, memoryOf } from '../runtime/wasm-memory.js'
import { blockGraphs, streamNames, type BlockGraphs, type BlockPart, type EndPart } from './block-graphs.js'
import { checkTrainable } from './frozen-tensor.js'
import { checkLossSettings } from './loss.js'
import { trainableNames, type Method } from './method.js'
import { bindParts } from './parts.js'
import { createRowGradient, type SharedRows } from './row-gradients.js'
import { countTokens, type Batch, type OnGroup, type Parameter, type StepResult } from './step.js'
import {
  batchFeeds,
  checkBatch,
  createTrainingStep,
  floats,
  graphSettings,
  placeTrained,
  type ModelStep,
  type StepOptions,
} from './train-step.js'
import type { Model } from './weights.js'

type Tensors = Readonly<Record<string, HostTensor>>

/**
 * As `createTrainingStep`, but what passes between blocks is all that is kept of the forward pass, and the gradients of one
 * block take the place of those of the block before: `run` tells of each group when it is whole. Blocks of one structure share
 * their programs. An adapter, and a model in which blocks share weights, get the step that `createTrainingStep` makes.
 * @throws AppError as `createTrainingStep`
 */
export async function createBlockStep(model: Model, method: Method, options: StepOptions): Promise<ModelStep> {
  if (method.kind !== 'full') return createTrainingStep(model, method, options)
  const names = trainableNames(model.config, method)
  checkLossSettings(options)
  checkTrainable(model, names)
  placeTrained(model.weights, names)
  const parts = bindParts(model)
  const graphs = blockGraphs(model, parts, names, graphSettings(model, method, options))
  if (!graphs) return createTrainingStep(model, method, options)
  const groups = createGroups(model, graphs)
  const programs = await compileParts(graphs, groups, options)
  return new BlockStep(graphs, groups, programs, { ...options, names, weights: Object.fromEntries(parts.feeds) })
}

/** Parameters whose gradients exist at one time. */
type Group = readonly Parameter[]

/** What is trained, part by part; a table that head and embedding share belongs to the embedding. */
interface Groups {
  readonly head: Group
  readonly blocks: readonly Group[]
  readonly embedding: Group
}

function createGroups({ weights }: Model, { embedding, blocks, head }: BlockGraphs): Groups {
  const gradientFor = shareGradients()
  const createGroup = (names: Iterable<string>): Group => {
    const taken = new Set<Float32Array>()
    return [...names].map(name => {
      const { shape, data } = weights.get(name)!
      // what the head gives is kept until the embedding adds its rows
      const isShared = head.gradients.has(name) && embedding.gradients.has(name)
      const gradient = isShared ? allocateBeside(data, data.length) : gradientFor(data, taken)
      return { name, shape, data, gradient, decay: shape.length >= 2 }
    })
  }
  return {
    head: createGroup([...head.gradients.keys()].filter(name => !embedding.gradients.has(name))),
    blocks: blocks.map(({ gradients }) => createGroup(gradients.values())),
    embedding: createGroup(embedding.gradients.keys()),
  }
}

/** Numbers of all arrays of gradients. */
function countOnce({ head, blocks, embedding }: Groups): number {
  const arrays = new Set([head, ...blocks, embedding].flat().map(({ gradient }) => gradient))
  return [...arrays].reduce((sum, { length }) => sum + length, 0)
}

/** Arrays beside those of weights: all different in one group (which `taken` tells), the same in several where they fit. */
function shareGradients(): (data: Float32Array, taken: Set<Float32Array>) => Float32Array {
  const made: Float32Array[] = []
  return (data, taken) => {
    const fits = (array: Float32Array): boolean =>
      array.length === data.length && memoryOf(array) === memoryOf(data) && !taken.has(array)
    const gradient = made.find(fits) ?? allocateBeside(data, data.length)
    if (!made.includes(gradient)) made.push(gradient)
    taken.add(gradient)
    return gradient
  }
}

/** A program at one end of the stream, with the arrays that it writes to. */
interface EndProgram {
  readonly program: Program
  readonly results: Tensors
  /** Adds rows to the gradients of tables. */
  addRows(): void
}

interface Programs {
  readonly tokens: Program
  readonly forward: (block: BlockPart) => Program
  readonly head: EndProgram
  readonly backward: (block: BlockPart) => Program
  /** Undefined where no table is trained. */
  readonly embedding: EndProgram | undefined
  /** Compiled at the first call. */
  readonly evaluation: () => Promise<Program>
  close(): Promise<void>
}

async function compileParts(graphs: BlockGraphs, groups: Groups, options: StepOptions): Promise<Programs> {
  const opened: Program[] = []
  const compile = async (graph: Graph): Promise<Program> => {
    // one runs after another
    const program = await options.runtime.compile(graph, { threads: options.threads, values: 'shared' })
    opened.push(program)
    return program
  }
  const ends = [...groups.head, ...groups.embedding]
  const [head, embedding] = [graphs.head, graphs.embedding].map(part => bindEnd(part, graphs, ends))
  const ofBlocks = new Set(graphs.blocks.flatMap(({ programs: { forward, backward } }) => [forward, backward]))
  const between = 4 * elementCount(streamShape(graphs)) * (graphs.blocks.length + 3)
  await options.onNeeds?.({ graphs: [graphs.tokens, ...ofBlocks, head], gradientBytes: 4 * countOnce(groups), between })
  const tokens = await compile(graphs.tokens)
  const ofGraphs = new Map<Graph, Program>()
  for (const graph of ofBlocks) ofGraphs.set(graph, await compile(graph))
  let evaluation: Promise<Program> | undefined
  return {
    tokens,
    forward: ({ programs }) => ofGraphs.get(programs.forward)!,
    head: { ...head, program: await compile(head) },
    backward: ({ programs }) => ofGraphs.get(programs.backward)!,
    embedding: graphs.embedding.gradients.size === 0 ? undefined : { ...embedding, program: await compile(embedding) },
    evaluation: () => (evaluation ??= compile(graphs.evaluation)),
    async close() {
      await evaluation
      for (const program of opened) await program.close()
    },
  }
}

function bindEnd(part: EndPart, { head }: BlockGraphs, parameters: Group): Graph & Omit<EndProgram, 'program'> {
  const outputs: Record<string, Node> = { ...part.outputs }
  const results: Record<string, HostTensor> = {}
  const shared: SharedRows = new Map()
  const tables = [...part.gradients].map(([name, gradient]) => {
    const { shape, gradient: data } = parameters.find(parameter => parameter.name === name)!
    if (gradient.base !== undefined) {
      outputs[`gradient:${name}`] = gradient.base
      results[`gradient:${name}`] = floats(shape, data)
    }
    const base = gradient.base ?? head.gradients.get(name)?.base // which the head has written
    const rows = createRowGradient(name, { ...gradient, base }, data, shared)
    Object.assign(outputs, rows.outputs)
    Object.assign(results, rows.results)
    return { rows, data, isEmpty: base === undefined }
  })
  return {
    outputs,
    results,
    addRows() {
      for (const { rows, data, isEmpty } of tables) {
        if (isEmpty) data.fill(0) // it may have been another group's
        rows.apply()
      }
    },
  }
}

interface BlockStepOptions extends Pick<StepOptions, 'batch' | 'length'> {
  /** Of all parameters, in their order. */
  readonly names: readonly string[]
  readonly weights: Tensors
}

/** A block with the arrays that its programs work on. */
interface BoundBlock {
  readonly part: BlockPart
  readonly group: Group
  readonly weights: Tensors
  readonly gradients: Tensors
}

class BlockStep implements ModelStep {
  readonly adapter = undefined
  readonly parameters: readonly Parameter[]
  readonly groups: readonly Group[]
  private readonly blocks: readonly BoundBlock[]
  /** The first block that gradients go through. */
  private readonly lowest: number
  /** Before the first block and after each. */
  private readonly streams: readonly HostTensor[]
  /** Gradients of two neighbouring streams. */
  private slopes: readonly [HostTensor, HostTensor]
  private readonly loss = floats([], new Float32Array(1))
  private readonly scale = floats([], new Float32Array(1))

  constructor(
    graphs: BlockGraphs,
    private readonly parts: Groups,
    private readonly programs: Programs,
    private readonly options: BlockStepOptions,
  ) {
    const { blocks } = graphs
    const { head, embedding } = parts
    this.groups = [head, ...parts.blocks.toReversed(), embedding].filter(group => group.length > 0)
    const byName = new Map(this.groups.flat().map(parameter => [parameter.name, parameter]))
    this.parameters = options.names.map(name => byName.get(name)!)
    this.blocks = blocks.map((part, i) => bindBlock(part, parts.blocks[i], options.weights))
    const lowest = embedding.length > 0 ? 0 : parts.blocks.findIndex(group => group.length > 0)
    this.lowest = lowest < 0 ? blocks.length : lowest
    const shape = streamShape(graphs)
    const stream = (): HostTensor => floats(shape, new Float32Array(elementCount(shape)))
    this.streams = Array.from({ length: blocks.length + 1 }, stream)
    this.slopes = [stream(), stream()]
  }

  async run(data: Batch, scale: number, ...[, onGroup]: [number?, OnGroup?]): Promise<StepResult> {
    const feeds = this.feedsOf(data)
    this.scale.data[0] = scale
    await this.runForward(feeds)
    const { head } = this.programs
    await head.program.run({ ...this.headFeeds(feeds), scale: this.scale }, { ...head.results, loss: this.loss, [streamNames.slopeBefore]: this.slopes[0] }) // prettier-ignore
    head.addRows()
    const result = this.resultOf(data)
    const finish = async (group: Group): Promise<void> => {
      if (group.length > 0) await onGroup?.(group, result)
    }
    await finish(this.parts.head)
    for (let i = this.blocks.length - 1; i >= this.lowest; i--) {
      await this.runBackward(i, feeds)
      await finish(this.blocks[i].group)
    }
    await this.runEmbedding(feeds)
    await finish(this.parts.embedding)
    return result
  }

  async evaluate(data: Batch): Promise<StepResult> {
    const feeds = this.feedsOf(data)
    await this.runForward(feeds)
    const program = await this.programs.evaluation()
    await program.run(this.headFeeds(feeds), { loss: this.loss })
    return this.resultOf(data)
  }

  close(): Promise<void> {
    return this.programs.close()
  }

  private feedsOf(data: Batch): Tensors {
    checkBatch(data, this.options.batch, this.options.length)
    return batchFeeds(data)
  }

  private headFeeds(feeds: Tensors): Tensors {
    return { ...this.options.weights, ...feeds, [streamNames.before]: this.streams[this.blocks.length] }
  }

  private resultOf(data: Batch): StepResult {
    return { lossSum: Number(this.loss.data[0]), tokens: countTokens(data) }
  }

  private async runForward(feeds: Tensors): Promise<void> {
    const { programs, streams } = this
    await programs.tokens.run({ ...this.options.weights, ...feeds }, { [streamNames.after]: streams[0] })
    for (const [i, { part, weights }] of this.blocks.entries()) {
      const given = { ...weights, ...feeds, [streamNames.before]: streams[i] }
      await programs.forward(part).run(given, { [streamNames.after]: streams[i + 1] })
    }
  }

  /** Takes the gradient of the stream behind a block to that of the stream before it. */
  private async runBackward(number: number, feeds: Tensors): Promise<void> {
    const { part, weights, gradients } = this.blocks[number]
    const [slope, before] = this.slopes
    const given = { ...weights, ...feeds, [streamNames.before]: this.streams[number], [streamNames.slopeAfter]: slope }
    await this.programs.backward(part).run(given, { ...gradients, [streamNames.slopeBefore]: before })
    this.slopes = [before, slope]
  }

  private async runEmbedding(feeds: Tensors): Promise<void> {
    const { embedding } = this.programs
    if (!embedding) return
    const given = { ...this.options.weights, ...feeds, [streamNames.slopeAfter]: this.slopes[0] }
    await embedding.program.run(given, embedding.results)
    embedding.addRows()
  }
}

function streamShape({ tokens }: BlockGraphs): readonly number[] {
  return tokens.outputs[streamNames.after].shape
}

function bindBlock(part: BlockPart, group: Group, weights: Tensors): BoundBlock {
  const gradientOf = (name: string): HostTensor => {
    const { shape, gradient } = group.find(parameter => parameter.name === name)!
    return floats(shape, gradient)
  }
  return {
    part,
    group,
    weights: Object.fromEntries([...part.weights].map(([input, name]) => [input, weights[name]])),
    gradients: Object.fromEntries([...part.gradients].map(([output, name]) => [output, gradientOf(name)])),
  }
}
