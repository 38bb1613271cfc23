// The whole plan: every stage in order, and what state each is in.
import type { StageReport } from '../base/report.js'
import { datasetStage } from './dataset.js'
import { readManifest, type StageState } from './manifest.js'
import { charactersStage } from './people.js'
import type { Project } from './project.js'
import { stateOf, type Stage, type StageName, type StageOutcome } from './stage.js'
import { textStage } from './text.js'
import { tokenizerStage } from './tokenizer.js'
import { defaultRun, trainProject, trainStage, type TrainProjectOptions } from './train.js'

const stages: { readonly [Name in StageName]: Stage } = {
  text: textStage,
  characters: charactersStage,
  dataset: datasetStage,
  tokenizer: tokenizerStage,
  train: trainStage(defaultRun),
}

export interface StageStatus {
  readonly stage: StageName
  readonly state: StageState
  readonly reports: readonly StageReport[]
}

/** The state of every stage, in order. */
export async function projectStatus(project: Project): Promise<StageStatus[]> {
  const status: StageStatus[] = []
  for (const [name, stage] of Object.entries(stages) as [StageName, Stage][]) {
    const reports = (await readManifest(project.folder, name))?.reports ?? []
    status.push({ stage: name, state: await stateOf(name, stage, project), reports })
  }
  return status
}

/** Does everything that is not done; skips the rest. `onStage` hears of each stage as it ends. */
export async function runPlan(
  project: Project,
  options: Omit<TrainProjectOptions, 'run' | 'fresh'> = {},
): Promise<readonly StageOutcome[]> {
  return (await trainProject(project, options)).outcomes
}
