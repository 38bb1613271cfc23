// Tokens to logits over a cache by plain operations, which every runtime has: few programs of fixed shapes, row after row.
import { gather, input } from '../graph/build.js'
import type { Node } from '../graph/graph.js'
import type { HostTensor } from '../graph/tensor.js'
import { allocate } from '../runtime/buffers.js'
import type { Program } from '../runtime/runtime.js'
import { cachedAttention } from './attention.js'
import { copyPlaces, growCache, type CacheOptions, type CacheTensors, type SequenceCache } from './cache.js'
import { decoderLogits, decoderStates } from './decoder-graph.js'
import { bindParts } from './parts.js'

/** Tokens that one run takes; the last piece of a text is padded up when it fills more than half. */
const runLengths = [128, 32, 8, 1] as const
/** A full cache is replaced by one so many times as large, for which all programs are compiled anew. */
const growth = 4
/** Score of an empty place of the cache. */
const hidden = -1e30

/** Programs are compiled when first needed, one per run length and cache size; weights are fed once to all of them. */
export async function createPlainCache(options: CacheOptions): Promise<SequenceCache> {
  const { start, rows, places } = options
  const { config } = options.model
  const programs = new Map<string, Promise<Compiled>>()
  const compile = (length: number, window: number): Promise<Compiled> => {
    const key = `${length}:${window}`
    const known = programs.get(key) ?? compileRun(options, length, window)
    programs.set(key, known)
    return known
  }
  const caches = Array.from({ length: rows }, () => {
    const cache = growCache(config, 1, undefined, start.length, places, growth)
    for (const [name, tensor] of Object.entries(start.tensors))
      copyPlaces(tensor, 0, 0, cache.tensors[name], 0, 0, start.length)
    return { cache, logits: new Float32Array(config.vocabulary) }
  })
  await compile(1, caches[0].cache.window)
  const append = async (row: number, place: number, ids: ArrayLike<number>): Promise<Float32Array> => {
    const own = caches[row]
    own.cache = growCache(config, 1, own.cache, place + ids.length, places, growth)
    for (let at = 0; at < ids.length;) {
      const rest = ids.length - at
      const length = runLengths.find(size => size === 1 || rest > size / 2)!
      const run = await compile(length, own.cache.window)
      const tokens = Array.from({ length: Math.min(rest, length) }, (_, i) => ids[at + i])
      await runPiece(run, own.cache, place + at, tokens)
      own.logits.set(run.logits)
      at += tokens.length
    }
    return own.logits
  }
  return {
    append,
    async step(tokens) {
      const logits: Float32Array[] = []
      for (const { row, place, id } of tokens) logits.push(await append(row, place, [id]))
      return logits
    },
    async close() {
      for (const program of programs.values()) await (await program).program.close()
    },
  }
}

/** A program for `length` new tokens over `window` cached places, with its own buffers. */
interface Compiled {
  readonly program: Program
  readonly length: number
  readonly weights: Readonly<Record<string, HostTensor>>
  readonly ids: BigInt64Array
  readonly positions: BigInt64Array
  /** [1, 1, 1, window] */
  readonly mask: HostTensor
  /** Place of the last token among the new ones, whose logits are wanted. */
  readonly last: BigInt64Array
  readonly results: Readonly<Record<string, HostTensor>>
  readonly logits: Float32Array
}

async function compileRun(
  { model, adapter, runtime, threads }: CacheOptions,
  length: number,
  window: number,
): Promise<Compiled> {
  const { config } = model
  const parts = bindParts(model, adapter)
  const [ids, positions] = ['ids', 'positions'].map(name => input(name, [1, length], 'int64'))
  const places = [1, config.keyHeads, window, config.headWidth]
  const outputs: Record<string, Node> = {}
  const inner = cachedAttention(config, {
    cached: layer => ({ key: input(`key.${layer}`, places), value: input(`value.${layer}`, places) }),
    mask: input('mask', [1, 1, 1, window]),
    positions,
    store: (layer, key, value) => Object.assign(outputs, { [`new-key.${layer}`]: key, [`new-value.${layer}`]: value }),
  })
  const attend = parts.attend?.(inner) ?? inner
  const states = decoderStates(config, parts, { ids, positions, positionLimit: window + length, attend })
  const last = length === 1 ? states : gather(states, input('last', [1], 'int64'))
  outputs.logits = decoderLogits(config, parts, last)
  const program = await runtime.compile({ outputs }, { threads, frozen: parts.frozen })
  const results = Object.fromEntries(Object.entries(outputs).map(([name, type]) => [name, allocate(type)]))
  return {
    program,
    length,
    weights: Object.fromEntries(parts.feeds),
    ids: new BigInt64Array(length),
    positions: new BigInt64Array(length),
    mask: allocate({ dtype: 'float32', shape: [1, 1, 1, window] }),
    last: new BigInt64Array(1),
    results,
    logits: results.logits.data as Float32Array,
  }
}

/** Runs up to `run.length` tokens and puts their keys and values into the cache. */
async function runPiece(run: Compiled, cache: CacheTensors, filled: number, tokens: readonly number[]): Promise<void> {
  const { length, ids, positions, last, results } = run
  for (let i = 0; i < length; i++) {
    ids[i] = BigInt(tokens[Math.min(i, tokens.length - 1)])
    positions[i] = BigInt(filled + Math.min(i, tokens.length - 1))
  }
  last[0] = BigInt(tokens.length - 1)
  const mask = run.mask.data as Float32Array
  mask.fill(0, 0, filled)
  mask.fill(hidden, filled)
  const shape = [1, length]
  const feeds: Record<string, HostTensor> = {
    ...run.weights,
    ...cache.tensors,
    mask: run.mask,
    ids: { dtype: 'int64', shape, data: ids },
    positions: { dtype: 'int64', shape, data: positions },
  }
  if (length > 1) feeds.last = { dtype: 'int64', shape: [1], data: last }
  await run.program.run(feeds, results)
  for (const [name, tensor] of Object.entries(cache.tensors))
    copyPlaces(results[`new-${name}`], 0, 0, tensor, 0, filled, tokens.length)
}
