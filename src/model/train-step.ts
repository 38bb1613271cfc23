// A model and a method to a compiled training step: one micro-batch in, loss and gradients out, all buffers kept.
import { AppError } from '../base/errors.js'
import { fromBfloat16 } from '../formats/half.js'
import { cast } from '../graph/build.js'
import type { Graph, Node } from '../graph/graph.js'
import { elementCount, type FloatTensor, type HostTensor } from '../graph/tensor.js'
import type { Program, Runtime } from '../runtime/runtime.js'
import { allocateBeside, allocateHalvesBeside, memoryOf, openPlaces } from '../runtime/wasm-memory.js'
import { createAdapter, type Adapter } from './adapter.js'
import { createDropout } from './dropout.js'
import { checkLossSettings } from './loss.js'
import type { StepNeeds } from './memory.js'
import { checkTrainable } from './frozen-tensor.js'
import { trainableNames, type Method } from './method.js'
import { bindParts } from './parts.js'
import { createRowGradient, type SharedRows, type TableGradient } from './row-gradients.js'
import {
  againFeeds,
  batchKeys,
  evaluationGraph,
  forwardGraph,
  isWorthRecomputing,
  stepGraph,
  type StepSettings,
} from './step-graph.js'
import { countTokens, type Batch, type Parameter, type StepResult, type TrainingStep } from './step.js'
import type { Model } from './weights.js'

export interface StepOptions extends StepSettings {
  readonly runtime: Runtime
  /** Training goes on with this adapter; by default a fresh one. */
  readonly adapter?: Adapter
  /** Key of a fresh adapter's random numbers, and of dropout. */
  readonly seed?: number
  readonly threads?: number
  /**
   * Whether gradients of matrices may be given in bfloat16 by a runtime that computes in it: half of their memory. Not for
   * steps whose gradients are summed. Default false.
   */
  readonly halfGradients?: boolean
  /** Told what the step will compile and keep, before it does. */
  readonly onNeeds?: (needs: StepNeeds) => Promise<void>
}

/** A training step of a model in memory: its parameters are the arrays of the model or of the adapter. */
export interface ModelStep extends TrainingStep {
  /** What is trained beside the model; undefined for full training. */
  readonly adapter: Adapter | undefined
}

/** Results of a forward pass. */
interface Forward extends StepResult {
  /** [B, T, V] */
  readonly logits: Float32Array
}

/**
 * Compiles forward and backward for one size of batch; what is trained moves to new arrays in `weights` of the model or of
 * the adapter, beside which gradients and moments stay in memory as long as anybody holds one of them. The forward-only
 * program is compiled at the first `evaluate`.
 * @throws AppError `unknown-target`, `bad-setting`, `adapter-mismatch`, `sequence-too-long`, `runtime-compile`
 */
export async function createTrainingStep(model: Model, method: Method, options: StepOptions): Promise<ModelStep> {
  const { batch, length, runtime, threads } = options
  const adapter =
    method.kind === 'full' ? undefined : (options.adapter ?? createAdapter(model, method, options.seed ?? 0))
  const rate = adapter && 'dropout' in adapter.method ? (adapter.method.dropout ?? 0) : 0
  const dropout = rate > 0 ? createDropout(rate, options.seed ?? 0) : undefined
  const names = method.kind === 'full' ? trainableNames(model.config, method) : [...adapter!.weights.keys()]
  const trained = new Set(names)
  const forms = {
    mirrored: runtime.storesFrozen === 'always' || runtime.storesCodes === true,
    isHalf: (name: string): boolean => runtime.computesHalf === true && !trained.has(name),
  }
  checkLossSettings(options)
  if (method.kind === 'full') checkTrainable(model, names)
  placeTrained(adapter?.weights ?? model.weights, names)
  const parts = bindParts(model, adapter, { ...forms, dropout: dropout?.apply })
  const settings = graphSettings(model, method, options)
  const graph = stepGraph(model, parts, names, settings)
  const halves = options.halfGradients === true && runtime.computesHalf === true && method.kind === 'full'
  const parameters = names.map((name, i) => createParameter(parts.feeds.get(name)!, name, graph.gradients[i], halves))
  const loss = new Float32Array(1)
  const wanted = gradientOutputs(parameters, graph.gradients)
  const results = { loss: floats([], loss), ...wanted.results }
  // step and evaluation never run at the same time
  const compiling = { threads, frozen: parts.frozen, values: 'shared' } as const
  const gradientBytes = parameters.reduce(
    (sum, { data, halfGradient }) => sum + (halfGradient ? 2 : 4) * data.length,
    0,
  )
  const whole: Graph = { outputs: { loss: graph.lossSum, ...wanted.outputs } }
  await options.onNeeds?.({ graphs: [whole], frozen: parts.frozen, gradientBytes })
  const program = await runtime.compile(whole, compiling)
  const scaleValue = new Float32Array(1)
  const weights = { ...Object.fromEntries(parts.feeds), ...(settings.rereading && againFeeds(parts.feeds, names)) }
  let forward: Promise<Program> | undefined
  const evaluation = (): Node => evaluationGraph(model, dropout ? bindParts(model, adapter, forms) : parts, settings)
  return {
    adapter,
    parameters,
    async run(data, scale, update = 0) {
      checkBatch(data, batch, length)
      scaleValue[0] = scale
      const masks = dropout?.masks(data, update)
      await program.run({ ...weights, ...batchFeeds(data), ...masks, scale: floats([], scaleValue) }, results)
      for (const added of wanted.rows) added.apply()
      return { lossSum: loss[0], tokens: countTokens(data) }
    },
    async evaluate(data) {
      checkBatch(data, batch, length)
      const compiled = await (forward ??= runtime.compile({ outputs: { loss: evaluation() } }, compiling))
      await compiled.run({ ...weights, ...batchFeeds(data) }, { loss: results.loss })
      return { lossSum: loss[0], tokens: countTokens(data) }
    },
    async close() {
      await program.close()
      await (await forward)?.close()
    },
  }
}

