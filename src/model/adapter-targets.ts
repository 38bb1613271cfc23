// The keys of adapter_config.json that several methods share: which modules, which rows, what is trained whole.
import type { Text } from '../base/errors.js'
import type { AdapterConfigReader } from './adapter-config-reader.js'
import type { FloatTensor } from '../graph/tensor.js'
import { adapterNames, type AdapterForm } from './adapter-kind.js'
import { architectures } from './architectures.js'
import type { ConfigJson, ModelConfig } from './model-config.js'
import { isNamed, layerOf, rowModules, savedModules, targetModules } from './method.js'
import { pythonRegex } from './python-regex.js'
import { linearModules } from './weight-specs.js'

type Tensors = ReadonlyMap<string, FloatTensor>

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
 * layers_to_transform chooses among what endings name, exclude_modules and modules_to_save take away. As in PEFT, names in
 * a list may name nothing as long as one of them does.
 * @param ends modules outside of the blocks that the method can change
 * @throws AppError `unknown-target`, `unsupported-adapter`
 */
export function readTargets(json: AdapterConfigReader, config: ModelConfig, ends: readonly string[] = []): string[] {
  const targets = json.value('target_modules') === undefined ? undefined : json.expressionOr('target_modules')
  if (targets === undefined) throw json.unsupported(json.value('target_parameters') ? 'target_parameters' : 'target_modules') // prettier-ignore
  const isLeftOut = leftOut(json)
  const chosen =
    typeof targets === 'string' ? readPattern(json, config, targets, ends) : readList(json, config, targets, ends)
  return chosen.filter(module => !isLeftOut(module))
}

function readList(
  json: AdapterConfigReader,
  config: ModelConfig,
  targets: readonly string[],
  ends: readonly string[],
): string[] {
  const isInLayer = layerChoice(json)
  const isKnown = (target: string): boolean =>
    [...linearModules(config), ...ends].some(module => isNamed(module, target))
  const known = targets.filter(isKnown)
  const modules = targetModules(config, known.length > 0 ? known : targets, undefined, ends)
  return modules.filter(module => targets.includes(module) || isInLayer(module))
}

function readPattern(
  json: AdapterConfigReader,
  config: ModelConfig,
  pattern: string,
  ends: readonly string[],
): string[] {
  if (pattern.toLowerCase() === 'all-linear') return targetModules(config, 'all-linear')
  const regex = pythonRegex(pattern, json.place('target_modules'))
  const modules = [...linearModules(config), ...ends].filter(module => regex.test(module))
  return modules.length > 0 ? modules : targetModules(config, [pattern])
}

/** Whether exclude_modules or modules_to_save, which PEFT takes as regular expressions too, name a module. */
function leftOut(json: AdapterConfigReader): (module: string) => boolean {
  const excluded = json.expressionOr('exclude_modules')
  const isExcluded =
    typeof excluded === 'string'
      ? testOf(excluded, json.place('exclude_modules'))
      : (module: string): boolean => excluded.some(name => isNamed(module, name))
  const saved = json
    .strings('modules_to_save')
    .map(name => testOf(`${name}(?:\\..*)?`, json.place('modules_to_save'), '(?:.*\\.)?'))
  return module => isExcluded(module) || saved.some(isSaved => isSaved(module))
}

function testOf(pattern: string, where: Text, before?: string): (module: string) => boolean {
  const regex = pythonRegex(pattern, where, before)
  return module => regex.test(module)
}

function layerChoice(json: AdapterConfigReader): (module: string) => boolean {
  const wanted = json.value('layers_to_transform') ?? []
  const layers = Array.isArray(wanted) ? wanted : [wanted]
  const patterns = ([json.value('layers_pattern') ?? []].flat() as string[]).filter(pattern => pattern !== '')
  if (layers.length === 0) return () => true
  const where = json.place('layers_pattern')
  const regexes = patterns.map(pattern => pythonRegex(`${pattern}\\.(\\d+)\\..*`, where, '(?:.*?\\.)?'))
  return module => {
    const found = regexes.map(regex => regex.exec(module)?.[1]).find(index => index !== undefined)
    return layers.includes(patterns.length === 0 ? layerOf(module) : Number(found ?? -1))
  }
}

/**
 * Modules trained whole: those that are named, and embedding or head where the file has them all the same. With a head that
 * is tied to the embedding the file decides: what PEFT trained together is there twice.
 */
export function readSaved(
  json: AdapterConfigReader,
  config: ModelConfig,
  stored: Tensors,
): { readonly modulesToSave: string[]; readonly untied: boolean } {
  const { embedding, head } = architectures[config.modelType].names
  const named = savedModules({ ...config, tied: false }, json.strings('modules_to_save'))
  const there = [embedding, head].filter(module => stored.has(adapterNames.saved(`${module}.weight`)))
  const isMeant = json.flag('ensure_weight_tying') || !(named.includes(embedding) && named.includes(head))
  const isTogether = isMeant && areEqual(...[embedding, head].map(module => stored.get(adapterNames.saved(`${module}.weight`)))) // prettier-ignore
  const modules = [...new Set([...named, ...there])]
  if (config.tied && (isTogether || there.length === 0))
    return { modulesToSave: modules.filter(module => module !== head), untied: false }
  return { modulesToSave: modules, untied: config.tied && there.length > 0 }
}

/** Whether two tensors are there and hold the same numbers, up to a share of each. */
export function areEqual(a?: FloatTensor, b?: FloatTensor, share = 0): boolean {
  const other = b?.data
  if (a === undefined || a.data.length !== other?.length) return false
  return a.data.every((x, i) => Math.abs(x - other[i]) <= share * Math.abs(x))
}

/** A list is for the embedding (and the head tied to it); an object names modules. */
export function readRows(json: AdapterConfigReader, config: ModelConfig): Map<string, readonly number[]> {
  const key = 'trainable_token_indices'
  const value = json.value(key) ?? []
  const embedding = rowModules(config)[0]
  const named = Array.isArray(value)
    ? value.length === 0
      ? []
      : [[embedding, value as unknown]]
    : Object.entries(value)
  if (typeof value !== 'object') throw json.unsupported(key)
  const rows = named.map(([name, ids]): [string, readonly number[]] => {
    const module = rowModules(config).find(known => isNamed(known, name as string))
    if (module === undefined || !Array.isArray(ids) || !ids.every(Number.isSafeInteger)) throw json.unsupported(key)
    return [module, ids as number[]]
  })
  return new Map(rows)
}
