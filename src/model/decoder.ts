// A model to next-token logits with a key-value cache, for one sequence or several.
import { AppError } from '../base/errors.js'
import type { Runtime } from '../runtime/runtime.js'
import { canMerge, mergeAdapter, type Adapter } from './adapter.js'
import { placesBefore } from './block-states.js'
import { startPlaces } from './decoder-start.js'
import { isQuantised } from './frozen-tensor.js'
import { createFusedCache } from './fused-cache.js'
import type { ModelConfig, Turning } from './model-config.js'
import { bindParts } from './parts.js'
import { createPlainCache } from './plain-cache.js'
import { quantiseModel } from './quantised-model.js'
import type { BatchDecoder, Decoder } from './step.js'
import type { Model } from './weights.js'

export interface DecoderOptions {
  /** Folded into a copy of the weights it touches where weights can do the same and are not quantised. */
  readonly adapter?: Adapter
  /** Most tokens of a sequence; default: the model's own context, the first one where longer texts turn otherwise. */
  readonly capacity?: number
  /** `int8` multiplies with codes of 8 bits: two to three times as fast, and nearly the same text. Default `float32`. */
  readonly weights?: 'float32' | 'int8'
  readonly runtime: Runtime
  readonly threads?: number
}

/**
 * A decoder for one sequence.
 * @throws AppError `adapter-mismatch`; `sequence-too-long` when the capacity is beyond learned positions; from `append`:
 * `context-full`, and `empty-input` for no tokens
 */
export async function createDecoder(model: Model, options: DecoderOptions): Promise<Decoder> {
  const batch = await createBatchDecoder(model, options)
  return {
    capacity: batch.capacity,
    get length() {
      return batch.length(0)
    },
    append: ids => batch.append(0, ids),
    truncate: length => batch.truncate(0, length),
    close: () => batch.close(),
  }
}

/**
 * A decoder for several sequences at once.
 * @throws AppError as `createDecoder`, from `step` too
 */
export async function createBatchDecoder(
  model: Model,
  options: DecoderOptions & { /** Default 1. */ readonly rows?: number },
): Promise<BatchDecoder> {
  const { adapter, runtime, threads, rows = 1, weights = 'float32' } = options
  const apart = adapter && (isQuantised(model) || !canMerge(adapter)) ? adapter : undefined
  const before = apart ? placesBefore(bindParts(model, apart)) : 0
  const capacity = options.capacity ?? ownContext(model.config) - before
  const places = capacity + before
  const merged = ofLength(adapter && !apart ? mergeAdapter(model, adapter) : model, places)
  const { config } = merged
  const start = await startPlaces(merged, apart, options)
  if (config.positions.kind === 'learned' && places > config.maxPositions) throw tooLong(places, config.maxPositions)
  const coded = weights === 'int8' && !isQuantised(merged) ? quantiseModel(merged, { bits: 8 }) : merged
  const cacheOptions = { model: coded, adapter: apart, start, rows, places, runtime, threads }
  const cache = (await createFusedCache(cacheOptions)) ?? (await createPlainCache(cacheOptions))
  const lengths = new Array<number>(rows).fill(0)
  const checkRoom = (row: number, count: number): void => {
    if (lengths[row] + count > capacity) throw contextFull(lengths[row] + count, capacity)
  }
  return {
    rows,
    capacity,
    length: row => lengths[row],
    async append(row, ids) {
      if (ids.length === 0) throw emptyInput()
      checkRoom(row, ids.length)
      const logits = await cache.append(row, start.length + lengths[row], ids)
      lengths[row] += ids.length
      return logits
    },
    async step(tokens) {
      if (tokens.length === 0) throw emptyInput()
      for (const { row } of tokens) checkRoom(row, 1)
      const logits = await cache.step(tokens.map(({ row, id }) => ({ row, id, place: start.length + lengths[row] })))
      for (const { row } of tokens) lengths[row]++
      return logits
    },
    truncate: (row, kept) => void (lengths[row] = Math.min(lengths[row], Math.max(0, kept))),
    close: () => cache.close(),
  }
}

function ownContext({ positions, maxPositions }: ModelConfig): number {
  return positions.kind === 'rotary' && positions.long ? Math.min(positions.long.beyond, maxPositions) : maxPositions
}

/** The model for texts of up to so many places: what is cached cannot turn anew when a text grows long. */
function ofLength(model: Model, places: number): Model {
  const { positions } = model.config
  if (positions.kind !== 'rotary') return model
  const settle = ({ long, ...short }: Turning): Turning =>
    long && places > long.beyond ? { ...short, frequencies: long.frequencies } : short
  const window = positions.window && settle(positions.window)
  const settled = { kind: positions.kind, pairs: positions.pairs, ...settle(positions), window }
  return { ...model, config: { ...model.config, positions: settled } }
}

function tooLong(capacity: number, positions: number): AppError {
  return new AppError('sequence-too-long', {
    what: {
      en: `a context of ${capacity} tokens, the model has ${positions} positions`,
      ru: `контекст в ${capacity} токенов, а позиций у модели ${positions}`,
    },
    fix: { en: `Choose a capacity up to ${positions}`, ru: `Выберите длину до ${positions}` },
  })
}

function contextFull(needed: number, capacity: number): AppError {
  return new AppError('context-full', {
    what: {
      en: `the conversation needs ${needed} tokens, the context holds ${capacity}`,
      ru: `разговору нужно ${needed} токенов, а в контексте их ${capacity}`,
    },
    fix: {
      en: 'Drop the oldest turns or choose a larger capacity',
      ru: 'Уберите самые старые реплики или увеличьте контекст',
    },
  })
}

function emptyInput(): AppError {
  return new AppError('empty-input', {
    what: { en: 'no tokens to append', ru: 'нет токенов для продолжения' },
    fix: { en: 'Give at least one token, such as bos', ru: 'Дайте хотя бы один токен, например bos' },
  })
}
