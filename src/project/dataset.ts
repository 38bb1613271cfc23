// Stage `dataset`: scenes, rewriting and examples of all sources, stored with drops and provenance.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, keyOf } from '../base/errors.js'
import { exists } from '../base/files.js'
import { nearestName } from '../base/nearest.js'
import type { WorkOptions } from '../base/progress.js'
import { checkReport, type Drop, type Staged, type StageReport } from '../base/report.js'
import { createPeopleLookup } from '../characters/lookup.js'
import type { Person, Register } from '../characters/person.js'
import { resolvePerson } from '../characters/register.js'
import { createRewriter } from '../characters/rewrite.js'
import { buildExamplesStepwise, type BuildPlace } from '../dataset/build.js'
import type { Example } from '../dataset/example.js'
import { exportDataset, writeDataset } from '../dataset/store.js'
import { findScenes } from '../dialogue/scenes.js'
import { chooseDictionary, readDictionaries, writeDictionaries } from './dictionaries.js'
import { exportEndings, exportFormats } from './export-formats.js'
import { findPeople, readPeople, type TellOptions } from './people.js'
import { paths, type Project } from './project.js'
import { runStage, throwIfStopped, type Stage, type StageOutcome } from './stage.js'
import { readCleaned } from './text.js'

export { exportFormats }

/** Dictionaries and people are inputs, because the user may edit them. */
export const datasetStage: Stage = {
  inputs: ({ plan }) => ({
    options: { focus: plan.focus, partner: plan.partner, ...plan.dataset },
    inputs: [paths.text, paths.people, paths.me, paths.ti],
  }),
  outputs: () => [join(paths.dataset, 'examples.jsonl'), join(paths.dataset, 'drops.jsonl')],
  async work(project, options) {
    const { onProgress } = options
    const register = await readPeople(project)
    const cast = findCast(project, register)
    const dictionaries = await readDictionaries(project, register, cast.focus)
    const examples: Example[] = []
    const drops: Drop[] = []
    const reports: StageReport[] = []
    const people = createPeopleLookup(register)
    const documents = await readCleaned(project)
    for (const document of documents) {
      throwIfStopped(options, 'dataset')
      onProgress?.({ stage: 'dataset', done: 0, unit: 'scenes', note: document.title })
      const scenes = findScenes(document, { people })
      const work = buildExamplesStepwise({
        document,
        scenes: scenes.output,
        register,
        ...castIds(cast),
        copies: project.plan.dataset.copies,
        createRewriter: mode => createRewriter({ register, mode, dictionary: chooseDictionary(dictionaries, mode) }),
        options: project.plan.dataset,
      })
      const fresh = dropRepeated(await workInTurns(work, document.title, options), examples)
      examples.push(...fresh.output)
      drops.push(...scenes.drops, ...fresh.drops)
      reports.push(scenes.report, fresh.report)
    }
    await writeDataset(join(project.folder, paths.dataset), { examples, drops, register, reports })
    return reports
  },
}

/** Lets the program hear Ctrl-C and draw between scenes; a book is long work. @throws AppError `interrupted` */
async function workInTurns<T>(work: Generator<BuildPlace, T>, title: string, options: WorkOptions): Promise<T> {
  let rested = performance.now()
  for (;;) {
    const step = work.next()
    if (step.done) return step.value
    options.onProgress?.({ stage: 'dataset', ...step.value, unit: 'scenes', note: title })
    if (performance.now() - rested < restMs) continue
    await new Promise(resolve => setImmediate(resolve))
    throwIfStopped(options, 'dataset')
    rested = performance.now()
  }
}

const restMs = 50

/** Two books of one text give the same examples; the later ones are duplicates. */
function dropRepeated(built: Staged<Example[]>, before: readonly Example[]): Staged<Example[]> {
  const known = new Set(before.map(example => example.id))
  const repeated = built.output.filter(example => known.has(example.id))
  if (repeated.length === 0) return built
  const drops = repeated.map((example): Drop => {
    const text = example.turns.map(turn => turn.text).join('\n')
    return { stage: built.report.stage, reason: 'duplicate', text, where: example.source.file }
  })
  const { dropped, kept } = built.report
  const report = checkReport({
    ...built.report,
    kept: kept - repeated.length,
    dropped: { ...dropped, duplicate: (dropped.duplicate ?? 0) + repeated.length },
  })
  return { output: built.output.filter(example => !known.has(example.id)), drops: [...built.drops, ...drops], report }
}

