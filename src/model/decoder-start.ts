// What an adapter puts before every text to the first places of a cache.
import { constant, int64s, reshape, slice, transpose } from '../graph/build.js'
import type { Node } from '../graph/graph.js'
import type { HostTensor } from '../graph/tensor.js'
import { allocate } from '../runtime/buffers.js'
import type { Runtime } from '../runtime/runtime.js'
import type { Adapter } from './adapter.js'
import { blockAttention } from './attention.js'
import { placesBefore } from './block-states.js'
import type { ModelConfig } from './model-config.js'
import { decoderStates } from './decoder-graph.js'
import { bindParts, type BoundParts } from './parts.js'
import type { Model } from './weights.js'

/** `key.<layer>` and `value.<layer>`, [1, Hk, length, D] each. */
export interface StartPlaces {
  readonly length: number
  readonly tensors: Readonly<Record<string, HostTensor>>
}

/** Computed once: nothing that follows changes it. */
export async function startPlaces(
  model: Model,
  adapter: Adapter | undefined,
  { runtime, threads }: { readonly runtime: Runtime; readonly threads?: number },
): Promise<StartPlaces> {
  const parts = bindParts(model, adapter)
  const length = placesBefore(parts)
  if (length === 0) return { length, tensors: {} }
  const outputs = parts.prefix ? prefixPlaces(model.config, parts.prefix) : virtualPlaces(model.config, parts, length)
  const program = await runtime.compile({ outputs }, { threads, frozen: parts.frozen })
  const tensors = Object.fromEntries(Object.entries(outputs).map(([name, type]) => [name, allocate(type)]))
  await program.run(Object.fromEntries(parts.feeds), tensors)
  await program.close()
  return { length, tensors }
}

function prefixPlaces({ layers }: ModelConfig, { at }: NonNullable<BoundParts['prefix']>): Record<string, Node> {
  const outputs: Record<string, Node> = {}
  for (let layer = 0; layer < layers; layer++) Object.assign(outputs, named(layer, at(layer)))
  return outputs
}

/** Keys and values of virtual rows; a token must follow them in the graph, and its own are cut off. */
function virtualPlaces(config: ModelConfig, parts: BoundParts, length: number): Record<string, Node> {
  const outputs: Record<string, Node> = {}
  const row = (numbers: readonly number[]): Node => reshape(int64s(numbers), [1, numbers.length])
  const positions = row(Array.from({ length: length + 1 }, (_, i) => i))
  const inner = blockAttention(config, { positions, segments: row(new Array<number>(length + 1).fill(1)) })
  const places = (x: Node): Node => slice(transpose(x, [0, 2, 1, 3]), 2, 0, length)
  decoderStates(config, parts, {
    ids: constant({ dtype: 'int64', shape: [1, 1], data: BigInt64Array.of(0n) }),
    virtual: parts.virtual,
    positions,
    positionLimit: length + 1,
    attend: (query, key, value, layer) => {
      Object.assign(outputs, named(layer, { key: places(key), value: places(value) }))
      return inner(query, key, value, layer)
    },
  })
  return outputs
}

function named(layer: number, { key, value }: { readonly key: Node; readonly value: Node }): Record<string, Node> {
  return { [`key.${layer}`]: key, [`value.${layer}`]: value }
}
