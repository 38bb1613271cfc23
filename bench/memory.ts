// `dvoynik train` on a model with random weights to the memory that was told before the run and the most that the process had.
import { fork } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assetPath, programPath } from '../src/base/package.js'
import type { ConfigJson } from '../src/model/model-config.js'
import { saveModel } from '../src/model/weights.js'
import { buildDataset } from '../src/project/dataset.js'
import { choosePerson, findPeople } from '../src/project/people.js'
import type { Plan } from '../src/project/plan.js'
import { addSource, changePlan, initProject, openProject, type Project } from '../src/project/project.js'
import { unpackError, type TrainingOrder, type TrainingReply } from '../src/project/training-messages.js'
import type { Outcome } from './case.js'
import { randomModel } from './models.js'

export interface MemoryWork {
  readonly program: 'memory'
  /** The shipped model where it is left out. */
  readonly config?: ConfigJson
  /** What the plan has other than its defaults. */
  readonly train: Partial<Plan['train']>
}

const shipped = 'pocket-ru'

/** A project with its dataset in `folder`, made as a user makes it. */
async function prepare(folder: string, { config, train }: MemoryWork): Promise<Project> {
  let { project } = await addSource(await initProject(folder), assetPath('story', 'chuzhoe_palto.txt'))
  await findPeople(project)
  await choosePerson(project, 'Тихон')
  project = await openProject(folder)
  await buildDataset(project)
  const base = config ? await writeBase(join(folder, 'base'), config) : shipped
  return changePlan(project, { train: { ...project.plan.train, ...train, base } })
}

/** A model with the shipped tokenizer, which gets as many tokens as the model has rows. */
async function writeBase(folder: string, config: ConfigJson): Promise<string> {
  await mkdir(folder)
  await cp(assetPath(shipped, 'tokenizer_config.json'), join(folder, 'tokenizer_config.json'))
  await cp(assetPath(shipped, 'special_tokens_map.json'), join(folder, 'special_tokens_map.json'))
  const tokenizer = JSON.parse(await readFile(assetPath(shipped, 'tokenizer.json'), 'utf8')) as { model: { vocab: Record<string, number> } } // prettier-ignore
  const { vocab } = tokenizer.model
  for (let id = Object.keys(vocab).length; id < (config.vocab_size as number); id++) vocab[`\ue000${id}`] = id
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer))
  await saveModel(folder, randomModel(config))
  return folder
}

/** Most bytes that a process had so far; undefined when it is gone. */
function peakOf(pid: number): number | undefined {
  try {
    const line = /^VmHWM:\s+(\d+) kB$/mu.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return line ? 1024 * Number(line[1]) : undefined
  } catch {
    return undefined
  }
}

/** Runs the process that trains, as `dvoynik train` does. */
async function trainWatched({ folder, plan }: Project): Promise<{ notice: string; peakBytes: number }> {
  const child = fork(programPath(new URL('../src/project/training-child.js', import.meta.url)), [], { stdio: ['ignore', 2, 'inherit', 'ipc'] }) // prettier-ignore
  let [notice, peakBytes] = ['', 0]
  let failure: Error | undefined
  const look = (): void => void (peakBytes = Math.max(peakBytes, peakOf(child.pid!) ?? 0))
  const timer = setInterval(look, 20)
  child.on('message', (message: TrainingReply) => {
    look()
    if (message.kind === 'notice' && message.text.en.includes('of memory')) notice = message.text.en
    if (message.kind === 'failed') failure = unpackError(message.failure)
  })
  const order: TrainingOrder = { kind: 'start', folder, plan, run: undefined, fresh: false }
  child.send(order)
  await new Promise(ended => child.on('exit', ended))
  clearInterval(timer)
  if (failure) throw failure
  return { notice, peakBytes }
}

export async function runMemory(work: MemoryWork): Promise<Outcome> {
  if (!existsSync('/proc/self/status')) throw new Error('there is no /proc on this system')
  const folder = await mkdtemp(join(tmpdir(), 'dvoynik-memory-'))
  try {
    const project = await prepare(join(folder, 'project'), work)
    const { notice, peakBytes } = await trainWatched(project)
    const [, told] = /about ([\d.]+) GB/u.exec(notice) ?? []
    if (told === undefined) throw new Error('no memory was told')
    const predictedBytes = 1e9 * Number(told)
    const figures = { predictedBytes, peakBytes, error: predictedBytes / peakBytes - 1 }
    return { figures, about: { parts: /\((.*?)\)/u.exec(notice)?.[1] ?? '' } }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
