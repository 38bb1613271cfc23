// Turns of a scene → turns of an example: remarks joined, roles given, names rewritten where the copy asks for it.
import type { Edit } from '../characters/person.js'
import type { Scene, Segment, Turn } from '../dialogue/scene.js'
import type { Document } from '../sources/document.js'
import type { ExampleTurn } from './example.js'

/** What rewriting needs of `characters/`: whose names become я or ты in one text. */
export interface Rewriter {
  rewrite(
    text: string,
    options?: { speech?: readonly (readonly [number, number])[] },
  ): {
    readonly text: string
    readonly edits: readonly Edit[]
  }
}

/** A turn that still knows its paragraph and how long it was before rewriting. */
export interface PlacedTurn extends ExampleTurn {
  /** Index into Document.blocks. */
  readonly block: number
  /** UTF-16 units of text and remark as written. */
  readonly sourceChars: number
}

export interface TurnOptions {
  readonly focus: string
  /** Shown name by person id. */
  readonly names: ReadonlyMap<string, string>
  readonly learn: 'own' | 'all'
  readonly rewriter?: Rewriter
}

/** Name of a speaker nobody knows. */
const unknownSpeaker = 'unknown'

export function makeTurns(scene: Scene, document: Document, options: TurnOptions): PlacedTurn[] {
  return scene.turns.flatMap(turn => {
    const edits = rewriteBlock(turn, document.blocks[turn.block].text, options)
    return groupSegments(turn.segments).map(group => makeTurn(turn, group, edits, options))
  })
}

/** Edits of one paragraph; the character's own speech already says я and stays. */
function rewriteBlock(turn: Turn, text: string, { focus, rewriter }: TurnOptions): readonly Edit[] {
  if (rewriter === undefined) return []
  const speech = turn.segments
    .filter(segment => segment.kind === 'speech')
    .map(({ start, end }) => [start, end] as const)
  const { edits } = rewriter.rewrite(text, { speech })
  if (turn.speaker !== focus) return edits
  return edits.filter(edit => !speech.some(([start, end]) => edit.start < end && edit.end > start))
}

/** Speech and remarks of one paragraph belong together; narration stands apart. */
function groupSegments(segments: readonly Segment[]): Segment[][] {
  const groups: Segment[][] = []
  for (const segment of segments) {
    const last = groups.at(-1)
    if (last !== undefined && (last[0].kind === 'narration') === (segment.kind === 'narration')) last.push(segment)
    else groups.push([segment])
  }
  return groups
}

function makeTurn(turn: Turn, group: readonly Segment[], edits: readonly Edit[], options: TurnOptions): PlacedTurn {
  const sourceChars = group.reduce((sum, segment) => sum + segment.text.length + 1, 0)
  const written = (kinds: readonly Segment['kind'][]) =>
    group
      .filter(({ kind }) => kinds.includes(kind))
      .map(segment => applyEdits(segment, edits))
      .join(' ')
  const speech = joinReply(group, edits)
  if (speech === '') {
    const text = written(['narration', 'remark'])
    return {
      speaker: 'narrator',
      role: 'narration',
      text,
      learn: options.learn === 'all',
      block: turn.block,
      sourceChars,
    }
  }
  const own = turn.speaker === options.focus
  const remark = closeRemark(written(['remark']))
  return {
    speaker: (turn.speaker !== undefined && options.names.get(turn.speaker)) || unknownSpeaker,
    role: own ? 'own' : 'other',
    text: closeReply(speech),
    ...(remark !== '' && { remark }),
    learn: own || options.learn === 'all',
    block: turn.block,
    sourceChars,
  }
}

/** Pieces of a reply without the remarks between them: «Заметил, — признался он. — Я думал» gives «Заметил. Я думал». */
function joinReply(group: readonly Segment[], edits: readonly Edit[]): string {
  let reply = ''
  let remark = ''
  for (const segment of group) {
    const text = applyEdits(segment, edits)
    if (segment.kind !== 'speech') remark = text
    else {
      const newSentence = /[.!?…]\s*$/u.test(remark) && /^[«„"“]?\p{Lu}/u.test(text)
      reply = reply === '' ? text : `${newSentence ? closeReply(reply) : reply} ${text}`
    }
  }
  return reply
}

/** The segment's text with the edits that lie inside it. */
function applyEdits({ text, start, end }: Segment, edits: readonly Edit[]): string {
  let out = ''
  let at = start
  for (const edit of edits) {
    if (edit.start < at || edit.end > end) continue
    out += text.slice(at - start, edit.start - start) + edit.text
    at = edit.end
  }
  return out + text.slice(at - start)
}

/** «Иду,» stood before «сказал он»; without it the reply ends as a sentence. */
const closeReply = (text: string) => text.replace(/[,;:]$/u, '.')
const closeRemark = (text: string) => text.replace(/[\s.,;:—–-]+$/u, '')
