// Whether the base model and the tokenizer that lie in a project now are those that a finished run was trained with.
import { join } from 'node:path'
import { AppError } from '../base/errors.js'
import { readManifest, type Manifest } from './manifest.js'

interface FinishedRun {
  /** The project's. */
  readonly folder: string
  readonly run: string
  readonly manifest: string
  /** Folders that the run needs as they were, relative to the project. */
  readonly needs: readonly string[]
}

/**
 * Manifests know the hashes, so that no large model is read; without them nothing is said.
 * @throws AppError `other-base` when a stage has put others in their place since
 */
export async function checkRunBase({ folder, run, manifest, needs }: FinishedRun): Promise<void> {
  const [trained, made] = await Promise.all([readManifest(folder, manifest), readManifest(folder, 'tokenizer')])
  if (!trained || !made) return
  const changed = needs.filter(need => hashesIn(need, trained.inputs) !== hashesIn(need, made.outputs))
  if (changed.length > 0) throw otherBase(run, changed)
}

function hashesIn(folder: string, files: Manifest['inputs']): string {
  const inside = Object.entries(files).filter(([path]) => path.startsWith(join(folder, '/')))
  return JSON.stringify(inside.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function otherBase(run: string, changed: readonly string[]): AppError {
  const list = changed.join(', ')
  return new AppError('other-base', {
    where: join('runs', run),
    what: {
      en: `the base model or the tokenizer was changed after this run was trained (${list})`,
      ru: `исходную модель или токенизатор сменили уже после этого обучения (${list})`,
    },
    fix: {
      en: 'Set train.base and tokenizer.add in dvoynik.json back as they were and run `dvoynik train` with the name of this run, or train it anew with --fresh',
      ru: 'Верните в dvoynik.json прежние train.base и tokenizer.add и выполните `dvoynik train` с именем этого прогона или обучите его заново с --fresh',
    },
  })
}
