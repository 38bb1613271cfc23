// Gathers what a project knows of its journey for the report page.
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Lang } from '../base/errors.js'
import { readJson, writeFileAtomic } from '../base/files.js'
import type { Drop, StageReport } from '../base/report.js'
import { resolvePerson } from '../characters/register.js'
import type { Example } from '../dataset/example.js'
import { readDrops, readExamples } from '../dataset/store.js'
import { renderJourneyReport, type JourneyReport, type MarkedPiece } from '../evaluate/journey-report.js'
import { parseConfig } from '../model/config.js'
import type { ConfigJson } from '../model/model-config.js'
import { parameterCount } from '../model/weight-specs.js'
import { loadTokenizer } from '../tokenizer/files.js'
import { maskPreview } from '../train/batches.js'
import { findCheckpoint, type FoundCheckpoint } from '../train/checkpoint.js'
import { readRunLog, type EvaluationEvent, type RunEvent, type StepEvent } from '../train/run-log.js'
import { readManifest } from './manifest.js'
import { describeMethod } from './method-settings.js'
import { readPeople } from './people.js'
import { paths, type Project } from './project.js'
import { readCleaned } from './text.js'
import { countWords, reasonWords, stageWords, unitWords, wordFor } from './words.js'
import { defaultRun, runManifest } from './train.js'

export interface ReportExtras {
  readonly lang: Lang
  readonly answers: JourneyReport['answers']
  /** Wall time of the whole journey. */
  readonly totalSeconds: number
  readonly run?: string
}

/** Writes the report of a finished journey as one HTML file and gives back what it says. */
export async function writeJourneyReport(project: Project, path: string, extras: ReportExtras): Promise<JourneyReport> {
  const report = await collectReport(project, extras)
  await writeFileAtomic(path, renderJourneyReport(report))
  return report
}

async function collectReport(
  project: Project,
  { lang, answers, totalSeconds, run = defaultRun }: ReportExtras,
): Promise<JourneyReport> {
  const [book] = await readCleaned(project)
  return {
    lang,
    answers,
    totalSeconds,
    book: {
      title: book.title,
      author: book.author,
      file: basename(book.file),
      encoding: book.encoding.name,
      words: book.blocks.reduce((sum, block) => sum + (block.text.match(/[\p{L}\p{N}-]+/gu)?.length ?? 0), 0),
    },
    stages: (await readReports(project)).map(report => inWords(report, lang)),
    drops: (await sampleDrops(project)).map(drop => ({ ...drop, reason: wordFor(reasonWords, drop.reason)[lang] })),
    people: await listPeople(project),
    examples: await markExamples(project),
    training: await describeTraining(project, run),
  }
}

async function readReports(project: Project): Promise<StageReport[]> {
  const names = ['text', 'characters', 'dataset', 'tokenizer', 'train']
  const manifests = await Promise.all(names.map(name => readManifest(project.folder, name)))
  return manifests.flatMap(manifest => manifest?.reports ?? [])
}

/** A report with words of the user's language for its identifiers; counts without a word keep their names. */
function inWords(report: StageReport, lang: Lang): StageReport {
  const rename = (words: typeof unitWords, counts: Readonly<Record<string, number>>): Record<string, number> =>
    Object.fromEntries(Object.entries(counts).map(([name, count]) => [wordFor(words, name)[lang], count]))
  return {
    ...report,
    stage: wordFor(stageWords, report.stage)[lang],
    unit: wordFor(unitWords, report.unit)[lang],
    dropped: rename(reasonWords, report.dropped),
    counts: rename(countWords, report.counts ?? {}),
  }
}

const dropsPerReason = 3

/** The first few dropped texts of each stage and reason. */
async function sampleDrops(project: Project): Promise<Drop[]> {
  const text = join(project.folder, paths.text)
  const files = (await readdir(text)).filter(name => name.endsWith('.drops.jsonl')).map(name => join(text, name))
  const lines = [...(await Promise.all(files.map(readLines))), await readDrops(join(project.folder, paths.dataset))]
  const seen = new Map<string, number>()
  return lines.flat().filter(drop => {
    const key = `${drop.stage} ${drop.reason}`
    seen.set(key, (seen.get(key) ?? 0) + 1)
    return seen.get(key)! <= dropsPerReason
  })
}

