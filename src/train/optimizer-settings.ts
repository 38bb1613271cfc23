// The settings that each optimizer knows, and what they may be.
import { checkRanges, decayRate, notNegative, positive, yesOrNo, type Range, type Ranges } from './setting-ranges.js'
import type { OptimizerName, OptimizerSettings, SettingsByName } from './update-rules.js'

const adam: Ranges<SettingsByName['adamw']> = {
  beta1: decayRate,
  beta2: decayRate,
  epsilon: notNegative,
  weightDecay: notNegative,
}

const positiveRate: Range<number> = { allowed: '0 < β < 1', fits: value => value > 0 && value < 1 }

const settingRanges: { readonly [N in OptimizerName]: Ranges<SettingsByName[N]> } = {
  adamw: adam,
  'adamw-8bit': adam,
  lion: { beta1: decayRate, beta2: positiveRate, weightDecay: notNegative },
  adafactor: {
    beta2Decay: { allowed: '≤ 0', fits: value => value <= 0 && value > -Infinity },
    epsilon: positive,
    minimumScale: notNegative,
    clipThreshold: { allowed: '≥ 1', fits: value => value >= 1 && value < Infinity },
    weightDecay: notNegative,
  },
  sgd: { momentum: decayRate, nesterov: yesOrNo, weightDecay: notNegative },
  muon: { ...adam, momentum: decayRate },
}

/** @throws AppError `unknown-optimizer-setting` naming the nearest known one, or `bad-optimizer` */
export function checkOptimizerSettings({ kind, ...settings }: OptimizerSettings): void {
  checkRanges(settings, settingRanges[kind] as Ranges<typeof settings>, 'optimizer')
}
