// Plain frequencies of rotary positions to those of a model whose context was stretched after the first training.
import type { Turning } from './model-config.js'

/** What a head has before anything is scaled. */
export interface PlainTurning {
  readonly base: number
  /** How many places of a head turn. */
  readonly turned: number
  /** Radians per position, and their reciprocals; rounded as transformers rounds them, see `angleOf`. */
  readonly frequencies: readonly number[]
  readonly periods: readonly number[]
  readonly maxPositions: number
  /** Positions of the first training, where the family names them outside the settings. */
  readonly originalPositions?: number
}

/** Settings of one kind of scaling by name; what is missing or malformed is refused. */
export interface ScalingSettings {
  positive(name: string): number
  optional(name: string): number | undefined
  flag(name: string, fallback: boolean): boolean
  positives(name: string, count: number): readonly number[]
}

interface Scaling {
  /** Settings that it reads, beside those that files of every kind may have. */
  readonly own: readonly string[]
  scale(plain: PlainTurning, settings: ScalingSettings): Turning
}

const { fround } = Math

const longrope: Scaling = { own: ['short_factor', 'long_factor', 'attention_factor'], scale: scaleLongrope }

/** Sources: transformers modeling_rope_utils.py; `su` is the first name of `longrope`. */
export const scalings: Readonly<Record<string, Scaling>> = {
  default: { own: [], scale: ({ frequencies }) => ({ frequencies }) },
  linear: {
    own: [],
    scale: ({ frequencies }, { positive }) => ({ frequencies: frequencies.map(f => f / fround(positive('factor'))) }),
  },
  llama3: { own: [], scale: scaleLlama3 },
  yarn: {
    own: ['attention_factor', 'beta_fast', 'beta_slow', 'mscale', 'mscale_all_dim', 'truncate', 'finetuned'],
    scale: scaleYarn,
  },
  longrope,
  su: longrope,
}

/** Long waves are stretched by `factor`, short ones stay, those between are blended. */
function scaleLlama3({ frequencies }: PlainTurning, { positive }: ScalingSettings): Turning {
  const [factor, low, high] = ['factor', 'low_freq_factor', 'high_freq_factor'].map(positive)
  const context = positive('original_max_position_embeddings')
  const scaled = frequencies.map(frequency => {
    const wave = fround(fround(1 / frequency) * fround(2 * Math.PI))
    if (wave < context / high) return frequency
    if (wave > context / low) return fround(frequency / fround(factor))
    const smooth = fround(fround(fround(fround(1 / wave) * context) - low) / fround(high - low))
    return fround(fround(fround(fround(1 - smooth) * frequency) / fround(factor)) + fround(smooth * frequency))
  })
  return { frequencies: scaled }
}

/**
 * The same by the number of the pair: those that turn often enough in the first context stay, those that turn too rarely are
 * stretched, those between are blended. Source: Peng et al., YaRN.
 */
function scaleYarn(plain: PlainTurning, settings: ScalingSettings): Turning {
  const { base, turned, frequencies, periods, maxPositions } = plain
  const context = originalPositions(plain, settings)
  const factor = settings.optional('factor') ?? maxPositions / context
  const pairOf = (turns: number): number => (turned * Math.log(context / (turns * 2 * Math.PI))) / (2 * Math.log(base))
  const whole = settings.flag('truncate', true)
  const first = pairOf(settings.optional('beta_fast') ?? 32)
  const last = pairOf(settings.optional('beta_slow') ?? 1)
  const from = Math.max(whole ? Math.floor(first) : first, 0)
  const to = Math.min(whole ? Math.ceil(last) : last, turned - 1)
  const scaled = frequencies.map((frequency, pair) => {
    const ramp = fround(fround(pair - fround(from)) / fround(from === to ? 0.001 : to - from))
    const kept = fround(1 - Math.min(1, Math.max(0, ramp)))
    const stretched = fround(1 / fround(fround(factor) * periods[pair]))
    return fround(fround(stretched * fround(1 - kept)) + fround(frequency * kept))
  })
  return { frequencies: scaled, gain: yarnGain(factor, settings) }
}

function yarnGain(factor: number, { optional }: ScalingSettings): number {
  const gain = (weight: number): number => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1)
  const [own, all] = [optional('mscale'), optional('mscale_all_dim')]
  return optional('attention_factor') ?? (own !== undefined && all !== undefined ? gain(own) / gain(all) : gain(1))
}

/** Each pair has a factor of its own, and another one in texts that are longer than the first context. */
function scaleLongrope(plain: PlainTurning, settings: ScalingSettings): Turning {
  const { periods, maxPositions } = plain
  const context = originalPositions(plain, settings)
  const factor = settings.optional('factor') ?? maxPositions / context
  const gain = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(context))
  const by = (name: string): number[] => {
    const factors = settings.positives(name, periods.length)
    return periods.map((period, pair) => 1 / fround(fround(factors[pair]) * period))
  }
  return {
    frequencies: by('short_factor'),
    gain: settings.optional('attention_factor') ?? gain,
    long: { frequencies: by('long_factor'), beyond: context },
  }
}

function originalPositions(plain: PlainTurning, { optional }: ScalingSettings): number {
  return plain.originalPositions ?? optional('original_max_position_embeddings') ?? plain.maxPositions
}
