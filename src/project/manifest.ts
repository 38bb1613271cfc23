// The manifest of a finished stage: hashes of inputs, options, code version and outputs; written last, so its presence means complete.
import { mkdir, readdir, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { z } from 'zod'
import { exists, readJson, writeFileAtomic } from '../base/files.js'
import { canonicalJson, sha256, sha256File } from '../base/hash.js'
import { packageVersion } from '../base/package.js'
import type { StageReport } from '../base/report.js'

const manifestSchema = z.object({
  stage: z.string(),
  version: z.string(),
  options: z.string(),
  inputs: z.record(z.string(), z.string()),
  outputs: z.record(z.string(), z.string()),
  reports: z.array(z.custom<StageReport>(value => typeof value === 'object')),
  finishedAt: z.string(),
})

export type Manifest = z.output<typeof manifestSchema>

/** What a stage depends on. Paths are relative to the project folder; folders are hashed file by file. */
export interface StageInputs {
  readonly stage: string
  readonly options: unknown
  readonly inputs: readonly string[]
}

export type StageState = 'done' | 'stale' | 'missing'

function manifestPath(folder: string, stage: string): string {
  return join(folder, 'manifests', `${stage}.json`)
}

/** The manifest of a stage, or undefined when the stage never finished (or its manifest is unreadable, which counts as that). */
export async function readManifest(folder: string, stage: string): Promise<Manifest | undefined> {
  const path = manifestPath(folder, stage)
  if (!(await exists(path))) return undefined
  const parsed = manifestSchema.safeParse(await readJson(path).catch(() => undefined))
  return parsed.success ? parsed.data : undefined
}

/** `done` when inputs, options, code version and outputs are what the manifest says. */
export async function stageState(folder: string, stage: StageInputs): Promise<StageState> {
  const manifest = await readManifest(folder, stage.stage)
  if (!manifest) return 'missing'
  const same =
    manifest.version === packageVersion &&
    manifest.options === hashOptions(stage.options) &&
    canonicalJson(manifest.inputs) === canonicalJson(await hashPaths(folder, stage.inputs)) &&
    canonicalJson(manifest.outputs) === canonicalJson(await hashPaths(folder, Object.keys(manifest.outputs)))
  return same ? 'done' : 'stale'
}

/** Records a finished stage. */
export async function writeManifest(
  folder: string,
  stage: StageInputs,
  outputs: readonly string[],
  reports: readonly StageReport[],
): Promise<void> {
  const manifest: Manifest = {
    stage: stage.stage,
    version: packageVersion,
    options: hashOptions(stage.options),
    inputs: await hashPaths(folder, stage.inputs),
    outputs: await hashPaths(folder, outputs),
    reports: [...reports],
    finishedAt: new Date().toISOString(),
  }
  await mkdir(join(folder, 'manifests'), { recursive: true })
  await writeFileAtomic(manifestPath(folder, stage.stage), JSON.stringify(manifest, null, 2) + '\n')
}

function hashOptions(options: unknown): string {
  return sha256(canonicalJson(options) ?? 'undefined')
}

async function hashPaths(folder: string, paths: readonly string[]): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {}
  for (const path of paths) {
    for (const file of await filesUnder(join(folder, path))) hashes[relative(folder, file)] = await sha256File(file)
  }
  return hashes
}

/** A missing path hashes to nothing, so a stage whose output was deleted is stale. */
async function filesUnder(path: string): Promise<string[]> {
  const info = await stat(path).catch(() => undefined)
  if (!info) return []
  if (info.isFile()) return [path]
  const entries = await readdir(path, { withFileTypes: true, recursive: true })
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
}
