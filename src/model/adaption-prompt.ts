// LLaMA-Adapter: in the last layers attention over trained rows is added to what attention gives, through a gate.
import { keyOf } from '../base/errors.js'
import { add, matmul, mul, reshape, softmax, split, transpose } from '../graph/build.js'
import type { Node } from '../graph/graph.js'
import { unsupportedHere, filled, type AdapterKind, type GraphChanges, type GraphContext } from './adapter-kind.js'
import { architectures } from './architectures.js'
import type { ModelType } from './model-config.js'
import { badSetting, checkCount, layerOf, type AdaptionMethod } from './method.js'
import { normals } from './draws.js'

/** Families that PEFT knows; whether what is added passes through the last product of attention. */
const families: ReadonlyMap<ModelType, { readonly throughOut: boolean }> = new Map([
  ['llama', { throughOut: true }],
  ['mistral', { throughOut: true }],
  ['gpt2', { throughOut: false }],
])

const names = {
  /** [1, tokens, C] */
  rows: (module: string): string => `base_model.model.${attentionOf(module)}.adaption_prompt`,
  gate: (module: string): string => `base_model.model.${attentionOf(module)}.adaption_gate`,
}

export const adaptionPrompt: AdapterKind<AdaptionMethod> = {
  peftType: 'ADAPTION_PROMPT',
  check(config, { tokens, layers }) {
    checkCount(keyOf('adaption-prompt', 'tokens'), tokens)
    checkCount(keyOf('adaption-prompt', 'layers'), layers)
    if (layers > config.layers)
      throw badSetting(
        keyOf('adaption-prompt', 'layers'),
        layers,
        `up to ${config.layers}`,
        `не больше ${config.layers}`,
      )
    if (!families.has(config.modelType)) throw unsupportedFamily(config.modelType)
  },
  modules: (config, { layers }) => {
    const { block, attentionOut } = architectures[config.modelType].names
    return Array.from({ length: layers }, (_, i) => `${block}.${config.layers - layers + i}.${attentionOut}`)
  },
  tensors: ({ config }, { modules, method: { tokens } }, seed) =>
    modules.flatMap(module => {
      const name = names.rows(module)
      const shape = [1, tokens, config.width]
      return [
        { name: names.gate(module), shape: [1], start: filled([1], 0) },
        { name, shape, start: () => normals(tokens * config.width, seed, name) },
      ]
    }),
  graph: changes,
  toJson: ({ modules, method }) => ({
    adapter_layers: method.layers,
    adapter_len: method.tokens,
    target_modules: attentionName(modules[0]),
  }),
  fromJson: (json, config) => {
    if (!families.has(config.modelType)) throw unsupportedFamily(config.modelType)
    const { block, attentionOut } = architectures[config.modelType].names
    json.expect('target_modules', attentionName(`${block}.0.${attentionOut}`))
    return { kind: 'adaption-prompt', tokens: json.number('adapter_len'), layers: json.number('adapter_layers') }
  },
}

/** What is added waits for the layer's last product, which either takes it in or has it added behind. */
function changes(context: GraphContext<AdaptionMethod>): GraphChanges {
  const { model, adapter, linear } = context
  const { throughOut } = families.get(model.config.modelType)!
  const waiting = new Map<number, Node>()
  return {
    attend: inner => (query, key, value, layer) => {
      const module = adapter.modules.find(name => layerOf(name) === layer)
      if (module !== undefined) waiting.set(layer, promptAttention(context, query, module))
      return inner(query, key, value, layer)
    },
    linear: (x, module) => {
      const added = waiting.get(layerOf(module))!
      return add(linear(x, module), throughOut ? linear(added, module) : added)
    },
  }
}

/** gate · softmax(q·Kᵀ/√D)·V over the rows; q is turned by its position, K is not: [B·T, H·D]. */
function promptAttention({ model, linear, tensor }: GraphContext<AdaptionMethod>, query: Node, module: string): Node {
  const { heads, keyHeads, headWidth, width } = model.config
  const { qkv } = architectures[model.config.modelType].names
  const at = module.slice(0, -architectures[model.config.modelType].names.attentionOut.length)
  const rows = reshape(tensor(names.rows(module)), [-1, width])
  const [count, [batch, length]] = [rows.shape[0], query.shape]
  const [keys, values] =
    'fused' in qkv
      ? split(linear(rows, at + qkv.fused), -1, [heads, keyHeads, keyHeads].map(n => n * headWidth)).slice(1) // prettier-ignore
      : [linear(rows, at + qkv.key), linear(rows, at + qkv.value)]
  const byHead = (x: Node): Node => transpose(reshape(x, [1, count, keyHeads, headWidth]), [0, 2, 1, 3])
  const shared = heads / keyHeads
  const grouped = reshape(query, [batch, length, keyHeads, shared, headWidth])
  const queries = reshape(transpose(grouped, [0, 2, 3, 1, 4]), [batch, keyHeads, shared * length, headWidth])
  const scores = matmul(queries, byHead(keys), { transposeB: true, alpha: headWidth ** -0.5 })
  const weights = mul(softmax(scores), tensor(names.gate(module)))
  const mixed = reshape(matmul(weights, byHead(values)), [batch, keyHeads, shared, length, headWidth])
  return reshape(transpose(mixed, [0, 3, 1, 2, 4]), [batch * length, heads * headWidth])
}

/** `model.layers.1.self_attn.o_proj` to the module that PEFT wraps. */
function attentionOf(module: string): string {
  return module.slice(0, module.lastIndexOf('.'))
}

function attentionName(module: string): string {
  return attentionOf(module).split('.').at(-1)!
}

function unsupportedFamily(modelType: ModelType) {
  const known = [...families.keys()].join(', ')
  return unsupportedHere('adaption-prompt', {
    en: `PEFT has it for ${known}, the model is ${modelType}`,
    ru: `в PEFT он есть для ${known}, а модель — ${modelType}`,
  })
}
