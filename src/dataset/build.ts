// Scenes of a book → training examples: as written, with the character as я, and with the character as ты.
import { AppError } from '../base/errors.js'
import { sha256 } from '../base/hash.js'
import { checkReport, countReasons, type Drop, type Staged } from '../base/report.js'
import type { Person, Register, RewriteMode } from '../characters/person.js'
import type { Scene } from '../dialogue/scene.js'
import { wordKey } from '../language/words.js'
import type { Document } from '../sources/document.js'
import type { Example, ExampleCopy, ExampleTurn } from './example.js'
import { makeTurns, type PlacedTurn, type Rewriter } from './turns.js'

/** Why an example is not in the dataset. */
type ExampleDropReason = 'too-short' | 'blacklist' | 'same-as-original' | 'duplicate' | 'no-own-reply'

interface BuildOptions {
  /** `own`: only the character's replies are learnt; `all`: everything, as TiMe does. Default `own`. */
  readonly learn?: 'own' | 'all'
  /** Default 1500 UTF-16 units of text and remarks; a single longer turn stays whole. */
  readonly maxChars?: number
  /** Examples with fewer letters are dropped. Default 20. */
  readonly minLetters?: number
  /** Words that no example may contain, in any letter case. */
  readonly blacklist?: readonly string[]
  /** Rewrite the names of everybody, as TiMe does, instead of the character's alone. */
  readonly everybody?: boolean
  /** Instruction put in front of every example. */
  readonly system?: string
}

export interface BuildInput {
  readonly document: Document
  readonly scenes: readonly Scene[]
  readonly register: Register
  /** Person id of the character being made. */
  readonly focus: string
  /** Person id of the one who becomes ты where the character becomes я. */
  readonly partner?: string
  readonly copies: readonly ExampleCopy[]
  /** Makes the rewriter of one mode; asked once per copy that needs it. */
  readonly createRewriter: (mode: RewriteMode) => Rewriter
  readonly options?: BuildOptions
}

/**
 * Builds the examples of a book. Each scene is cut between turns to examples of at most `maxChars`, once per copy;
 * the end of the book, 5 % of the examples, is held out.
 * @throws AppError `no-such-person` when `focus` or `partner` is not in the register
 * @throws AppError `no-dialogue` when only replies are learnt and the book has none, `no-own-reply` when none is the character's
 */
export function buildExamples(input: BuildInput): Staged<Example[]> {
  const work = buildExamplesStepwise(input)
  let step = work.next()
  while (!step.done) step = work.next()
  return step.value
}

/** How much of a book is done: scenes, each counted once per copy. */
export interface BuildPlace {
  readonly done: number
  readonly total: number
}

/** As `buildExamples`, handing control back after every scene of every copy, so that a long book can be shown and stopped. */
export function* buildExamplesStepwise(input: BuildInput): Generator<BuildPlace, Staged<Example[]>> {
  const started = performance.now()
  const focus = findPerson(input.register, input.focus)
  if (input.partner !== undefined) findPerson(input.register, input.partner)
  checkDialogue(input, focus)
  const candidates: Candidate[] = []
  for (const [i, copy] of input.copies.entries()) candidates.push(...(yield* cutCopy(input, copy, i)))
  const drops: Drop<ExampleDropReason>[] = []
  const judge = createJudge(input)
  const kept = candidates.filter(candidate => {
    const reason = judge(candidate)
    if (reason === undefined) return true
    drops.push({
      stage: 'examples',
      reason,
      text: plainText(candidate.turns),
      where: whereOf(input.document, candidate),
    })
    return false
  })
  const output = splitOff(kept).map(candidate => toExample(input, candidate))
  const report = checkReport({
    stage: 'examples',
    unit: 'examples',
    input: candidates.length,
    kept: output.length,
    dropped: countReasons(drops),
    counts: countExamples(output),
    seconds: (performance.now() - started) / 1000,
  })
  return { output, report, drops }
}

interface Candidate {
  readonly copy: ExampleCopy
  readonly scene: number
  readonly chunk: number
  readonly turns: readonly PlacedTurn[]
  readonly heldOut?: boolean
}