/** @param halves whether the gradient may be given in bfloat16; others may read it as float32 all the same */
function createParameter(
  { shape, data }: FloatTensor,
  name: string,
  { base, added }: TableGradient,
  halves: boolean,
): Parameter {
  const parameter = { name, shape, data, decay: shape.length >= 2 }
  if (!halves || base === undefined || added.length > 0 || shape.length !== 2)
    return { ...parameter, gradient: allocateBeside(data, data.length) }
  const halfGradient = allocateHalvesBeside(data, data.length)
  return {
    ...parameter,
    halfGradient,
    get gradient() {
      return fromBfloat16(halfGradient)
    },
  }
}

/** What a program gives for the gradients, the arrays it writes, and the rows that are added to them afterwards. */
function gradientOutputs(parameters: readonly Parameter[], gradients: readonly TableGradient[]) {
  const outputs: Record<string, Node> = {}
  const results: Record<string, HostTensor> = {}
  const shared: SharedRows = new Map()
  const rows = parameters.flatMap((parameter, i) => {
    const { base } = gradients[i]
    const { name, shape, halfGradient } = parameter
    if (halfGradient) {
      outputs[gradientName(name)] = cast(base!, 'bfloat16')
      results[gradientName(name)] = { dtype: 'bfloat16', shape, data: halfGradient }
      return []
    }
    const { gradient } = parameter
    if (base !== undefined) outputs[gradientName(name)] = base
    if (base !== undefined) results[gradientName(name)] = floats(shape, gradient)
    const added = createRowGradient(name, gradients[i], gradient, shared)
    Object.assign(outputs, added.outputs)
    Object.assign(results, added.results)
    return [added]
  })
  return { outputs, results, rows }
}

/** What the runtime's ways mean for the graph, where the options do not say otherwise. */
export function graphSettings({ config }: Model, method: Method, options: StepOptions): StepSettings {
  const { recomputes, computesHalf, copiesReadResults, keepsLogits } = options.runtime
  const isFull = method.kind === 'full'
  const recomputing = recomputes && isWorthRecomputing(config, method, options)
  const logitBytes = computesHalf ? 2 : 4
  const isLong = logitBytes * options.batch * options.length * config.vocabulary >= leastStretchedBytes
  const lossStretches = keepsLogits && isFull && isLong ? 4 : 1
  return { recomputing, logitBytes, lossStretches, headFirst: !copiesReadResults, rereading: computesHalf && isFull, ...options } // prettier-ignore
}

/** Logits of fewer bytes are not worth more products. */
const leastStretchedBytes = 2 ** 25

/** Gives tensors arrays that the update works on in place; the arrays that were there before are let go. */
export function placeTrained(weights: Map<string, FloatTensor>, names: readonly string[]): void {
  const place = openPlaces()
  for (const name of names) {
    const tensor = weights.get(name)!
    if (memoryOf(tensor.data)) continue
    const data = place(tensor.data.length)
    data.set(tensor.data)
    weights.set(name, { ...tensor, data })
  }
}

/**
 * One forward pass that also returns the logits of every position; compiled for this batch alone.
 * @throws AppError as `createTrainingStep`
 */
export async function runForward(
  model: Model,
  batch: Batch,
  options: { runtime: Runtime; adapter?: Adapter; threads?: number },
): Promise<Forward> {
  const parts = bindParts(model, options.adapter)
  const { lossSum, logits } = forwardGraph(model, parts, batch)
  const graph: Graph = { outputs: { loss: lossSum, logits } }
  const program = await options.runtime.compile(graph, { threads: options.threads, frozen: parts.frozen })
  const loss = new Float32Array(1)
  const values = new Float32Array(elementCount(logits.shape))
  const results = { loss: floats([], loss), logits: floats(logits.shape, values) }
  await program.run({ ...Object.fromEntries(parts.feeds), ...batchFeeds(batch) }, results)
  await program.close()
  return { lossSum: loss[0], tokens: countTokens(batch), logits: values }
}

function gradientName(name: string): string {
  return `gradient:${name}`
}

export function floats(shape: readonly number[], data: Float32Array): HostTensor {
  return { dtype: 'float32', shape, data }
}

export function batchFeeds(data: Batch): Record<string, HostTensor> {
  const shape = [data.batch, data.length]
  return Object.fromEntries(batchKeys.map(key => [key, { dtype: 'int64', shape, data: data[key] }]))
}

export function checkBatch(data: Batch, batch: number, length: number): void {
  if (data.batch === batch && data.length === length && batchKeys.every(key => data[key].length === batch * length))
    return
  throw new AppError('shape', {
    where: 'batch',
    what: {
      en: `a batch of [${data.batch}, ${data.length}], the step was compiled for [${batch}, ${length}]`,
      ru: `размер [${data.batch}, ${data.length}], а шаг собран для [${batch}, ${length}]`,
    },
    fix: { en: 'Fill the batch with padding up to its size', ru: 'Дополните пакет до этого размера' },
  })
}
