// P-tuning: rows before the tokens that come out of a small network; PEFT keeps the rows, training needs the network.
import { keyOf } from '../base/errors.js'
import { relu } from '../graph/build.js'
import type { AdapterKind } from './adapter-kind.js'
import type { ModelConfig } from './model-config.js'
import { checkCount, type PromptMethod, type PTuningMethod } from './method.js'
import { promptTensor, readVirtual, virtualJson } from './prompt.js'
import { encoded, encodeRows, encoderTensors, type PromptEncoder } from './prompt-encoder.js'

export const pTuning: AdapterKind<PTuningMethod> = {
  peftType: 'P_TUNING',
  check(_, { tokens, hidden }) {
    checkCount(keyOf('p-tuning', 'tokens'), tokens)
    checkCount(keyOf('p-tuning', 'hidden'), hidden)
  },
  modules: () => [],
  tensors: ({ config }, { method }, seed) => encoderTensors(encoderOf(config, method), seed),
  graph: ({ model, adapter, tensor }) => ({ virtual: encoded(encoderOf(model.config, adapter.method), tensor) }),
  toJson: ({ config, method }) => ({
    ...virtualJson(config, method.tokens),
    encoder_dropout: 0,
    encoder_hidden_size: method.hidden,
    encoder_num_layers: 2,
    encoder_reparameterization_type: 'MLP',
    token_dim: config.width,
  }),
  fromJson: (json, config, stored) => {
    const tokens = readVirtual(json, config)
    const network = json.value('encoder_reparameterization_type') ?? 'MLP'
    // without the network, of whatever kind, the rows are all there is, and training them is prompt tuning
    const rows: PromptMethod = { kind: 'prompt', tokens }
    if (stored.has(promptTensor)) return rows
    if (network !== 'MLP') throw json.unsupported('encoder_reparameterization_type')
    return { kind: 'p-tuning', tokens, hidden: json.number('encoder_hidden_size') }
  },
  stored: ({ config, method, weights }) => new Map([[promptTensor, encodeRows(encoderOf(config, method), weights)]]),
}

function encoderOf({ width }: ModelConfig, { tokens, hidden }: PTuningMethod): PromptEncoder {
  return {
    tokens,
    widths: [width, hidden, hidden, width],
    module: 'mlp_head',
    activate: relu,
    activateNumber: x => Math.max(0, x),
  }
}
