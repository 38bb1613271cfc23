// A model folder in Hugging Face layout to configuration and float32 tensors, and back.
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../base/errors.js'
import { exists, fileNotFound, readJson, writeFileAtomic } from '../base/files.js'
import { normalAt, streamOf } from '../base/random.js'
import { isFloat } from '../formats/safetensors-header.js'
import { readStored, type FloatDtype, type StoredTensor } from '../formats/safetensors.js'
import { listFolder, singleFile, writeShards } from '../formats/safetensors-shards.js'
import { elementCount, type FloatTensor } from '../graph/tensor.js'
import { openPlaces } from '../runtime/wasm-memory.js'
import { architectures } from './architectures.js'
import { parseConfig } from './config.js'
import type { ConfigJson, ModelConfig } from './model-config.js'
import { settleHead } from './tied-head.js'
import { weightSpecs, type WeightSpec } from './weight-specs.js'

/** A model in memory. Training changes the arrays of `weights` in place. */
export interface Model {
  readonly config: ModelConfig
  /** config.json as it was read, but for a head that the weights say is no embedding. */
  readonly json: ConfigJson
  /** By Hugging Face name; a tied head has no entry of its own. */
  readonly weights: Map<string, FloatTensor>
  /** generation_config.json, kept as it was. */
  readonly generation?: ConfigJson
}

/** Element type on disk. */
export type StoredDtype = 'float32' | 'float16' | 'bfloat16'

/** The types that weights are stored in, by the names of config.json. */
export const storedDtypes: { readonly [D in StoredDtype]: FloatDtype } = {
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
}

/** A model on disk: what it is, and where its numbers lie. */
export interface StoredModel extends Omit<Model, 'weights'> {
  /** The tensors of the configuration, by the names and in the order that `Model` has. */
  readonly stored: ReadonlyMap<string, StoredTensor>
}

/**
 * Reads config.json and finds the tensors in model.safetensors or the shards of its index, without reading their numbers.
 * @throws AppError as `loadModel`
 */
export async function openModel(folder: string): Promise<StoredModel> {
  const path = join(folder, 'config.json')
  const written = (await readJson(path)) as ConfigJson
  const named = parseConfig(written, path)
  const { tied, tensors } = await settleHead(named, withPrefix(named, await listWeights(folder)))
  const config = { ...named, tied }
  const json = tied === named.tied ? written : { ...written, tie_word_embeddings: tied }
  const stored = checkWeights(config, tensors, folder)
  const generationPath = join(folder, 'generation_config.json')
  const generation = (await exists(generationPath)) ? ((await readJson(generationPath)) as ConfigJson) : undefined
  return { config, json, stored, generation }
}

/** The element type of most of the weights, as it can be written. */
export function commonDtype({ stored }: StoredModel): StoredDtype {
  const sizes: Record<StoredDtype, number> = { float32: 0, float16: 0, bfloat16: 0 }
  for (const { dtype, shape } of stored.values()) {
    const name: StoredDtype = dtype === 'F16' ? 'float16' : dtype === 'BF16' ? 'bfloat16' : 'float32'
    sizes[name] += elementCount(shape)
  }
  return (Object.keys(sizes) as StoredDtype[]).reduce((best, name) => (sizes[name] > sizes[best] ? name : best))
}

/**
 * Reads config.json and model.safetensors (or the shards of its index); numbers become float32.
 * @param trained puts the arrays where a training step needs them, so that it does not move them. Default false
 * @throws AppError as `parseConfig`; `file-not-found`; `pickle-weights` for .bin and .pt; as `readSafetensors`;
 * `missing-tensor`, `unknown-tensor` or `weight-shape` when the weights are not those of the configuration
 */
export async function loadModel(folder: string, { trained = false } = {}): Promise<Model> {
  const { stored, ...model } = await openModel(folder)
  const weights = new Map<string, FloatTensor>()
  const place = trained ? openPlaces() : undefined
  for (const [name, tensor] of stored) weights.set(name, await readStored(tensor, place))
  return { ...model, weights }
}

/**
 * Writes config.json, generation_config.json and model.safetensors, or shards of it, into a folder; other files there stay.
 * @throws AppError `disk-full`; `float16-overflow` for numbers beyond 65504
 */
export async function saveModel(
  folder: string,
  model: Model,
  { dtype = 'float32', maxShardBytes }: { dtype?: StoredDtype; maxShardBytes?: number } = {},
): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeShards(folder, model.weights, { dtype: storedDtypes[dtype], maxShardBytes })
  await writeModelConfig(folder, model, dtype)
}

/** Writes config.json, naming the element type under the key it has there, and generation_config.json. */
export async function writeModelConfig(
  folder: string,
  { json, generation }: Pick<Model, 'json' | 'generation'>,
  dtype: StoredDtype,
): Promise<void> {
  const written = ['dtype', 'torch_dtype'].filter(key => key in json)
  const keys = written.length > 0 ? written : ['torch_dtype']
  const named = { ...json, ...Object.fromEntries(keys.map(key => [key, dtype])) }
  await writeFileAtomic(join(folder, 'config.json'), toJson(named))
  if (generation) await writeFileAtomic(join(folder, 'generation_config.json'), toJson(generation))
}

/** The model with a head of its own, which shares the numbers of the embedding that it was tied to. */
export function untiedModel<M extends Pick<Model, 'config' | 'json'>, T>(
  model: M,
  tensors: ReadonlyMap<string, T>,
): [M, Map<string, T>] {
  const { embedding, head } = architectures[model.config.modelType].names
  const config = { ...model.config, tied: false }
  const table = tensors.get(`${embedding}.weight`)!
  return [
    { ...model, config, json: { ...model.json, tie_word_embeddings: false } },
    new Map([...tensors, [`${head}.weight`, table]]),
  ]
}

