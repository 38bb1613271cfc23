// What of a model is trained: everything but frozen groups, or an adapter of one of the methods that PEFT knows.
import { AppError, type Text } from '../base/errors.js'
import { nearestName } from '../base/nearest.js'
import { architectures } from './architectures.js'
import type { ModelConfig } from './model-config.js'
import { linearModules, weightSpecs } from './weight-specs.js'

export type Method = FullMethod | AdapterMethod

/** Methods that leave the model as it is and train something beside it; `adapterKinds` has a row for each. */
export type AdapterMethod =
  LoraMethod | Ia3Method | PromptMethod | PTuningMethod | PrefixMethod | AdaptionMethod | BottleneckMethod

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
  /** DoRA: rows of W + scale · B·A keep their direction and get a trained length. */
  readonly dora?: boolean
  /** Modules by name or by the end of it (`q_proj`), or all products of the blocks. */
  readonly targets: Targets
  /** Numbers of the blocks that are changed; default all. */
  readonly layers?: readonly number[]
  /** Other ranks and alphas for modules whose name ends as the regular expression says; the first that fits counts. */
  readonly rankPattern?: Readonly<Record<string, number>>
  readonly alphaPattern?: Readonly<Record<string, number>>
  /** Share of the inputs of A that a training step leaves out; those of embedding and head stay whole. */
  readonly dropout?: number
  /** Biases trained too: those of the targets, or every one that the model has. */
  readonly bias?: 'lora_only' | 'all'
  /** Token ids whose rows in embedding and head are trained too. */
  readonly newTokenRows?: readonly number[]
  /** Modules trained whole beside the low-rank additions, by the end of their names: `lm_head`, `embed_tokens`. */
  readonly modulesToSave?: readonly string[]
  /** A head that the model ties to its embedding is taken apart from it: `modulesToSave` may name either or both. */
  readonly untied?: boolean
}

/** (IA)³: one factor for each output of a module, or for each input where it is `feedforward`. */
export interface Ia3Method {
  readonly kind: 'ia3'
  /** By default keys, values and the last product of the MLP. */
  readonly targets?: Targets
  /** Targets whose inputs are scaled, by the end of their names; by default the last product of the MLP. */
  readonly feedforward?: readonly string[]
  readonly modulesToSave?: readonly string[]
  readonly untied?: boolean
}

/** Prompt tuning: trained rows stand before the tokens as if they had been embedded. */
export interface PromptMethod {
  readonly kind: 'prompt'
  /** Number of virtual tokens. */
  readonly tokens: number
  /** Token ids whose embedding the rows start from, over and over; default random ones. */
  readonly start?: readonly number[]
}

/** P-tuning: prompt tuning whose rows come out of a small trained network of three layers. */
export interface PTuningMethod {
  readonly kind: 'p-tuning'
  readonly tokens: number
  /** Width inside the network. */
  readonly hidden: number
}

/** Prefix tuning: trained keys and values of every layer stand before those of the tokens. */
export interface PrefixMethod {
  readonly kind: 'prefix'
  readonly tokens: number
  /** They come out of a small trained network of two layers with this width inside. */
  readonly projection?: number
}

/** LLaMA-Adapter: attention over trained rows is added in the last layers, through a gate that starts at 0. */
export interface AdaptionMethod {
  readonly kind: 'adaption-prompt'
  /** Rows of each layer. */
  readonly tokens: number
  /** Number of layers, counted from the last. */
  readonly layers: number
}

/** Small networks behind attention and MLP (Houlsby), or behind the MLP alone (Pfeiffer). */
export interface BottleneckMethod {
  readonly kind: 'bottleneck'
  readonly style: 'houlsby' | 'pfeiffer'
  /** Width of the stream divided by the width inside; default 16. */
  readonly reduction?: number
  /** Default swish for Houlsby, relu for Pfeiffer. */
  readonly activation?: 'relu' | 'swish' | 'gelu'
}

/** Modules by name or by the end of it (`q_proj`), or all products of the blocks. */
export type Targets = readonly string[] | 'all-linear'

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
 * Products of the blocks that targets name, in the order of the model.
 * @param layers numbers of the blocks to take; default all
 * @param ends modules outside of the blocks that targets may name
 * @throws AppError `unknown-target` for a target that names nothing
 */
export function targetModules(
  config: ModelConfig,
  targets: Targets,
  layers?: readonly number[],
  ends: readonly string[] = [],
): string[] {
  const all = linearModules(config)
  const chosen = targets === 'all-linear' ? all : chooseModules([...all, ...ends], targets, 'targets')
  return layers === undefined ? chosen : chosen.filter(module => layers.includes(layerOf(module)))
}

/** Number of the block that a module stands in: the first number of its name. */
export function layerOf(module: string): number {
  return Number(/\.(\d+)\./.exec(module)?.[1] ?? -1)
}

/**
 * Modules trained whole: those whose name ends as wanted, with or without a point before it, as PEFT reads it.
 * @throws AppError `unknown-target`
 */
export function savedModules(config: ModelConfig, wanted: readonly string[]): string[] {
  const all = [...new Set(weightSpecs(config).map(({ name }) => name.replace(/\.(?:weight|bias)$/, '')))]
  const lost = wanted.find(target => !all.some(name => name.endsWith(target)))
  if (lost !== undefined) throw unknownTarget('modulesToSave', lost, all)
  return all.filter(name => wanted.some(target => name.endsWith(target)))
}

/**
 * Modules whose rows of new tokens are trained: the embedding, and the head where it is not the same.
 */
export function rowModules(config: ModelConfig): string[] {
  const { embedding, head } = architectures[config.modelType].names
  return config.tied ? [embedding] : [embedding, head]
}

function chooseModules(all: readonly string[], wanted: readonly string[], option: string): string[] {
  for (const target of wanted) {
    if (!all.some(name => isNamed(name, target))) throw unknownTarget(option, target, all)
  }
  return all.filter(name => wanted.some(target => isNamed(name, target)))
}

/** Whether a target is the name of a module, or the end of it behind a point. */
export function isNamed(module: string, target: string): boolean {
  return module === target || module.endsWith('.' + target)
}

/** @param where a setting, or a key of a method */
export function badSetting(where: string | Text, value: unknown, en: string, ru: string): AppError {
  return new AppError('bad-setting', {
    where,
    what: { en: `expected ${en}, received ${String(value)}`, ru: `нужно: ${ru}; получено: ${String(value)}` },
    fix: { en: 'Correct the value', ru: 'Исправьте значение' },
  })
}

/** @throws AppError `bad-setting` */
export function checkCount(where: string | Text, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return
  throw badSetting(where, value, 'a positive whole number', 'положительное целое число')
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
