// Runs one stage of a plan: skipped when nothing changed, its manifest written last.
import { AppError } from '../base/errors.js'
import type { WorkOptions } from '../base/progress.js'
import type { StageReport } from '../base/report.js'
import { withProjectLock } from './lock.js'
import { readManifest, stageState, writeManifest, type StageInputs, type StageState } from './manifest.js'
import type { Project } from './project.js'
import { stageWords } from './words.js'

export type StageName = 'text' | 'characters' | 'dataset' | 'tokenizer' | 'train'

export interface Stage {
  /** Name of its manifest where that is not the stage's: every training run has one of its own. */
  readonly manifest?: string
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

export interface StageOptions extends WorkOptions {
  /** Called as each stage ends or is skipped. */
  readonly onStage?: (outcome: StageOutcome) => void
}

/** @throws AppError `interrupted` when the signal came before the work began, or what the stage throws */
export async function runStage(
  name: StageName,
  stage: Stage,
  project: Project,
  options: StageOptions,
): Promise<StageOutcome> {
  const outcome = await workOrSkip(name, stage, project, options)
  options.onStage?.(outcome)
  return outcome
}

async function workOrSkip(
  name: StageName,
  stage: Stage,
  project: Project,
  options: StageOptions,
): Promise<StageOutcome> {
  const inputs = manifestInputs(name, stage, project)
  if ((await stageState(project.folder, inputs)) === 'done') {
    return { stage: name, skipped: true, reports: (await readManifest(project.folder, inputs.stage))?.reports ?? [] }
  }
  return withProjectLock(project.folder, async () => {
    throwIfStopped(options, name)
    const reports = await stage.work(project, options)
    await writeManifest(project.folder, inputs, stage.outputs(project), reports)
    return { stage: name, skipped: false, reports }
  })
}

export async function stateOf(name: StageName, stage: Stage, project: Project): Promise<StageState> {
  return stageState(project.folder, manifestInputs(name, stage, project))
}

function manifestInputs(name: StageName, stage: Stage, project: Project): StageInputs {
  return { stage: stage.manifest ?? name, ...stage.inputs(project) }
}

/** @throws AppError `interrupted` when the user asked to stop; stages call it between two books */
export function throwIfStopped({ signal }: WorkOptions, stage: StageName): void {
  if (!signal?.aborted) return
  const { en, ru } = stageWords[stage]
  throw new AppError('interrupted', {
    kind: 'interrupted',
    what: { en: `stopped before the end of the stage "${en}"`, ru: `остановлено до конца этапа «${ru}»` },
    fix: { en: 'Run the same command again to go on', ru: 'Повторите ту же команду, чтобы продолжить' },
  })
}
