// Prefix tuning: trained keys and values before those of the tokens, in every layer, without positions of their own.
import { keyOf } from '../base/errors.js'
import { reshape, slice, tanh, transpose } from '../graph/build.js'
import type { Node } from '../graph/graph.js'
import type { AdapterKind, GraphContext } from './adapter-kind.js'
import type { ModelConfig } from './model-config.js'
import { checkCount, type PrefixMethod } from './method.js'
import { promptTensor, readVirtual, virtualJson } from './prompt.js'
import { normals } from './draws.js'
import { encoded, encodeRows, encoderTensors, type PromptEncoder } from './prompt-encoder.js'

export const prefix: AdapterKind<PrefixMethod> = {
  peftType: 'PREFIX_TUNING',
  check(_, { tokens, projection = 1 }) {
    checkCount(keyOf('prefix', 'tokens'), tokens)
    checkCount(keyOf('prefix', 'projection'), projection)
  },
  modules: () => [],
  tensors: ({ config }, { method }, seed) => {
    const encoder = encoderOf(config, method)
    if (encoder) return encoderTensors(encoder, seed)
    const shape = [method.tokens, rowWidth(config)]
    return [{ name: promptTensor, shape, start: () => normals(shape[0] * shape[1], seed, promptTensor) }]
  },
  graph: context => ({ prefix: { length: context.adapter.method.tokens, at: keysAndValues(context) } }),
  toJson: ({ config, method }) => ({
    ...virtualJson(config, method.tokens),
    encoder_hidden_size: method.projection ?? config.keyHeads * config.headWidth,
    num_attention_heads: config.keyHeads,
    prefix_projection: method.projection !== undefined,
    token_dim: config.keyHeads * config.headWidth,
  }),
  fromJson: (json, config, stored) => {
    const tokens = readVirtual(json, config)
    const projected = json.flag('prefix_projection') && !stored.has(promptTensor)
    return { kind: 'prefix', tokens, ...(projected ? { projection: json.number('encoder_hidden_size') } : {}) }
  },
  stored: ({ config, method, weights }) => {
    const encoder = encoderOf(config, method)
    return encoder ? new Map([[promptTensor, encodeRows(encoder, weights)]]) : undefined
  },
}

/** A row holds the key and then the value of every layer. */
function rowWidth({ layers, keyHeads, headWidth }: ModelConfig): number {
  return layers * 2 * keyHeads * headWidth
}

function encoderOf(config: ModelConfig, { tokens, projection }: PrefixMethod): PromptEncoder | undefined {
  if (projection === undefined) return undefined
  const widths = [config.keyHeads * config.headWidth, projection, rowWidth(config)]
  return { tokens, widths, module: 'transform', activate: tanh, activateNumber: Math.tanh }
}

/** [1, Hk, P, D] of a layer. */
function keysAndValues({ model: { config }, adapter: { method }, tensor }: GraphContext<PrefixMethod>) {
  const { layers, keyHeads, headWidth } = config
  const encoder = encoderOf(config, method)
  const rows = encoder ? encoded(encoder, tensor) : tensor(promptTensor)
  const all = reshape(rows, [method.tokens, layers * 2, keyHeads, headWidth])
  const at = (index: number): Node => transpose(slice(all, 1, index, index + 1), [1, 2, 0, 3])
  return (layer: number) => ({ key: at(2 * layer), value: at(2 * layer + 1) })
}
