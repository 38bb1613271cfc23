// What of a model is trained: everything but frozen groups, or low-rank additions to chosen products.
import { AppError } from '../base/errors.js'
import { nearestName } from '../base/nearest.js'
import { architectures } from './architectures.js'
import type { ModelConfig } from './config.js'
import { linearModules, weightSpecs } from './weight-specs.js'

export type Method = FullMethod | LoraMethod

/** Every tensor is trained but those whose name a pattern names; `*` stands for anything: `model.embed_tokens.*`. */
export interface FullMethod {
  readonly kind: 'full'
  readonly freeze?: readonly string[]
}

/** W + scale · B·A with A [rank, in], B [out, rank]; scale is alpha/rank, or alpha/√rank with `rsLora`. */
export interface LoraMethod {
  readonly kind: 'lora'
  readonly rank: number
  readonly alpha: number
  readonly rsLora?: boolean
  /** Modules by name or by the end of it (`q_proj`), or all products of the blocks. */
  readonly targets: readonly string[] | 'all-linear'
  /** Only 0 today. */
  readonly dropout?: number
  /** Token ids whose rows in embedding and head are trained too. */
  readonly newTokenRows?: readonly number[]
  /** Modules trained whole beside the low-rank additions, by name or by the end of it: `lm_head`, `embed_tokens`. */
  readonly modulesToSave?: readonly string[]
}

/** The factor of B·A. */
export function loraScale({ rank, alpha, rsLora = false }: Pick<LoraMethod, 'rank' | 'alpha' | 'rsLora'>): number {
  return alpha / (rsLora ? Math.sqrt(rank) : rank)
}

/**
 * Names of the tensors that full training changes.
 * @throws AppError `unknown-target` for a pattern that names nothing
 */
export function trainableNames(config: ModelConfig, { freeze = [] }: FullMethod): string[] {
  const names = weightSpecs(config).map(({ name }) => name)
  const frozen = freeze.map(pattern => ({ pattern, test: patternTest(pattern) }))
  for (const { pattern, test } of frozen) if (!names.some(test)) throw unknownTarget('freeze', pattern, names)
  return names.filter(name => !frozen.some(({ test }) => test(name)))
}

function patternTest(pattern: string): (name: string) => boolean {
  const source = pattern.split('*').map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*') // prettier-ignore
  const regex = new RegExp(`^${source}$`)
  return name => regex.test(name)
}

/**
 * Modules that get a low-rank addition, in the order of the model.
 * @throws AppError `unknown-target` for a target that names nothing
 */
export function loraModules(config: ModelConfig, targets: LoraMethod['targets']): string[] {
  const all = linearModules(config)
  return targets === 'all-linear' ? all : chooseModules(all, targets, 'targets')
}

/**
 * Modules trained whole.
 * @throws AppError `unknown-target`
 */
export function savedModules(config: ModelConfig, wanted: readonly string[]): string[] {
  const all = [...new Set(weightSpecs(config).map(({ name }) => name.replace(/\.(?:weight|bias)$/, '')))]
  return chooseModules(all, wanted, 'modulesToSave')
}

/**
 * Modules whose rows of new tokens are trained: the embedding, and the head where it is not the same.
 */
export function rowModules(config: ModelConfig): string[] {
  const { embedding, head } = architectures[config.modelType].names
  return config.tied ? [embedding] : [embedding, head]
}

function chooseModules(all: readonly string[], wanted: readonly string[], option: string): string[] {
  const fits = (name: string, target: string): boolean => name === target || name.endsWith('.' + target)
  for (const target of wanted) {
    if (!all.some(name => fits(name, target))) throw unknownTarget(option, target, all)
  }
  return all.filter(name => wanted.some(target => fits(name, target)))
}

/** @throws AppError `bad-setting` for numbers that make no low-rank addition, `unsupported-dropout` */
export function checkLora(config: ModelConfig, method: LoraMethod): void {
  const { rank, alpha, dropout = 0, newTokenRows = [] } = method
  if (!Number.isSafeInteger(rank) || rank < 1)
    throw badSetting('rank', rank, 'a positive whole number', 'положительное целое число')
  if (!Number.isFinite(alpha)) throw badSetting('alpha', alpha, 'a number', 'число')
  if (dropout !== 0) throw unsupportedDropout(dropout)
  const outside = newTokenRows.find(id => !Number.isSafeInteger(id) || id < 0 || id >= config.vocabulary)
  if (outside !== undefined) {
    const last = config.vocabulary - 1
    throw badSetting('newTokenRows', outside, `token ids from 0 to ${last}`, `номера токенов от 0 до ${last}`)
  }
}

function badSetting(key: string, value: unknown, en: string, ru: string): AppError {
  return new AppError('bad-setting', {
    where: `lora, key ${key}`,
    what: { en: `expected ${en}, received ${String(value)}`, ru: `нужно ${ru}, получено ${String(value)}` },
    fix: { en: 'Correct the value', ru: 'Исправьте значение' },
  })
}

function unsupportedDropout(dropout: number): AppError {
  return new AppError('unsupported-dropout', {
    where: 'lora, key dropout',
    what: { en: `dropout ${dropout} is not supported yet`, ru: `dropout ${dropout} пока не поддерживается` },
    fix: { en: 'Set dropout to 0', ru: 'Поставьте dropout равным 0' },
  })
}

function unknownTarget(option: string, target: string, known: readonly string[]): AppError {
  const kinds = [...new Set(known.map(name => name.replace(/\.\d+\./g, '.*.')))]
  const ends = kinds.map(name => name.split('.').at(-1)!)
  const near = nearestName(target, [...kinds, ...ends])
  const hint =
    near === undefined ? { en: '', ru: '' } : { en: `Did you mean "${near}"? `, ru: `Может быть, «${near}»? ` }
  return new AppError('unknown-target', {
    where: option,
    what: { en: `"${target}" names nothing in this model`, ru: `«${target}» ничего в этой модели не называет` },
    fix: { en: `${hint.en}Known names: ${kinds.join(', ')}`, ru: `${hint.ru}Известные имена: ${kinds.join(', ')}` },
  })
}
