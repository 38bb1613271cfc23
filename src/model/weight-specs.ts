// The shape of a model to the list of its tensors: names as Hugging Face writes them, shapes, and what each one is for.
import { elementCount } from '../graph/tensor.js'
import { architectures } from './architectures.js'
import type { ModelConfig } from './config.js'

/** `residual`: the last product of a branch, whose result is added to the stream. */
type WeightRole = 'embedding' | 'linear' | 'residual' | 'bias' | 'norm'

export interface WeightSpec {
  readonly name: string
  readonly shape: readonly number[]
  readonly role: WeightRole
}

/** Every tensor of the model in order of use; a tied head is not repeated. */
export function weightSpecs(config: ModelConfig): WeightSpec[] {
  const { names } = architectures[config.modelType]
  const { vocabulary, width, maxPositions } = config
  const specs: WeightSpec[] = [{ name: `${names.embedding}.weight`, shape: [vocabulary, width], role: 'embedding' }]
  if (names.positions)
    specs.push({ name: `${names.positions}.weight`, shape: [maxPositions, width], role: 'embedding' })
  for (let layer = 0; layer < config.layers; layer++) specs.push(...blockSpecs(config, layer))
  specs.push(...normSpecs(config, names.finalNorm, width))
  if (!config.tied) specs.push({ name: `${names.head}.weight`, shape: [vocabulary, width], role: 'linear' })
  return specs
}

/** Modules that multiply by a matrix, apart from the head: what LoRA calls `all-linear`. */
export function linearModules(config: ModelConfig): string[] {
  const { head } = architectures[config.modelType].names
  return weightSpecs(config)
    .filter(({ role }) => role === 'linear' || role === 'residual')
    .map(({ name }) => name.slice(0, -'.weight'.length))
    .filter(name => name !== head)
}

/** Trained numbers in the whole model. */
export function parameterCount(config: ModelConfig): number {
  return weightSpecs(config).reduce((sum, { shape }) => sum + elementCount(shape), 0)
}

function blockSpecs(config: ModelConfig, layer: number): WeightSpec[] {
  const { names } = architectures[config.modelType]
  const { width, innerWidth, heads, keyHeads, headWidth, bias } = config
  const at = (module: string): string => `${names.block}.${layer}.${module}`
  const queries = heads * headWidth
  const keys = keyHeads * headWidth
  const qkv: [string, number][] =
    'fused' in names.qkv
      ? [[names.qkv.fused, queries + 2 * keys]]
      : [[names.qkv.query, queries], [names.qkv.key, keys], [names.qkv.value, keys]] // prettier-ignore
  return [
    ...normSpecs(config, at(names.attentionNorm), width),
    ...qkv.flatMap(([module, out]) => linearSpecs(config, at(module), width, out, bias.qkv)),
    ...[names.queryNorm, names.keyNorm].flatMap(module =>
      module === undefined ? [] : [{ name: `${at(module)}.weight`, shape: [headWidth], role: 'norm' as const }],
    ),
    ...linearSpecs(config, at(names.attentionOut), queries, width, bias.attentionOut, 'residual'),
    ...normSpecs(config, at(names.mlpNorm), width),
    ...(names.gate === undefined ? [] : linearSpecs(config, at(names.gate), width, innerWidth, bias.mlp)),
    ...linearSpecs(config, at(names.up), width, innerWidth, bias.mlp),
    ...linearSpecs(config, at(names.down), innerWidth, width, bias.mlp, 'residual'),
  ]
}

function normSpecs(config: ModelConfig, module: string, width: number): WeightSpec[] {
  const parts = config.norm.kind === 'layer' ? ['weight', 'bias'] : ['weight']
  return parts.map(part => ({ name: `${module}.${part}`, shape: [width], role: part === 'bias' ? 'bias' : 'norm' }))
}

function linearSpecs(
  config: ModelConfig,
  module: string,
  inputs: number,
  outputs: number,
  bias: boolean,
  role: WeightRole = 'linear',
): WeightSpec[] {
  const { layout } = architectures[config.modelType].names
  const shape = layout === 'in-out' ? [inputs, outputs] : [outputs, inputs]
  const weight: WeightSpec = { name: `${module}.weight`, shape, role }
  return bias ? [weight, { name: `${module}.bias`, shape: [outputs], role: 'bias' }] : [weight]
}
