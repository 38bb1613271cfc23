// An adapter: made for a model, held against it, merged into it and taken out again.
import { AppError, keyOf, type Text } from '../base/errors.js'
import type { FloatTensor } from '../graph/tensor.js'
import { adapterNames, type Adapter, type AdapterForm, type AdapterSpec } from './adapter-kind.js'
import { kindOf } from './adapter-kinds.js'
import type { ModelConfig } from './model-config.js'
import { rowModules, savedModules, type AdapterMethod, type LoraMethod } from './method.js'
import { weightSpecs } from './weight-specs.js'
import { untiedModel, type Model } from './weights.js'

export { adapterNames, type Adapter } from './adapter-kind.js'

/**
 * A fresh adapter. It changes nothing yet, but for virtual tokens and prefixes, which cannot do so.
 * @throws AppError `unknown-target`, `bad-setting`, `unsupported-adapter`
 */
export function createAdapter(model: Model, method: AdapterMethod, seed: number): Adapter {
  const form = adapterForm(model.config, method)
  const tensors = adapterSpecs(modelOf(form, model), form, seed).map(
    ({ name, shape, start }): [string, FloatTensor] => [name, { dtype: 'float32', shape, data: start() }],
  )
  return { ...form, weights: new Map(tensors) }
}

/**
 * What a method adds to a model of this configuration.
 * @param rows where they are not those of `newTokenRows` in embedding and head
 * @throws AppError `unknown-target`, `bad-setting`, `unsupported-adapter`
 */
export function adapterForm(base: ModelConfig, method: AdapterMethod, rows?: AdapterForm['rows']): AdapterForm {
  const kind = kindOf(method)
  const config = 'untied' in method && method.untied ? { ...base, tied: false } : base
  kind.check(config, method)
  const saved = 'modulesToSave' in method ? savedModules(config, method.modulesToSave ?? []) : []
  const modules = kind.modules(config, method)
  const biases = 'bias' in method ? trainedBiases(config, method.bias, modules, saved) : []
  const form = { method, modules, rows: rows ?? newRows(config, method), saved, biases, config }
  checkDisjoint(form)
  return form
}

function newRows(config: ModelConfig, method: AdapterMethod): ReadonlyMap<string, readonly number[]> {
  const ids = [...new Set('newTokenRows' in method ? method.newTokenRows : [])]
  return new Map(ids.length === 0 ? [] : rowModules(config).map(module => [module, ids]))
}

/** The model as the adapter takes it: where the head is taken apart from the embedding, it is a matrix of its own. */
export function modelOf({ config }: Pick<AdapterForm, 'config'>, model: Model): Model {
  if (config.tied || !model.config.tied) return model
  const [untied, weights] = untiedModel(model, model.weights)
  return { ...untied, weights }
}

/** The tensors an adapter of this form has, with their values before training. */
function adapterSpecs(model: Model, form: AdapterForm, seed = 0): AdapterSpec[] {
  return [
    ...kindOf(form.method).tensors(model, form, seed),
    ...[...form.rows].map(([module, ids]) => {
      const table = model.weights.get(`${module}.weight`)!
      return { name: adapterNames.rows(module), shape: [ids.length, table.shape[1]], start: () => takeRows(table, ids) }
    }),
    ...savedTensors(model.config, form).map(tensor => {
      const { shape, data } = model.weights.get(tensor)!
      return { name: adapterNames.saved(tensor), shape, start: () => data.slice() }
    }),
  ]
}

/** Names of the model's tensors that stand in the adapter whole: those of saved modules, and biases. */
export function savedTensors(config: ModelConfig, { saved, biases }: Pick<AdapterForm, 'saved' | 'biases'>): string[] {
  return weightSpecs(config).map(({ name }) => name).filter(name => saved.includes(moduleOf(name)) || biases.includes(name)) // prettier-ignore
}

function moduleOf(tensor: string): string {
  return tensor.replace(/\.(?:weight|bias)$/, '')
}

function trainedBiases(
  config: ModelConfig,
  which: LoraMethod['bias'],
  modules: readonly string[],
  saved: readonly string[],
): string[] {
  if (which === undefined) return []
  const all = weightSpecs(config).map(({ name }) => name).filter(name => name.endsWith('.bias')) // prettier-ignore
  return all.filter(name => !saved.includes(moduleOf(name)) && (which === 'all' || modules.includes(moduleOf(name))))
}

/** Whether weights alone can do what the adapter does. */
export function canMerge({ method }: Adapter): boolean {
  return kindOf(method).fold !== undefined
}

/**
 * The model with the adapter folded in, new rows and whole modules in their places. Untouched tensors are shared with the base;
 * a head that the adapter takes apart from the embedding is one of its own.
 * @throws AppError `adapter-mismatch` when the adapter was made for another model; `cannot-merge` where no weights do the same
 */
export function mergeAdapter(base: Model, adapter: Adapter): Model {
  const model = modelOf(adapter, base)
  checkAdapter(model, adapter)
  const weights = new Map(model.weights)
  for (const module of mergedModules(adapter)) {
    for (const [name, tensor] of mergeModule(model, adapter, module)) weights.set(name, tensor)
  }
  return { ...model, weights }
}

/**
 * Full names of the modules whose tensors merging changes.
 * @throws AppError `cannot-merge`
 */
export function mergedModules({ method, modules, rows, saved, biases }: Adapter): ReadonlySet<string> {
  if (kindOf(method).fold === undefined) throw cannotMerge(method, notInWeights)
  return new Set([...saved, ...modules, ...rows.keys(), ...biases.map(moduleOf)])
}

