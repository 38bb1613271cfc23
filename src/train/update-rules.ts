// The optimizers by name, and their settings.
import { adafactor, type AdafactorSettings } from './adafactor.js'
import { adamw8bit } from './adamw-8bit.js'
import { adamw, lion, sgd, type AdamWSettings, type LionSettings, type SgdSettings } from './elementwise-rules.js'
import { muon, type MuonSettings } from './muon.js'
import type { RuleChoice } from './update-rule.js'

/** The settings of each optimizer. */
export interface SettingsByName {
  readonly adamw: AdamWSettings
  readonly 'adamw-8bit': AdamWSettings
  readonly lion: LionSettings
  readonly adafactor: AdafactorSettings
  readonly sgd: SgdSettings
  readonly muon: MuonSettings
}

export type OptimizerName = keyof SettingsByName
export type OptimizerSettings = { [N in OptimizerName]: { readonly kind: N } & SettingsByName[N] }[OptimizerName]

/** Every optimizer of the product. */
export const updateRules: { readonly [N in OptimizerName]: (settings: SettingsByName[N]) => RuleChoice } = {
  adamw: settings => always(adamw(settings)),
  'adamw-8bit': adamw8bit,
  lion: settings => always(lion(settings)),
  adafactor: settings => always(adafactor(settings)),
  sgd: settings => always(sgd(settings)),
  muon,
}

function always(rule: ReturnType<RuleChoice>): RuleChoice {
  return () => rule
}
