// Turns the environment into this user's folders for downloaded libraries and for results worth keeping.
import { homedir } from 'node:os'
import { join } from 'node:path'

type Environment = Readonly<Record<string, string | undefined>>

/** Where downloaded libraries live; `DVOYNIK_DATA` names another place. */
export function dataFolder(env: Environment = process.env): string {
  if (env.DVOYNIK_DATA) return env.DVOYNIK_DATA
  if (process.platform === 'win32') return join(env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'dvoynik')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'dvoynik')
  return join(env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'dvoynik')
}

/** What may be deleted at any time; `DVOYNIK_CACHE` names another place. */
export function cacheFolder(env: Environment = process.env): string {
  if (env.DVOYNIK_CACHE) return env.DVOYNIK_CACHE
  if (process.platform === 'win32') return join(dataFolder(env), 'cache')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'dvoynik')
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'dvoynik')
}