/** The tensors of one module with the adapter folded in, by name; of the model's tensors only those of the module are read. */
export function mergeModule(model: Model, adapter: Adapter, module: string): Map<string, FloatTensor> {
  const tensor = (name: string): FloatTensor => adapter.weights.get(name)!
  const merged = new Map<string, FloatTensor>()
  for (const name of savedTensors(model.config, adapter)) {
    if (moduleOf(name) === module) merged.set(name, tensor(adapterNames.saved(name)))
  }
  if (adapter.modules.includes(module)) {
    for (const [name, folded] of kindOf(adapter.method).fold!(model, adapter, module)) merged.set(name, folded)
  }
  const ids = adapter.rows.get(module)
  if (ids) {
    const name = `${module}.weight`
    const table = merged.get(name) ?? model.weights.get(name)!
    merged.set(name, putRows(table, ids, tensor(adapterNames.rows(module)).data))
  }
  return merged
}

/**
 * The way back from `mergeAdapter`, up to rounding.
 * @throws AppError `adapter-mismatch`; `cannot-merge` where merging loses what the base was
 */
export function unmergeAdapter(model: Model, adapter: Adapter): Model {
  checkAdapter(model, adapter)
  const { unfold } = kindOf(adapter.method)
  if (unfold === undefined || lengthsLost(adapter)) throw cannotMerge(adapter.method, lostInMerging)
  if (adapter.rows.size + adapter.saved.length + adapter.biases.length > 0)
    throw cannotMerge(adapter.method, lostInMerging)
  const weights = new Map(model.weights)
  for (const module of adapter.modules) {
    for (const [name, unfolded] of unfold(model, adapter, module)) weights.set(name, unfolded)
  }
  return { ...model, weights }
}

/** The lengths of the base's rows are gone once DoRA's stand in their place. */
function lengthsLost({ method }: Adapter): boolean {
  return method.kind === 'lora' && method.dora === true
}

/** @throws AppError `adapter-mismatch` naming the first tensor that is missing, surplus or of another shape */
export function checkAdapter(base: Model, adapter: Adapter): void {
  const model = modelOf(adapter, base)
  const unknown = [...adapter.modules, ...adapter.rows.keys()].find(module => !model.weights.has(`${module}.weight`))
  if (unknown !== undefined) throw mismatch(unknown, 'no such module in the model', 'такого модуля в модели нет')
  checkDisjoint(adapter)
  const specs = adapterSpecs(model, adapter)
  for (const { name, shape } of specs) {
    const got = adapter.weights.get(name)?.shape.join(', ')
    if (got === undefined) throw mismatch(name, 'missing in the adapter', 'в адаптере его нет')
    if (got !== shape.join(', ')) {
      throw mismatch(
        name,
        `is [${got}], the model asks for [${shape.join(', ')}]`,
        `форма [${got}], модели нужна [${shape.join(', ')}]`,
      )
    }
  }
  const known = new Set(specs.map(({ name }) => name))
  const surplus = [...adapter.weights.keys()].find(name => !known.has(name))
  if (surplus !== undefined) throw mismatch(surplus, 'not used by this adapter', 'адаптеру этого вида он не нужен')
}

/** A module replaced whole has no rows or low-rank addition of its own. */
function checkDisjoint({ method, modules, rows, saved }: AdapterForm): void {
  const twice = saved.find(module => modules.includes(module) || rows.has(module)) ?? modules.find(module => rows.has(module)) // prettier-ignore
  if (twice === undefined) return
  throw new AppError('bad-setting', {
    where: keyOf(method.kind, 'modulesToSave'),
    what: {
      en: `${twice} is also a target or has new token rows`,
      ru: `${twice} указан и среди целей или строк новых токенов`,
    },
    fix: { en: 'Name it in one place', ru: 'Назовите его в одном месте' },
  })
}

function takeRows({ shape, data }: FloatTensor, ids: readonly number[]): Float32Array {
  const rows = new Float32Array(ids.length * shape[1])
  ids.forEach((id, i) => rows.set(data.subarray(id * shape[1], (id + 1) * shape[1]), i * shape[1]))
  return rows
}

function putRows({ dtype, shape, data }: FloatTensor, ids: readonly number[], rows: Float32Array): FloatTensor {
  const merged = data.slice()
  ids.forEach((id, i) => merged.set(rows.subarray(i * shape[1], (i + 1) * shape[1]), id * shape[1]))
  return { dtype, shape, data: merged }
}

function mismatch(tensor: string, en: string, ru: string): AppError {
  return new AppError('adapter-mismatch', {
    where: `adapter, ${tensor}`,
    what: { en, ru },
    fix: {
      en: 'Use the adapter with the base model it was trained on',
      ru: 'Возьмите адаптер вместе с его базовой моделью',
    },
  })
}

const notInWeights: Text = {
  en: 'no weights of the model do the same',
  ru: 'никакие веса модели не заменят того, что он делает',
}
const lostInMerging: Text = {
  en: 'merging has overwritten numbers of the base that the adapter does not keep',
  ru: 'слияние стёрло числа базовой модели, которых в адаптере нет',
}

function cannotMerge({ kind }: AdapterMethod, what: Text): AppError {
  return new AppError('cannot-merge', {
    where: `adapter, ${kind}`,
    what,
    fix: { en: 'Keep the base model and the adapter side by side', ru: 'Храните базовую модель и адаптер рядом' },
  })
}
