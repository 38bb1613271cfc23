// Tokens to logits over a cache: one program for any number of rows, tokens and places, weights inside it.
import { cast, gather, input } from '../graph/build.js'
import { freeSizes } from '../graph/free-sizes.js'
import type { Graph, Node } from '../graph/graph.js'
import { elementCount, type HostTensor } from '../graph/tensor.js'
import { allocate } from '../runtime/buffers.js'
import type { Program } from '../runtime/runtime.js'
import { updatingAttention } from './attention.js'
import {
  copyPlaces,
  growCache,
  inCacheType,
  putTokens,
  type CacheOptions,
  type CacheTensors,
  type CacheType,
  type PlacedToken,
  type SequenceCache,
} from './cache.js'
import { decoderLogits, decoderStates } from './decoder-graph.js'
import { bindParts, type BoundParts } from './parts.js'

/** Tokens of a prompt that run at once: scores of more than that over a long cache would take much memory. */
const pieceLength = 256
/** Positions that the tables of the first program know; a longer text needs another program. */
const firstLimit = 8192

/** How the programs of a runtime work with a cache. */
interface CacheForm {
  /** They write the cache in place (`updated`), or leave the rows of new tokens alone, which are put into it here. */
  readonly results: 'updated' | 'added'
  readonly dtype: CacheType
  /** A full cache is replaced by one so many times as large: little more where all places are read, filled or not. */
  readonly growth: number
}

/**
 * ONNX Runtime updates the cache in place, and reads what is filled of it.
 * @returns undefined where runtime or model cannot do with one program
 */
function formOf({ model: { config }, runtime }: CacheOptions): CacheForm | undefined {
  if (config.positions.kind === 'alibi') return undefined
  if (runtime.name === 'onnxruntime-cpu' && config.headWidth % 8 === 0)
    return { results: 'updated', dtype: 'float32', growth: 2 }
  if (runtime.storesFrozen !== 'inference') return undefined
  return { results: 'added', dtype: runtime.computesHalf ? 'bfloat16' : 'float32', growth: 1.25 }
}

/** @returns undefined where runtime or model cannot do with one program */
export async function createFusedCache(options: CacheOptions): Promise<SequenceCache | undefined> {
  const form = formOf(options)
  if (form === undefined) return undefined
  const limit = Math.min(firstLimit, options.places)
  const first = await compileAny(options, form, limit)
  return first && new FusedCache(options, form, first, limit)
}

interface Compiled {
  readonly program: Program
  readonly graph: Graph
}

/** Rows live in slots of the cache; those that take a step stand first, so that their slots are one piece of memory. */
class FusedCache implements SequenceCache {
  private cache: CacheTensors
  private slots: number[]
  private views = new Map<string, Record<string, HostTensor>>()
  /** What the last run added, by name, [tokens, Hk·D] each. */
  private added: Readonly<Record<string, HostTensor>> = {}
  private readonly logits: HostTensor

  constructor(
    private readonly options: CacheOptions,
    private readonly form: CacheForm,
    private compiled: Compiled,
    private limit: number,
  ) {
    const { model, rows, places, start } = options
    this.cache = growCache(model.config, rows, undefined, start.length, places, form.growth, form.dtype)
    this.slots = Array.from({ length: rows }, (_, row) => row)
    this.logits = allocate({ dtype: 'float32', shape: [rows, model.config.vocabulary] })
    for (const [name, given] of Object.entries(start.tensors)) {
      const tensor = inCacheType(given, form.dtype)
      for (const slot of this.slots) copyPlaces(tensor, 0, 0, this.cache.tensors[name], slot, 0, start.length)
    }
  }

  async append(row: number, place: number, ids: ArrayLike<number>): Promise<Float32Array> {
    await this.reserve(place + ids.length)
    for (let at = 0; at < ids.length; at += pieceLength) {
      const piece = Array.from({ length: Math.min(pieceLength, ids.length - at) }, (_, i) => ids[at + i])
      await this.run(this.slots[row], 1, piece, [place + at])
    }
    return this.logitsOf(0)
  }

