// Commands that make a project and fill it: init, add, status, run.
import { basename, join, resolve } from 'node:path'
import type { Text } from '../base/errors.js'
import type { StageReport } from '../base/report.js'
import type { StageStatus } from '../project/run.js'
import { stageWords, wordFor } from '../project/words.js'
import type { Call, CommandSpec } from './command.js'
import { amount, sayOutcome, stateNames } from './outcome.js'

export const initCommand: CommandSpec = {
  usage: '<folder>',
  summary: { en: 'Make a project folder', ru: 'Создать папку проекта' },
  options: [],
  async run({ args, folder, output }: Call) {
    const { initProject } = await import('../project/project.js')
    const project = await initProject(resolve(folder, args[0]))
    output.result(
      {
        en: `Made ${project.folder}. Next: cd ${quoteWord(args[0])} && dvoynik add book.fb2`,
        ru: `Создано: ${project.folder}. Дальше: cd ${quoteWord(args[0])} && dvoynik add книга.fb2`,
      },
      { folder: project.folder },
    )
  },
}

/** A word as a shell takes it. */
function quoteWord(word: string): string {
  return /^[\p{L}\p{N}._/@:+-]+$/u.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}

export const addCommand: CommandSpec = {
  usage: '<file...>',
  summary: {
    en: 'Add books (.txt, .fb2, .fb2.zip) to the project',
    ru: 'Добавить книги (.txt, .fb2, .fb2.zip) в проект',
  },
  options: [
    {
      flags: '--encoding <name>',
      summary: {
        en: 'encoding, where it is not found by itself (windows-1251, koi8-r, …)',
        ru: 'кодировка, если она не определилась сама (windows-1251, koi8-r, …)',
      },
    },
    {
      flags: '--lenient',
      summary: {
        en: 'read a damaged UTF-8 file, with \ufffd where it is broken',
        ru: 'прочитать повреждённый файл в UTF-8, с \ufffd на месте повреждений',
      },
    },
  ],
  async run({ args, options, folder, output, onProgress, signal }: Call) {
    const { addSource, openProject } = await import('../project/project.js')
    let project = await openProject(folder)
    for (const path of args) {
      const encoding = typeof options.encoding === 'string' ? options.encoding : undefined
      const lenient = options.lenient === true
      const added = await addSource(project, resolve(path), { encoding, lenient, onProgress, signal })
      project = added.project
      const replaced = added.report.counts?.['bytes:replaced'] ?? 0
      if (replaced > 0) output.warn(damaged(path, replaced))
      output.result(
        {
          en: `Added «${added.title}»: ${summary(added.report, 'en')}`,
          ru: `Добавлено: «${added.title}» (${summary(added.report, 'ru')})`,
        },
        { file: basename(path), title: added.title, report: added.report },
      )
    }
  },
}

function damaged(path: string, places: number): Text {
  return {
    en: `${path}: broken places in the text: ${places}; each became \ufffd`,
    ru: `${path}: повреждённых мест в тексте: ${places}; на их месте \ufffd`,
  }
}

function summary(report: StageReport, lang: 'en' | 'ru'): string {
  return amount(report.kept, report.unit, lang)
}

export const runAllCommand: CommandSpec = {
  usage: '',
  summary: { en: 'Do everything the plan says that is not done yet', ru: 'Выполнить всё по плану, что ещё не сделано' },
  options: [],
  async run({ folder, output, onProgress, signal }: Call) {
    const { openProject } = await import('../project/project.js')
    const { trainInProcess } = await import('../project/training-process.js')
    const { outcomes } = await trainInProcess(await openProject(folder), {
      onProgress,
      signal,
      onWarning: output.warn,
      onNotice: output.say,
      onStage: outcome => sayOutcome(output, outcome),
    })
    output.result({ en: 'All done. Next: dvoynik chat', ru: 'Всё готово. Дальше: dvoynik chat' }, outcomes)
  },
}

export const statusCommand: CommandSpec = {
  usage: '',
  summary: {
    en: 'Show which stages are done, stale or missing',
    ru: 'Показать, какие этапы выполнены, устарели или не начаты',
  },
  options: [],
  async run({ folder, output }: Call) {
    const { openProject } = await import('../project/project.js')
    const { projectStatus } = await import('../project/run.js')
    const project = await openProject(folder)
    const status = await projectStatus(project)
    const line = (lang: 'en' | 'ru') => (one: StageStatus) => statusLine(one, lang)
    const head = { en: `Project ${project.plan.name}`, ru: `Проект ${project.plan.name}` }
    output.result(
      { en: [head.en, ...status.map(line('en'))].join('\n'), ru: [head.ru, ...status.map(line('ru'))].join('\n') },
      { name: project.plan.name, plan: join(project.folder, 'dvoynik.json'), stages: status },
    )
  },
}

function statusLine({ stage, state, reports }: StageStatus, lang: 'en' | 'ru'): string {
  const last = state === 'done' ? reports.at(-1) : undefined
  const kept = reports.filter(report => report.stage === last?.stage).reduce((sum, report) => sum + report.kept, 0)
  const name = wordFor(stageWords, stage)[lang].padEnd(lang === 'en' ? 11 : 13)
  return `  ${name} ${stateNames[state][lang]}${last ? `, ${amount(kept, last.unit, lang)}` : ''}`
}
