// A model and a method to a compiled training step: one micro-batch in, loss and gradients out, all buffers kept.
import { AppError } from '../base/errors.js'
import { crossEntropySum, input, reshape } from '../graph/build.js'
import { gradients } from '../graph/gradient.js'
import type { Graph, Node } from '../graph/graph.js'
import { elementCount, type HostTensor } from '../graph/tensor.js'
import type { Program, Runtime } from '../runtime/runtime.js'
import { createAdapter, type Adapter } from './adapter.js'
import { blockStates, placesBefore } from './block-states.js'
import { createDropout } from './dropout.js'
import { decoderLogits } from './decoder-graph.js'
import { checkTrainable } from './frozen-tensor.js'
import { trainableNames, type Method } from './method.js'
import { bindParts, type BoundParts } from './parts.js'
import type { Batch, Parameter, StepResult, TrainingStep } from './step.js'
import type { Model } from './weights.js'

export interface StepOptions {
  /** Rows of a micro-batch. */
  readonly batch: number
  /** Positions of a row. */
  readonly length: number
  readonly runtime: Runtime
  /** Training goes on with this adapter; by default a fresh one. */
  readonly adapter?: Adapter
  /** Key of a fresh adapter's random numbers, and of dropout. */
  readonly seed?: number
  readonly threads?: number
  /** Keep only the stream between the blocks for the backward pass and compute their insides again: less memory, more time. */
  readonly checkpointing?: boolean
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

const batchKeys = ['ids', 'labels', 'positions', 'segments'] as const

/**
 * Compiles forward and backward for one size of batch; the forward-only program is compiled at the first `evaluate`.
 * @throws AppError `unknown-target`, `bad-setting`, `adapter-mismatch`, `sequence-too-long`, `runtime-compile`
 */
export async function createTrainingStep(model: Model, method: Method, options: StepOptions): Promise<ModelStep> {
  const { batch, length, runtime, threads } = options
  const adapter =
    method.kind === 'full' ? undefined : (options.adapter ?? createAdapter(model, method, options.seed ?? 0))
  const rate = adapter && 'dropout' in adapter.method ? (adapter.method.dropout ?? 0) : 0
  const dropout = rate > 0 ? createDropout(rate, options.seed ?? 0) : undefined
  const parts = bindParts(model, adapter, dropout?.apply, runtime.storesFrozen)
  const { lossSum, streams } = buildLoss(model, parts, batch, length)
  const names = method.kind === 'full' ? trainableNames(model.config, method) : [...adapter!.weights.keys()]
  if (method.kind === 'full') checkTrainable(model, names)
  const nodes = gradients(lossSum, names.map(parts.input), input('scale', []), options.checkpointing ? streams : []) // prettier-ignore
  const outputs = Object.fromEntries(names.map((name, i) => [gradientName(name), nodes[i]]))
  const parameters = names.map((name): Parameter => {
    const { shape, data } = parts.feeds.get(name)!
    return { name, shape, data, gradient: new Float32Array(data.length), decay: shape.length >= 2 }
  })
  const program = await runtime.compile({ outputs: { loss: lossSum, ...outputs } }, { threads, frozen: parts.frozen })
  const scaleValue = new Float32Array(1)
  const loss = new Float32Array(1)
  const results: Record<string, HostTensor> = { loss: floats([], loss) }
  for (const { name, shape, gradient } of parameters) results[gradientName(name)] = floats(shape, gradient)
  const weights = Object.fromEntries(parts.feeds)
  let forward: Promise<Program> | undefined
  const wholeLoss = (): Node => (dropout ? buildLoss(model, bindParts(model, adapter), batch, length).lossSum : lossSum)
  return {
    adapter,
    parameters,
    async run(data, scale, update = 0) {
      checkBatch(data, batch, length)
      scaleValue[0] = scale
      const masks = dropout?.masks(data, update)
      await program.run({ ...weights, ...batchFeeds(data), ...masks, scale: floats([], scaleValue) }, results)
      return { lossSum: loss[0], tokens: countTokens(data) }
    },
    async evaluate(data) {
      checkBatch(data, batch, length)
      const compiled = await (forward ??= runtime.compile(
        { outputs: { loss: wholeLoss() } },
        { threads, frozen: parts.frozen },
      ))
      await compiled.run({ ...weights, ...batchFeeds(data) }, { loss: results.loss })
      return { lossSum: loss[0], tokens: countTokens(data) }
    },
    async close() {
      await program.close()
      await (await forward)?.close()
    },
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
  const { lossSum, logits } = buildLoss(model, parts, batch.batch, batch.length)
  const graph: Graph = { outputs: { loss: lossSum, logits } }
  const program = await options.runtime.compile(graph, { threads: options.threads, frozen: parts.frozen })
  const loss = new Float32Array(1)
  const values = new Float32Array(elementCount(logits.shape))
  const results = { loss: floats([], loss), logits: floats(logits.shape, values) }
  await program.run({ ...Object.fromEntries(parts.feeds), ...batchFeeds(batch) }, results)
  await program.close()
  return { lossSum: loss[0], tokens: countTokens(batch), logits: values }
}

/** @returns also the stream before the first block and after each */
function buildLoss(
  model: Model,
  parts: BoundParts,
  batch: number,
  length: number,
): { lossSum: Node; logits: Node; streams: readonly Node[] } {
  checkLength(model, length, placesBefore(parts))
  const [ids, labels, positions, segments] = batchKeys.map(key => input(key, [batch, length], 'int64'))
  const streams: Node[] = []
  const onStream = (stream: Node): void => void streams.push(stream)
  const states = blockStates(model.config, parts, { ids, positions, segments, onStream })
  const logits = decoderLogits(model.config, parts, states)
  return { lossSum: crossEntropySum(logits, reshape(labels, [batch * length])).lossSum, logits, streams }
}

function gradientName(name: string): string {
  return `gradient:${name}`
}

function floats(shape: readonly number[], data: Float32Array): HostTensor {
  return { dtype: 'float32', shape, data }
}

function batchFeeds(data: Batch): Record<string, HostTensor> {
  const shape = [data.batch, data.length]
  return Object.fromEntries(batchKeys.map(key => [key, { dtype: 'int64', shape, data: data[key] }]))
}

function countTokens({ labels }: Batch): number {
  let count = 0
  for (const label of labels) if (label !== -100n) count++
  return count
}

function checkBatch(data: Batch, batch: number, length: number): void {
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
