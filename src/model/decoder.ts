// A model to next-token logits with a key-value cache: few programs of fixed shapes, weights fed once to all of them.
import { AppError } from '../base/errors.js'
import { gather, input } from '../graph/build.js'
import type { Node } from '../graph/graph.js'
import type { HostTensor } from '../graph/tensor.js'
import type { Program, Runtime } from '../runtime/runtime.js'
import { canMerge, mergeAdapter, type Adapter } from './adapter.js'
import { cachedAttention } from './attention.js'
import { decoderLogits, decoderStates } from './decoder-graph.js'
import { startPlaces } from './decoder-start.js'
import { bindParts } from './parts.js'
import type { Decoder } from './step.js'
import type { Model } from './weights.js'

export interface DecoderOptions {
  /** Folded into a copy of the weights it touches where weights can do the same. */
  readonly adapter?: Adapter
  /** Most tokens the cache can hold; default: the model's own context. */
  readonly capacity?: number
  readonly runtime: Runtime
  readonly threads?: number
}

/** Tokens that one run takes; the last piece of a text is padded up when it fills more than half. */
const runLengths = [128, 32, 8, 1] as const
/** Places of the smallest cache; a full one is replaced by one four times as large. */
const firstWindow = 128
/** Score of an empty place of the cache. */
const hidden = -1e30

/**
 * A decoder for one sequence. Programs are compiled when first needed: one per run length and cache size.
 * @throws AppError `adapter-mismatch`; `sequence-too-long` when the capacity is beyond learned positions; from `append`:
 * `context-full`, and `empty-input` for no tokens
 */
export async function createDecoder(model: Model, options: DecoderOptions): Promise<Decoder> {
  const { adapter } = options
  const apart = adapter !== undefined && !canMerge(adapter) ? adapter : undefined
  const merged = adapter && !apart ? mergeAdapter(model, adapter) : model
  const { config } = merged
  const start = await startPlaces(merged, apart, options)
  const capacity = options.capacity ?? config.maxPositions - start.length
  const places = capacity + start.length
  if (config.positions.kind === 'learned' && places > config.maxPositions) throw tooLong(places, config.maxPositions)
  const programs = new Map<string, Promise<Compiled>>()
  const compile = (length: number, window: number): Promise<Compiled> => {
    const key = `${length}:${window}`
    const known = programs.get(key) ?? compileRun(merged, apart, length, window, options)
    programs.set(key, known)
    return known
  }
  let cache = growCache(merged, createCache(merged, Math.min(firstWindow, places)), 0, start.length, places)
  for (const [name, tensor] of Object.entries(start.tensors))
    copyPlaces(tensor, 0, cache.tensors[name], 0, start.length)
  let length = start.length // places filled: what stands before every text, and the tokens
  await compile(1, cache.window)
  return {
    capacity,
    get length() {
      return length - start.length
    },
    async append(ids) {
      if (ids.length === 0) throw emptyInput()
      const needed = length + ids.length
      if (needed > places) throw contextFull(needed - start.length, capacity)
      cache = growCache(merged, cache, length, needed, places)
      let logits: Float32Array = new Float32Array(0)
      for (let at = 0; at < ids.length;) {
        const rest = ids.length - at
        const run = await compile(
          runLengths.find(size => size === 1 || rest > size / 2)!,
          cache.window,
        )
        const count = Math.min(rest, run.length)
        logits = await runPiece(
          run,
          cache,
          length,
          Array.from({ length: count }, (_, i) => ids[at + i]),
        )
        length += count
        at += count
      }
      return logits
    },
    truncate(kept) {
      length = Math.min(length, start.length + Math.max(0, kept))
    },
    async close() {
      for (const program of programs.values()) await (await program).program.close()
    },
  }
}

/** Keys and values of all layers, [1, Hk, window, D] each. */
interface Cache {
  readonly window: number
  readonly tensors: Readonly<Record<string, HostTensor>>
  /** [1, 1, 1, window] */
  readonly mask: HostTensor
}

