// Positions without learned rows: settings of a config.json to turning angles per position, or to slopes of a penalty.
import type { ConfigReader } from './config-reader.js'

type Settings = Readonly<Record<string, unknown>>

/** A rule that scales the plain frequencies (radians per position). */
type Scaling = (frequencies: number[], take: (key: string) => number) => number[]

/** Sources: transformers modeling_rope_utils.py. */
const scalings: Readonly<Record<string, Scaling>> = {
  default: frequencies => frequencies,
  linear: (frequencies, take) => frequencies.map(f => f / take('factor')),
  llama3: scaleLlama3,
}

/** What a family calls its settings, and what they are when nothing is written. */
export interface RotaryDefaults {
  readonly theta?: number
  readonly thetaKey?: string
  /** Share of the head that turns; without it the family turns whole heads only. */
  readonly part?: number
  readonly partKey?: string
}

/**
 * Frequencies of the turned pairs from `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (before).
 * @throws AppError `unsupported-config` for other kinds of scaling
 */
export function rotaryFrequencies(config: ConfigReader, headWidth: number, defaults: RotaryDefaults = {}): number[] {
  const { theta = 10000, thetaKey = 'rope_theta', partKey = 'partial_rotary_factor' } = defaults
  const [key, settings] = readSettings(config)
  if (defaults.part !== undefined) config.ignore(partKey)
  const written = defaults.part === undefined ? undefined : (config.value(partKey) as number | undefined)
  const part = (settings.partial_rotary_factor as number | undefined) ?? written ?? defaults.part ?? 1
  if (!(part > 0 && part <= 1) || (defaults.part === undefined && part !== 1))
    throw config.unsupported(key, 'partial_rotary_factor 1')
  const base = (settings.rope_theta as number | undefined) ?? config.number(thetaKey, theta)
  config.ignore(thetaKey)
  return scaledFrequencies(config, key, settings, base, Math.floor(headWidth * part))
}

/**
 * Frequencies of the layers with a window and of the others, from settings of each kind of layer or from
 * `rope_local_base_freq`, `rope_theta` and `rope_scaling` (before).
 * @throws AppError `unsupported-config`
 */
export function layeredFrequencies(
  config: ConfigReader,
  headWidth: number,
  theta: { readonly local: number; readonly global: number },
): { readonly local: number[]; readonly global: number[] } {
  const byKind = asSettings(config.value('rope_parameters'))
  const key = byKind ? 'rope_parameters' : 'rope_scaling'
  const old = asSettings(config.value('rope_scaling'))
  const local = asSettings(byKind?.sliding_attention) ?? {}
  const global = asSettings(byKind?.full_attention) ?? old ?? {}
  const localBase = config.number('rope_local_base_freq', theta.local)
  const globalBase = config.number('rope_theta', theta.global)
  if (byKind && Object.keys(byKind).some(kind => kind !== 'sliding_attention' && kind !== 'full_attention'))
    throw config.unsupported(key, 'sliding_attention and full_attention inside')
  const read = (settings: Settings, base: number): number[] =>
    scaledFrequencies(config, key, settings, (settings.rope_theta as number | undefined) ?? base, headWidth)
  return { local: read(local, localBase), global: read(global, globalBase) }
}

function readSettings(config: ConfigReader): [string, Settings] {
  const old = asSettings(config.value('rope_scaling'))
  const settings = asSettings(config.value('rope_parameters'))
  return settings ? ['rope_parameters', settings] : [old ? 'rope_scaling' : 'rope_parameters', old ?? {}]
}

/** Keys of the settings that were read elsewhere or that only other kinds of scaling read. */
const knownSettings = new Set([
  'rope_type', 'type', 'rope_theta', 'partial_rotary_factor', 'factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings',
]) // prettier-ignore

function scaledFrequencies(
  config: ConfigReader,
  key: string,
  settings: Settings,
  base: number,
  turned: number,
): number[] {
  const kind = settings.rope_type ?? settings.type ?? 'default'
  const unknown = Object.keys(settings).find(name => !knownSettings.has(name))
  if (typeof kind !== 'string' || !Object.hasOwn(scalings, kind))
    throw config.unsupported(key, Object.keys(scalings).join(', '))
  if (unknown !== undefined) throw config.unsupported(key, `no ${unknown} inside`)
  const plain = Array.from({ length: Math.ceil(turned / 2) }, (_, i) => base ** ((-2 * i) / turned))
  return scalings[kind](plain, name => {
    const value = settings[name]
    if (typeof value === 'number' && value > 0) return value
    throw config.unsupported(key, `a positive ${name}`)
  })
}

/** Long waves are stretched by `factor`, short ones stay, those between are blended. */
function scaleLlama3(frequencies: number[], take: (key: string) => number): number[] {
  const [factor, low, high] = [take('factor'), take('low_freq_factor'), take('high_freq_factor')]
  const context = take('original_max_position_embeddings')
  return frequencies.map(frequency => {
    const turns = (context * frequency) / (2 * Math.PI)
    if (turns > high) return frequency
    if (turns < low) return frequency / factor
    const smooth = (turns - low) / (high - low)
    return ((1 - smooth) * frequency) / factor + smooth * frequency
  })
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
