// Positions without learned rows: settings of a config.json to turning angles per position, or to slopes of a penalty.
import type { ConfigReader } from './config-reader.js'
import type { Turning } from './model-config.js'
import { scalings, type PlainTurning, type ScalingSettings } from './rotary-scaling.js'

type Settings = Readonly<Record<string, unknown>>

/** The sizes that positions depend on. */
export interface RotarySizes {
  readonly headWidth: number
  readonly maxPositions: number
}

/** What a family calls its settings, and what they are when nothing is written. */
export interface RotaryDefaults {
  readonly theta?: number
  readonly thetaKey?: string
  /** Share of the head that turns; without it the family turns whole heads only. */
  readonly part?: number
  readonly partKey?: string
  /** Positions of the first training, where they are named outside the settings. */
  readonly originalPositions?: number
}

/**
 * How pairs turn, from `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (before).
 * @throws AppError `unsupported-config` for other kinds of scaling
 */
export function readTurning(config: ConfigReader, sizes: RotarySizes, defaults: RotaryDefaults = {}): Turning {
  const { theta = 10000, thetaKey = 'rope_theta', partKey = 'partial_rotary_factor', originalPositions } = defaults
  const [key, settings] = readSettings(config, thetaKey)
  if (defaults.part !== undefined) config.ignore(partKey)
  const written = defaults.part === undefined ? undefined : (config.value(partKey) as number | undefined)
  const part = (settings.partial_rotary_factor as number | undefined) ?? written ?? defaults.part ?? 1
  if (!(part > 0 && part <= 1) || (defaults.part === undefined && part !== 1))
    throw config.unsupported(key, 'partial_rotary_factor 1')
  const base = (settings.rope_theta as number | undefined) ?? config.number(thetaKey, theta)
  config.ignore(thetaKey)
  const plain = plainTurning(base, Math.floor(sizes.headWidth * part), sizes.maxPositions)
  return scaledTurning(config, key, settings, { ...plain, originalPositions })
}

/**
 * How pairs turn in layers with a window and in the others, from settings of each kind of layer or from
 * `rope_local_base_freq`, `rope_theta` and `rope_scaling` (before).
 * @throws AppError `unsupported-config`
 */
export function readLayeredTurning(
  config: ConfigReader,
  { headWidth, maxPositions }: RotarySizes,
  theta: { readonly local: number; readonly global: number },
): { readonly local: Turning; readonly global: Turning } {
  const byKind = asSettings(config.value('rope_parameters'))
  const key = byKind ? 'rope_parameters' : 'rope_scaling'
  const old = asSettings(config.value('rope_scaling'))
  const local = asSettings(byKind?.sliding_attention) ?? {}
  const global = { ...asSettings(byKind?.full_attention), ...old }
  const localBase = config.number('rope_local_base_freq', theta.local)
  const globalBase = config.number('rope_theta', theta.global)
  if (byKind && Object.keys(byKind).some(kind => kind !== 'sliding_attention' && kind !== 'full_attention'))
    throw config.unsupported(key, 'sliding_attention and full_attention inside')
  const read = (settings: Settings, base: number): Turning => {
    const plain = plainTurning((settings.rope_theta as number | undefined) ?? base, headWidth, maxPositions)
    return scaledTurning(config, key, settings, plain)
  }
  return { local: read(local, localBase), global: read(global, globalBase) }
}

/** Where both are written, transformers takes the old key, and forgets the `rope_theta` of the new one: that is refused. */
function readSettings(config: ConfigReader, thetaKey: string): [string, Settings] {
  const old = asSettings(config.value('rope_scaling'))
  const settings = asSettings(config.value('rope_parameters'))
  if (old === undefined || Object.keys(old).length === 0) return ['rope_parameters', settings ?? {}]
  const theta = old.rope_theta ?? config.value(thetaKey)
  if (settings?.rope_theta !== undefined && theta === undefined)
    throw config.unsupported('rope_scaling', 'rope_theta inside')
  return ['rope_scaling', old]
}

/** Pair i of R turned places goes round once in 2π·base^(2i / R) positions. */
export function plainTurning(base: number, turned: number, maxPositions: number): PlainTurning {
  const { fround } = Math
  const pairs = Array.from({ length: Math.ceil(turned / 2) }, (_, i) => i)
  const periods = pairs.map(i => fround(base ** fround((2 * i) / turned)))
  return { base, turned, frequencies: periods.map(period => fround(1 / period)), periods, maxPositions }
}

/** Settings that were read elsewhere or that files of several kinds have, whether they are read there or not. */
const sharedSettings = [
  'rope_type', 'type', 'rope_theta', 'partial_rotary_factor', 'factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings',
] // prettier-ignore

function scaledTurning(config: ConfigReader, key: string, settings: Settings, plain: PlainTurning): Turning {
  const kind = settings.rope_type ?? settings.type ?? 'default'
  if (typeof kind !== 'string' || !Object.hasOwn(scalings, kind))
    throw config.unsupported(key, Object.keys(scalings).join(', '))
  const { own, scale } = scalings[kind]
  const unknown = Object.keys(settings).find(name => !sharedSettings.includes(name) && !own.includes(name))
  if (unknown !== undefined) throw config.unsupported(key, `no ${unknown} inside`)
  return scale(plain, checkedSettings(config, key, settings))
}

function checkedSettings(config: ConfigReader, key: string, settings: Settings): ScalingSettings {
  const isPositive = (value: unknown): value is number => typeof value === 'number' && value > 0
  const positive = (name: string): number => {
    const value = settings[name]
    if (isPositive(value)) return value
    throw config.unsupported(key, `a positive ${name}`)
  }
  return {
    positive,
    optional: name => ((settings[name] ?? undefined) === undefined ? undefined : positive(name)),
    flag: (name, fallback) => {
      const value = settings[name] ?? fallback
      if (typeof value === 'boolean') return value
      throw config.unsupported(key, `${name} true or false`)
    },
    positives: (name, count) => {
      const values = settings[name]
      if (Array.isArray(values) && values.length === count && values.every(isPositive)) return values
      throw config.unsupported(key, `${count} positive numbers in ${name}`)
    },
  }
}

/**
 * Slope of each head, a geometric series; heads past a power of two take every second step of the next finer one.
 * Source: Press et al., Train Short, Test Long (ALiBi).
 */
export function alibiSlopes(heads: number): number[] {
  const power = 2 ** Math.floor(Math.log2(heads))
  const base = (count: number): number => 2 ** -(2 ** -(Math.log2(count) - 3))
  return Array.from({ length: heads }, (_, head) =>
    Math.fround(head < power ? base(power) ** (head + 1) : base(2 * power) ** (2 * (head - power) + 1)),
  )
}

function asSettings(value: unknown): Settings | undefined {
  return typeof value === 'object' && value !== null ? (value as Settings) : undefined
}
