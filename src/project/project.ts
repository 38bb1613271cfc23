// A project folder: where its parts lie, how it is made and how sources enter it.
import { mkdir, readFile, readdir } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { AppError } from '../base/errors.js'
import { ensurePrivateFolder, exists, writeFileAtomic } from '../base/files.js'
import type { WorkOptions } from '../base/progress.js'
import type { StageReport } from '../base/report.js'
import { readDocument } from '../sources/registry.js'
import { withProjectLock } from './lock.js'
import { createPlan, planFile, readPlan, writePlan, type Plan } from './plan.js'

export interface Project {
  /** Absolute path. */
  readonly folder: string
  readonly plan: Plan
}

/** Paths inside a project, relative to its folder. */
export const paths = {
  sources: 'sources',
  /** Cleaned documents, one JSON file a source, and what cleaning dropped. */
  text: 'text',
  dataset: 'dataset',
  people: join('dictionaries', 'people.txt'),
  me: join('dictionaries', 'me.txt'),
  ti: join('dictionaries', 'ti.txt'),
  tokenizer: 'tokenizer',
  /** The base model with rows for the added tokens. */
  start: join('models', 'start'),
  runs: 'runs',
} as const

/**
 * Makes a project folder with a complete plan.
 * @throws AppError `project-exists` when there is a plan already, `folder-not-empty` when other things lie there
 */
export async function initProject(folder: string, name = basename(resolve(folder))): Promise<Project> {
  if (await exists(join(folder, planFile))) throw projectExists(folder)
  const entries = await readdir(folder).catch(() => [])
  if (entries.some(entry => !entry.startsWith('.'))) throw folderNotEmpty(folder, entries.length)
  await ensurePrivateFolder(folder)
  await mkdir(join(folder, paths.sources), { recursive: true })
  await writePlan(folder, createPlan(name))
  return openProject(folder)
}

/** @throws as `readPlan` */
export async function openProject(folder: string): Promise<Project> {
  return { folder: resolve(folder), plan: await readPlan(folder) }
}

/** Replaces keys of the plan as it stands in the file now, and writes it. */
export async function changePlan(project: Project, change: Partial<Plan>): Promise<Project> {
  const plan = { ...(await readPlan(project.folder)), ...change }
  await writePlan(project.folder, plan)
  return { ...project, plan }
}

/**
 * Reads a book to be sure that it can be read, copies it into `sources/` and notes it in the plan.
 * @throws AppError of `readDocument`; nothing is copied then. A file of the same name in the project is replaced.
 */
export async function addSource(
  project: Project,
  path: string,
  options: WorkOptions & { readonly encoding?: string; readonly lenient?: boolean } = {},
): Promise<{ readonly project: Project; readonly title: string; readonly report: StageReport }> {
  const { encoding, lenient = false, onProgress } = options
  const { output, report } = await readDocument(path, { encoding, lenient, onProgress })
  const file = basename(path)
  const target = join(project.folder, paths.sources, file)
  return withProjectLock(project.folder, async () => {
    if (resolve(path) !== resolve(target)) await copyWhole(path, target)
    const { sources } = await readPlan(project.folder)
    const source = { file, ...(encoding ? { encoding } : {}), ...(lenient ? { lenient } : {}) }
    const known = sources.some(one => one.file === file)
    const changed = known ? sources.map(one => (one.file === file ? source : one)) : [...sources, source]
    return { project: await changePlan(project, { sources: changed }), title: output.title, report }
  })
}

/** A copy that is whole or not there: a full disk must not leave half a book. */
async function copyWhole(from: string, to: string): Promise<void> {
  await writeFileAtomic(to, await readFile(from))
}

function projectExists(folder: string): AppError {
  return new AppError('project-exists', {
    where: folder,
    what: { en: `there is a project here already (${planFile})`, ru: `здесь уже есть проект (${planFile})` },
    fix: { en: 'Go into the folder, or choose another name', ru: 'Перейдите в папку или выберите другое имя' },
  })
}

function folderNotEmpty(folder: string, entries: number): AppError {
  return new AppError('folder-not-empty', {
    where: folder,
    what: { en: `the folder holds ${entries} other files`, ru: `в папке уже есть другие файлы (${entries})` },
    fix: { en: 'Choose a new or an empty folder', ru: 'Выберите новую или пустую папку' },
  })
}