/** Which names a copy replaces; the original replaces none. */
function modeOf(copy: Exclude<ExampleCopy, 'original'>, { focus, partner, options }: BuildInput): RewriteMode {
  if (options?.everybody) return { kind: 'all', person: copy }
  if (copy === 'ti') return { kind: 'address', you: focus }
  return partner === undefined ? { kind: 'focus', me: focus } : { kind: 'pair', me: focus, you: partner }
}

function* cutCopy(input: BuildInput, copy: ExampleCopy, before: number): Generator<BuildPlace, Candidate[]> {
  const { document, scenes, register, focus, copies, options = {} } = input
  const rewriter = copy === 'original' ? undefined : input.createRewriter(modeOf(copy, input))
  const names = new Map(register.people.map(person => [person.id, person.name]))
  const learn = options.learn ?? 'own'
  const candidates: Candidate[] = []
  for (const [index, scene] of scenes.entries()) {
    const turns = makeTurns(scene, document, { focus, names, learn, rewriter })
    const chunks = cutTurns(turns, options.maxChars ?? 1500)
    candidates.push(...chunks.map((chunk, i): Candidate => ({ copy, scene: index, chunk: i, turns: chunk })))
    yield { done: before * scenes.length + index + 1, total: copies.length * scenes.length }
  }
  return candidates
}

/** Whole turns, as many as fit; measured on the unchanged text, so that all copies are cut at the same places. */
function cutTurns(turns: readonly PlacedTurn[], maxChars: number): PlacedTurn[][] {
  const chunks: PlacedTurn[][] = []
  let room = 0
  for (const turn of turns) {
    if (chunks.length === 0 || turn.sourceChars > room) {
      chunks.push([])
      room = maxChars
    }
    chunks.at(-1)!.push(turn)
    room -= turn.sourceChars
  }
  return chunks
}

function createJudge({ copies, options = {} }: BuildInput): (candidate: Candidate) => ExampleDropReason | undefined {
  const seen = new Set<string>()
  const originals = new Map<string, string>()
  const banned = new Set((options.blacklist ?? []).map(wordKey))
  const ownOnly = (options.learn ?? 'own') === 'own'
  return ({ copy, scene, chunk, turns }) => {
    const key = canonicalTurns(turns)
    if (copy === 'original') originals.set(`${scene}.${chunk}`, key)
    const text = plainText(turns)
    if ((text.match(/\p{L}/gu)?.length ?? 0) < (options.minLetters ?? 20)) return 'too-short'
    if (banned.size > 0 && (text.match(/[\p{L}\p{M}\p{N}-]+/gu) ?? []).some(word => banned.has(wordKey(word))))
      return 'blacklist'
    if (ownOnly && !turns.some(turn => turn.learn)) return 'no-own-reply'
    if (copies.includes('original') && copy !== 'original' && originals.get(`${scene}.${chunk}`) === key)
      return 'same-as-original'
    if (seen.has(key)) return 'duplicate'
    seen.add(key)
    return undefined
  }
}

/**
 * Marks the end of the book as held out: the last scenes that hold 5 % of the examples, in every copy. A scene is never on
 * both sides, and none is taken when that would pass 20 %; only a book of fewer than ten scenes is cut inside a scene,
 * and one of fewer than ten places keeps everything for training.
 */
function splitOff(kept: readonly Candidate[]): Candidate[] {
  const fewScenes = new Set(kept.map(({ scene }) => scene)).size < 10
  const placeOf = ({ scene, chunk }: Candidate): number => scene * placesOfScene + (fewScenes ? chunk : 0)
  const sizes = new Map<number, number>()
  for (const candidate of kept) sizes.set(placeOf(candidate), (sizes.get(placeOf(candidate)) ?? 0) + 1)
  const heldOut = new Set<number>()
  let count = 0
  for (const [place, size] of [...sizes].sort(([a], [b]) => b - a)) {
    const enough =
      sizes.size < 10 || (count > 0 && (count >= Math.floor(kept.length * 0.05) || count + size > kept.length * 0.2))
    if (enough) break
    heldOut.add(place)
    count += size
  }
  return kept.map(candidate => ({ ...candidate, heldOut: heldOut.has(placeOf(candidate)) }))
}

