// Commands from text to a trained model: build, export, tokenizer, train.
import { resolve } from 'node:path'
import { AppError, type Text } from '../base/errors.js'
import { exportFormats } from '../project/export-formats.js'
import type { StageOutcome } from '../project/stage.js'
import type { Call, CommandSpec } from './command.js'
import { reportLines, sayOutcome } from './outcome.js'

export const buildCommand: CommandSpec = {
  usage: '',
  summary: { en: 'Build the dataset for the chosen character', ru: 'Собрать набор данных для выбранного персонажа' },
  options: [
    { flags: '--focus <name>', summary: { en: 'the character to become', ru: 'персонаж, которым станет модель' } },
  ],
  async run({ folder, options, output, onProgress, signal }: Call) {
    const { openProject } = await import('../project/project.js')
    const { buildDataset } = await import('../project/dataset.js')
    let project = await openProject(folder)
    const onStage = (outcome: StageOutcome): void => sayOutcome(output, outcome)
    const work = { onProgress, signal, onWarning: output.warn }
    if (typeof options.focus === 'string') {
      // The people must be known before a name can be checked; a wrong one does not reach the plan.
      const { choosePerson } = await import('../project/people.js')
      await choosePerson(project, options.focus, work)
      project = await openProject(folder)
    }
    const outcomes = await buildDataset(project, { ...work, onStage })
    output.result(
      {
        en: 'The dataset is in dataset/. Next: dvoynik train',
        ru: 'Набор данных в папке dataset/. Дальше: dvoynik train',
      },
      outcomes,
    )
  },
}

export const exportCommand: CommandSpec = {
  usage: '<format> [file]',
  summary: {
    en: `Write the dataset in another form: ${exportFormats.join(', ')}`,
    ru: `Записать набор данных в другом виде: ${exportFormats.join(', ')}`,
  },
  options: [],
  async run({ args: [format, file], folder, output }: Call) {
    const { openProject } = await import('../project/project.js')
    const { exportProjectDataset } = await import('../project/dataset.js')
    const target = file === undefined ? undefined : resolve(file)
    const { path, report } = await exportProjectDataset(await openProject(folder), format, target)
    if (report) output.say(reportLines(report))
    output.result({ en: `Written: ${path}`, ru: `Записано: ${path}` }, { path, report })
  },
}

export const tokenizerCommand: CommandSpec = {
  usage: '',
  summary: { en: 'Train a tokenizer, or add tokens to the one in use', ru: 'Обучить токенизатор или добавить токены' },
  options: [],
  commands: {
    train: {
      usage: '<path...>',
      summary: { en: 'Train a BPE tokenizer on text files or folders', ru: 'Обучить токенизатор BPE на текстах' },
      options: [
        {
          flags: '--vocab <size>',
          summary: { en: 'number of tokens (default 8000)', ru: 'число токенов (по умолчанию 8000)' },
        },
        {
          flags: '--out <folder>',
          summary: {
            en: 'where to write it (default: tokenizer-new)',
            ru: 'куда записать (по умолчанию tokenizer-new)',
          },
        },
      ],
      async run({ args, options, output, onProgress, signal }: Call) {
        const out = resolve(typeof options.out === 'string' ? options.out : 'tokenizer-new')
        const vocabSize = wholeNumber('--vocab', options.vocab, 8000)
        const { trainTokenizer } = await import('../project/tokenizer.js')
        const trained = await trainTokenizer(
          args.map(path => resolve(path)),
          out,
          { vocabSize, onProgress, signal },
        )
        if (trained.shortBy > 0) output.warn(tooFewPieces(trained.shortBy))
        output.result(
          { en: `${trained.size} tokens, written to ${out}`, ru: `Токенов: ${trained.size}, записано в ${out}` },
          { folder: out, size: trained.size },
        )
      },
    },
    add: {
      usage: '<token...>',
      summary: {
        en: 'Add tokens and resize the embeddings of the base model',
        ru: 'Добавить токены и расширить матрицу вложений',
      },
      options: [],
      async run({ args, folder, output, onProgress, signal }: Call) {
        const { openProject } = await import('../project/project.js')
        const { addProjectTokens } = await import('../project/tokenizer.js')
        sayOutcome(output, await addProjectTokens(await openProject(folder), args, { onProgress, signal }))
      },
    },
  },
}

function tooFewPieces(shortBy: number): Text {
  return {
    en: `the texts gave ${shortBy} tokens fewer than asked for; more text gives more`,
    ru: `текстов хватило не на все токены: на ${shortBy} меньше, чем просили`,
  }
}

export const trainCommand: CommandSpec = {
  usage: '',
  summary: {
    en: 'Fine-tune the model on the dataset; continues an interrupted run',
    ru: 'Обучить модель на наборе данных; продолжает прерванное обучение',
  },
  options: [
    {
      flags: '--name <run>',
      summary: { en: 'name of the run (default: main)', ru: 'имя прогона (по умолчанию main)' },
    },
    {
      flags: '--steps <number>',
      summary: {
        en: 'number of optimizer steps, for this call instead of the plan’s',
        ru: 'число шагов оптимизатора для этого вызова вместо указанного в плане',
      },
    },
    {
      flags: '--fresh',
      summary: { en: 'forget the run of that name and begin anew', ru: 'забыть прежний прогон и начать заново' },
    },
  ],
  async run({ folder, options, output, onProgress, signal }: Call) {
    const { openProject } = await import('../project/project.js')
    const { trainInProcess } = await import('../project/training-process.js')
    let project = await openProject(folder)
    if (options.steps !== undefined) {
      const steps = wholeNumber('--steps', options.steps, 1)
      project = { ...project, plan: { ...project.plan, train: { ...project.plan.train, steps } } }
    }
    const run = typeof options.name === 'string' ? options.name : undefined
    const trained = await trainInProcess(project, {
      onProgress,
      signal,
      run,
      fresh: options.fresh === true,
      onWarning: output.warn,
      onNotice: output.say,
      onStage: outcome => sayOutcome(output, outcome),
    })
    const talk = run === undefined ? 'dvoynik chat' : `dvoynik chat --name ${run}`
    output.result(
      { en: `Trained: ${trained.folder}. Next: ${talk}`, ru: `Обучено: ${trained.folder}. Дальше: ${talk}` },
      { folder: trained.folder },
    )
  },
}

/** @throws AppError `usage` naming the option and what was given */
export function wholeNumber(option: string, value: unknown, fallback: number): number {
  if (value === undefined) return fallback
  const number = Number(value)
  if (Number.isInteger(number) && number > 0) return number
  throw new AppError('usage', {
    kind: 'usage',
    what: {
      en: `${option} wants a whole number above 0, received "${String(value)}"`,
      ru: `${option}: нужно целое число больше 0, получено «${String(value)}»`,
    },
    fix: { en: 'Give a number', ru: 'Укажите число' },
  })
}
