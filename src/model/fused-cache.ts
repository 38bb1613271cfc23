// Tokens to logits over a cache in ONNX Runtime: one program for any number of rows, tokens and places, weights inside it.
import { gather, input } from '../graph/build.js'
import { freeSizes } from '../graph/free-sizes.js'
import type { Graph, Node } from '../graph/graph.js'
import { elementCount, type HostTensor } from '../graph/tensor.js'
import { allocate } from '../runtime/buffers.js'
import type { Program } from '../runtime/runtime.js'
import { updatingAttention } from './attention.js'
import {
  copyPlaces,
  growCache,
  type CacheOptions,
  type CacheTensors,
  type PlacedToken,
  type SequenceCache,
} from './cache.js'
import { decoderLogits, decoderStates } from './decoder-graph.js'
import { bindParts, type BoundParts } from './parts.js'

/** Tokens of a prompt that run at once: scores of more than that over a long cache would take much memory. */
const pieceLength = 256
/** Positions that the tables of the first program know; a longer text needs another program. */
const firstLimit = 8192
/** A full cache is replaced by one so many times as large; programs do not care. */
const growth = 2

/**
 * The cache is updated in place, and attention reads what is filled of it.
 * @returns undefined where runtime or model cannot do this
 */
export async function createFusedCache(options: CacheOptions): Promise<SequenceCache | undefined> {
  const { model, runtime, places } = options
  const { config } = model
  if (runtime.name !== 'onnxruntime-cpu' || config.headWidth % 8 !== 0 || config.positions.kind === 'alibi')
    return undefined
  const limit = Math.min(firstLimit, places)
  const first = await compileAny(options, limit)
  return first && new FusedCache(options, first, limit)
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
  private readonly logits: HostTensor

  constructor(
    private readonly options: CacheOptions,
    private compiled: Compiled,
    private limit: number,
  ) {
    const { model, rows, places, start } = options
    this.cache = growCache(model.config, rows, undefined, start.length, places, growth)
    this.slots = Array.from({ length: rows }, (_, row) => row)
    this.logits = allocate({ dtype: 'float32', shape: [rows, model.config.vocabulary] })
    for (const [name, tensor] of Object.entries(start.tensors))
      for (const slot of this.slots) copyPlaces(tensor, 0, 0, this.cache.tensors[name], slot, 0, start.length)
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
    const grown = growCache(model.config, rows, this.cache, places, most, growth)
    if (grown !== this.cache) this.views.clear()
    this.cache = grown
    if (places <= this.limit) return
    while (this.limit < places) this.limit *= 4
    await this.compiled.program.close()
    this.compiled = (await compileAny(this.options, Math.min(this.limit, most)))!
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
    const cached = this.viewsOf(slot, count)
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
    for (const [name, tensor] of Object.entries(cached)) results[`new-${name}`] = tensor
    await this.compiled.program.run(feeds, results)
  }

  /** The cache of some slots: pieces of the same memory. */
  private viewsOf(slot: number, count: number): Record<string, HostTensor> {
    const key = `${slot}:${count}`
    const known = this.views.get(key)
    if (known) return known
    const views = Object.fromEntries(
      Object.entries(this.cache.tensors).map(([name, { shape, data }]) => {
        const size = elementCount(shape.slice(1))
        const piece = (data as Float32Array).subarray(slot * size, (slot + count) * size)
        return [name, { dtype: 'float32' as const, shape: [count, ...shape.slice(1)], data: piece }]
      }),
    )
    this.views.set(key, views)
    return views
  }

  private logitsOf(slot: number): Float32Array {
    const { vocabulary } = this.options.model.config
    return (this.logits.data as Float32Array).subarray(slot * vocabulary, (slot + 1) * vocabulary)
  }
}

/** A program for all sizes, when the graph of the model has one form for all of them. */
async function compileAny(options: CacheOptions, limit: number): Promise<Compiled | undefined> {
  const { model, adapter, runtime, threads } = options
  const parts = bindParts(model, adapter)
  const build = (rows: number, tokens: number, places: number): Graph =>
    stepGraph(options, parts, { rows, tokens, places, limit })
  const graph = freeSizes(build(2, 4, 6), build(3, 5, 7))
  if (graph === undefined) return undefined
  return {
    graph,
    program: await runtime.compile(graph, { threads, frozen: new Map([...parts.feeds, ...parts.frozen]) }),
  }
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
  parts: BoundParts,
  { rows, tokens, places, limit }: Sizes,
): Graph {
  const [ids, positions] = ['ids', 'positions'].map(name => input(name, [1, tokens], 'int64'))
  const shape = [rows, config.keyHeads, places, config.headWidth]
  const outputs: Record<string, Node> = {}
  const inner = updatingAttention(config, {
    cached: layer => ({ key: input(`key.${layer}`, shape), value: input(`value.${layer}`, shape) }),
    last: input('last', [rows], 'int32'),
    total: input('total', [], 'int32'),
    layout: input('layout', [3], 'int64'),
    store: (layer, key, value) => Object.assign(outputs, { [`new-key.${layer}`]: key, [`new-value.${layer}`]: value }),
  })
  const attend = parts.attend?.(inner) ?? inner
  const states = decoderStates(config, parts, { ids, positions, positionLimit: limit, attend })
  const wanted = gather(states, input('wanted', [rows], 'int64'))
  return { outputs: { logits: decoderLogits(config, parts, wanted), ...outputs } }
}

function swapSlots({ shape, data }: HostTensor, a: number, b: number): void {
  const size = elementCount(shape.slice(1))
  const kept = (data as Float32Array).slice(a * size, (a + 1) * size)
  data.copyWithin(a * size, b * size, (b + 1) * size)
  ;(data as Float32Array).set(kept, b * size)
}

function int64s(numbers: readonly number[], shape: readonly number[]): HostTensor {
  return { dtype: 'int64', shape, data: BigInt64Array.from(numbers, BigInt) }
}

function int32s(numbers: readonly number[], shape: readonly number[]): HostTensor {
  return { dtype: 'int32', shape, data: Int32Array.from(numbers) }
}
