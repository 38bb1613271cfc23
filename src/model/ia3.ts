// (IA)³: a trained factor for each output of a module, or for each input of a feed-forward one.
import { keyOf } from '../base/errors.js'
import { mul, reshape } from '../graph/build.js'
import type { FloatTensor } from '../graph/tensor.js'
import { filled, type Adapter, type AdapterKind } from './adapter-kind.js'
import { endsWithAny, readSaved, readTargets, sharedJson } from './adapter-targets.js'
import { architectures } from './architectures.js'
import type { ModelConfig } from './model-config.js'
import { badSetting, targetModules, type Ia3Method } from './method.js'
import { mapRows, moduleMatrix } from './module-matrix.js'
import { pythonRegex } from './python-regex.js'
import type { Model } from './weights.js'

const factorsName = (module: string): string => `base_model.model.${module}.ia3_l`

export const ia3: AdapterKind<Ia3Method> = {
  peftType: 'IA3',
  check(config, method) {
    const modules = targetModules(config, targetsOf(config, method))
    const lost = feedforwardOf(config, method).find(target => !modules.some(module => module.endsWith(target)))
    if (lost !== undefined && method.feedforward)
      throw badSetting(keyOf('ia3', 'feedforward'), lost, 'names of targets', 'имена целей')
  },
  modules: (config, method) => targetModules(config, targetsOf(config, method)),
  tensors: ({ config, weights }, { modules, method }) =>
    modules.map(module => {
      const { outputs, inputs } = moduleMatrix(config, weights.get(`${module}.weight`)!, module)
      const shape = isFeedforward(config, method, module) ? [1, inputs] : [outputs, 1]
      return { name: factorsName(module), shape, start: filled(shape, 1) }
    }),
  graph: ({ linear, tensor, model, adapter }) => ({
    linear: (x, module) => {
      const factors = reshape(tensor(factorsName(module)), [-1])
      return isFeedforward(model.config, adapter.method, module)
        ? linear(mul(x, factors), module)
        : mul(linear(x, module), factors)
    },
  }),
  fold: (model, adapter, module) => scaled(model, adapter, module, x => x),
  unfold: (model, adapter, module) => scaled(model, adapter, module, x => 1 / x),
  toJson: form => ({
    ...sharedJson(form),
    feedforward_modules: form.modules.filter(module => isFeedforward(form.config, form.method, module)),
    init_ia3_weights: true,
  }),
  fromJson: (json, config, stored) => {
    json.flag('fan_in_fan_out')
    const targets = readTargets(json, config)
    const feedforward = json.expressionOr('feedforward_modules')
    const fits =
      typeof feedforward === 'string'
        ? (module: string): boolean => pythonRegex(feedforward, json.place('feedforward_modules')).test(module)
        : (module: string): boolean => endsWithAny(module, feedforward)
    return { kind: 'ia3', targets, feedforward: targets.filter(fits), ...readSaved(json, config, stored) }
  },
}

function targetsOf(config: ModelConfig, { targets }: Ia3Method): Exclude<Ia3Method['targets'], undefined> {
  if (targets !== undefined) return targets
  const { qkv, down } = architectures[config.modelType].names
  return 'fused' in qkv ? [qkv.fused, down] : [qkv.key, qkv.value, down]
}

function feedforwardOf(config: ModelConfig, { feedforward }: Ia3Method): readonly string[] {
  return feedforward ?? [architectures[config.modelType].names.down]
}

function isFeedforward(config: ModelConfig, method: Ia3Method, module: string): boolean {
  return endsWithAny(module, feedforwardOf(config, method))
}

/** Weight and bias of a module with its factors, or what `of` makes of them, folded in. */
function scaled(
  { config, weights }: Model,
  adapter: Adapter<Ia3Method>,
  module: string,
  of: (factor: number) => number,
): [string, FloatTensor][] {
  const factors = adapter.weights.get(factorsName(module))!.data
  const inner = isFeedforward(config, adapter.method, module)
  const weight = mapRows(config, weights.get(`${module}.weight`)!, module, (row, o) =>
    row.forEach((x, i) => (row[i] = x * of(factors[inner ? i : o]))),
  )
  const bias = weights.get(`${module}.bias`)
  if (bias === undefined || inner) return [[`${module}.weight`, weight]]
  const data = bias.data.map((x, o) => x * of(factors[o]))
  return [[`${module}.weight`, weight], [`${module}.bias`, { ...bias, data }]] // prettier-ignore
}