  async step(tokens: readonly PlacedToken[]): Promise<readonly Float32Array[]> {
    await this.reserve(Math.max(...tokens.map(({ place }) => place)) + 1)
    this.moveFirst(tokens.map(({ row }) => row))
    const order = [...tokens].sort((a, b) => this.slots[a.row] - this.slots[b.row])
    await this.run(
      0,
      order.length,
      order.map(({ id }) => id),
      order.map(({ place }) => place),
    )
    return tokens.map(({ row }) => this.logitsOf(this.slots[row]))
  }

  async close(): Promise<void> {
    await this.compiled.program.close()
  }

  private async reserve(places: number): Promise<void> {
    const { model, rows, places: most } = this.options
    const grown = growCache(model.config, rows, this.cache, places, most, this.form.growth, this.form.dtype)
    if (grown !== this.cache) this.views.clear()
    this.cache = grown
    if (places <= this.limit) return
    while (this.limit < places) this.limit *= 4
    await this.compiled.program.close()
    this.compiled = (await compileAny(this.options, this.form, Math.min(this.limit, most)))!
  }

  /** Gives the rows the first slots, in whatever order. */
  private moveFirst(rows: readonly number[]): void {
    const taken = new Set(rows.map(row => this.slots[row]))
    const free = rows.map((_, slot) => slot).filter(slot => !taken.has(slot))
    for (const row of rows) {
      const from = this.slots[row]
      if (from < rows.length) continue
      const to = free.pop()!
      this.slots[this.slots.indexOf(to)] = from
      this.slots[row] = to
      for (const tensor of Object.values(this.cache.tensors)) swapSlots(tensor, from, to)
    }
  }

  /** Runs the same number of tokens in each of `count` slots; row after row, from its place on. */
  private async run(slot: number, count: number, ids: readonly number[], places: readonly number[]): Promise<void> {
    const each = ids.length / count
    const isAdding = this.form.results === 'added'
    const cached = isAdding && Math.max(...places) === 0 ? this.nothing(count) : this.viewsOf(slot, count)
    const feeds: Record<string, HostTensor> = {
      ...cached,
      ids: int64s(ids, [1, ids.length]),
      positions: int64s(ids.map((_, i) => places[Math.floor(i / each)] + (i % each)), [1, ids.length]), // prettier-ignore
      last: int32s(places.map(place => place + each - 1), [count]), // prettier-ignore
      total: int32s([Math.max(...places) + each], []),
      layout: int64s([count, each, -1], [3]),
      wanted: int64s(places.map((_, i) => (i + 1) * each - 1), [count]), // prettier-ignore
    }
    const { vocabulary } = this.options.model.config
    const data = (this.logits.data as Float32Array).subarray(0, count * vocabulary)
    const results: Record<string, HostTensor> = { logits: { dtype: 'float32', shape: [count, vocabulary], data } }
    const fresh = isAdding ? this.addedBy(ids.length) : cached
    for (const [name, tensor] of Object.entries(fresh)) results[`new-${name}`] = tensor
    await this.compiled.program.run(feeds, results)
    if (!isAdding) return
    for (const [name, tensor] of Object.entries(fresh))
      places.forEach((place, row) => putTokens(tensor, row * each, this.cache.tensors[name], slot + row, place, each))
  }

  /** Where a run over so many tokens leaves what they add. */
  private addedBy(tokens: number): Readonly<Record<string, HostTensor>> {
    const { keyHeads, headWidth } = this.options.model.config
    const shape = [tokens, keyHeads * headWidth]
    if (Object.values(this.added)[0]?.shape[0] === tokens) return this.added
    return (this.added = mapValues(this.cache.tensors, () => allocate({ dtype: this.form.dtype, shape })))
  }

  /** A cache of one empty place for rows that have nothing yet: the first tokens of a text read no places. */
  private nothing(count: number): Readonly<Record<string, HostTensor>> {
    const { keyHeads, headWidth } = this.options.model.config
    const shape = [count, keyHeads, 1, headWidth]
    return mapValues(this.cache.tensors, () => allocate({ dtype: this.form.dtype, shape }))
  }

