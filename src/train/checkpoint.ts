// A training state as a folder that is whole or not there, with hashes to tell; and back into the same buffers.
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, asError, type Text } from '../base/errors.js'
import {
  checkFreeSpace,
  ensurePrivateFolder,
  exists,
  readJson,
  writeAndSync,
  writeFolderAtomic,
} from '../base/files.js'
import { sha256File } from '../base/hash.js'
import { packageVersion } from '../base/package.js'
import { readSafetensors, writeSafetensors } from '../formats/safetensors.js'
import type { Parameter } from '../model/step.js'
import type { Optimizer } from './optimizer.js'
import type { StateArray } from './update-rule.js'

/** Everything that must be the same when a run is continued, by name; values are plain JSON. */
export type RunIdentity = Readonly<Record<string, string | number | boolean | null>>

/** What computed, from the step given on. */
export interface EngineSpan {
  readonly engine: string
  readonly since: number
}

export interface CheckpointState {
  /** Steps taken; a checkpoint lies on the border of a step, so this fixes the position in the data too. */
  readonly step: number
  readonly epoch: number
  /** Micro-batches of this epoch already used. */
  readonly position: number
  readonly identity: RunIdentity
  /** Empty or absent where the run did not say. */
  readonly engines?: readonly EngineSpan[]
}

export interface FoundCheckpoint {
  readonly path: string
  readonly state: CheckpointState
}

type OnWarning = (warning: Text) => void

/** Name and length of an array in the codes file, in its order. */
type CodeEntry = readonly [name: string, length: number]

interface SavedState extends CheckpointState {
  readonly updates: number
  readonly codes?: readonly CodeEntry[]
}

interface Manifest {
  readonly version: string
  readonly files: readonly { readonly name: string; readonly size: number; readonly sha256: string }[]
}

const parametersFile = 'parameters.safetensors'
const optimizerFile = 'optimizer.safetensors'
const codesFile = 'optimizer-codes.bin'
const stateFile = 'state.json'
const manifestFile = 'manifest.json'

/**
 * Writes `step-000500` into `folder` and then deletes all but the newest `keep` checkpoints up to this step.
 * @returns path of the new checkpoint
 * @throws AppError `disk-full` before anything is written
 */
export async function saveCheckpoint(
  folder: string,
  state: CheckpointState,
  optimizer: Optimizer,
  keep: number,
): Promise<string> {
  const path = join(folder, checkpointName(state.step))
  const { moments, step: updates } = optimizer.state()
  const arrays = [...optimizer.parameters.map(p => p.data), ...moments.values()]
  await ensurePrivateFolder(folder)
  await checkFreeSpace(folder, arrays.reduce((sum, data) => sum + data.byteLength, 1 << 20)) // prettier-ignore
  await writeFolderAtomic(path, async temporary => {
    const parameters = optimizer.parameters.map(({ name, shape, data }) => [name, { shape, data }] as const)
    await writeSafetensors(join(temporary, parametersFile), new Map(parameters))
    const codes = await writeMoments(temporary, moments)
    await writeAndSync(join(temporary, stateFile), JSON.stringify({ ...state, updates, codes }, null, 2) + '\n')
    await writeAndSync(join(temporary, manifestFile), JSON.stringify(await describe(temporary), null, 2) + '\n')
  })
  await deleteOld(folder, state.step, keep)
  return path
}

/** Numbers go to a safetensors file, codes of one byte one after another to a file of their own, if there are any. */
async function writeMoments(
  folder: string,
  moments: ReadonlyMap<string, StateArray>,
): Promise<readonly CodeEntry[] | undefined> {
  const numbers = new Map<string, { shape: readonly number[]; data: Float32Array }>()
  const codes: [string, Uint8Array][] = []
  for (const [name, data] of moments) {
    if (data instanceof Float32Array) numbers.set(name, { shape: [data.length], data })
    else codes.push([name, data])
  }
  await writeSafetensors(join(folder, optimizerFile), numbers)
  if (codes.length === 0) return undefined
  await writeAndSync(join(folder, codesFile), codes.map(([, data]) => data)) // prettier-ignore
  return codes.map(([name, { length }]) => [name, length])
}

async function readMoments(folder: string, codes: readonly CodeEntry[]): Promise<Map<string, StateArray>> {
  const moments = new Map<string, StateArray>()
  for (const [name, { data }] of await readSafetensors(join(folder, optimizerFile))) moments.set(name, data)
  const bytes = codes.length > 0 ? await readFile(join(folder, codesFile)) : new Uint8Array()
  let start = 0
  for (const [name, length] of codes) moments.set(name, bytes.subarray(start, (start += length)))
  return moments
}

/**
 * The newest checkpoint whose every byte is as written; damaged ones are passed over with a warning.
 * @returns undefined when there are no checkpoints
 * @throws AppError `no-good-checkpoint` when there are some and all are damaged
 */
