// Runs one stage of a plan: skipped when nothing changed, its manifest written last.
import { AppError } from '../base/errors.js'
import type { WorkOptions } from '../base/progress.js'
import type { StageReport } from '../base/report.js'
import { readManifest, stageState, writeManifest, type StageInputs, type StageState } from './manifest.js'
import type { Project } from './project.js'

export type StageName = 'text' | 'characters' | 'dataset' | 'tokenizer' | 'train'

export interface Stage {
  /** What decides whether the stage must run again. */
  inputs(project: Project): Omit<StageInputs, 'stage'>
  /** Files and folders it leaves, relative to the project. */
  outputs(project: Project): readonly string[]
  work(project: Project, options: WorkOptions): Promise<readonly StageReport[]>
}

export interface StageOutcome {
  readonly stage: StageName
  readonly skipped: boolean
  readonly reports: readonly StageReport[]
}

/** @throws AppError `interrupted` when the signal came before the work began, or what the stage throws */
export async function runStage(
  name: StageName,
  stage: Stage,
  project: Project,
  options: WorkOptions,
): Promise<StageOutcome> {
  const inputs = { stage: name, ...stage.inputs(project) }
  if ((await stageState(project.folder, inputs)) === 'done') {
    return { stage: name, skipped: true, reports: (await readManifest(project.folder, name))?.reports ?? [] }
  }
  if (options.signal?.aborted) throw interrupted(name)
  const reports = await stage.work(project, options)
  await writeManifest(project.folder, inputs, stage.outputs(project), reports)
  return { stage: name, skipped: false, reports }
}

export async function stateOf(name: StageName, stage: Stage, project: Project): Promise<StageState> {
  return stageState(project.folder, { stage: name, ...stage.inputs(project) })
}

export function interrupted(stage: string): AppError {
  return new AppError('interrupted', {
    kind: 'interrupted',
    what: { en: `stopped before ${stage} was done`, ru: `остановлено до конца этапа «${stage}»` },
    fix: { en: 'Run the same command again to go on', ru: 'Повторите ту же команду, чтобы продолжить' },
  })
}
