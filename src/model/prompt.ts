// Prompt tuning: trained rows before the tokens, in the place of embedded ones.
import { keyOf, type Text } from '../base/errors.js'
import { streamOf, uniformAt } from '../base/random.js'
import type { AdapterKind } from './adapter-kind.js'
import { useItsBase, type AdapterConfigReader } from './adapter-config-reader.js'
import { architectures } from './architectures.js'
import type { ConfigJson, ModelConfig } from './model-config.js'
import { badSetting, checkCount, type PromptMethod } from './method.js'
import type { Model } from './weights.js'

/** The one tensor that PEFT keeps of virtual tokens and prefixes. */
export const promptTensor = 'prompt_embeddings'

export const prompt: AdapterKind<PromptMethod> = {
  peftType: 'PROMPT_TUNING',
  check({ vocabulary }, { tokens, start = [] }) {
    checkCount(keyOf('prompt', 'tokens'), tokens)
    const outside = start.find(id => !Number.isSafeInteger(id) || id < 0 || id >= vocabulary)
    if (outside !== undefined)
      throw badSetting(
        keyOf('prompt', 'start'),
        outside,
        `token ids below ${vocabulary}`,
        `номера токенов до ${vocabulary}`,
      )
  },
  modules: () => [],
  tensors: (model, { method }, seed) => [
    { name: promptTensor, shape: [method.tokens, model.config.width], start: () => embeddedRows(model, method, seed) },
  ],
  graph: ({ tensor }) => ({ virtual: tensor(promptTensor) }),
  toJson: ({ config, method }) => ({
    ...virtualJson(config, method.tokens),
    prompt_tuning_init: 'RANDOM', // how PEFT starts one; it reads ours from the file
    token_dim: config.width,
  }),
  fromJson: (json, config) => ({ kind: 'prompt', tokens: readVirtual(json, config) }),
}

/** Rows of the embedding: of the tokens asked for, or of random ones, as PEFT's SAMPLE_VOCAB. */
function embeddedRows({ config, weights }: Model, { tokens, start }: PromptMethod, seed: number): Float32Array {
  const { data } = weights.get(`${architectures[config.modelType].names.embedding}.weight`)!
  const stream = streamOf(promptTensor)
  const rows = new Float32Array(tokens * config.width)
  for (let i = 0; i < tokens; i++) {
    const id = start?.length ? start[i % start.length] : Math.floor(uniformAt(seed, stream, i) * config.vocabulary)
    rows.set(data.subarray(id * config.width, (id + 1) * config.width), i * config.width)
  }
  return rows
}

/** Keys of every method with virtual tokens. */
export function virtualJson({ layers, heads }: ModelConfig, tokens: number): ConfigJson {
  return { num_attention_heads: heads, num_layers: layers, num_transformer_submodules: 1, num_virtual_tokens: tokens }
}

/** The number of virtual tokens; what PEFT derives from the model is not read. */
export function readVirtual(json: AdapterConfigReader, config: ModelConfig): number {
  for (const key of [
    'num_attention_heads',
    'token_dim',
    'encoder_hidden_size',
    'encoder_dropout',
    'encoder_num_layers',
  ])
    json.value(key)
  if ((json.value('num_layers') ?? config.layers) !== config.layers)
    throw json.unsupported('num_layers', otherDepth(config.layers), useItsBase)
  json.expect('num_transformer_submodules', 1)
  return json.number('num_virtual_tokens')
}

function otherDepth(layers: number): Text {
  return { en: `is not the ${layers} layers of this model`, ru: `не совпадает с числом слоёв этой модели: ${layers}` }
}