export async function findCheckpoint(folder: string, onWarning?: OnWarning): Promise<FoundCheckpoint | undefined> {
  const steps = await listSteps(folder)
  for (const step of steps) {
    const path = join(folder, checkpointName(step))
    const damage = await findDamage(path)
    if (damage === undefined) return { path, state: (await readJson(join(path, stateFile))) as CheckpointState }
    onWarning?.({
      en: `${path} is damaged (${damage.en}); trying the one before it`,
      ru: `${path} повреждён (${damage.ru}); пробую предыдущий`,
    })
  }
  if (steps.length === 0) return undefined
  throw new AppError('no-good-checkpoint', {
    where: folder,
    what: {
      en: `all ${steps.length} checkpoints are damaged`,
      ru: `все контрольные точки повреждены (${steps.length})`,
    },
    fix: {
      en: 'Delete this folder to train from the beginning, or put back a copy of a checkpoint',
      ru: 'Удалите эту папку, чтобы учить сначала, или верните копию контрольной точки',
    },
  })
}

/**
 * Copies a checkpoint into the live buffers of the optimizer's parameters and moments.
 * @throws AppError `other-settings` naming every setting that differs; `checkpoint-model` when the tensors are other ones
 */
export async function loadCheckpoint(
  { path, state }: FoundCheckpoint,
  identity: RunIdentity,
  optimizer: Optimizer,
): Promise<void> {
  checkIdentity(path, state.identity, identity)
  const saved = await readSafetensors(join(path, parametersFile))
  checkParameters(path, optimizer.parameters, saved)
  const { updates, codes = [] } = state as SavedState
  optimizer.load({ step: updates, moments: await readMoments(path, codes) })
  for (const { name, data } of optimizer.parameters) data.set(saved.get(name)!.data)
}

/** Removes what a killed process left half-written. */
export async function removeLeftovers(folder: string): Promise<void> {
  if (!(await exists(folder))) return
  for (const name of await readdir(folder)) {
    if (/^\.step-\d+\.tmp-/u.test(name)) await rm(join(folder, name), { recursive: true, force: true })
  }
}

function checkpointName(step: number): string {
  return `step-${String(step).padStart(6, '0')}`
}

/** Newest first. */
async function listSteps(folder: string): Promise<number[]> {
  if (!(await exists(folder))) return []
  const steps = (await readdir(folder)).flatMap(name => /^step-(\d+)$/u.exec(name)?.[1] ?? [])
  return steps.map(Number).sort((a, b) => b - a)
}

// Checkpoints beyond this step are damaged ones that were passed over: counting them could cost the last good one.
async function deleteOld(folder: string, step: number, keep: number): Promise<void> {
  const old = (await listSteps(folder)).filter(other => other < step).slice(Math.max(1, keep) - 1)
  for (const other of old) await rm(join(folder, checkpointName(other)), { recursive: true, force: true })
}

async function describe(folder: string): Promise<Manifest> {
  const files = []
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name)
    files.push({ name, size: (await stat(path)).size, sha256: await sha256File(path) })
  }
  return { version: packageVersion, files }
}

async function findDamage(path: string): Promise<Text | undefined> {
  try {
    const { files } = (await readJson(join(path, manifestFile))) as Manifest
    for (const name of [parametersFile, optimizerFile, stateFile]) {
      if (!files.some(file => file.name === name))
        return { en: `no ${name} in the manifest`, ru: `в описи нет ${name}` }
    }
    for (const { name, size, sha256 } of files) {
      const file = join(path, name)
      const got = (await stat(file)).size
      if (got !== size) return { en: `${name}: ${got} bytes of ${size}`, ru: `${name}: ${got} байт из ${size}` }
      if ((await sha256File(file)) !== sha256) return { en: `${name}: other content`, ru: `${name}: содержимое другое` }
    }
    return undefined
  } catch (thrown) {
    const { message } = asError(thrown)
    return { en: message, ru: thrown instanceof AppError ? thrown.render('ru') : message }
  }
}

function checkIdentity(path: string, saved: RunIdentity, now: RunIdentity): void {
  const names = [...new Set([...Object.keys(saved), ...Object.keys(now)])]
    .filter(name => saved[name] !== now[name])
    .sort()
  if (names.length === 0) return
  const show = (value: unknown): string => (value === undefined ? '—' : JSON.stringify(value))
  const list = names.map(name => `${name}: ${show(saved[name])} → ${show(now[name])}`).join('; ')
  throw new AppError('other-settings', {
    where: path,
    what: {
      en: `this run was started with other settings (${list})`,
      ru: `этот прогон начат с другими настройками (${list})`,
    },
    fix: {
      en: 'Set them back to continue, or start a new run under another name',
      ru: 'Верните прежние, чтобы продолжить, или начните новый прогон под другим именем',
    },
  })
}

function checkParameters(
  path: string,
  parameters: readonly Parameter[],
  saved: ReadonlyMap<string, { readonly data: Float32Array }>,
): void {
  const wrong = parameters.find(({ name, data }) => saved.get(name)?.data.length !== data.length)
  if (!wrong && saved.size === parameters.length) return
  const detail = wrong ? `${wrong.name} [${wrong.shape.join(', ')}]` : `${saved.size} ≠ ${parameters.length}`
  throw new AppError('checkpoint-model', {
    where: path,
    what: {
      en: `the checkpoint is of another model (${detail})`,
      ru: `контрольная точка от другой модели (${detail})`,
    },
    fix: {
      en: 'Continue with the model and method the run was started with, or start a new run under another name',
      ru: 'Продолжайте с той же моделью и тем же методом или начните новый прогон под другим именем',
    },
  })
}
