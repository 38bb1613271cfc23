// Rotary positions: settings of a config.json to the angle each pair of a head turns by per position.
import type { ConfigReader } from './config-reader.js'

/** A rule that scales the plain frequencies (radians per position). */
type Scaling = (
  frequencies: number[],
  settings: Readonly<Record<string, unknown>>,
  take: (key: string) => number,
) => number[]

/** Sources: transformers modeling_rope_utils.py. */
const scalings: Readonly<Record<string, Scaling>> = {
  default: frequencies => frequencies,
  linear: (frequencies, _settings, take) => frequencies.map(f => f / take('factor')),
  llama3: scaleLlama3,
}

/**
 * D/2 frequencies from `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (before).
 * @throws AppError `unsupported-config` for other kinds of scaling
 */
export function rotaryFrequencies(config: ConfigReader, headWidth: number): number[] {
  const old = asRecord(config.value('rope_scaling'))
  const settings = asRecord(config.value('rope_parameters')) ?? old ?? {}
  const key = old && settings === old ? 'rope_scaling' : 'rope_parameters'
  const theta = (settings.rope_theta as number | undefined) ?? config.number('rope_theta', 10000)
  config.value('rope_theta')
  const plain = Array.from({ length: headWidth / 2 }, (_, i) => theta ** ((-2 * i) / headWidth))
  const kind = settings.rope_type ?? settings.type ?? 'default'
  if (typeof kind !== 'string' || !Object.hasOwn(scalings, kind))
    throw config.unsupported(key, Object.keys(scalings).join(', '))
  if (((settings.partial_rotary_factor as number | undefined) ?? 1) !== 1)
    throw config.unsupported(key, 'partial_rotary_factor 1')
  return scalings[kind](plain, settings, name => {
    const value = settings[name]
    if (typeof value === 'number' && value > 0) return value
    throw config.unsupported(key, `a positive ${name}`)
  })
}

/** Long waves are stretched by `factor`, short ones stay, those between are blended. */
function scaleLlama3(frequencies: number[], _settings: unknown, take: (key: string) => number): number[] {
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

function asRecord(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined
}
