// Journey 1 in small: a book becomes a character you can talk to, with the same questions before and after, and a report.
// npm run demo [-- BOOK --focus NAME --out FOLDER --steps N --lang ru|en]
import { rm } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { detectLang } from '../src/cli/language.js'
import { sayOutcome } from '../src/cli/outcome.js'
import { createOutput, paint } from '../src/cli/output.js'
import { createProgressView } from '../src/cli/progress.js'
import { wholeNumber } from '../src/cli/model-commands.js'
import { runProgram } from '../src/cli/program.js'
import type { StageOutcome } from '../src/project/stage.js'
import {
  addSource,
  askQuestions,
  assetPath,
  buildDataset,
  changePlan,
  choosePerson,
  exists,
  findPeople,
  initProject,
  openProject,
  trainProject,
  writeJourneyReport,
  type Project,
} from '../src/index.js'

const story = { book: assetPath('story', 'chuzhoe_palto.txt'), focus: 'Тихон' }
const questions = ['Как вас зовут?', 'Что случилось?', 'Куда вы пойдёте завтра?']

// Three passes over the story: after that the held-out loss rises. A novel gets as much as fits in two minutes.
const storySteps = 84
const bookSteps = 240

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    focus: { type: 'string' },
    out: { type: 'string', default: 'demo-output' },
    steps: { type: 'string' },
    lang: { type: 'string' },
  },
})
const lang = values.lang === 'ru' || values.lang === 'en' ? values.lang : detectLang(process.env)
const view = createProgressView({ lang, json: false, quiet: false, stream: process.stderr, stdout: process.stdout })
const output = createOutput({
  lang,
  json: false,
  quiet: false,
  stdout: process.stdout,
  stderr: process.stderr,
  before: view.stop,
})
const colors = paint(process.stdout)

/** The whole journey; every stage is a function of the library. */
async function demo(signal: AbortSignal): Promise<void> {
  const started = performance.now()
  const book = positionals[0] ?? story.book
  const folder = join(resolve(values.out), basename(book).replace(/\.[^.]*$/u, ''))
  const onStage = (outcome: StageOutcome): void => (outcome.skipped ? undefined : sayOutcome(output, outcome))
  const work = { signal, onProgress: view.onProgress, onWarning: output.warn, onNotice: output.say, onStage }

  heading('1/5', { en: `Reading ${basename(book)}`, ru: `Читаю ${basename(book)}` })
  let project = await freshProject(folder)
  project = (await addSource(project, book, work)).project
  const people = await findPeople(project, work)
  const wanted = values.focus ?? (positionals[0] ? people.register.people[0]?.name : story.focus) ?? ''
  const focus = await choosePerson(project, wanted, work)

  heading('2/5', {
    en: `Building the dataset: ${focus.name} becomes я`,
    ru: `Собираю набор данных: ${focus.name} становится «я»`,
  })
  project = await openProject(folder)
  await buildDataset(project, work)

  heading('3/5', { en: 'Training', ru: 'Обучаю' })
  const steps = wholeNumber('--steps', values.steps, positionals[0] ? bookSteps : storySteps)
  project = await changePlan(project, { train: { ...project.plan.train, steps, evaluateEvery: Math.ceil(steps / 8) } })
  await trainProject(project, work)

  heading('4/5', { en: 'The same questions, before and after', ru: 'Одни и те же вопросы, до и после' })
  const before = await askQuestions(project, questions, { base: true })
  const after = await askQuestions(project, questions)
  const answers = questions.map((question, i) => ({ question, before: before[i], after: after[i] }))
  for (const answer of answers) showAnswer(answer, focus.name)

  heading('5/5', { en: 'Report', ru: 'Отчёт' })
  const path = join(resolve(values.out), 'report.html')
  const totalSeconds = (performance.now() - started) / 1000
  await writeJourneyReport(project, path, { lang, answers, totalSeconds })
  const talk = `node dist/src/cli/main.js chat --project ${folder}`
  output.say({
    en: `Open ${path}\nTalk on: ${talk}\n${totalSeconds.toFixed(0)} s in all`,
    ru: `Откройте ${path}\nПоговорить: ${talk}\nвсего ${totalSeconds.toFixed(0)} с`,
  })
}

/** The demo makes its project anew each time; a folder that is not a project is left alone. */
async function freshProject(folder: string): Promise<Project> {
  if (await exists(join(folder, 'dvoynik.json'))) await rm(folder, { recursive: true })
  return initProject(folder)
}

function showAnswer({ question, before, after }: Record<'question' | 'before' | 'after', string>, name: string): void {
  const [was, now] = { en: ['before', 'after'], ru: ['до', 'после'] }[lang]
  output.write(
    `\n${colors.bold(`— ${question}`)}\n  ${colors.dim(`${was}: ${before}`)}\n  ${colors.cyan(`${now} (${name}):`)} ${after}\n`,
  )
}

function heading(count: string, text: { en: string; ru: string }): void {
  view.stop()
  output.say({ en: colors.bold(`\n[${count}] ${text.en}`), ru: colors.bold(`\n[${count}] ${text.ru}`) })
}

process.exitCode = await runProgram(demo, { lang, argv: process.argv.slice(2), before: view.stop })