/** A program for `length` new tokens over `window` cached places, with its own buffers. */
interface Compiled {
  readonly program: Program
  readonly length: number
  readonly weights: Readonly<Record<string, HostTensor>>
  readonly ids: BigInt64Array
  readonly positions: BigInt64Array
  /** Place of the last token among the new ones, whose logits are wanted. */
  readonly last: BigInt64Array
  readonly results: Readonly<Record<string, HostTensor>>
  readonly logits: Float32Array
}

async function compileRun(
  model: Model,
  adapter: Adapter | undefined,
  length: number,
  window: number,
  { runtime, threads }: DecoderOptions,
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
  const program = await runtime.compile({ outputs }, { threads })
  const results = Object.fromEntries(Object.entries(outputs).map(([name, { shape }]) => [name, zeroTensor(shape)]))
  return {
    program,
    length,
    weights: Object.fromEntries(parts.feeds),
    ids: new BigInt64Array(length),
    positions: new BigInt64Array(length),
    last: new BigInt64Array(1),
    results,
    logits: results.logits.data as Float32Array,
  }
}

/** Runs up to `run.length` tokens and puts their keys and values into the cache. */
async function runPiece(run: Compiled, cache: Cache, filled: number, tokens: readonly number[]): Promise<Float32Array> {
  const { length, ids, positions, last, results } = run
  for (let i = 0; i < length; i++) {
    ids[i] = BigInt(tokens[Math.min(i, tokens.length - 1)])
    positions[i] = BigInt(filled + Math.min(i, tokens.length - 1))
  }
  last[0] = BigInt(tokens.length - 1)
  const mask = cache.mask.data as Float32Array
  mask.fill(0, 0, filled)
  mask.fill(hidden, filled)
  const shape = [1, length]
  const feeds: Record<string, HostTensor> = {
    ...run.weights,
    ...cache.tensors,
    mask: cache.mask,
    ids: { dtype: 'int64', shape, data: ids },
    positions: { dtype: 'int64', shape, data: positions },
  }
  if (length > 1) feeds.last = { dtype: 'int64', shape: [1], data: last }
  await run.program.run(feeds, results)
  for (const [name, tensor] of Object.entries(cache.tensors)) {
    copyPlaces(results[`new-${name}`], 0, tensor, filled, tokens.length)
  }
  return run.logits
}

/** Copies `count` places of every head between tensors [1, Hk, places, D]. */
function copyPlaces(from: HostTensor, fromPlace: number, to: HostTensor, toPlace: number, count: number): void {
  const [, heads, , width] = from.shape
  const [source, target] = [from.data as Float32Array, to.data as Float32Array]
  for (let head = 0; head < heads; head++) {
    const start = (head * from.shape[2] + fromPlace) * width
    target.set(source.subarray(start, start + count * width), (head * to.shape[2] + toPlace) * width)
  }
}

function createCache({ config }: Model, window: number): Cache {
  const names = Array.from({ length: config.layers }, (_, layer) => [`key.${layer}`, `value.${layer}`]).flat()
  const shape = [1, config.keyHeads, window, config.headWidth]
  const tensors = Object.fromEntries(names.map(name => [name, zeroTensor(shape)]))
  return { window, tensors, mask: zeroTensor([1, 1, 1, window]) }
}

/** The same cache, or a larger one with the filled places copied, when `needed` tokens do not fit. */
function growCache(model: Model, cache: Cache, filled: number, needed: number, capacity: number): Cache {
  if (needed <= cache.window) return cache
  let window = cache.window
  while (window < needed) window *= 4
  const larger = createCache(model, Math.min(window, capacity))
  for (const [name, tensor] of Object.entries(cache.tensors)) copyPlaces(tensor, 0, larger.tensors[name], 0, filled)
  return larger
}

function zeroTensor(shape: readonly number[]): HostTensor {
  return { dtype: 'float32', shape, data: new Float32Array(shape.reduce((n, size) => n * size, 1)) }
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
