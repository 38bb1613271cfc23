// Which engine a run works on, over all its sittings: runs/<name>/engine.json says what it began with and why that was left.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { AppError, type Text } from '../base/errors.js'
import { ensurePrivateFolder, readJson, writeFileAtomic } from '../base/files.js'
import { referenceName } from '../runtime/registry.js'
import type { Precision } from '../runtime/runtime.js'
import { engineLabel, openEngine, type ChosenEngine } from './engine.js'

const recordSchema = z.object({
  /** Of the registry. */
  name: z.string(),
  precision: z.enum(['f32', 'bf16']),
  /** Name and version, as checkpoints say what the run began with. */
  label: z.string(),
  /** Since then the run works on the reference. */
  left: z.object({ why: z.object({ en: z.string(), ru: z.string() }), at: z.string() }).optional(),
})

type EngineRecord = z.output<typeof recordSchema>

interface RunEngineOptions {
  readonly onWarning: (text: Text) => void
  readonly onNotice: (text: Text) => void
  readonly signal?: AbortSignal
}

/** An engine, and what the run's identity says of it. */
export interface RunEngine extends ChosenEngine {
  /** What the run began with. */
  readonly identity: string
}

/** What a plan says of its engine. */
interface AskedEngine {
  readonly name: string
  readonly precision: Precision | 'auto'
  /** May change from sitting to sitting. */
  readonly threads?: number
}

/**
 * Opens the engine of a run: a new one gets what the plan asks for; one that goes on stays on the engine it began with,
 * or on the reference once that engine failed in it. Tells which, and why.
 * @param folder runs/<name>
 * @throws AppError as `openEngine`
 */
export async function openRunEngine(folder: string, asked: AskedEngine, options: RunEngineOptions): Promise<RunEngine> {
  const { threads } = asked
  const begun = (await readRecord(folder)) ?? (await recordOfCheckpoint(folder))
  if (!begun || !goesOn(begun, asked)) return open(folder, asked, options)
  if (begun.left) return openReference(begun, leftNotice(begun.name, begun.left.why), { ...options, threads })
  try {
    return await open(folder, { ...begun, threads }, options)
  } catch (thrown) {
    if (asked.name !== 'auto' || !(thrown instanceof AppError) || thrown.code !== 'runtime-load') throw thrown
    const why = { en: thrown.render('en'), ru: thrown.render('ru') }
    await writeRecord(folder, leave(begun, why))
    return openReference(begun, leftNotice(begun.name, why), { ...options, threads })
  }
}

/** A precision that the plan names is no wish: the reference has one alone, other engines are asked for it. */
function goesOn(begun: EngineRecord, { name, precision }: AskedEngine): boolean {
  const isSame = precision === 'auto' || precision === begun.precision
  return name === 'auto' ? isSame || begun.name === referenceName : name === begun.name && isSame
}

async function open(
  folder: string,
  asked: AskedEngine,
  { onWarning, onNotice, signal }: RunEngineOptions,
): Promise<RunEngine> {
  let record: EngineRecord | undefined = undefined
  // A record that cannot be written costs another try of that engine in the next sitting.
  const onLeft = (why: Text): void => {
    onWarning(why)
    if (record) void writeRecord(folder, leave(record, why)).catch(() => undefined)
  }
  const engine = await openEngine(asked, onLeft, signal)
  if (asked.name !== referenceName) onNotice(engine.reason)
  const { name } = engine.runtime
  const label = engineLabel(engine.runtime)
  record = { name, precision: engine.precision, label }
  if (!(await recordOfCheckpoint(folder))) await writeRecord(folder, record)
  return { ...engine, identity: label }
}

async function openReference(
  begun: EngineRecord,
  notice: Text,
  { onWarning, onNotice, threads }: RunEngineOptions & { readonly threads: number | undefined },
): Promise<RunEngine> {
  const engine = await openEngine({ name: referenceName, threads }, onWarning)
  onNotice(notice)
  return { ...engine, identity: begun.label }
}

/**
 * Notes that the engine of a run ended its process, so that the next sitting works on the reference.
 * @returns the engine's name, or undefined when the run is on the reference already or has not chosen
 */
export async function leaveRunEngine(folder: string, why: Text): Promise<string | undefined> {
  const record = await readRecord(folder)
  if (!record || record.left || record.name === referenceName) return undefined
  await writeRecord(folder, leave(record, why))
  return record.name
}

function leave(record: EngineRecord, why: Text): EngineRecord {
  return { ...record, left: { why, at: new Date().toISOString() } }
}

async function readRecord(folder: string): Promise<EngineRecord | undefined> {
  const found = recordSchema.safeParse(await readJson(join(folder, recordFile)).catch(() => undefined))
  return found.success ? found.data : undefined
}

const recordFile = 'engine.json'

/** Runs from before this file existed say in their checkpoints what they began with. */
async function recordOfCheckpoint(folder: string): Promise<EngineRecord | undefined> {
  const names = await readdir(join(folder, 'checkpoints')).catch(() => [])
  const newest = names.filter(name => /^step-\d+$/u.test(name)).sort().at(-1) // prettier-ignore
  const state = newest && (await readJson(join(folder, 'checkpoints', newest, 'state.json')).catch(() => undefined))
  const label = (state as { identity?: { runtime?: unknown } } | undefined)?.identity?.runtime
  if (typeof label !== 'string') return undefined
  return { name: label.split(' ')[0], precision: label.endsWith(' bf16') ? 'bf16' : 'f32', label }
}

async function writeRecord(folder: string, record: EngineRecord): Promise<void> {
  await ensurePrivateFolder(folder)
  await writeFileAtomic(join(folder, recordFile), JSON.stringify(record, null, 2) + '\n')
}

function leftNotice(name: string, why: Text): Text {
  return {
    en: `This run began on ${name} and goes on with ${referenceName}: ${why.en}`,
    ru: `Прогон начат на ${name} и продолжается на ${referenceName}: ${why.ru}`,
  }
}
