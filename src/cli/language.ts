// Which language the user reads: --lang, else the locale.
import type { Lang } from '../base/errors.js'

/** `ru` for a Russian locale in LC_ALL, LC_MESSAGES or LANG (the first that is set), else `en`. */
export function detectLang(env: Readonly<Record<string, string | undefined>>): Lang {
  const locale = env.LC_ALL || env.LC_MESSAGES || env.LANG || ''
  return locale.toLowerCase().startsWith('ru') ? 'ru' : 'en'
}
