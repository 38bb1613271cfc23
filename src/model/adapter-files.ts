// An adapter in PEFT's own files (adapter_config.json, adapter_model.safetensors) and back; bottlenecks in those of `adapters`.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../base/errors.js'
import { exists, readJson, writeFileAtomic } from '../base/files.js'
import { listSafetensors, readSafetensors, writeSafetensors } from '../formats/safetensors.js'
import type { FloatTensor } from '../graph/tensor.js'
import { adapterForm, adapterNames, checkAdapter, type Adapter } from './adapter.js'
import { AdapterConfigReader, useItsBase } from './adapter-config-reader.js'
import { adapterKinds, kindOf } from './adapter-kinds.js'
import { areEqual, readRows } from './adapter-targets.js'
import { architectures } from './architectures.js'
import { bottleneckName } from './bottleneck.js'
import type { ConfigJson, ModelConfig } from './model-config.js'
import { settingsFromPeft, settingsToPeft, tensorsFromPeft, tensorsToPeft } from './peft-names.js'
import type { Model } from './weights.js'

const configFile = 'adapter_config.json'
const weightsFile = 'adapter_model.safetensors'
/** Weights of the `adapters` library. */
const bottleneckFile = 'adapter.safetensors'
/** What PEFT does not keep and training goes on with: the network behind virtual tokens. */
const encoderFile = 'prompt_encoder.safetensors'

interface LoadOptions {
  /** Gives a tensor of the model, where `weights` holds shapes alone. */
  readonly tensorOf?: (name: string) => Promise<FloatTensor>
}

/**
 * Reads an adapter for a model.
 * @throws AppError `file-not-found`; `unsupported-adapter` for another method, a variant, or an unknown key that is set;
 * `pickle-weights` for adapter_model.bin; `bad-adapter` for numbers that are none and settings that are no object;
 * `safetensors-dtype`; `adapter-mismatch` when it was made for another model
 */
export async function loadAdapter(
  folder: string,
  model: Model,
  { tensorOf = name => Promise.resolve(model.weights.get(name)!) }: LoadOptions = {},
): Promise<Adapter> {
  const path = join(folder, configFile)
  const { config } = model
  const raw = settingsFromPeft(await readConfig(path), config)
  const kind = Object.values(adapterKinds).find(({ peftType }) => peftType === raw.peft_type)
  const json = new AdapterConfigReader(kind && !kind.peftType && isObject(raw.config) ? raw.config : raw, path)
  if (kind === undefined || (!kind.peftType && !isObject(raw.config))) throw json.unsupported('peft_type')
  const weights = kind.peftType
    ? tensorsFromPeft(await readWeights(folder), config)
    : await readBottleneck(folder, String(raw.name))
  checkFinite(weights, folder)
  await dropCopies(weights, config, [raw.modules_to_save ?? []].flat().map(String), tensorOf)
  const method = forThisModel(path, () => kind.fromJson(json, config, weights))
  const rows = readRows(json, config)
  json.checkRest()
  const form = adapterForm(config, method, rows)
  if (form.config.tied) weights.delete(adapterNames.saved(`${architectures[config.modelType].names.head}.weight`))
  const adapter = { ...form, weights }
  checkAdapter(model, adapter)
  return adapter
}

/**
 * Takes out embedding and head where PEFT wrote the model's own beside the adapter, which it does not train.
 * @throws AppError `adapter-mismatch` where those under an adapter's are of another model
 */
async function dropCopies(
  weights: Adapter['weights'],
  { modelType, tied }: ModelConfig,
  trained: readonly string[],
  tensorOf: (name: string) => Promise<FloatTensor>,
): Promise<void> {
  const { embedding, head } = architectures[modelType].names
  for (const module of [embedding, head]) {
    const [name, under] = ['', '.base_layer'].map(part => adapterNames.saved(`${module}${part}.weight`))
    const [table, base] = [weights.get(name), weights.get(under)]
    const isTrained = trained.some(ending => module.endsWith(ending))
    if (base === undefined && (table === undefined || isTrained)) continue
    const own = await tensorOf(`${tied ? embedding : module}.weight`)
    if (base && !areEqual(base, own, halfRounding)) throw otherTable(under)
    weights.delete(under)
    if (!isTrained && areEqual(table, own)) weights.delete(name)
  }
}

/** What a number loses at most in bfloat16, relative to itself. */
const halfRounding = 2 ** -8

function otherTable(tensor: string): AppError {
  return new AppError('adapter-mismatch', {
    where: `adapter, ${tensor}`,
    what: { en: "its numbers are not the model's own", ru: 'числа в нём не те, что у модели' },
    fix: useItsBase,
  })
}

