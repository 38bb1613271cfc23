// An adapter in PEFT's own files (adapter_config.json, adapter_model.safetensors) and back.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../base/errors.js'
import { exists, readJson, writeFileAtomic } from '../base/files.js'
import { readSafetensors, writeSafetensors } from '../formats/safetensors.js'
import { adapterNames, checkAdapter, type Adapter } from './adapter.js'
import { architectures } from './architectures.js'
import type { ConfigJson, ModelConfig } from './config.js'
import { linearModules } from './weight-specs.js'
import { checkLora, loraModules, rowModules, savedModules, type LoraMethod } from './method.js'
import type { Model } from './weights.js'

const configFile = 'adapter_config.json'
const weightsFile = 'adapter_model.safetensors'

/** Keys that describe the file or how training started, not what the adapter computes now. */
const harmlessKeys: readonly string[] = [
  'auto_mapping', 'base_model_name_or_path', 'inference_mode', 'loftq_config', 'megatron_config', 'megatron_core', 'peft_version', 'revision',
  'task_type', 'lora_dropout', 'eva_config', 'corda_config', 'lora_ga_config', 'qalora_group_size', 'runtime_config', 'layers_pattern', 'init_lora_weights',
] // prettier-ignore

/** Keys of LoRA variants that are computed here only in their plain form: absent, null, false or empty. */
const plainKeys: readonly string[] = [
  'use_dora', 'use_qalora', 'use_bdlora', 'lora_bias', 'alpha_pattern', 'rank_pattern', 'layers_to_transform', 'layer_replication',
  'exclude_modules', 'target_parameters', 'alora_invocation_tokens', 'arrow_config', 'kasa_config', 'monteclora_config', 'velora_config',
] // prettier-ignore

const ownKeys: readonly string[] = [
  'peft_type', 'r', 'lora_alpha', 'use_rslora', 'target_modules', 'trainable_token_indices', 'modules_to_save',
  'fan_in_fan_out', 'bias', 'ensure_weight_tying',
] // prettier-ignore

/**
 * Reads an adapter for a model.
 * @throws AppError `file-not-found`; `unsupported-adapter` for another method, a variant, or an unknown key that is set;
 * `pickle-weights` for adapter_model.bin; `adapter-mismatch` when it was made for another model
 */
export async function loadAdapter(folder: string, model: Model): Promise<Adapter> {
  const path = join(folder, configFile)
  const json = (await readJson(path)) as ConfigJson
  checkVariant(json, path)
  const { config } = model
  const rows = readRows(config, json.trainable_token_indices, path)
  const rank = json.r as number
  const alpha = json.lora_alpha as number
  const { head } = architectures[config.modelType].names
  const wanted = (json.modules_to_save as string[] | null | undefined) ?? []
  const saved = savedModules(config, config.tied ? wanted.filter(module => module !== head) : wanted)
  checkTying(config, saved, json, path)
  const modules = readTargets(config, json.target_modules)
  const newTokenRows = [...new Set([...rows.values()].flat())]
  const method: LoraMethod = {
    kind: 'lora', rank, alpha, rsLora: json.use_rslora === true, targets: modules, newTokenRows, modulesToSave: saved,
  } // prettier-ignore
  checkLora(config, method)
  const { modelType, tied } = config
  const adapter = { method, modules, rows, saved, modelType, tied, weights: await readWeights(folder) }
  if (tied) adapter.weights.delete(adapterNames.saved(`${head}.weight`))
  checkAdapter(model, adapter)
  return adapter
}

/**
 * Writes the two files into a folder; other files there stay.
 * @param options.base what Python users will find as base_model_name_or_path
 * @throws AppError `disk-full`
 */
export async function saveAdapter(
  folder: string,
  adapter: Adapter,
  { base = '' }: { base?: string } = {},
): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeSafetensors(join(folder, weightsFile), withTiedHead(adapter))
  const json = adapterConfig(adapter, base)
  await writeFileAtomic(join(folder, configFile), JSON.stringify(json, undefined, 2) + '\n')
}

/** PEFT repeats a saved embedding under the name of the head that is tied to it. */
function withTiedHead({ modelType, tied, weights }: Adapter): Adapter['weights'] {
  const { embedding, head } = architectures[modelType].names
  const table = weights.get(adapterNames.saved(`${embedding}.weight`))
  return tied && table ? new Map([...weights, [adapterNames.saved(`${head}.weight`), table]]) : weights
}

