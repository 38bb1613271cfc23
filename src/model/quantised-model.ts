// A model whose frozen weights stand in codes of 8 or 4 bits, or stay in files: made in memory, or read tensor by tensor.
import { resolve } from 'node:path'
import { listSafetensors, type StoredTensor } from '../formats/safetensors.js'
import { elementBytes, type FileTensor, type FloatTensor, type TensorType } from '../graph/tensor.js'
import { architectures } from './architectures.js'
import { cachedNames, ensureFrozenCache, type TensorPlan } from './frozen-cache.js'
import { quantisedWeight, storedWeight, toRows, type QuantisedWeight } from './frozen-tensor.js'
import type { ModelConfig } from './model-config.js'
import { quantisedBlock, quantisedTypes, quantiseMatrix, type Bits, type QuantisedMatrix } from './quantise.js'
import { weightSpecs } from './weight-specs.js'
import { openModel, type Model, type StoredModel } from './weights.js'

export interface QuantiseOptions {
  readonly bits: Bits
  /** The head too; embeddings stay as they are. Default: with 8 bits. */
  readonly head?: boolean
  /** Inputs that share a scale with 4 bits, and numbers of the left side that generation rounds together: 16 to 256, a power of two. Larger is faster and coarser. Default 128 with 8 bits, 32 with 4. */
  readonly block?: number
  /** What products round their left side to: `int8` (default) is faster, `float32` leaves it alone. */
  readonly activations?: QuantisedWeight['activations']
}

/** A model in memory to one whose products compute with codes; what the codes stand for is `data` from then on. */
export function quantiseModel(model: Model, options: QuantiseOptions): Model {
  const weights = new Map(model.weights)
  for (const { name, inOut, tied } of quantisedWeights(model.config, options)) {
    const tensor = weights.get(name)!
    const { outputs, inputs } = sizes(tensor.shape, inOut)
    const matrix = quantiseMatrix(toRows(tensor, inOut), outputs, inputs, options.bits, options.block)
    const quantised = { ...matrix, activations: options.activations ?? 'int8' }
    weights.set(name, tied ? { ...tensor, quantised } : quantisedWeight(tensor.shape, quantised, inOut))
  }
  return { ...model, weights }
}

export interface OpenOptions extends Omit<QuantiseOptions, 'bits'> {
  /** 32 leaves numbers as they are. */
  readonly bits: Bits | 32
  /** Folder for what the model's own files do not have: codes, and float32 of 16-bit numbers. Nothing else may be in it. */
  readonly cache: string
}

/**
 * A model folder to a model whose weights stay in files: its own where they hold float32, else one in `cache`, which is
 * made once, tensor by tensor, and made anew when the model's files or the settings change. Such a model is for adapters
 * and for generation; its weights cannot be trained.
 * @throws AppError as `loadModel`; `disk-full`
 */
export async function openFrozenModel(folder: string, options: OpenOptions): Promise<Model> {
  const opened = await openModel(folder)
  const plan = planTensors(opened, options)
  const path = await ensureFrozenCache(plan, options.cache)
  const cached = path === undefined ? new Map<string, StoredTensor>() : await listSafetensors(path)
  const place = (name: string, { dtype, shape }: TensorType): FileTensor => {
    const { path: file, begin } = cached.get(name)!
    return { dtype, shape, path: resolve(file), offset: begin }
  }
  const weights = new Map<string, FloatTensor>()
  for (const { name, tensor, matrix, inOut, numbers } of plan) {
    const activations = options.activations ?? 'int8'
    const quantised = matrix && { ...placeMatrix(name, matrix, place), activations }
    const float = { dtype: 'float32', shape: tensor.shape } as const
    if (numbers === 'codes') weights.set(name, quantisedWeight(tensor.shape, quantised!, inOut))
    else if (numbers === 'cache') weights.set(name, storedWeight(place(name, float), quantised))
    else weights.set(name, storedWeight({ ...float, path: resolve(tensor.path), offset: tensor.begin }, quantised))
  }
  const { config, json, generation } = opened
  return { config, json, generation, weights }
}

function planTensors({ config, stored }: StoredModel, { bits, ...options }: OpenOptions): TensorPlan[] {
  const { block = bits === 32 ? 0 : quantisedBlock[bits] } = options
  const list = bits === 32 ? [] : quantisedWeights(config, { ...options, bits })
  const chosen = new Map(list.map(weight => [weight.name, weight]))
  return [...stored].map(([name, tensor]): TensorPlan => {
    const { inOut = false, tied = true } = chosen.get(name) ?? {}
    const isWhole = tensor.dtype === 'F32' && tensor.begin % elementBytes.float32 === 0
    const numbers = !tied ? 'codes' : isWhole ? 'own' : 'cache'
    if (bits === 32 || !chosen.has(name)) return { name, tensor, inOut, numbers }
    return { name, tensor, inOut, numbers, matrix: { ...sizes(tensor.shape, inOut), bits, block } }
  })
}

/** Where the codes of a matrix lie in the cache. */
function placeMatrix(
  name: string,
  matrix: NonNullable<TensorPlan['matrix']>,
  place: (name: string, type: TensorType) => FileTensor,
): QuantisedMatrix {
  const { codes, scales, mirror } = quantisedTypes(matrix.outputs, matrix.inputs, matrix.bits, matrix.block)
  return {
    ...matrix,
    codes: place(cachedNames.codes(name), codes),
    scales: place(cachedNames.scales(name), scales),
    mirror: mirror && place(cachedNames.transpose(name), mirror),
  }
}

function sizes([rows, columns]: readonly number[], inOut: boolean): { outputs: number; inputs: number } {
  return inOut ? { outputs: columns, inputs: rows } : { outputs: rows, inputs: columns }
}

interface QuantisableWeight {
  readonly name: string
  /** Whether it is [inputs, outputs]. */
  readonly inOut: boolean
  /** Whether it is the embedding too, which needs the numbers themselves. */
  readonly tied: boolean
}

/** The products of the blocks, and the head. The routers of mixtures stay as they are: they choose. */
function quantisedWeights(config: ModelConfig, { bits, head = bits === 8 }: QuantiseOptions): QuantisableWeight[] {
  const { names } = architectures[config.modelType]
  const [embedding, headName] = [names.embedding, names.head].map(module => `${module}.weight`)
  const router = names.mixture && `.${names.mixture.router}.weight`
  const blocks = weightSpecs(config)
    .filter(({ role }) => role === 'linear' || role === 'residual' || role === 'mixture')
    .filter(({ name }) => name !== headName && !(router && name.endsWith(router)))
    .map(({ name }) => ({ name, inOut: names.layout === 'in-out', tied: false }))
  return head ? [...blocks, { name: config.tied ? embedding : headName, inOut: false, tied: config.tied }] : blocks
}