/** Targets that the model does not have mean that the adapter was made for another one. */
function forThisModel<Result>(path: string, read: () => Result): Result {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof AppError) || cause.code !== 'unknown-target') throw cause
    throw new AppError('adapter-mismatch', {
      where: path,
      what: {
        en: `the adapter changes modules that this model does not have (${cause.message})`,
        ru: `адаптер меняет модули, которых в этой модели нет (${cause.render('ru')})`,
      },
      fix: useItsBase,
      cause,
    })
  }
}

/**
 * Writes the files into a folder; other files there stay.
 * @param options.base what Python users will find as base_model_name_or_path
 * @throws AppError `disk-full`
 */
export async function saveAdapter(
  folder: string,
  adapter: Adapter,
  { base = '' }: { base?: string } = {},
): Promise<void> {
  await mkdir(folder, { recursive: true })
  const { peftType, toJson, stored } = kindOf(adapter.method)
  if (peftType === undefined) {
    await writeSafetensors(join(folder, bottleneckFile), adapter.weights)
    const text = JSON.stringify(toJson(adapter), undefined, 2) + '\n'
    return writeFileAtomic(join(folder, configFile), text.replace('"scaling": 1,', '"scaling": 1.0,')) // a Python float
  }
  const kept = stored?.(adapter)
  await writeSafetensors(join(folder, weightsFile), kept ?? tensorsToPeft(adapter))
  if (kept) await writeSafetensors(join(folder, encoderFile), adapter.weights)
  const json = {
    base_model_name_or_path: base,
    inference_mode: true,
    peft_type: peftType,
    task_type: 'CAUSAL_LM',
    ...settingsToPeft(toJson(adapter), adapter.config),
  }
  const sorted = Object.fromEntries(Object.entries(json).sort(([a], [b]) => (a < b ? -1 : 1)))
  await writeFileAtomic(join(folder, configFile), JSON.stringify(sorted, undefined, 2) + '\n')
}

/** The library puts the name of the adapter into those of its tensors; ours is always the same. */
async function readBottleneck(folder: string, name: string): Promise<Adapter['weights']> {
  const path = join(folder, bottleneckFile)
  const pickle = join(folder, 'pytorch_adapter.bin')
  if (!(await exists(path)) && (await exists(pickle))) throw pickleWeights(pickle, bottleneckFix)
  const renamed = (tensor: string): string => tensor.replace(`.adapters.${name}.`, `.adapters.${bottleneckName}.`)
  return new Map([...(await readFloats(path))].map(([tensor, values]) => [renamed(tensor), values]))
}

async function readWeights(folder: string): Promise<Adapter['weights']> {
  const encoder = join(folder, encoderFile)
  if (await exists(encoder)) return readFloats(encoder)
  const path = join(folder, weightsFile)
  const pickle = join(folder, 'adapter_model.bin')
  if ((await exists(path)) || !(await exists(pickle))) return readFloats(path)
  throw pickleWeights(
    pickle,
    'PeftModel.from_pretrained(base, folder).save_pretrained(folder, safe_serialization=True)',
  )
}

/** @throws AppError `safetensors-dtype` for a tensor of whole numbers too */
async function readFloats(path: string): Promise<Adapter['weights']> {
  return readSafetensors(path, (await listSafetensors(path)).keys())
}

/** One number that is none would turn every logit into none. */
function checkFinite(weights: Adapter['weights'], folder: string): void {
  for (const [name, { data }] of weights) {
    const wrong = data.find(value => !Number.isFinite(value))
    if (wrong !== undefined) throw notFinite(folder, name, wrong)
  }
}

function notFinite(folder: string, tensor: string, value: number): AppError {
  return new AppError('bad-adapter', {
    where: `${folder}, tensor ${tensor}`,
    what: { en: `there is ${value} among its numbers`, ru: `среди чисел есть ${value}` },
    fix: {
      en: 'The training that wrote it had failed, or the file is damaged: take an earlier state or another copy',
      ru: 'Обучение, которое его записало, разошлось, или файл повреждён: возьмите более раннее состояние или другую копию',
    },
  })
}

async function readConfig(path: string): Promise<ConfigJson> {
  const json: unknown = await readJson(path)
  if (isObject(json)) return json
  throw new AppError('bad-adapter', {
    where: path,
    what: {
      en: `this is ${JSON.stringify(json).slice(0, 40)}, not an object with the settings of an adapter`,
      ru: `здесь ${JSON.stringify(json).slice(0, 40)}, а не объект с настройками адаптера`,
    },
    fix: { en: 'Fetch the adapter again', ru: 'Скачайте адаптер заново' },
  })
}

function isObject(value: unknown): value is ConfigJson {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const bottleneckFix = 'model.save_adapter(folder, name, use_safetensors=True)'

function pickleWeights(path: string, call: string): AppError {
  return new AppError('pickle-weights', {
    where: path,
    what: { en: 'the adapter is a Python pickle', ru: 'адаптер записан как pickle языка Python' },
    fix: { en: `Convert it in Python once: ${call}`, ru: `Один раз преобразуйте в Python: ${call}` },
  })
}