function adapterConfig({ method, modules, rows, saved, modelType, tied }: Adapter, base: string): ConfigJson {
  const { layout } = architectures[modelType].names
  const tokens = Object.fromEntries([...rows].map(([module, ids]) => [module.split('.').at(-1)!, ids]))
  return {
    base_model_name_or_path: base,
    bias: 'none',
    ensure_weight_tying: tied && saved.length > 0,
    fan_in_fan_out: layout === 'in-out',
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: method.alpha,
    lora_dropout: 0,
    modules_to_save: saved.length > 0 ? saved : null,
    peft_type: 'LORA',
    r: method.rank,
    target_modules: [...modules],
    task_type: 'CAUSAL_LM',
    trainable_token_indices: rows.size > 0 ? tokens : null,
    use_dora: false,
    use_rslora: method.rsLora ?? false,
  }
}

function checkVariant(json: ConfigJson, path: string): void {
  if (json.peft_type !== 'LORA') throw unsupported(path, 'peft_type', json.peft_type)
  if ((json.bias ?? 'none') !== 'none') throw unsupported(path, 'bias', json.bias)
  for (const [key, value] of Object.entries(json)) {
    if (harmlessKeys.includes(key) || ownKeys.includes(key)) continue
    if (!isPlain(value)) throw unsupported(path, key, value)
    if (!plainKeys.includes(key) && value !== null && value !== false) throw unsupported(path, key, value)
  }
}

function isPlain(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return true
  return typeof value === 'object' && Object.keys(value).length === 0
}

/** A list of names and endings, `all-linear`, or one regular expression for the whole name. */
function readTargets(config: ModelConfig, targets: unknown): string[] {
  if (Array.isArray(targets)) return loraModules(config, targets.map(String))
  if (targets === 'all-linear') return loraModules(config, targets)
  const pattern = new RegExp(`^(?:${String(targets)})$`)
  const modules = linearModules(config).filter(module => pattern.test(module))
  return modules.length > 0 ? modules : loraModules(config, [String(targets)])
}

/** A list is for the embedding (and the head tied to it); an object names modules. */
function readRows(config: ModelConfig, value: unknown, path: string): Map<string, number[]> {
  if (value === null || value === undefined) return new Map()
  if (Array.isArray(value)) return new Map(value.length === 0 ? [] : [[rowModules(config)[0], value as number[]]])
  const rows = Object.entries(value as Record<string, number[]>).map(([name, ids]): [string, number[]] => {
    const module = rowModules(config).find(known => known === name || known.endsWith('.' + name))
    if (module === undefined) throw unsupported(path, 'trainable_token_indices', value)
    return [module, ids]
  })
  return new Map(rows)
}

/** Without ensure_weight_tying PEFT would train the embedding and leave the head that was tied to it behind. */
function checkTying(config: ModelConfig, saved: readonly string[], json: ConfigJson, path: string): void {
  if (!config.tied || !saved.some(module => rowModules(config).includes(module)) || json.ensure_weight_tying === true)
    return
  throw unsupported(path, 'ensure_weight_tying', json.ensure_weight_tying ?? false)
}

async function readWeights(folder: string): Promise<Adapter['weights']> {
  const path = join(folder, weightsFile)
  const pickle = join(folder, 'adapter_model.bin')
  if ((await exists(path)) || !(await exists(pickle))) return readSafetensors(path)
  throw new AppError('pickle-weights', {
    where: pickle,
    what: { en: 'the adapter is a Python pickle', ru: 'адаптер записан как pickle языка Python' },
    fix: {
      en: 'Convert it in Python once: PeftModel.from_pretrained(base, folder).save_pretrained(folder, safe_serialization=True)',
      ru: 'Один раз преобразуйте в Python: PeftModel.from_pretrained(base, folder).save_pretrained(folder, safe_serialization=True)',
    },
  })
}

function unsupported(path: string, key: string, value: unknown): AppError {
  const got = JSON.stringify(value)
  return new AppError('unsupported-adapter', {
    where: `${path}, key ${key}`,
    what: { en: `the value ${got} is not supported`, ru: `значение ${got} не поддерживается` },
    fix: {
      en: 'Plain LoRA adapters are supported; merge this one into its base in Python (merge_and_unload) and use the result',
      ru: 'Поддерживаются обычные адаптеры LoRA; слейте этот с базой в Python (merge_and_unload) и возьмите результат',
    },
  })
}
