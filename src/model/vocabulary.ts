// A change of vocabulary to new embedding and head rows: kept rows move, new ones are filled from old ones.
import { AppError } from '../base/errors.js'
import type { FloatTensor } from '../graph/tensor.js'
import { architectures } from './architectures.js'
import { parseConfig } from './config.js'
import type { Model } from './weights.js'

/** What a tokenizer's IdMap says about rows. */
export interface RowMap {
  readonly oldTokens: number
  readonly oldRows: number
  readonly newRows: number
  /** Old row of each new id, or -1. */
  readonly from: ArrayLike<number>
  /** How to fill the rows that come from nowhere; a row without an entry gets the mean. */
  readonly init: ReadonlyMap<
    number,
    | { readonly kind: 'mean' }
    | { readonly kind: 'zero' }
    | { readonly kind: 'subtokens'; readonly ids: ArrayLike<number> }
  >
}

/**
 * A model whose embedding (and head, when untied) has the rows of the map; everything else is shared with the old model.
 * New embedding rows: mean of the old tokens' rows, mean of their subtokens' rows, or zero. New rows of an untied head: the mean.
 * @throws AppError `vocabulary-mismatch` when the map was made for another number of rows
 */
export function resizeEmbeddings(model: Model, map: RowMap): Model {
  if (map.oldRows !== model.config.vocabulary) throw mismatch(map.oldRows, model.config.vocabulary)
  const { names } = architectures[model.config.modelType]
  const weights = new Map(model.weights)
  const embedding = `${names.embedding}.weight`
  weights.set(embedding, resizeRows(model.weights.get(embedding)!, map, true))
  const head = model.weights.get(`${names.head}.weight`)
  if (head) weights.set(`${names.head}.weight`, resizeRows(head, map, false))
  const bias = model.weights.get(`${names.head}.bias`)
  if (bias) weights.set(`${names.head}.bias`, resizeBias(bias, map))
  const json = { ...model.json, vocab_size: map.newRows }
  return { ...model, json, config: parseConfig(json), weights }
}

function resizeRows({ shape, data }: FloatTensor, map: RowMap, useSubtokens: boolean): FloatTensor {
  const width = shape[1]
  const rows = new Float32Array(map.newRows * width)
  const mean = meanOfRows(
    data,
    width,
    Array.from({ length: map.oldTokens }, (_, i) => i),
  )
  for (let id = 0; id < map.newRows; id++) {
    const old = id < map.from.length ? map.from[id] : -1
    rows.set(old >= 0 ? data.subarray(old * width, (old + 1) * width) : freshRow(id), id * width)
  }
  return { dtype: 'float32', shape: [map.newRows, width], data: rows }

  function freshRow(id: number): Float32Array {
    const init = map.init.get(id) ?? { kind: 'mean' }
    if (init.kind === 'zero') return new Float32Array(width)
    if (init.kind === 'mean' || !useSubtokens || init.ids.length === 0) return mean
    return meanOfRows(data, width, init.ids)
  }
}

function resizeBias({ shape, data }: FloatTensor, map: RowMap): FloatTensor {
  const rows = resizeRows({ dtype: 'float32', shape: [shape[0], 1], data }, map, false)
  return { dtype: 'float32', shape: [map.newRows], data: rows.data }
}

/** Mean of the chosen rows, summed in float64. */
function meanOfRows(data: Float32Array, width: number, ids: ArrayLike<number>): Float32Array {
  const sum = new Float64Array(width)
  for (let i = 0; i < ids.length; i++) {
    const start = ids[i] * width
    for (let j = 0; j < width; j++) sum[j] += data[start + j]
  }
  return Float32Array.from(sum, total => total / Math.max(1, ids.length))
}

function mismatch(mapRows: number, modelRows: number): AppError {
  return new AppError('vocabulary-mismatch', {
    what: {
      en: `the id map starts from ${mapRows} rows, the model's embedding has ${modelRows}`,
      ru: `карта номеров рассчитана на ${mapRows} строк, а в матрице модели их ${modelRows}`,
    },
    fix: {
      en: 'Make the map from the tokenizer that belongs to this model, with its number of rows',
      ru: 'Постройте карту от токенизатора этой модели с её числом строк',
    },
  })
}
