// LoRA and DoRA: W + scale · B·A beside the products of the blocks; names and shapes are those of PEFT's files.
import { keyOf, type Text } from '../base/errors.js'
import { add, div, gather, matmul, mul, reduceSum, scalar, sqrt, stopGradient, sub, transpose } from '../graph/build.js'
import type { Node } from '../graph/graph.js'
import type { FloatTensor } from '../graph/tensor.js'
import type { Adapter, AdapterForm, AdapterKind, AdapterSpec, GraphContext } from './adapter-kind.js'
import type { AdapterConfigReader } from './adapter-config-reader.js'
import { readRows, readSaved, readTargets, sharedJson } from './adapter-targets.js'
import { architectures } from './architectures.js'
import { normals, uniform } from './draws.js'
import type { ModelConfig } from './model-config.js'
import { badSetting, checkCount, targetModules, type LoraMethod } from './method.js'
import { isInOut, mapRows, moduleMatrix, rowLengths } from './module-matrix.js'
import { pythonRegex } from './python-regex.js'
import type { Model } from './weights.js'

/** Names of the tensors of a module as PEFT writes them. */
const names = {
  down: (module: string): string => `base_model.model.${module}.lora_A.weight`,
  up: (module: string): string => `base_model.model.${module}.lora_B.weight`,
  /** [rank, V] */
  embeddingDown: (module: string): string => `base_model.model.${module}.lora_embedding_A`,
  /** [C, rank] */
  embeddingUp: (module: string): string => `base_model.model.${module}.lora_embedding_B`,
  /** Trained lengths of DoRA's rows, [out]. */
  lengths: (module: string): string => `base_model.model.${module}.lora_magnitude_vector`,
}

export const lora: AdapterKind<LoraMethod> = {
  peftType: 'LORA',
  check: checkLora,
  modules: (config, { targets, layers }) => targetModules(config, targets, layers, endModules(config)),
  tensors: (model, form, seed) => form.modules.flatMap(module => moduleTensors(model, form, module, seed)),
  graph: context => ({
    linear: (x, module) =>
      context.adapter.method.dora ? doraLinear(context, x, module) : loraLinear(context, x, module),
    embed: (rows, ids, module) => add(rows, embeddedAddition(context, ids, module)),
  }),
  fold: (model, adapter, module) => [[`${module}.weight`, fold(model, adapter, module)]],
  unfold: (model, adapter, module) => [[`${module}.weight`, addProduct(model, adapter, module, -1)]],
  toJson: form => ({
    ...sharedJson(form),
    alpha_pattern: form.method.alphaPattern ?? {},
    bias: form.method.bias ?? 'none',
    ensure_weight_tying: form.config.tied && form.saved.length > 0,
    init_lora_weights: true,
    lora_alpha: form.method.alpha,
    lora_dropout: form.method.dropout ?? 0,
    r: form.method.rank,
    rank_pattern: form.method.rankPattern ?? {},
    trainable_token_indices: rowsJson(form),
    use_dora: form.method.dora ?? false,
    use_rslora: form.method.rsLora ?? false,
  }),
  fromJson: (json, config, stored) => {
    checkStart(json)
    const saved = readSaved(json, config, stored)
    const ends = endModules({ ...config, tied: false })
    const targets = readTargets(json, config, ends)
    const hasEnd = targets.some(module => ends.includes(module))
    if (config.tied && hasEnd) json.expect('ensure_weight_tying', false)
    const dora = json.flag('use_dora')
    if (dora && targets.some(module => isEmbedding(config, module))) throw json.unsupported('use_dora')
    const untied = saved.untied || (config.tied && hasEnd)
    const rows = readRows(json, config)
    if (untied && rows.size > 0) throw json.unsupported('trainable_token_indices')
    json.flag('fan_in_fan_out')
    return {
      kind: 'lora',
      rank: json.number('r'),
      alpha: json.number('lora_alpha'),
      rsLora: json.flag('use_rslora'),
      dora,
      dropout: json.number('lora_dropout', 0),
      rankPattern: json.patterns('rank_pattern'),
      alphaPattern: json.patterns('alpha_pattern'),
      targets,
      newTokenRows: [...new Set([...rows.values()].flat())],
      modulesToSave: saved.modulesToSave,
      untied,
      ...readBias(json, stored),
    }
  },
}

/** Older PEFT leaves biases out of the file whatever it said of them: then the base's stay. */
function readBias(json: AdapterConfigReader, stored: ReadonlyMap<string, FloatTensor>): Pick<LoraMethod, 'bias'> {
  const bias = json.value('bias') ?? 'none'
  if (bias === 'none') return {}
  if (bias !== 'all' && bias !== 'lora_only') throw json.unsupported('bias')
  return [...stored.keys()].some(name => name.endsWith('.bias')) ? { bias } : {}
}

