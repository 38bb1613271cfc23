// Commands about models as files: fetch one from a hub, write one in another form.
import { resolve } from 'node:path'
import { AppError } from '../base/errors.js'
import type { StoredDtype } from '../model/weights.js'
import type { Call, CommandSpec } from './command.js'

const dtypes: readonly StoredDtype[] = ['float32', 'float16', 'bfloat16']

const convertCommand: CommandSpec = {
  usage: '<from> <to>',
  summary: {
    en: 'Write a model folder anew: element type, size of files, an adapter merged',
    ru: 'Записать папку модели заново: тип чисел, размер файлов, слияние с адаптером',
  },
  options: [
    {
      flags: '--dtype <type>',
      summary: {
        en: 'float32, float16 or bfloat16 (default: as it is)',
        ru: 'float32, float16 или bfloat16 (по умолчанию как есть)',
      },
    },
    {
      flags: '--max-shard-size <size>',
      summary: {
        en: 'largest size of one file, as 5GB or 500MB (default 50GB)',
        ru: 'наибольший размер одного файла: 5GB, 500MB (по умолчанию 50GB)',
      },
    },
    { flags: '--adapter <folder>', summary: { en: 'adapter to merge', ru: 'адаптер для слияния' } },
  ],
  async run({ args: [from, to], options, output, onProgress, signal }: Call) {
    const dtype = readDtype(options.dtype)
    const maxShardBytes = readSize(options.maxShardSize)
    const adapter = typeof options.adapter === 'string' ? resolve(options.adapter) : undefined
    const { convertModel } = await import('../project/convert-model.js')
    const done = await convertModel(resolve(from), resolve(to), { dtype, maxShardBytes, adapter, onProgress, signal })
    const size = (done.bytes / 1e6).toFixed(done.bytes < 1e7 ? 1 : 0)
    output.result(
      {
        en: `Written: ${done.folder} (${done.tensors} tensors as ${done.dtype}, ${size} MB)`,
        ru: `Записано: ${done.folder} (тензоров: ${done.tensors}, ${done.dtype}, ${size} МБ)`,
      },
      done,
    )
  },
}

const pullCommand: CommandSpec = {
  usage: '<name>',
  summary: {
    en: 'Fetch a model from the Hugging Face hub: pull ORG/NAME',
    ru: 'Скачать модель с Hugging Face: pull ORG/NAME',
  },
  options: [
    {
      flags: '--revision <name>',
      summary: { en: 'branch, tag or commit (default main)', ru: 'ветка, метка или коммит (по умолчанию main)' },
    },
    {
      flags: '--to <folder>',
      summary: {
        en: 'plain files in a folder (default: the cache shared with Python)',
        ru: 'файлы в папку (по умолчанию в кеш, общий с Python)',
      },
    },
  ],
  async run({ args: [name], options, output, onProgress, signal }: Call) {
    const { pullModel } = await import('../project/hub.js')
    const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
    const [revision, to] = [text(options.revision), text(options.to)]
    const pulled = await pullModel(name, { revision, to, onProgress, signal, onNotice: output.say })
    const base = to !== undefined ? pulled.folder : revision === undefined ? name : `${pulled.name}@${revision}`
    output.result(
      {
        en: `The model is in ${pulled.folder}. To train it, put "base": ${JSON.stringify(base)} under "train" in dvoynik.json`,
        ru: `Модель в папке ${pulled.folder}. Чтобы обучать её, впишите "base": ${JSON.stringify(base)} в "train" файла dvoynik.json`,
      },
      pulled,
    )
  },
}

export const modelCommand: CommandSpec = {
  usage: '',
  summary: { en: 'Models as files: fetch, convert', ru: 'Файлы моделей: скачать, преобразовать' },
  options: [],
  commands: { pull: pullCommand, convert: convertCommand },
}

function readDtype(value: unknown): StoredDtype | undefined {
  if (value === undefined) return undefined
  const found = dtypes.find(name => name === value)
  if (found) return found
  throw usage('--dtype', value, { en: `one of ${dtypes.join(', ')}`, ru: `одно из ${dtypes.join(', ')}` })
}

const units: Readonly<Record<string, number>> = { KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 }

/** Bytes of a size as transformers writes it: 5GB is 5·10⁹. */
function readSize(value: unknown): number | undefined {
  if (value === undefined) return undefined
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]B)$/u.exec(String(value).trim().toUpperCase())
  const bytes = match ? Math.floor(Number(match[1]) * units[match[2]]) : 0
  if (bytes > 0) return bytes
  throw usage('--max-shard-size', value, {
    en: 'a size in KB, MB, GB or TB, as 5GB',
    ru: 'размер в KB, MB, GB или TB, например 5GB',
  })
}

function usage(option: string, value: unknown, wanted: { readonly en: string; readonly ru: string }): AppError {
  return new AppError('usage', {
    kind: 'usage',
    what: {
      en: `${option} wants ${wanted.en}, received "${String(value)}"`,
      ru: `${option}: нужно ${wanted.ru}, получено «${String(value)}»`,
    },
    fix: { en: 'See `dvoynik model --help`', ru: 'Смотрите `dvoynik model --help`' },
  })
}
