// A LoRA adapter: made for a model, merged into one; names and shapes are those of PEFT's files.
import { AppError } from '../base/errors.js'
import { streamOf, uniformAt } from '../base/random.js'
import type { FloatTensor } from '../graph/tensor.js'
import { architectures, type ModelType } from './architectures.js'
import type { ModelConfig } from './config.js'
import { checkLora, loraModules, loraScale, rowModules, savedModules, type LoraMethod } from './method.js'
import { weightSpecs } from './weight-specs.js'
import type { Model } from './weights.js'

/** What LoRA adds to a model. Training changes the arrays of `weights` in place. */
export interface Adapter {
  /** Rank and alpha hold for every module. */
  readonly method: LoraMethod
  /** Modules with a low-rank addition, by full name. */
  readonly modules: readonly string[]
  /** Token ids of each module whose rows are replaced. */
  readonly rows: ReadonlyMap<string, readonly number[]>
  /** Modules replaced whole. */
  readonly saved: readonly string[]
  /** Of the model it was made for. */
  readonly modelType: ModelType
  readonly tied: boolean
  /** By the name in adapter_model.safetensors. */
  readonly weights: Map<string, FloatTensor>
}

/** Names of an adapter's tensors as PEFT writes them. */
export const adapterNames = {
  down: (module: string): string => `base_model.model.${module}.lora_A.weight`,
  up: (module: string): string => `base_model.model.${module}.lora_B.weight`,
  rows: (module: string): string => `base_model.model.${module}.token_adapter.trainable_tokens_delta`,
  saved: (tensor: string): string => `base_model.model.${tensor}`,
}

/** A tensor that an adapter must have. */
interface AdapterSpec {
  readonly name: string
  readonly shape: readonly number[]
  /** Values before training. */
  start(): Float32Array
}

/**
 * A fresh adapter that changes nothing yet: A uniform in ±1/√in (as PEFT draws it), B zero, rows and whole modules copied from the model.
 * @throws AppError `unknown-target`, `bad-setting`, `unsupported-dropout`
 */
export function createAdapter(model: Model, method: LoraMethod, seed: number): Adapter {
  checkLora(model.config, method)
  const rowIds = [...new Set(method.newTokenRows ?? [])]
  const saved = savedModules(model.config, method.modulesToSave ?? [])
  const shape: Omit<Adapter, 'weights'> = {
    method,
    modules: loraModules(model.config, method.targets),
    rows: new Map(rowIds.length === 0 ? [] : rowModules(model.config).map(module => [module, rowIds])),
    saved,
    modelType: model.config.modelType,
    tied: model.config.tied,
  }
  checkDisjoint(shape)
  const tensors = adapterSpecs(model, shape, seed).map(({ name, shape, start }): [string, FloatTensor] => [
    name,
    { dtype: 'float32', shape, data: start() },
  ])
  return { ...shape, weights: new Map(tensors) }
}

/** The tensors an adapter of this form has, with their values before training. */
function adapterSpecs(model: Model, adapter: Omit<Adapter, 'weights'>, seed = 0): AdapterSpec[] {
  const { config, weights } = model
  const { rank } = adapter.method
  return [
    ...adapter.modules.flatMap(module => {
      const [outputs, inputs] = moduleSize(config, weights.get(`${module}.weight`)!)
      const name = adapterNames.down(module)
      return [
        { name, shape: [rank, inputs], start: () => uniformRows(rank, inputs, seed, name) },
        { name: adapterNames.up(module), shape: [outputs, rank], start: () => new Float32Array(outputs * rank) },
      ]
    }),
    ...[...adapter.rows].map(([module, ids]) => {
      const table = weights.get(`${module}.weight`)!
      return { name: adapterNames.rows(module), shape: [ids.length, table.shape[1]], start: () => takeRows(table, ids) }
    }),
    ...savedTensors(config, adapter.saved).map(tensor => {
      const { shape, data } = weights.get(tensor)!
      return { name: adapterNames.saved(tensor), shape, start: () => data.slice() }
    }),
  ]
}

/** Tensor names of the modules trained whole. */
export function savedTensors(config: ModelConfig, modules: readonly string[]): string[] {
  return weightSpecs(config).map(({ name }) => name).filter(name => modules.includes(name.replace(/\.(?:weight|bias)$/, ''))) // prettier-ignore
}

/**
 * The model with the adapter folded in: W + scale · B·A, new rows and whole modules in their places.
 * Untouched tensors are shared with the base.
 * @throws AppError `adapter-mismatch` when the adapter was made for another model
 */
export function mergeAdapter(model: Model, adapter: Adapter): Model {
  checkAdapter(model, adapter)
  const weights = new Map(model.weights)
  const tensor = (name: string): FloatTensor => adapter.weights.get(name)!
  for (const name of savedTensors(model.config, adapter.saved)) weights.set(name, tensor(adapterNames.saved(name)))
  for (const module of adapter.modules) {
    const name = `${module}.weight`
    const [down, up] = [tensor(adapterNames.down(module)), tensor(adapterNames.up(module))]
    weights.set(name, addProduct(model.config, weights.get(name)!, down, up, loraScale(adapter.method)))
  }
  for (const [module, ids] of adapter.rows) {
    const name = `${module}.weight`
    weights.set(name, putRows(weights.get(name)!, ids, tensor(adapterNames.rows(module)).data))
  }
  return { ...model, weights }
}

/** @throws AppError `adapter-mismatch` naming the first tensor that is missing, surplus or of another shape */
export function checkAdapter(model: Model, adapter: Adapter): void {
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
function checkDisjoint({ modules, rows, saved }: Omit<Adapter, 'weights'>): void {
  const twice = saved.find(module => modules.includes(module) || rows.has(module))
  if (twice === undefined) return
  throw new AppError('bad-setting', {
    where: 'lora, key modulesToSave',
    what: {
      en: `${twice} is also a target or has new token rows`,
      ru: `${twice} указан и среди целей или строк новых токенов`,
    },
    fix: { en: 'Name it in one place', ru: 'Назовите его в одном месте' },
  })
}

/** [out, in] of a module's weight in either layout. */
function moduleSize(config: ModelConfig, { shape }: FloatTensor): [number, number] {
  return architectures[config.modelType].names.layout === 'in-out' ? [shape[1], shape[0]] : [shape[0], shape[1]]
}

function uniformRows(rank: number, inputs: number, seed: number, name: string): Float32Array {
  const stream = streamOf(name)
  const bound = 1 / Math.sqrt(inputs)
  return Float32Array.from({ length: rank * inputs }, (_, i) => bound * (2 * uniformAt(seed, stream, i) - 1))
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

/** W + scale · B·A, summed in float64 per element. */
function addProduct(
  config: ModelConfig,
  weight: FloatTensor,
  down: FloatTensor,
  up: FloatTensor,
  scale: number,
): FloatTensor {
  const [outputs, inputs] = moduleSize(config, weight)
  const [outStride, inStride] = architectures[config.modelType].names.layout === 'in-out' ? [1, outputs] : [inputs, 1]
  const rank = down.shape[0]
  const data = weight.data.slice()
  const row = new Float64Array(inputs)
  for (let o = 0; o < outputs; o++) {
    row.fill(0)
    for (let r = 0; r < rank; r++) {
      const b = up.data[o * rank + r] * scale
      for (let i = 0; i < inputs; i++) row[i] += b * down.data[r * inputs + i]
    }
    for (let i = 0; i < inputs; i++) data[o * outStride + i * inStride] += row[i]
  }
  return { dtype: 'float32', shape: weight.shape, data }
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
