// Turns logits into one token id: an ordered list of named functions, then a draw that depends on seed and place alone.
import { streamOf, uniformAt } from '../base/random.js'
import { bestToken, drawToken } from './draw.js'
import { excludeTopChoices, keepMinP, keepTopK, keepTopP, keepTypical, limitSurprise } from './filters.js'
import { applyDry, applyLogitBias, applyPresenceAndFrequency, applyRepetitionPenalty } from './penalties.js'
import { completeSettings, type CompleteSettings, type SamplerSettings } from './sampler-settings.js'

/** Number of a draw; equal (seed, place) give equal draws. */
interface Draw {
  readonly seed: number
  readonly place: number
}

interface Sampler {
  readonly name: string
  /** `always`, also at temperature 0; `filter`, where mirostat does not choose; `heat` comes last. */
  readonly group: 'always' | 'filter' | 'heat'
  /**
   * Changes the logits [V] in place and nothing else; -Infinity takes a token out.
   * @param recent all tokens so far, oldest first
   */
  apply(logits: Float32Array, settings: CompleteSettings, recent: ArrayLike<number>, draw: Draw): void
}

/** The order of llama.cpp: what is kept does not depend on the temperature, which comes last. */
export const samplers: readonly Sampler[] = [
  { name: 'logit-bias', group: 'always', apply: applyLogitBias },
  { name: 'repetition-penalty', group: 'always', apply: applyRepetitionPenalty },
  { name: 'presence-and-frequency', group: 'always', apply: applyPresenceAndFrequency },
  { name: 'dry', group: 'always', apply: applyDry },
  { name: 'top-k', group: 'filter', apply: keepTopK },
  { name: 'typical', group: 'filter', apply: keepTypical },
  { name: 'top-p', group: 'filter', apply: keepTopP },
  { name: 'min-p', group: 'filter', apply: keepMinP },
  {
    name: 'xtc',
    group: 'filter',
    apply: (logits, settings, _recent, draw) => excludeTopChoices(logits, settings, draw),
  },
  { name: 'temperature', group: 'heat', apply: divideByTemperature },
]

/** What a text carries from token to token. */
export interface SamplerState {
  /** Mirostat's limit of surprise in bits; undefined before the first token. */
  surpriseLimit?: number
}

/**
 * The next token.
 * @param logits [V], changed in place
 * @param draw equal (seed, place), logits and state give an equal token
 * @param state changed by mirostat; one object for a whole text
 * @throws AppError `bad-sampler` for a setting out of range; `unknown-sampler-setting`; `logits-not-finite` when no token
 * can be chosen
 */
export function sampleToken(
  logits: Float32Array,
  recent: ArrayLike<number>,
  settings: SamplerSettings,
  draw: Draw,
  state: SamplerState = {},
): number {
  const complete = completeSettings(settings)
  const greedy = complete.temperature === 0
  const mirostat = !greedy && complete.mirostatTau > 0
  for (const { group, apply } of samplers)
    if (group === 'always' || (!greedy && (group === 'heat' || !mirostat))) apply(logits, complete, recent, draw)
  if (greedy) return bestToken(logits)
  const uniform = uniformAt(draw.seed, streamOf('sample'), draw.place)
  return mirostat ? drawMirostat(logits, complete, uniform, state) : drawToken(logits, uniform).id
}

function divideByTemperature(logits: Float32Array, { temperature }: CompleteSettings): void {
  for (let id = 0; id < logits.length; id++) logits[id] /= temperature
}

// Mirostat 2 (Basu et al. 2021): draw below the limit μ (2τ at first), then μ ← μ − η·(surprise of the token − τ)
function drawMirostat(
  logits: Float32Array,
  { mirostatTau: tau, mirostatEta: eta }: CompleteSettings,
  uniform: number,
  state: SamplerState,
): number {
  const limit = state.surpriseLimit ?? 2 * tau
  limitSurprise(logits, limit)
  const { id, probability } = drawToken(logits, uniform)
  state.surpriseLimit = limit - eta * (-Math.log2(probability) - tau)
  return id
}
