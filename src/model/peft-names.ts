// What tensors and modules are called in PEFT's files to what the model calls them, where the two differ, and back.
import { adapterNames, type Adapter } from './adapter-kind.js'
import { architectures } from './architectures.js'
import type { ConfigJson, ModelConfig } from './model-config.js'

type Tensors = Adapter['weights']

/** The head of every family in transformers 5, and so in PEFT; checkpoints of GPT-NeoX have the name of older versions. */
const peftHead = 'lm_head'
/** The bias of a target lies a level deeper in PEFT. */
const deeperBias = '.base_layer.bias'

/** Names of older versions pass as they are. */
export function tensorsFromPeft(stored: Tensors, config: ModelConfig): Tensors {
  const renamed = headName(adapterNames.saved(`${peftHead}.`), adapterNames.saved(`${headOf(config)}.`))
  return new Map([...stored].map(([name, tensor]) => [renamed(name).replace(deeperBias, '.bias'), tensor]))
}

export function tensorsToPeft({ modules, config, weights }: Adapter): Tensors {
  const deeper = new Map(modules.map(module => [adapterNames.saved(`${module}.bias`), adapterNames.saved(module + deeperBias)])) // prettier-ignore
  const renamed = headName(adapterNames.saved(`${headOf(config)}.`), adapterNames.saved(`${peftHead}.`))
  const tensors = new Map([...weights].map(([name, tensor]) => [renamed(deeper.get(name) ?? name), tensor]))
  // PEFT repeats a saved embedding under the name of the head that is tied to it
  const table = weights.get(adapterNames.saved(`${architectures[config.modelType].names.embedding}.weight`))
  return config.tied && table ? tensors.set(adapterNames.saved(`${peftHead}.weight`), table) : tensors
}

export function settingsFromPeft(json: ConfigJson, config: ModelConfig): ConfigJson {
  return withWord(json, peftHead, headOf(config))
}

export function settingsToPeft(json: ConfigJson, config: ModelConfig): ConfigJson {
  return withWord(json, headOf(config), peftHead)
}

function headOf({ modelType }: ModelConfig): string {
  return architectures[modelType].names.head
}

function headName(from: string, to: string): (name: string) => string {
  return name => (name.startsWith(from) ? to + name.slice(from.length) : name)
}

/** The settings with another name wherever one stands alone, as a value or a key. */
function withWord(json: ConfigJson, from: string, to: string): ConfigJson {
  return JSON.parse(JSON.stringify(json).replaceAll(`"${from}"`, `"${to}"`)) as ConfigJson
}