async function readLines(path: string): Promise<Drop[]> {
  const text = await readFile(path, 'utf8')
  return text
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as Drop)
}

async function listPeople(project: Project): Promise<JourneyReport['people']> {
  const register = await readPeople(project)
  const focus = project.plan.focus === undefined ? undefined : resolvePerson(register, project.plan.focus)
  return register.people.slice(0, 15).map(({ id, name, gender, count, aliases }) => ({
    name,
    gender: gender === 'unknown' ? '?' : gender,
    count,
    aliases: aliases.map(alias => alias.name).filter(alias => alias !== name),
    focus: id === focus?.id,
  }))
}

/** The copies of the scene that rewriting changed most, with the learnt tokens marked. */
async function markExamples(project: Project): Promise<JourneyReport['examples']> {
  const examples = await readExamples(join(project.folder, paths.dataset))
  const tokenizer = await loadTokenizer(join(project.folder, paths.tokenizer))
  const originals = new Map(examples.filter(({ copy }) => copy === 'original').map(one => [placeOf(one), one]))
  const changed = (one: Example): number => countChangedTurns(one, originals.get(placeOf(one)))
  const [chosen] = examples.filter(({ copy }) => copy === 'me').sort((a, b) => changed(b) - changed(a))
  const place = placeOf(chosen ?? examples[0])
  const shown = examples.filter(example => placeOf(example) === place)
  return shown.map(example => ({ copy: example.copy, pieces: clipPieces(maskPreview(example, tokenizer)) }))
}

function placeOf(example: Example): string {
  return JSON.stringify(example.source)
}

function countChangedTurns(example: Example, original: Example | undefined): number {
  const lines = (one: Example | undefined): string[] => one?.turns.map(({ text, remark }) => `${text} ${remark}`) ?? []
  const before = lines(original)
  return lines(example).filter((line, i) => line !== before[i]).length
}

const shownLetters = 1200

function clipPieces(pieces: readonly MarkedPiece[]): MarkedPiece[] {
  let left = shownLetters
  return pieces.flatMap(piece => {
    const text = piece.text.slice(0, Math.max(0, left))
    left -= text.length
    return text ? [{ ...piece, text: left <= 0 ? text + '…' : text }] : []
  })
}

async function describeTraining(project: Project, run: string): Promise<JourneyReport['training']> {
  const events = await readRunLog(join(project.folder, paths.runs, run, 'events.jsonl'))
  const steps = events.filter((event): event is StepEvent => event.event === 'step')
  const evaluations = events.filter((event): event is EvaluationEvent => event.event === 'evaluation')
  const checkpoint = await findCheckpoint(join(project.folder, paths.runs, run, 'checkpoints'))
  return {
    method: describeRun(project),
    curve: steps.map(({ step, lossNats }) => ({ step, loss: lossNats })),
    heldOut: evaluations.flatMap(({ step, bitsPerByte }) => (bitsPerByte === undefined ? [] : [{ step, bitsPerByte }])),
    parameters: await countParameters(project),
    trainedParameters: startParameters(events),
    tokensPerSecond: median(steps.map(event => event.tokensPerSecond)),
    seconds: (await readManifest(project.folder, runManifest(run)))?.reports[0]?.seconds ?? 0,
    peakBytes: Math.max(0, ...steps.map(event => event.rssBytes)),
    runtime: engineOf(checkpoint),
  }
}

/** What computed last; checkpoints from before engines were noted say what the run began with. */
function engineOf(checkpoint: FoundCheckpoint | undefined): string {
  return checkpoint?.state.engines?.at(-1)?.engine ?? String(checkpoint?.state.identity['runtime'] ?? '')
}

/** Numbers of the model that training began with, from its configuration alone. */
async function countParameters(project: Project): Promise<number> {
  const path = join(project.folder, paths.start, 'config.json')
  return parameterCount(parseConfig((await readJson(path)) as ConfigJson, path))
}

function startParameters(events: readonly RunEvent[]): number {
  const start = events.find(event => event.event === 'start')
  return start?.event === 'start' ? start.parameters : 0
}

function describeRun({ plan: { train } }: Project): string {
  const { method, base, optimizer, learningRate, schedule, batch, length } = train
  return `${base} · ${describeMethod(method)} · ${optimizer.kind} ${learningRate} ${schedule} · ${batch} × ${length}`
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
