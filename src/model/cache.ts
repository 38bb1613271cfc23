// What a decoder keeps of its sequences: keys and values of every layer, by row and place.
import { toBfloat16 } from '../formats/half.js'
import type { HostTensor } from '../graph/tensor.js'
import { allocate } from '../runtime/buffers.js'
import type { Runtime } from '../runtime/runtime.js'
import type { Adapter } from './adapter.js'
import type { StartPlaces } from './decoder-start.js'
import type { ModelConfig } from './model-config.js'
import type { Model } from './weights.js'

/** One token of a row, and the place it takes: the first free one. */
export interface PlacedToken {
  readonly row: number
  readonly place: number
  readonly id: number
}

/** Sequences that share programs; a row does not see the others. Logits stand in buffers that the next call reuses. */
export interface SequenceCache {
  /** Tokens of one row from a place on, all places before it being filled; logits [V] after the last one. */
  append(row: number, place: number, ids: ArrayLike<number>): Promise<Float32Array>
  /** One token to each of several rows; logits [V] of each. */
  step(tokens: readonly PlacedToken[]): Promise<readonly Float32Array[]>
  close(): Promise<void>
}

/** What a cache is made from. */
export interface CacheOptions {
  readonly model: Model
  /** What weights alone could not take in. */
  readonly adapter: Adapter | undefined
  /** Stands in the first places of every row. */
  readonly start: StartPlaces
  readonly rows: number
  /** Most places of a row. */
  readonly places: number
  readonly runtime: Runtime
  readonly threads?: number
}

/** Places of the smallest cache. */
const firstWindow = 128

/** Types that keys and values are kept in. */
export type CacheType = 'float32' | 'bfloat16'

/** Keys and values of all layers by name, [rows, Hk, window, D] each. */
export interface CacheTensors {
  readonly window: number
  readonly tensors: Readonly<Record<string, HostTensor>>
}

/** A full cache is replaced by a larger one; its places come in such pieces. */
const windowPiece = 64

/** A cache for `needed` places in each row: the same, or a larger one with everything copied. */
export function growCache(
  config: ModelConfig,
  rows: number,
  cache: CacheTensors | undefined,
  needed: number,
  places: number,
  factor: number,
  dtype: CacheType = 'float32',
): CacheTensors {
  if (cache && needed <= cache.window) return cache
  let window = cache?.window ?? firstWindow
  while (window < needed) window = Math.ceil((window * factor) / windowPiece) * windowPiece
  const larger = createCache(config, rows, Math.min(window, places), dtype)
  for (const [name, tensor] of Object.entries(cache?.tensors ?? {}))
    for (let row = 0; row < rows; row++) copyPlaces(tensor, row, 0, larger.tensors[name], row, 0, cache!.window)
  return larger
}

function createCache(
  { layers, keyHeads, headWidth }: ModelConfig,
  rows: number,
  window: number,
  dtype: CacheType,
): CacheTensors {
  const names = Array.from({ length: layers }, (_, layer) => [`key.${layer}`, `value.${layer}`]).flat()
  const shape = [rows, keyHeads, window, headWidth]
  return { window, tensors: Object.fromEntries(names.map(name => [name, allocate({ dtype, shape })])) }
}

/** Keys or values in float32 as a cache of this type has them. */
export function inCacheType(tensor: HostTensor, dtype: CacheType): HostTensor {
  return dtype === 'float32' ? tensor : { ...tensor, dtype, data: toBfloat16(tensor.data as Float32Array) }
}

/** Puts `count` tokens of a list [N, Hk·D], from one on, into the places of a row from a place on. */
export function putTokens(
  from: HostTensor,
  fromToken: number,
  to: HostTensor,
  toRow: number,
  toPlace: number,
  count: number,
): void {
  const [, heads, places, width] = to.shape
  const [source, target] = [from.data as CacheArray, to.data as CacheArray]
  for (let token = 0; token < count; token++)
    for (let head = 0; head < heads; head++) {
      const start = ((fromToken + token) * heads + head) * width
      target.set(source.subarray(start, start + width), ((toRow * heads + head) * places + toPlace + token) * width)
    }
}

type CacheArray = Float32Array | Uint16Array

/** Copies `count` places of every head of a row between tensors [rows, Hk, places, D]. */
export function copyPlaces(
  from: HostTensor,
  fromRow: number,
  fromPlace: number,
  to: HostTensor,
  toRow: number,
  toPlace: number,
  count: number,
): void {
  const [, heads, fromPlaces, width] = from.shape
  const toPlaces = to.shape[2]
  const [source, target] = [from.data as CacheArray, to.data as CacheArray]
  for (let head = 0; head < heads; head++) {
    const start = ((fromRow * heads + head) * fromPlaces + fromPlace) * width
    const end = start + count * width
    target.set(source.subarray(start, end), ((toRow * heads + head) * toPlaces + toPlace) * width)
  }
}