interface Cast {
  readonly focus: Person
  readonly partner: Person | undefined
}

/** @throws AppError `no-focus`, or `unknown-character` with the nearest names */
function findCast(project: Project, register: Register): Cast {
  const { focus, partner } = project.plan
  if (focus === undefined) throw noFocus(register)
  return {
    focus: resolvePerson(register, focus),
    partner: partner === undefined ? undefined : resolvePerson(register, partner),
  }
}

function castIds({ focus, partner }: Cast): { focus: string; partner?: string } {
  return { focus: focus.id, ...(partner ? { partner: partner.id } : {}) }
}

/** Everything up to the dataset; stages that are done are skipped. */
export async function buildDataset(project: Project, options: TellOptions = {}): Promise<readonly StageOutcome[]> {
  const { outcomes } = await findPeople(project, options)
  const register = await readPeople(project)
  await writeDictionaries(project, register, findCast(project, register).focus, options)
  return [...outcomes, await runStage('dataset', datasetStage, project, options)]
}

/**
 * Writes the dataset in another form, into dataset/export/ unless a path is given.
 * @returns path of the file, and the writer's report where a form leaves rows out
 * @throws AppError `unknown-format` with the nearest name; `target-is-folder`; `no-dataset` when it is not built yet
 */
export async function exportProjectDataset(
  project: Project,
  format: string,
  path?: string,
): Promise<{ readonly path: string; readonly report?: StageReport }> {
  const folder = join(project.folder, paths.dataset)
  if (!(await exists(join(folder, 'examples.jsonl')))) throw noDataset(folder)
  const name = exportFormats.find(known => known === format)
  if (name === undefined) throw unknownFormat(format)
  if (path !== undefined) await checkTarget(path)
  const target = path ?? join(folder, 'export', `dataset.${exportEndings[name]}`)
  const report = await exportDataset(folder, name, target, { blacklist: project.plan.dataset.blacklist })
  return { path: target, report }
}

/** A file is replaced whole; a pipe or a device would be gone then. */
async function checkTarget(path: string): Promise<void> {
  const info = await stat(path).catch(() => undefined)
  if (info?.isDirectory()) throw targetIsFolder(path)
  if (info && !info.isFile()) throw targetIsNoFile(path)
}

function targetIsFolder(path: string): AppError {
  return new AppError('target-is-folder', {
    where: path,
    kind: 'usage',
    what: { en: 'this is a folder', ru: 'это папка' },
    fix: { en: 'Give the name of a file', ru: 'Укажите имя файла' },
  })
}

function targetIsNoFile(path: string): AppError {
  return new AppError('target-is-no-file', {
    where: path,
    kind: 'usage',
    what: {
      en: 'this is a pipe or a device, and a dataset is written as a file',
      ru: 'это канал или устройство, а набор данных записывается файлом',
    },
    fix: { en: 'Give the name of a file and pass that on', ru: 'Укажите имя файла и передайте его дальше' },
  })
}

function unknownFormat(format: string): AppError {
  const near = nearestName(format, exportFormats)
  const names = exportFormats.join(', ')
  return new AppError('unknown-format', {
    kind: 'usage',
    what: { en: `there is no dataset form "${format}"`, ru: `нет такого вида набора данных: «${format}»` },
    fix: near
      ? { en: `Did you mean ${near}? There are: ${names}`, ru: `Может быть, ${near}? Есть: ${names}` }
      : { en: `Choose one of: ${names}`, ru: `Выберите: ${names}` },
  })
}

function noFocus({ people }: Register): AppError {
  const names = people
    .slice(0, 8)
    .map(person => person.name)
    .join(', ')
  return new AppError('no-focus', {
    where: keyOf('dvoynik.json', 'focus'),
    what: { en: 'no character is chosen', ru: 'персонаж не выбран' },
    fix: names
      ? {
          en: `Choose one: dvoynik build --focus NAME. Found: ${names}`,
          ru: `Выберите: dvoynik build --focus ИМЯ. Найдены: ${names}`,
        }
      : {
          en: `Nobody was found in the book; write its people into ${paths.people}`,
          ru: `В книге никто не найден; впишите её персонажей в ${paths.people}`,
        },
  })
}

function noDataset(folder: string): AppError {
  return new AppError('no-dataset', {
    where: folder,
    what: { en: 'the dataset is not built yet', ru: 'набор данных ещё не собран' },
    fix: { en: 'Run `dvoynik build` first', ru: 'Сначала выполните `dvoynik build`' },
  })
}
