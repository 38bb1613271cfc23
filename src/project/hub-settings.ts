// The environment to the settings of the model hub, as the Python client reads them: address, token, cache, being offline.
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../base/errors.js'

type Environment = Readonly<Record<string, string | undefined>>

export interface HubSettings {
  /** Without a slash at the end. */
  readonly endpoint: string
  /** Folder that holds `models--ORG--NAME`, shared with Python. */
  readonly cache: string
  readonly token?: string
  /** The user forbids the network. */
  readonly offline: boolean
}

/**
 * HF_ENDPOINT, HF_TOKEN or the file where `hf auth login` keeps it, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE.
 * @throws AppError `bad-hub-address` (usage)
 */
export async function readHubSettings(env: Environment = process.env): Promise<HubSettings> {
  const file = expand(env.HF_TOKEN_PATH || join(home(env), 'token'), env)
  const kept = isTrue(env.HF_HUB_DISABLE_IMPLICIT_TOKEN) ? '' : await readFile(file, 'utf8').catch(() => '')
  const token = (env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN || kept).replace(/[\r\n]/gu, '').trim()
  return {
    endpoint: checkAddress(env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/u, ''),
    cache: hubCacheFolder(env),
    ...(token ? { token } : {}),
    offline: isTrue(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE),
  }
}

function checkAddress(address: string): string {
  if (/^https?:\/\/./u.test(address) && URL.canParse(address)) return address
  throw new AppError('bad-hub-address', {
    where: 'HF_ENDPOINT',
    kind: 'usage',
    what: { en: `"${address}" is no address of a hub`, ru: `«${address}» не адрес хаба` },
    fix: {
      en: 'Give one that begins with https:// (or http://), or unset the variable',
      ru: 'Укажите адрес, который начинается с https:// (или http://), или уберите переменную',
    },
  })
}

/** Where models fetched before lie. */
export function hubCacheFolder(env: Environment = process.env): string {
  return expand(env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(home(env), 'hub'), env)
}

function home(env: Environment): string {
  return expand(env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface'), env)
}

/** `~` and $NAME, as a shell has them. */
function expand(path: string, env: Environment): string {
  return path
    .replace(/^~(?=[/\\]|$)/u, homedir())
    .replace(/\$(?:\{(\w+)\}|(\w+))/gu, (whole, braced?: string, plain?: string) => env[braced ?? plain ?? ''] ?? whole)
}

function isTrue(value: string | undefined): boolean {
  return /^(?:1|on|yes|true)$/iu.test(value ?? '')
}
