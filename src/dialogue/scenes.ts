// A book → scenes: paragraphs as turns of speech and narration, with speakers where they are known.
import { checkReport, countReasons, type Drop, type Staged } from '../base/report.js'
import type { Block, Document } from '../sources/document.js'
import { readEvidence } from './evidence.js'
import type { PeopleLookup, PersonMention, Scene, Segment, SpeakerBasis, Turn } from './scene.js'
import { assignSpeakers, type Voice } from './speakers.js'
import { splitSpeech } from './speech.js'

/** Why a block is in no scene. */
type SceneDropReason = 'heading' | 'separator' | 'note' | 'epigraph'

export interface SceneOptions {
  readonly people?: PeopleLookup
  /** Person id of the narrator of a story told as «я». */
  readonly narrator?: string
  /** Narration of more letters and marks than this (UTF-16 units) between two replies ends the scene. Default 1500. */
  readonly maxNarrationChars?: number
}

interface Draft {
  readonly block: number
  readonly segments: readonly Segment[]
  readonly text: string
  readonly speaks: boolean
}

/**
 * Finds the scenes of a book. Every paragraph is kept in one scene or dropped with a reason.
 * The report counts turns, replies and speakers per basis; `speechPercent` is speech per 100 letters of the kept text.
 */
export function findScenes(document: Document, options: SceneOptions = {}): Staged<Scene[]> {
  const started = performance.now()
  const drops: Drop<SceneDropReason>[] = []
  const stretches = cutStretches(document, drops)
  const people = options.people && settlePeople(options.people, stretches.flat())
  const scenes = stretches
    .flatMap(stretch => cutAtNarration(stretch, options.maxNarrationChars ?? 1500))
    .map((drafts, i): Scene => ({
      id: `s${String(i + 1).padStart(4, '0')}`,
      turns: makeTurns(drafts, { ...options, people }),
    }))
  const kept = document.blocks.length - drops.length
  const report = checkReport({
    stage: 'scenes',
    unit: 'paragraphs',
    input: document.blocks.length,
    kept,
    dropped: countReasons(drops),
    counts: countTurns(scenes),
    seconds: (performance.now() - started) / 1000,
  })
  return { output: scenes, report, drops }
}

/** Paragraphs between headings and separators; what is no story is dropped. */
function cutStretches(document: Document, drops: Drop<SceneDropReason>[]): Draft[][] {
  const stretches: Draft[][] = [[]]
  document.blocks.forEach((block, index) => {
    const reason = dropReason(block)
    if (reason === undefined) {
      const segments = splitSpeech(block.text, {
        continuesAuthor: continuesAuthor(stretches.at(-1)!.at(-1), index, block.text),
      })
      const speaks = segments.some(segment => segment.kind === 'speech')
      stretches.at(-1)!.push({ block: index, segments, text: block.text, speaks })
      return
    }
    drops.push({ stage: 'scenes', reason, text: block.text, where: `${document.file}:${block.line}` })
    if (reason !== 'note') stretches.push([])
  })
  return stretches.filter(stretch => stretch.length > 0)
}

/** A line that begins with a dash and a small letter right after an unfinished sentence of the author is no reply. */
function continuesAuthor(previous: Draft | undefined, index: number, text: string): boolean {
  if (previous?.block !== index - 1 || !/^\s*[—–―-]+\s*\p{Ll}/u.test(text)) return false
  return previous.segments.at(-1)?.kind !== 'speech' && /[\p{L}\p{N},;]\s*$/u.test(previous.text)
}

function dropReason({ kind, text }: Block): SceneDropReason | undefined {
  if (kind === 'heading' || kind === 'title') return 'heading'
  if (kind === 'note' || kind === 'epigraph') return kind
  const silentReply = /^\s*[—–―-].*(?:[!?…]|\.{2})/u // «— …» is an answer too
  return /[\p{L}\p{N}]/u.test(text) || silentReply.test(text) ? undefined : 'separator'
}

