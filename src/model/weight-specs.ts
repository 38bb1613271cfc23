// The shape of a model to the list of its tensors: names as Hugging Face writes them, shapes, and what each one is for.
import { elementCount } from '../graph/tensor.js'
import { architectures } from './architectures.js'
import type { ModelConfig } from './model-config.js'

/** `residual`: the last product of a branch, whose result is added to the stream. `mixture`: a router or an expert. */
type WeightRole = 'embedding' | 'linear' | 'residual' | 'mixture' | 'bias' | 'norm'

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
  if (names.embeddingNorm) specs.push(...normSpecs(config, names.embeddingNorm, width))
  for (let layer = 0; layer < config.layers; layer++) specs.push(...blockSpecs(config, layer))
  specs.push(...normSpecs(config, names.finalNorm, width))
  if (!config.tied) specs.push({ name: `${names.head}.weight`, shape: [vocabulary, width], role: 'linear' })
  if (config.bias.head) specs.push({ name: `${names.head}.bias`, shape: [vocabulary], role: 'bias' })
  return specs
}

/** Modules that multiply by a matrix, apart from the head and mixtures: what LoRA calls `all-linear`. */
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

/** Norms in front of the branches: of attention, and of the MLP where it has its own. */
export function branchNorms(config: ModelConfig): { readonly attention: string; readonly mlp?: string } {
  const { attentionNorm, mlpNorm, pairedNorms } = architectures[config.modelType].names
  if (pairedNorms && config.branches === 'parallel' && config.mlpNorm) return pairedNorms
  return { attention: attentionNorm, mlp: config.mlpNorm ? mlpNorm : undefined }
}

/** Modules of one expert of a block. */
export function expertModules(config: ModelConfig, at: string, expert: number) {
  const { experts, gate, up, down } = architectures[config.modelType].names.mixture!
  const module = (name: string): string => `${at}${experts}.${expert}.${name}`
  return { gate: module(gate), up: module(up), down: module(down) }
}

function blockSpecs(config: ModelConfig, layer: number): WeightSpec[] {
  const { names } = architectures[config.modelType]
  const at = `${names.block}.${layer}.`
  const norms = branchNorms(config)
  const norm = (module: string | undefined): WeightSpec[] =>
    module === undefined ? [] : normSpecs(config, at + module, config.width)
  return [
    ...norm(norms.attention),
    ...attentionSpecs(config, at),
    ...norm(names.afterAttention),
    ...norm(norms.mlp),
    ...(names.mixture ? mixtureSpecs(config, at) : mlpSpecs(config, at)),
    ...norm(names.afterMlp),
  ]
}

function attentionSpecs(config: ModelConfig, at: string): WeightSpec[] {
  const { names } = architectures[config.modelType]
  const { width, heads, keyHeads, headWidth, bias } = config
  const [queries, keys] = [heads * headWidth, keyHeads * headWidth]
  const qkv: [string, number][] =
    'fused' in names.qkv
      ? [[names.qkv.fused, queries + 2 * keys]]
      : [[names.qkv.query, queries], [names.qkv.key, keys], [names.qkv.value, keys]] // prettier-ignore
  return [
    ...qkv.flatMap(([module, out]) => linearSpecs(config, at + module, width, out, bias.qkv)),
    ...headNormSpecs(config, names.queryNorm && at + names.queryNorm, heads),
    ...headNormSpecs(config, names.keyNorm && at + names.keyNorm, keyHeads),
    ...linearSpecs(config, at + names.attentionOut, queries, width, bias.attentionOut, 'residual'),
  ]
}

function headNormSpecs({ headNorm, headWidth }: ModelConfig, module: string | undefined, heads: number): WeightSpec[] {
  if (module === undefined || headNorm === 'none') return []
  const modules = headNorm === 'shared' ? [module] : Array.from({ length: heads }, (_, head) => `${module}.${head}`)
  return modules.map(name => ({ name: `${name}.weight`, shape: [headWidth], role: 'norm' }))
}

function mlpSpecs(config: ModelConfig, at: string): WeightSpec[] {
  const { gate, up, gateUp, down } = architectures[config.modelType].names
  const { width, innerWidth, bias } = config
  const into = (module: string | undefined, out: number): WeightSpec[] =>
    module === undefined ? [] : linearSpecs(config, at + module, width, out, bias.mlp)
  return [
    ...into(gate, innerWidth),
    ...into(up, innerWidth),
    ...into(gateUp, 2 * innerWidth),
    ...linearSpecs(config, at + down, innerWidth, width, bias.mlp, 'residual'),
  ]
}

function mixtureSpecs(config: ModelConfig, at: string): WeightSpec[] {
  const { width, innerWidth } = config
  const { count } = config.experts!
  const { router } = architectures[config.modelType].names.mixture!
  const experts = Array.from({ length: count }, (_, expert) => expertModules(config, at, expert))
  return [
    ...linearSpecs(config, at + router, width, count, false, 'mixture'),
    ...experts.flatMap(({ gate, up, down }) => [
      ...linearSpecs(config, gate, width, innerWidth, false, 'mixture'),
      ...linearSpecs(config, up, width, innerWidth, false, 'mixture'),
      ...linearSpecs(config, down, innerWidth, width, false, 'mixture'),
    ]),
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
