// Turns the last checkpoint of the pocket model's run into the folder that ships: weights in float16, tokenizer, model card.
// node dist/tools/pocket/export.js --data DIR --tokenizer DIR --run DIR --out DIR [--early] [--threads N]
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { AppError } from '../../src/base/errors.js'
import { fileNotFound, readJson, writeFileAtomic } from '../../src/base/files.js'
import { readSafetensors } from '../../src/formats/safetensors.js'
import { createTrainingStep } from '../../src/model/train-step.js'
import { loadModel, saveModel, type Model } from '../../src/model/weights.js'
import { createRuntime } from '../../src/runtime/registry.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { loadTokenizer, saveTokenizer } from '../../src/tokenizer/files.js'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.js'
import { evaluateBatches, type Evaluation } from '../../src/train/bits-per-byte.js'
import { findCheckpoint } from '../../src/train/checkpoint.js'
import { renderCard } from './card.js'
import { openJudgedBlocks } from './data.js'
import { readRunFacts, type Baselines, type CorpusFacts } from './facts.js'
import { blockLength, createPocketModel } from './model.js'
import { sampleTexts } from './samples.js'

const sizeLimit = 24e6
const samplePrompts = [
  '— Кто там? — спросил',
  'Доктор вошел в комнату и',
  '— Вы меня не любите, — сказала она',
  'Наступила осень.',
  '— Что же делать, батюшка?',
  'Старый дом стоял на краю',
  '— Здравствуйте, Иван Петрович!',
  'Она долго молчала, потом',
  'На другой день рано утром',
  '— Скажите, пожалуйста,',
]

async function main(): Promise<void> {
  const string = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      data: string,
      tokenizer: string,
      run: string,
      out: string,
      threads: { type: 'string', default: '2' },
      early: { type: 'boolean', default: false },
    },
  })
  const { data, tokenizer: tokenizerFolder, run, out, early } = values
  if (data === undefined || tokenizerFolder === undefined || run === undefined || out === undefined) throw usage()
  const tokenizer = await loadTokenizer(tokenizerFolder)
  const runtime = await createRuntime({ threads: Number(values.threads) })
  await saveModel(out, await readCheckpoint(run, tokenizer), { dtype: 'float16' })
  await saveTokenizer(out, tokenizer)
  const model = await loadModel(out) // what ships is what is judged
  const samples = await sampleTexts({ model, tokenizer, runtime }, samplePrompts, { maxTokens: 90, seed: 1 })
  for (const { prompt, text } of samples) console.log(`* ${prompt}|${text}\n`)
  if (early) return
  const corpus = (await readJson(join(data, 'corpus.json'))) as CorpusFacts
  const baselines = (await readJson(join(data, 'baselines.json'))) as Baselines
  const evaluation = await judge(model, tokenizer, runtime, join(data, 'heldout.bin'))
  const card = renderCard({ facts: await readRunFacts(run), corpus, baselines, evaluation, samples, model: model.json })
  await writeFileAtomic(join(out, 'README.md'), card)
  await checkSize(out)
  console.log(JSON.stringify(evaluation))
}

async function readCheckpoint(run: string, tokenizer: Tokenizer): Promise<Model> {
  const found = await findCheckpoint(join(run, 'checkpoints'))
  if (!found) throw fileNotFound(join(run, 'checkpoints'))
  const model = createPocketModel(tokenizer, 0)
  const saved = await readSafetensors(join(found.path, 'parameters.safetensors'))
  for (const [name, { data }] of model.weights) data.set(saved.get(name)!.data)
  const { bos, eos } = tokenizer.special
  return {
    ...model,
    generation: {
      bos_token_id: bos,
      eos_token_id: eos,
      do_sample: true,
      temperature: 0.8,
      top_k: 40,
      top_p: 0.95,
      repetition_penalty: 1.1,
    },
  }
}

/** All of the held-out books, each block without what stands before it. */
async function judge(model: Model, tokenizer: Tokenizer, runtime: Runtime, path: string): Promise<Evaluation> {
  const batch = 8
  const source = await openJudgedBlocks(path, batch, tokenizer)
  const step = await createTrainingStep(model, { kind: 'full' }, { batch, length: blockLength, runtime })
  const evaluation = await evaluateBatches(step, source)
  await step.close()
  await source.close()
  return evaluation! // undefined only when a signal stops it
}

async function checkSize(folder: string): Promise<void> {
  const sizes = await Promise.all((await readdir(folder)).map(async name => (await stat(join(folder, name))).size))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (total <= sizeLimit) return
  throw new AppError('too-big', {
    where: folder,
    what: {
      en: `${total} bytes, at most ${sizeLimit} ship`,
      ru: `${total} байт, а поставляется не больше ${sizeLimit}`,
    },
    fix: { en: 'Make the model smaller', ru: 'Уменьшите модель' },
  })
}

function usage(): AppError {
  return new AppError('usage', {
    kind: 'usage',
    what: { en: 'four folders are needed', ru: 'нужны четыре папки' },
    fix: {
      en: 'export --data DIR --tokenizer DIR --run DIR --out DIR [--early]',
      ru: 'export --data ДАННЫЕ --tokenizer ТОКЕНИЗАТОР --run ПРОГОН --out ВЫХОД [--early]',
    },
  })
}

await main()