/** More places than a scene can be cut into. */
const placesOfScene = 1e6

function toExample({ document, options }: BuildInput, { copy, turns, heldOut }: Candidate): Example {
  const spans = blockSpans(document, turns)
  const id = sha256(
    `${document.sha256} ${copy} ${JSON.stringify(spans)} ${options?.system ?? ''} ${canonicalTurns(turns)}`,
  ).slice(0, 16)
  return {
    id,
    copy,
    ...(options?.system !== undefined && { system: options.system }),
    turns: turns.map(plainTurn),
    source: { file: document.file, spans },
    split: heldOut ? 'held-out' : 'train',
  }
}

const plainTurn = ({ speaker, role, text, remark, learn }: PlacedTurn): ExampleTurn => ({
  speaker,
  role,
  text,
  ...(remark !== undefined && { remark }),
  learn,
})

const blockSpans = (document: Document, turns: readonly PlacedTurn[]) =>
  [...new Set(turns.map(turn => turn.block))].map(block => document.blocks[block].span)

const whereOf = (document: Document, { turns }: Candidate) => `${document.file}:${document.blocks[turns[0].block].line}`

const canonicalTurns = (turns: readonly ExampleTurn[]) =>
  JSON.stringify(turns.map(({ speaker, role, text, remark }) => [speaker, role, text, remark ?? '']))

const plainText = (turns: readonly ExampleTurn[]) =>
  turns.map(({ text, remark }) => (remark === undefined ? text : `${text} (${remark})`)).join('\n')

function countExamples(examples: readonly Example[]): Record<string, number> {
  const turns = examples.flatMap(example => example.turns)
  const copies: ExampleCopy[] = ['original', 'me', 'ti']
  return {
    ...Object.fromEntries(copies.map(copy => [copy, examples.filter(example => example.copy === copy).length])),
    'held-out': examples.filter(example => example.split === 'held-out').length,
    turns: turns.length,
    'own-replies': turns.filter(turn => turn.role === 'own').length,
    'learnt-turns': turns.filter(turn => turn.learn).length,
  }
}

function checkDialogue({ document, scenes, focus, options }: BuildInput, person: Person): void {
  if (options?.learn === 'all') return
  const replies = scenes.flatMap(scene => scene.turns).filter(turn => turn.kind === 'speech')
  if (replies.length === 0) throw noDialogue(document.file)
  if (replies.some(turn => turn.speaker === focus)) return
  throw new AppError('no-own-reply', {
    where: document.file,
    what: {
      en: `${replies.length} replies were found, but none is known to be spoken by ${person.name}`,
      ru: `реплик найдено: ${replies.length}, но ни об одной не известно, что её произносит ${person.name}`,
    },
    fix: {
      en: 'Choose another character, add missing names to the list of people, or learn everything with learn: "all"',
      ru: 'Выберите другого персонажа, добавьте недостающие имена в список людей или учите всё: learn: "all"',
    },
  })
}

/** A book without a single reply cannot teach a character to speak. */
function noDialogue(file: string): AppError {
  return new AppError('no-dialogue', {
    where: file,
    what: { en: 'no direct speech was found (0 replies)', ru: 'прямая речь не найдена (реплик: 0)' },
    fix: {
      en: 'Check that replies begin with a dash or stand in quotation marks, or learn the narration with learn: "all"',
      ru: 'Проверьте, что реплики начинаются с тире или стоят в кавычках, или учите повествование: learn: "all"',
    },
  })
}

function findPerson({ people }: Register, id: string): Person {
  const person = people.find(candidate => candidate.id === id)
  if (person) return person
  const known = people.slice(0, 8).map(candidate => candidate.id)
  throw new AppError('no-such-person', {
    what: { en: `there is no person with id "${id}"`, ru: `нет человека с обозначением «${id}»` },
    fix: { en: `Known: ${known.join(', ') || 'nobody'}`, ru: `Известны: ${known.join(', ') || 'никто'}` },
  })
}
