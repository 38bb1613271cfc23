// What a setting may be: a test and the words for the error message.
import { AppError, settingCalled } from '../base/errors.js'
import { nearestName } from '../base/nearest.js'

export interface Range<Value> {
  /** For the error message. */
  readonly allowed: string
  fits(value: Value): boolean
}

export const share: Range<number> = { allowed: '0 ≤ p ≤ 1', fits: value => value >= 0 && value <= 1 }
export const positiveShare: Range<number> = { allowed: '0 < p ≤ 1', fits: value => value > 0 && value <= 1 }
/** Of a moment that forgets: 1 would never take anything in. */
export const decayRate: Range<number> = { allowed: '0 ≤ β < 1', fits: value => value >= 0 && value < 1 }
export const notNegative: Range<number> = { allowed: '≥ 0', fits: value => value >= 0 && value < Infinity }
export const positive: Range<number> = { allowed: '> 0', fits: value => value > 0 && value < Infinity }
export const anyNumber: Range<number> = { allowed: 'a number', fits: Number.isFinite }
export const count: Range<number> = { allowed: '0, 1, 2, …', fits: value => Number.isInteger(value) && value >= 0 }
export const yesOrNo: Range<boolean> = { allowed: 'true, false', fits: value => typeof value === 'boolean' }

export type Ranges<Settings> = { readonly [K in keyof Settings]-?: Range<NonNullable<Settings[K]>> }

/**
 * Checks every setting that is given; undefined counts as not given.
 * @param what names the settings, e.g. `sampler`; it is part of the error codes
 * @throws AppError `unknown-${what}-setting` or `bad-${what}`
 */
export function checkRanges<Settings extends object>(settings: Settings, ranges: Ranges<Settings>, what: string): void {
  for (const name of Object.keys(settings) as (keyof Settings & string)[]) {
    const value = settings[name]
    if (value === undefined) continue
    if (!Object.hasOwn(ranges, name)) throw unknownSetting(what, name, Object.keys(ranges))
    if (!ranges[name].fits(value as NonNullable<typeof value>))
      throw badSetting(what, name, value, ranges[name].allowed)
  }
}

export function badSetting(what: string, name: string, value: unknown, allowed: string): AppError {
  const shown = typeof value === 'object' ? JSON.stringify(value) : String(value)
  return new AppError(`bad-${what}`, {
    where: settingCalled(name),
    what: { en: `received ${shown}`, ru: `получено ${shown}` },
    fix: { en: `Allowed: ${allowed}`, ru: `Допустимо: ${allowed}` },
  })
}

function unknownSetting(what: string, name: string, known: readonly string[]): AppError {
  const near = nearestName(name, known)
  const list = known.join(', ')
  return new AppError(`unknown-${what}-setting`, {
    where: `${what} settings`,
    what: { en: `there is no setting "${name}"`, ru: `нет настройки «${name}»` },
    fix: near
      ? { en: `Did you mean "${near}"?`, ru: `Может быть, «${near}»?` }
      : { en: `Known: ${list}`, ru: `Известны: ${list}` },
  })
}
