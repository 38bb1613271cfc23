// The keys of adapter_config.json that several methods share: which modules, which rows, what is trained whole.
import type { AdapterConfigReader } from './adapter-config-reader.js'
import type { AdapterForm } from './adapter-kind.js'
import { architectures } from './architectures.js'
import type { ConfigJson, ModelConfig } from './model-config.js'
import { layerOf, rowModules, savedModules, targetModules } from './method.js'
import { linearModules } from './weight-specs.js'

/** Keys of methods that change products of the blocks. */
export function sharedJson({ config, modules, saved }: AdapterForm): ConfigJson {
  return {
    fan_in_fan_out: architectures[config.modelType].names.layout === 'in-out',
    modules_to_save: saved.length > 0 ? saved : null,
    target_modules: [...modules],
  }
}

export function endsWithAny(name: string, endings: readonly string[]): boolean {
  return endings.some(ending => name.endsWith(ending))
}

/**
 * Full names of the targets: a list of names and endings, `all-linear`, or one regular expression for the whole name;
 * layers_to_transform chooses among what endings name, exclude_modules takes away.
 * @throws AppError `unknown-target`, `unsupported-adapter`
 */
export function readTargets(json: AdapterConfigReader, config: ModelConfig): string[] {
  const targets = json.value('target_modules')
  const excluded = json.value('exclude_modules') ?? []
  const layer = layerChoice(json)
  const chosen = Array.isArray(targets)
    ? targetModules(config, targets.map(String)).filter(module => targets.includes(module) || layer(module))
    : readPattern(config, String(targets))
  return chosen.filter(module =>
    typeof excluded === 'string'
      ? !matches(excluded, module)
      : !(excluded as string[]).some(name => name === module || module.endsWith('.' + name)),
  )
}

function readPattern(config: ModelConfig, pattern: string): string[] {
  if (pattern === 'all-linear') return targetModules(config, pattern)
  const modules = linearModules(config).filter(module => matches(pattern, module))
  return modules.length > 0 ? modules : targetModules(config, [pattern])
}

function matches(pattern: string, module: string): boolean {
  return new RegExp(`^(?:${pattern})$`, 'u').test(module)
}

function layerChoice(json: AdapterConfigReader): (module: string) => boolean {
  const wanted = json.value('layers_to_transform') ?? []
  const layers = Array.isArray(wanted) ? wanted : [wanted]
  const patterns = [json.value('layers_pattern') ?? []].flat() as string[]
  if (layers.length === 0) return () => true
  const regexes = patterns.map(pattern => new RegExp(`(?:^|\\.)${pattern}\\.(\\d+)\\.`, 'u'))
  return module => {
    const found = regexes.map(regex => regex.exec(module)?.[1]).find(index => index !== undefined)
    return layers.includes(patterns.length === 0 ? layerOf(module) : Number(found ?? -1))
  }
}

/** Modules trained whole; a tied head is its embedding. */
export function readSaved(json: AdapterConfigReader, config: ModelConfig): string[] {
  const { head } = architectures[config.modelType].names
  const wanted = (json.value('modules_to_save') ?? []) as string[]
  return savedModules(config, config.tied ? wanted.filter(module => module !== head) : wanted)
}

/** A list is for the embedding (and the head tied to it); an object names modules. */
export function readRows(json: AdapterConfigReader, config: ModelConfig): Map<string, number[]> {
  const value = json.value('trainable_token_indices') ?? []
  if (Array.isArray(value)) return new Map(value.length === 0 ? [] : [[rowModules(config)[0], value as number[]]])
  const rows = Object.entries(value as Record<string, number[]>).map(([name, ids]): [string, number[]] => {
    const module = rowModules(config).find(known => known === name || known.endsWith('.' + name))
    if (module === undefined) throw json.unsupported('trainable_token_indices')
    return [module, ids]
  })
  return new Map(rows)
}

/** Without ensure_weight_tying PEFT would train the embedding and leave the head that was tied to it behind. */
export function checkTying(json: AdapterConfigReader, config: ModelConfig, saved: readonly string[]): void {
  const tying = json.flag('ensure_weight_tying')
  if (config.tied && saved.some(module => rowModules(config).includes(module)) && !tying)
    throw json.unsupported('ensure_weight_tying')
}