/**
 * A fresh model with random weights as transformers draws them: normal with `initializer_range`, zero biases, norms of one;
 * GPT-2 narrows the last product of each branch by √(2·layers).
 * @param json config.json; `model_type` and sizes at least
 */
export function createModel(json: ConfigJson, seed: number): Model {
  const config = parseConfig(json)
  const place = openPlaces()
  const weights = new Map(weightSpecs(config).map(spec => [spec.name, drawTensor(config, spec, seed, place)]))
  return { config, json, weights }
}

function drawTensor(
  config: ModelConfig,
  { name, shape, role }: WeightSpec,
  seed: number,
  place: (length: number) => Float32Array,
): FloatTensor {
  const data = place(elementCount(shape))
  if (role === 'norm') data.fill(1 - config.norm.offset)
  if (role === 'norm' || role === 'bias') return { dtype: 'float32', shape, data }
  const narrow = role === 'residual' && config.modelType === 'gpt2' ? Math.sqrt(2 * config.layers) : 1
  const deviation = config.initializerRange / narrow
  const stream = streamOf(name)
  for (let i = 0; i < data.length; i++) data[i] = deviation * normalAt(seed, stream, i)
  return { dtype: 'float32', shape, data }
}

async function listWeights(folder: string): Promise<Map<string, StoredTensor>> {
  const stored = await listFolder(folder)
  if (stored) return stored
  const pickle = (await readdir(folder)).find(name => /\.(?:bin|pt|pth|ckpt)$/.test(name))
  throw pickle === undefined ? fileNotFound(join(folder, singleFile)) : pickleWeights(join(folder, pickle))
}

/** Names saved from the bare model get their prefix. */
function withPrefix(config: ModelConfig, read: ReadonlyMap<string, StoredTensor>): ReadonlyMap<string, StoredTensor> {
  const { embedding, head, prefix } = architectures[config.modelType].names
  const first = `${embedding}.weight`
  if (read.has(first) || !read.has(first.slice(prefix.length))) return read
  return new Map([...read].map(([name, tensor]) => [name === `${head}.weight` ? name : prefix + name, tensor]))
}

/** The tensors of the configuration, exactly. */
function checkWeights(
  config: ModelConfig,
  read: ReadonlyMap<string, StoredTensor>,
  folder: string,
): Map<string, StoredTensor> {
  const { names } = architectures[config.modelType]
  const rest = new Map(read)
  const weights = new Map<string, StoredTensor>()
  for (const { name, shape } of weightSpecs(config)) {
    const tensor = rest.get(name)
    if (!tensor) throw missingTensor(folder, name)
    if (tensor.shape.join() !== shape.join()) throw wrongShape(folder, name, shape, tensor.shape)
    weights.set(name, tensor)
    rest.delete(name)
  }
  if (config.tied) rest.delete(`${names.head}.weight`)
  const unknown = [...rest].find(([name, { dtype }]) => isFloat(dtype) && !names.ignored.test(name))
  if (unknown) throw unknownTensor(folder, unknown[0])
  return weights
}

/** Keys of config.json whose type is `float` in transformers, which since version 5 takes no whole number there. */
const floatKeys = [
  'initializer_range', 'layer_norm_eps', 'layer_norm_epsilon', 'rms_norm_eps', 'attn_logit_softcapping', 'final_logit_softcapping',
  'router_aux_loss_coef', 'router_jitter_noise', 'factor', 'low_freq_factor', 'high_freq_factor', 'attention_factor', 'beta_fast', 'beta_slow',
] // prettier-ignore
const wholeFloat = new RegExp(`^(\\s*"(?:${floatKeys.join('|')})": -?\\d+)(,?)$`, 'gm')

/** A number that was 30.0 in the file is 30 in memory; it is written as Python would. */
function toJson(value: ConfigJson): string {
  return JSON.stringify(value, undefined, 2).replace(wholeFloat, '$1.0$2') + '\n'
}

function pickleWeights(path: string): AppError {
  return new AppError('pickle-weights', {
    where: path,
    what: {
      en: 'the weights are a Python pickle, which can run any code when it is opened',
      ru: 'веса записаны как pickle языка Python, а он при открытии может выполнить любой код',
    },
    fix: {
      en: 'Take the safetensors file of the same model, or convert it in Python once: AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, safe_serialization=True)',
      ru: 'Возьмите safetensors той же модели или один раз преобразуйте в Python: AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, safe_serialization=True)',
    },
  })
}

const refetch = {
  en: 'config.json and the weights do not belong together; fetch the model again',
  ru: 'config.json и веса не подходят друг к другу; скачайте модель заново',
}

function missingTensor(folder: string, name: string): AppError {
  const what = { en: `the weights lack the tensor ${name}`, ru: `в весах нет тензора ${name}` }
  return new AppError('missing-tensor', { where: folder, what, fix: refetch })
}

function unknownTensor(folder: string, name: string): AppError {
  const what = {
    en: `the weights have a tensor ${name} that the configuration does not use`,
    ru: `в весах есть тензор ${name}, которого нет в конфигурации`,
  }
  return new AppError('unknown-tensor', { where: folder, what, fix: refetch })
}

function wrongShape(folder: string, name: string, expected: readonly number[], got: readonly number[]): AppError {
  const what = {
    en: `tensor ${name} is [${got.join(', ')}], the configuration asks for [${expected.join(', ')}]`,
    ru: `тензор ${name} имеет форму [${got.join(', ')}], а по конфигурации нужна [${expected.join(', ')}]`,
  }
  return new AppError('weight-shape', { where: folder, what, fix: refetch })
}
