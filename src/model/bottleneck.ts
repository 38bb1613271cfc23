// Bottleneck adapters after attention and MLP, as Houlsby and Pfeiffer place them, in the files of the `adapters` library.
import { keyOf } from '../base/errors.js'
import { normalAt, streamOf } from '../base/random.js'
import { add, gelu, linear, relu, silu } from '../graph/build.js'
import type { Node } from '../graph/graph.js'
import { filled, unsupportedHere, type AdapterKind, type AdapterSpec, type GraphContext } from './adapter-kind.js'
import { architectures } from './architectures.js'
import type { ModelType } from './model-config.js'
import type { ConfigJson, ModelConfig } from './model-config.js'
import { badSetting, checkCount, layerOf, type BottleneckMethod } from './method.js'

type Style = BottleneckMethod['style']
type NonLinearity = 'relu' | 'swish' | 'gelu'

/** What the library calls the two, what stands where, and what it starts them with. */
const styles: { readonly [S in Style]: { readonly afterAttention: boolean; readonly activation: NonLinearity } } = {
  houlsby: { afterAttention: true, activation: 'swish' },
  pfeiffer: { afterAttention: false, activation: 'relu' },
}

const activate: { readonly [A in NonLinearity]: (x: Node) => Node } = {
  relu,
  swish: silu,
  gelu: x => gelu(x, 'none'),
}

/** Families whose blocks the library changes as here: norm first, attention, then MLP. */
const families: ReadonlySet<ModelType> = new Set<ModelType>(['gpt2', 'llama', 'mistral'])

/** The name that the library files an adapter under. */
export const bottleneckName = 'dvoynik'

/** Keys that are the same for both styles. */
const fixedKeys: ConfigJson = {
  adapter_residual_before_ln: false,
  cross_adapter: false,
  dropout: 0,
  inv_adapter: null,
  inv_adapter_reduction_factor: null,
  is_parallel: false,
  leave_out: [],
  ln_after: false,
  ln_before: false,
  original_ln_after: true,
  output_adapter: true,
  phm_layer: false,
  residual_before_ln: true,
  scaling: 1,
  stochastic_depth: 0,
  use_gating: false,
}

export const bottleneck: AdapterKind<BottleneckMethod> = {
  peftType: undefined,
  check(config, { reduction = 16 }) {
    checkCount(keyOf('bottleneck', 'reduction'), reduction)
    if (reduction > config.width)
      throw badSetting(
        keyOf('bottleneck', 'reduction'),
        reduction,
        `up to ${config.width}`,
        `не больше ${config.width}`,
      )
    if (!families.has(config.modelType)) throw unsupportedFamily(config.modelType)
  },
  modules: (config, { style }) => {
    const { block, attentionOut, down } = architectures[config.modelType].names
    const ends = styles[style].afterAttention ? [attentionOut, down] : [down]
    return Array.from({ length: config.layers }, (_, layer) => ends.map(end => `${block}.${layer}.${end}`)).flat()
  },
  tensors: ({ config }, { modules, method }, seed) =>
    modules.flatMap(module => layerTensors(config, method, module, seed)),
  graph: context => ({ branch: (result, stream, module) => adapted(context, result, stream, module) }),
  toJson: ({ config, method }) => {
    const { style, reduction = 16, activation } = method
    const { afterAttention } = styles[style]
    return {
      config: {
        ...fixedKeys,
        init_weights: 'bert',
        mh_adapter: afterAttention,
        non_linearity: activation ?? styles[style].activation,
        original_ln_before: !afterAttention,
        reduction_factor: reduction,
      },
      hidden_size: config.width,
      model_type: config.modelType,
      name: bottleneckName,
    }
  },
  fromJson: json => {
    for (const [key, value] of Object.entries(fixedKeys)) {
      if (value === null || Array.isArray(value)) continue // off unless set: checkRest asks
      json.expect(key, value)
    }
    for (const key of ['init_weights', 'phm_dim', 'phm_c_init', 'phm_init_range', 'phm_rank', 'learn_phm', 'hypercomplex_nonlinearity', 'shared_phm_rule', 'factorized_phm_rule', 'shared_W_phm', 'factorized_phm_W', 'phm_bias', 'architecture']) json.value(key) // prettier-ignore
    const style: Style = json.flag('mh_adapter') ? 'houlsby' : 'pfeiffer'
    json.expect('original_ln_before', style === 'pfeiffer')
    const activation = json.value('non_linearity')
    if (!isKnown(activation)) throw json.unsupported('non_linearity')
    return { kind: 'bottleneck', style, reduction: json.number('reduction_factor'), activation }
  },
}

function isKnown(name: unknown): name is NonLinearity {
  return typeof name === 'string' && Object.hasOwn(activate, name)
}

function namesOf(config: ModelConfig, module: string) {
  const { block, attentionOut } = architectures[config.modelType].names
  const place = module.endsWith('.' + attentionOut) ? 'attention_adapters' : 'output_adapters'
  const at = `${block}.${layerOf(module)}.${place}.adapters.${bottleneckName}`
  return {
    down: `${at}.adapter_down.0.weight`,
    downBias: `${at}.adapter_down.0.bias`,
    up: `${at}.adapter_up.weight`,
    upBias: `${at}.adapter_up.bias`,
  }
}

/** Normal with deviation 0.02 and zero biases, as the library draws them. */
function layerTensors(config: ModelConfig, method: BottleneckMethod, module: string, seed: number): AdapterSpec[] {
  const inner = Math.max(1, Math.floor(config.width / (method.reduction ?? 16)))
  const names = namesOf(config, module)
  const normal = (name: string, shape: readonly [number, number]): AdapterSpec => ({
    name,
    shape,
    start: () => Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => 0.02 * normalAt(seed, streamOf(name), i)),
  })
  return [
    { name: names.downBias, shape: [inner], start: filled([inner], 0) },
    normal(names.down, [inner, config.width]),
    { name: names.upBias, shape: [config.width], start: filled([config.width], 0) },
    normal(names.up, [config.width, inner]),
  ]
}

/** h + up(act(down(x))) of a branch's result h; Pfeiffer's x is h with the stream, Houlsby's is h. */
function adapted(
  { adapter, model, tensor }: GraphContext<BottleneckMethod>,
  result: Node,
  stream: Node,
  module: string,
): Node {
  if (!adapter.modules.includes(module)) return result
  const { style, activation = styles[style].activation } = adapter.method
  const names = namesOf(model.config, module)
  const x = style === 'pfeiffer' ? add(result, stream) : result
  const inner = activate[activation](linear(x, tensor(names.down), tensor(names.downBias), { transposeB: true }))
  return add(result, linear(inner, tensor(names.up), tensor(names.upBias), { transposeB: true }))
}

function unsupportedFamily(modelType: ModelType) {
  const known = [...families].join(', ')
  return unsupportedHere('bottleneck', {
    en: `bottleneck adapters are for ${known}, the model is ${modelType}`,
    ru: `такие адаптеры есть для ${known}, а модель — ${modelType}`,
  })
}
