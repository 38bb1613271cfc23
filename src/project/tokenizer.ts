// Stage `tokenizer`: the base model's tokenizer with the plan's tokens added, and the base model with rows for them.
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { AppError } from '../base/errors.js'
import { fileNotFound, writeFolderAtomic } from '../base/files.js'
import { canonicalJson, sha256File } from '../base/hash.js'
import type { WorkOptions } from '../base/progress.js'
import { resizeEmbeddings } from '../model/vocabulary.js'
import { commonDtype, loadModel, openModel, saveModel } from '../model/weights.js'
import { addTokens } from '../tokenizer/add.js'
import { loadTokenizer, saveTokenizer } from '../tokenizer/files.js'
import { trainBpe } from '../tokenizer/train-bpe.js'
import { baseModelFolder } from './base-model.js'
import { withProjectLock } from './lock.js'
import { changePlan, paths, type Project } from './project.js'
import { runStage, type Stage, type StageOutcome } from './stage.js'

export const tokenizerStage: Stage = {
  inputs: project => ({ options: { base: project.plan.train.base, add: project.plan.tokenizer.add }, inputs: [] }),
  outputs: () => [paths.tokenizer, paths.start],
  async work(project) {
    const started = performance.now()
    const base = baseModelFolder(project)
    const { tokenizer, map } = addTokens(await loadTokenizer(base), project.plan.tokenizer.add)
    const model = resizeEmbeddings(await loadModel(base), map)
    await writeFolderAtomic(join(project.folder, paths.tokenizer), folder => saveTokenizer(folder, tokenizer))
    const dtype = commonDtype(await openModel(base)) // training must begin with the numbers of the base, not with rounded ones
    await writeFolderAtomic(join(project.folder, paths.start), folder => saveModel(folder, model, { dtype }))
    const added = map.newTokens - map.oldTokens
    return [
      {
        stage: 'tokenizer',
        unit: 'tokens',
        input: tokenizer.size,
        kept: tokenizer.size,
        dropped: {},
        counts: { added, rows: map.newRows - map.oldRows },
        seconds: (performance.now() - started) / 1000,
      },
    ]
  },
}

/** Adds tokens to the plan and makes tokenizer and model anew. */
export async function addProjectTokens(
  project: Project,
  tokens: readonly string[],
  options: WorkOptions = {},
): Promise<StageOutcome> {
  const add = [...new Set([...project.plan.tokenizer.add, ...tokens])]
  const changed = await withProjectLock(project.folder, () => changePlan(project, { tokenizer: { add } }))
  return runStage('tokenizer', tokenizerStage, changed, options)
}

/** Hash of the base model's configuration and weights, so that a run knows which model it began with. */
export async function fingerprintModel(folder: string): Promise<string> {
  return canonicalJson([
    await sha256File(join(folder, 'config.json')),
    await sha256File(join(folder, 'model.safetensors')),
  ])
}

/**
 * Trains a SentencePiece-style BPE tokenizer on text files or folders of them and writes it.
 * @returns number of tokens, and how many fewer than asked for the texts gave
 * @throws AppError `file-not-found`, `no-text-files`, `not-utf8` with the line; `not-a-tokenizer` when `out` is a folder with other things in it
 */
export async function trainTokenizer(
  inputs: readonly string[],
  out: string,
  { vocabSize, onProgress, signal }: WorkOptions & { readonly vocabSize: number },
): Promise<{ readonly size: number; readonly shortBy: number }> {
  await checkTarget(out)
  const files = (await Promise.all(inputs.map(listTexts))).flat()
  if (files.length === 0) throw noTexts(inputs)
  const { tokenizer, report } = await trainBpe(readLines(files), { vocabSize, onProgress, signal, userDefined: ['\n'] })
  await writeFolderAtomic(out, folder => saveTokenizer(folder, tokenizer))
  return { size: tokenizer.size, shortBy: report.shortBy }
}

/** The folder will be replaced whole, so nothing but a tokenizer may lie there. */
async function checkTarget(out: string): Promise<void> {
  const entries = await readdir(out).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOTDIR') throw notTokenizer(out, [out])
    return []
  })
  const others = entries.filter(name => !tokenizerFiles.has(name))
  if (others.length > 0) throw notTokenizer(out, others)
}

const tokenizerFiles = new Set([
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer.vocab',
  'tokenizer_config.json',
  'special_tokens_map.json',
])

function notTokenizer(out: string, others: readonly string[]): AppError {
  const list = others.slice(0, 3).join(', ') + (others.length > 3 ? ', …' : '')
  return new AppError('not-a-tokenizer', {
    where: out,
    kind: 'usage',
    what: {
      en: `the tokenizer would replace what lies here: ${list}`,
      ru: `токенизатор заменил бы то, что здесь лежит: ${list}`,
    },
    fix: { en: 'Give --out a new folder', ru: 'Укажите в --out новую папку' },
  })
}

async function listTexts(path: string): Promise<string[]> {
  const info = await stat(path).catch((cause: unknown) => {
    throw fileNotFound(path, cause)
  })
  if (info.isFile()) return [path]
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  const texts = entries.filter(entry => entry.isFile() && entry.name.endsWith('.txt'))
  return texts.map(entry => join(entry.parentPath, entry.name)).sort()
}

async function* readLines(files: readonly string[]): AsyncGenerator<string> {
  for (const file of files) {
    let number = 0
    for await (const line of createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Infinity })) {
      number++
      // What is not UTF-8 is read as U+FFFD; a tokenizer of such text would be worthless.
      if (/[\0\ufffd]/u.test(line)) throw notUtf8(`${file}:${number}`)
      yield line
    }
  }
}

function notUtf8(where: string): AppError {
  return new AppError('not-utf8', {
    where,
    what: { en: 'this is not text in UTF-8', ru: 'это не текст в UTF-8' },
    fix: {
      en: 'Give plain texts in UTF-8; other encodings must be converted first',
      ru: 'Дайте простые тексты в UTF-8; другие кодировки сначала преобразуйте',
    },
  })
}

function noTexts(inputs: readonly string[]): AppError {
  return new AppError('no-text-files', {
    where: inputs.join(', '),
    what: { en: 'no .txt files here', ru: 'здесь нет файлов .txt' },
    fix: { en: 'Give text files in UTF-8 or folders with them', ru: 'Укажите тексты в UTF-8 или папки с ними' },
  })
}