/** Starts that leave the base as it is; PEFT takes others (PiSSA, OLoRA, CorDA, LoRA-GA, LoftQ) out of it, at every load. */
const plainStarts: readonly unknown[] = [true, false, 'gaussian', 'eva', 'orthogonal', 'mica']

function checkStart(json: AdapterConfigReader): void {
  const start = json.value('init_lora_weights') ?? true
  if (plainStarts.includes(typeof start === 'string' ? start.toLowerCase() : start)) return
  throw json.unsupported(
    'init_lora_weights',
    {
      en: 'means that the adapter belongs to a base which PEFT changes when it loads it',
      ru: 'означает, что адаптер рассчитан на базу, которую PEFT меняет при загрузке',
    },
    {
      en: 'Save the adapter in Python with path_initial_model_for_weight_conversion, which makes it an ordinary one, or merge it there (merge_and_unload)',
      ru: 'Сохраните адаптер в Python с path_initial_model_for_weight_conversion, он станет обычным, или слейте его там с базой (merge_and_unload)',
    },
  )
}

function checkLora(config: ModelConfig, method: LoraMethod): void {
  const { rank, alpha, dropout = 0, newTokenRows = [], layers, targets, dora } = method
  for (const count of [rank, ...Object.values(method.rankPattern ?? {})]) checkCount(keyOf('lora', 'rank'), count)
  for (const factor of [alpha, ...Object.values(method.alphaPattern ?? {})]) {
    if (!Number.isFinite(factor)) throw badSetting(keyOf('lora', 'alpha'), factor, 'a number', 'число')
  }
  if (!(dropout >= 0 && dropout < 1))
    throw badSetting(keyOf('lora', 'dropout'), dropout, 'a share from 0 up to 1', 'доля от 0 до 1')
  checkNumbers(keyOf('lora', 'newTokenRows'), newTokenRows, config.vocabulary, ['token ids', 'номера токенов'])
  if (dora && targetModules(config, targets, layers, endModules(config)).some(module => isEmbedding(config, module)))
    throw badSetting(
      keyOf('lora', 'dora'),
      true,
      'false with a target that is an embedding',
      'false с целью-эмбеддингом',
    )
  checkNumbers(keyOf('lora', 'layers'), layers ?? [], config.layers, ['numbers of blocks', 'номера блоков'])
}

function checkNumbers(key: Text, list: readonly number[], count: number, [en, ru]: [string, string]): void {
  const outside = list.find(id => !Number.isSafeInteger(id) || id < 0 || id >= count)
  if (outside !== undefined)
    throw badSetting(key, outside, `${en} from 0 to ${count - 1}`, `${ru} от 0 до ${count - 1}`)
}

/** The pattern that fits first, as PEFT finds it: the end of the name after a point, or the whole name. */
function patternValue(patterns: Readonly<Record<string, number>> = {}, module: string, fallback: number): number {
  const where = keyOf('lora', 'rankPattern')
  const key = Object.keys(patterns).find(pattern => pythonRegex(pattern, where, '(?:.*\\.)?').test(module))
  return key === undefined ? fallback : patterns[key]
}

function rankOf(method: LoraMethod, module: string): number {
  return patternValue(method.rankPattern, module, method.rank)
}

/** The factor of B·A. */
function scaleOf(method: LoraMethod, module: string): number {
  const rank = rankOf(method, module)
  return patternValue(method.alphaPattern, module, method.alpha) / (method.rsLora ? Math.sqrt(rank) : rank)
}

/** A uniform in ±1/√in (as PEFT draws it), B zero, lengths those of the model's own rows. */
function moduleTensors(model: Model, { method }: AdapterForm<LoraMethod>, module: string, seed: number): AdapterSpec[] {
  const weight = model.weights.get(`${module}.weight`)!
  const rank = rankOf(method, module)
  if (isEmbedding(model.config, module)) return embeddingTensors(weight, rank, module, seed)
  const { outputs, inputs } = moduleMatrix(model.config, weight, module)
  const [down, up, lengths] = [names.down(module), names.up(module), names.lengths(module)]
  const specs: AdapterSpec[] = [
    { name: down, shape: [rank, inputs], start: () => uniform(rank * inputs, 1 / Math.sqrt(inputs), seed, down) },
    { name: up, shape: [outputs, rank], start: () => new Float32Array(outputs * rank) },
  ]
  if (method.dora)
    specs.push({
      name: lengths,
      shape: [outputs],
      start: () => Float32Array.from(rowLengths(model.config, weight, module)),
    })
  return specs
}

/** Modules before and behind the blocks that can be targets; a head that is tied to the embedding must be taken apart first. */
function endModules({ modelType, tied }: ModelConfig): string[] {
  const { embedding, head } = architectures[modelType].names
  return tied ? [] : [embedding, head]
}

function isEmbedding({ modelType }: ModelConfig, module: string): boolean {
  return module === architectures[modelType].names.embedding
}

