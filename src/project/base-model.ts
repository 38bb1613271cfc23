// Where the base model of a plan lies: the shipped pocket model by name, a folder in Hugging Face layout, or a fetched model.
import { existsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { AppError, keyOf } from '../base/errors.js'
import { assetPath } from '../base/package.js'
import { cachedModelFolder, notFetched, parseModelName } from './hub-cache.js'
import { hubCacheFolder } from './hub-settings.js'
import type { Project } from './project.js'

const shipped = 'pocket-ru'

/**
 * Folder of the base model, with config.json, weights and tokenizer. `ORG/NAME`, or `ORG/NAME@revision`, is looked for in
 * the cache of the hub where no such folder is; nothing is fetched.
 * @throws AppError `no-base-model` for a name that is neither shipped nor a folder with config.json; `model-not-fetched`
 */
export function baseModelFolder({ folder, plan }: Project): string {
  const { base } = plan.train
  const path = base === shipped ? assetPath(shipped) : isAbsolute(base) ? base : join(folder, base)
  if (existsSync(join(path, 'config.json'))) return path
  const model = existsSync(path) ? undefined : parseModelName(base)
  const cached = model && cachedModelFolder(hubCacheFolder(), model)
  if (cached !== undefined) return cached
  if (model?.name.includes('/')) throw notFetched(model, keyOf('dvoynik.json', 'train.base'))
  throw new AppError('no-base-model', {
    where: keyOf('dvoynik.json', 'train.base'),
    what: {
      en: `no model at "${base}": there is no ${join(path, 'config.json')}`,
      ru: `по адресу «${base}» нет модели: нет ${join(path, 'config.json')}`,
    },
    fix: {
      en: `Give "${shipped}" or a folder in Hugging Face layout (config.json, model.safetensors, tokenizer.json)`,
      ru: `Укажите «${shipped}» или папку в виде Hugging Face (config.json, model.safetensors, tokenizer.json)`,
    },
  })
}
