// The settings of the samplers: names, defaults, ranges; anything else is an error.
import {
  anyNumber,
  checkRanges,
  count,
  notNegative,
  positive,
  positiveShare,
  share,
  type Range,
  type Ranges,
} from '../train/setting-ranges.js'

export interface SamplerSettings {
  /** 0 takes the most probable token. Default .8. */
  readonly temperature?: number
  /** Keep the k most probable tokens; 0 keeps all. Default 40. */
  readonly topK?: number
  /** Keep the fewest most probable tokens whose probabilities reach p; 1 keeps all. Default .95. */
  readonly topP?: number
  /** Keep tokens at least this share as probable as the best; 0 keeps all. Default 0. */
  readonly minP?: number
  /** Keep the fewest tokens of the most usual surprise whose probabilities reach p; 1 keeps all. Default 1. */
  readonly typicalP?: number
  /** Above 1 makes recent tokens less likely; 1 does nothing. Default 1.1. */
  readonly repetitionPenalty?: number
  /** How many last tokens, the prompt's included, the three penalties look at; -1 is all of them. Default 64. */
  readonly repetitionRange?: number
  /** Taken from the logit of every recent token once. Default 0. */
  readonly presencePenalty?: number
  /** Taken from the logit of a recent token as often as it occurs. Default 0. */
  readonly frequencyPenalty?: number
  /** Penalty of going on with a repeated phrase (DRY); 0 does nothing. Default 0. */
  readonly dryMultiplier?: number
  /** Factor of the penalty for each further token of the phrase. Default 1.75. */
  readonly dryBase?: number
  /** Longest phrase that may be repeated freely. Default 2. */
  readonly dryAllowedLength?: number
  /** How many last tokens are searched for phrases; -1 is all of them. Default -1. */
  readonly dryRange?: number
  /** Token ids that end a phrase, e.g. of the line break. Default: none. */
  readonly dryBreakers?: readonly number[]
  /** Chance at each token to leave out all but the least probable of the good ones (XTC). Default 0. */
  readonly xtcProbability?: number
  /** Probability from which a token is a good one. Default .1. */
  readonly xtcThreshold?: number
  /** Aim for this surprise in bits (mirostat 2) in place of top-k, top-p, min-p, typical and XTC; 0 does not. Default 0. */
  readonly mirostatTau?: number
  /** How fast mirostat corrects itself. Default .1. */
  readonly mirostatEta?: number
  /** Added to the logits of these token ids; -Infinity forbids a token. Default: none. */
  readonly logitBias?: Readonly<Record<number, number>>
}

export type CompleteSettings = Required<SamplerSettings>

const defaults: CompleteSettings = {
  temperature: 0.8,
  topK: 40,
  topP: 0.95,
  minP: 0,
  typicalP: 1,
  repetitionPenalty: 1.1,
  repetitionRange: 64,
  presencePenalty: 0,
  frequencyPenalty: 0,
  dryMultiplier: 0,
  dryBase: 1.75,
  dryAllowedLength: 2,
  dryRange: -1,
  dryBreakers: [],
  xtcProbability: 0,
  xtcThreshold: 0.1,
  mirostatTau: 0,
  mirostatEta: 0.1,
  logitBias: {},
}

const lastTokens: Range<number> = { allowed: '-1, 0, 1, …', fits: value => Number.isInteger(value) && value >= -1 }

const ranges: Ranges<SamplerSettings> = {
  temperature: notNegative,
  topK: count,
  topP: positiveShare,
  minP: share,
  typicalP: positiveShare,
  repetitionPenalty: positive,
  repetitionRange: lastTokens,
  presencePenalty: anyNumber,
  frequencyPenalty: anyNumber,
  dryMultiplier: notNegative,
  dryBase: { allowed: '≥ 1', fits: value => value >= 1 && value < Infinity },
  dryAllowedLength: { allowed: '1, 2, 3, …', fits: value => Number.isInteger(value) && value >= 1 },
  dryRange: lastTokens,
  dryBreakers: { allowed: 'token ids', fits: ids => Array.isArray(ids) && ids.every(count.fits) },
  xtcProbability: share,
  xtcThreshold: share,
  mirostatTau: notNegative,
  mirostatEta: positive,
  logitBias: {
    allowed: 'a number for each token id',
    fits: bias =>
      typeof bias === 'object' &&
      Object.entries(bias).every(([id, value]) => count.fits(Number(id)) && value < Infinity),
  },
}

/**
 * The settings with every default filled in; undefined means the default.
 * @throws AppError `unknown-sampler-setting` or `bad-sampler`
 */
export function completeSettings(settings: SamplerSettings): CompleteSettings {
  checkRanges(settings, ranges, 'sampler')
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
  return { ...defaults, ...given }
}