/** A zero and B standard normal, as PEFT draws them. */
function embeddingTensors(
  { shape: [rows, width] }: FloatTensor,
  rank: number,
  module: string,
  seed: number,
): AdapterSpec[] {
  const [down, up] = [names.embeddingDown(module), names.embeddingUp(module)]
  return [
    { name: down, shape: [rank, rows], start: () => new Float32Array(rank * rows) },
    { name: up, shape: [width, rank], start: () => normals(width * rank, seed, up) },
  ]
}

/** scale · Aᵀ[ids]·Bᵀ: [N, C] */
function embeddedAddition({ tensor, adapter }: GraphContext<LoraMethod>, ids: Node, module: string): Node {
  const inner = gather(transpose(tensor(names.embeddingDown(module)), [1, 0]), ids)
  return matmul(inner, tensor(names.embeddingUp(module)), { transposeB: true, alpha: scaleOf(adapter.method, module) })
}

function loraLinear(context: GraphContext<LoraMethod>, x: Node, module: string): Node {
  return add(context.linear(x, module), lowRank(context, context.dropout(x, module), module))
}

/** scale · (x·Aᵀ)·Bᵀ */
function lowRank({ tensor, adapter }: GraphContext<LoraMethod>, x: Node, module: string): Node {
  const inner = matmul(x, tensor(names.down(module)), { transposeB: true })
  return matmul(inner, tensor(names.up(module)), { transposeB: true, alpha: scaleOf(adapter.method, module) })
}

/**
 * g·(x·Wᵀ + scale·x·Aᵀ·Bᵀ) + b with g = length / |row of W + scale·B·A|, where the norm is taken as a constant.
 * Dropout, as in PEFT, leaves one x·Wᵀ whole: x·Wᵀ + (g − 1)·x'·Wᵀ + g·scale·x'·Aᵀ·Bᵀ + b.
 */
function doraLinear(context: GraphContext<LoraMethod>, x: Node, module: string): Node {
  const dropped = context.dropout(x, module)
  const gain = div(context.tensor(names.lengths(module)), rowNorms(context, module))
  const added = mul(lowRank(context, dropped, module), gain)
  const base = context.linear(x, module)
  const again = dropped === x && !hasBias(context, module) ? base : context.linear(dropped, module, { bias: false })
  return add(base, add(mul(again, sub(gain, scalar(1))), added))
}

function hasBias({ model }: GraphContext<LoraMethod>, module: string): boolean {
  return model.weights.has(`${module}.bias`)
}

/** |row of W + scale·B·A|, [out], without a gradient. */
function rowNorms({ tensor, model, adapter }: GraphContext<LoraMethod>, module: string): Node {
  const [down, up] = [tensor(names.down(module)), tensor(names.up(module))]
  const alpha = scaleOf(adapter.method, module)
  const inOut = isInOut(model.config, module)
  const product = inOut ? matmul(down, up, { transposeA: true, transposeB: true, alpha }) : matmul(up, down, { alpha })
  const whole = add(tensor(`${module}.weight`), product)
  return stopGradient(sqrt(reduceSum(mul(whole, whole), [inOut ? 0 : 1])))
}

function fold(model: Model, adapter: Adapter<LoraMethod>, module: string): FloatTensor {
  const sum = addProduct(model, adapter, module, 1)
  if (!adapter.method.dora) return sum
  const [wanted, present] = [adapter.weights.get(names.lengths(module))!.data, rowLengths(model.config, sum, module)]
  return mapRows(model.config, sum, module, (row, o) => row.forEach((x, i) => (row[i] = (x * wanted[o]) / present[o])))
}

/** W + sign · scale · B·A, summed in float64 per element. */
function addProduct(model: Model, { method, weights }: Adapter<LoraMethod>, module: string, sign: 1 | -1): FloatTensor {
  const scale = sign * scaleOf(method, module)
  const weight = model.weights.get(`${module}.weight`)!
  const isRows = isEmbedding(model.config, module)
  const kinds = isRows ? [names.embeddingDown, names.embeddingUp] : [names.down, names.up]
  const [down, up] = kinds.map(name => weights.get(name(module))!)
  const [rank, inputs] = down.shape
  return mapRows(model.config, weight, module, (row, o) => {
    for (let r = 0; r < rank; r++) {
      const factor = scale * (isRows ? down.data[r * inputs + o] : up.data[o * rank + r])
      for (let i = 0; i < row.length; i++)
        row[i] += factor * (isRows ? up.data[i * rank + r] : down.data[r * inputs + i])
    }
  })
}

function rowsJson({ rows }: AdapterForm<LoraMethod>): Record<string, readonly number[]> | null {
  if (rows.size === 0) return null
  return Object.fromEntries([...rows].map(([module, ids]) => [module.split('.').at(-1)!, ids]))
}