  /** The cache of some slots: pieces of the same memory. */
  private viewsOf(slot: number, count: number): Record<string, HostTensor> {
    const key = `${slot}:${count}`
    const known = this.views.get(key)
    if (known) return known
    const views = mapValues(this.cache.tensors, ({ dtype, shape, data }) => {
      const size = elementCount(shape.slice(1))
      const piece = data.subarray(slot * size, (slot + count) * size)
      return { dtype, shape: [count, ...shape.slice(1)], data: piece }
    })
    this.views.set(key, views)
    return views
  }

  private logitsOf(slot: number): Float32Array {
    const { vocabulary } = this.options.model.config
    return (this.logits.data as Float32Array).subarray(slot * vocabulary, (slot + 1) * vocabulary)
  }
}

/** A program for all sizes, when the graph of the model has one form for all of them. */
async function compileAny(options: CacheOptions, form: CacheForm, limit: number): Promise<Compiled | undefined> {
  const { model, adapter, runtime, threads } = options
  const parts = bindParts(model, adapter)
  const build = (rows: number, tokens: number, places: number): Graph =>
    stepGraph(options, form, parts, { rows, tokens, places, limit })
  const graph = freeSizes(build(2, 4, 6), build(3, 5, 7))
  if (graph === undefined) return undefined
  const frozen = new Map([...parts.feeds, ...parts.frozen])
  return { graph, program: await runtime.compile(graph, { threads, inference: true, frozen }) }
}

interface Sizes {
  readonly rows: number
  readonly tokens: number
  readonly places: number
  /** Positions are below it. */
  readonly limit: number
}

function stepGraph(
  { model: { config } }: CacheOptions,
  { results, dtype }: CacheForm,
  parts: BoundParts,
  { rows, tokens, places, limit }: Sizes,
): Graph {
  const [ids, positions] = ['ids', 'positions'].map(name => input(name, [1, tokens], 'int64'))
  const shape = [rows, config.keyHeads, places, config.headWidth]
  const outputs: Record<string, Node> = {}
  const inner = updatingAttention(config, {
    cached: layer => ({
      key: cast(input(`key.${layer}`, shape, dtype), 'float32'),
      value: cast(input(`value.${layer}`, shape, dtype), 'float32'),
    }),
    last: input('last', [rows], 'int32'),
    total: input('total', [], 'int32'),
    layout: input('layout', [3], 'int64'),
    store: (layer, updated, added) => {
      const { key, value } = { updated, added }[results]
      Object.assign(outputs, { [`new-key.${layer}`]: cast(key, dtype), [`new-value.${layer}`]: cast(value, dtype) })
    },
  })
  const attend = parts.attend?.(inner) ?? inner
  const states = decoderStates(config, parts, { ids, positions, positionLimit: limit, attend })
  const wanted = gather(states, input('wanted', [rows], 'int64'))
  return { outputs: { logits: decoderLogits(config, parts, wanted), ...outputs } }
}

function swapSlots({ shape, data }: HostTensor, a: number, b: number): void {
  const size = elementCount(shape.slice(1))
  const numbers = data as Float32Array | Uint16Array
  const kept = numbers.slice(a * size, (a + 1) * size)
  numbers.copyWithin(a * size, b * size, (b + 1) * size)
  numbers.set(kept, b * size)
}

function mapValues<Value, Result>(
  table: Readonly<Record<string, Value>>,
  make: (value: Value) => Result,
): Record<string, Result> {
  return Object.fromEntries(Object.entries(table).map(([name, value]) => [name, make(value)]))
}

function int64s(numbers: readonly number[], shape: readonly number[]): HostTensor {
  return { dtype: 'int64', shape, data: BigInt64Array.from(numbers, BigInt) }
}

function int32s(numbers: readonly number[], shape: readonly number[]): HostTensor {
  return { dtype: 'int32', shape, data: Int32Array.from(numbers) }
}