/** A long narration stands as a scene of its own; its last paragraph opens the next exchange. */
function cutAtNarration(stretch: readonly Draft[], maxChars: number): Draft[][] {
  const scenes: Draft[][] = []
  let current: Draft[] = []
  for (const run of groupRuns(stretch)) {
    const chars = run.reduce((sum, draft) => sum + draft.text.length, 0)
    if (run[0].speaks || chars <= maxChars) {
      current.push(...run)
      continue
    }
    if (current.length > 0) scenes.push(current)
    if (run.length > 1) scenes.push(run.slice(0, -1))
    current = run.slice(-1)
  }
  if (current.length > 0) scenes.push(current)
  return scenes
}

function groupRuns(stretch: readonly Draft[]): Draft[][] {
  const runs: Draft[][] = []
  for (const draft of stretch) {
    if (runs.at(-1)?.[0].speaks === draft.speaks) runs.at(-1)!.push(draft)
    else runs.push([draft])
  }
  return runs
}

/**
 * Mentions as a whole book shows them. A name whose nominative is certain elsewhere is in another case where its case is
 * uncertain: «Ивана» may be genitive or accusative, never the subject. «Наш герой» is whom the book names most.
 */
function settlePeople(people: PeopleLookup, drafts: readonly Draft[]): PeopleLookup {
  const found = new Map(drafts.map(({ text }) => [text, people.find(text)]))
  const counts = new Map<string, number>()
  const certain = new Set<string>()
  for (const { id, case: grammar } of [...found.values()].flat()) {
    counts.set(id, (counts.get(id) ?? 0) + 1)
    if (grammar === 'nomn') certain.add(id)
  }
  const hero = [...counts].sort((a, b) => b[1] - a[1])[0]?.[0]
  const settle = (mention: PersonMention): PersonMention =>
    mention.case === undefined && certain.has(mention.id) ? { ...mention, case: 'oblique' } : mention
  return {
    find: text => {
      const named = (found.get(text) ?? people.find(text)).map(settle)
      return hero === undefined ? named : [...named, ...findHero(text, hero)].sort((a, b) => a.start - b.start)
    },
    gender: id => people.gender(id),
  }
}

/** «наш герой», «герой наш» in any case. */
function findHero(text: string, id: string): PersonMention[] {
  return [...text.matchAll(/(?<!\p{L})(?:наш\p{L}*\s+(геро\p{L}+)|(геро\p{L}+)\s+наш\p{L}*)/giu)].map(match => {
    const grammar = (match[1] ?? match[2]).toLowerCase() === 'герой' ? 'nomn' : 'oblique'
    return { id, start: match.index, end: match.index + match[0].length, case: grammar }
  })
}

function makeTurns(drafts: readonly Draft[], { people, narrator }: SceneOptions): Turn[] {
  const voices = drafts.map(({ block, speaks, text, segments }): Voice => {
    return { block, speaks, evidence: readEvidence(text, segments, people), basis: 'unknown' }
  })
  assignSpeakers(voices, { people, narrator })
  return drafts.map(({ block, segments, speaks }, i): Turn => {
    const { speaker, addressee, basis } = voices[i]
    return {
      kind: speaks ? 'speech' : 'narration',
      block,
      segments,
      ...(speaker !== undefined && { speaker }),
      basis,
      ...(addressee !== undefined && { addressee }),
    }
  })
}

function countTurns(scenes: readonly Scene[]): Record<string, number> {
  const turns = scenes.flatMap(scene => scene.turns)
  const replies = turns.filter(turn => turn.kind === 'speech')
  const segments = turns.flatMap(turn => turn.segments)
  const letters = (some: readonly Segment[]) =>
    some.reduce((sum, { text }) => sum + (text.match(/\p{L}/gu)?.length ?? 0), 0)
  const spoken = letters(segments.filter(segment => segment.kind === 'speech'))
  const bases: SpeakerBasis[] = ['explicit', 'alternation', 'vocative', 'guessed', 'unknown']
  return {
    scenes: scenes.length,
    dialogues: scenes.filter(scene => scene.turns.some(turn => turn.kind === 'speech')).length,
    turns: turns.length,
    replies: replies.length,
    speechPercent: Math.round((100 * spoken) / Math.max(1, letters(segments))),
    addressees: replies.filter(turn => turn.addressee !== undefined).length,
    ...Object.fromEntries(
      bases.map(basis => [`speaker-${basis}`, replies.filter(turn => turn.basis === basis).length]),
    ),
  }
}
