// Turns examples into batches: token ids, shifted labels, restarted positions and segments. Text and tensors meet here.
import { AppError } from '../base/errors.js'
import { sha256 } from '../base/hash.js'
import { permutation, streamOf } from '../base/random.js'
import type { Example } from '../dataset/example.js'
import type { Batch } from '../model/step.js'
import type { Tokenizer } from '../tokenizer/tokenizer.js'
import { createTemplateEncoder, type MarkedTokens } from './template-encoder.js'
import { templates, type Piece, type TemplateName } from './template.js'

/** A micro-batch with what error messages and bits per byte need to know of it. */
export interface TrainBatch {
  readonly batch: Batch
  /** Ids of the examples in it. */
  readonly examples: readonly string[]
  /** Counted positions. */
  readonly tokens: number
  /** UTF-8 bytes of the counted tokens; special tokens have none. */
  readonly bytes: number
}

/** Batches by number, so that a position in the data is a number too. */
export interface BatchSource {
  /** Micro-batches in one epoch. */
  readonly count: number
  /** Changes when the data change; a resumed run must find the same. */
  readonly fingerprint: string
  /** The micro-batch at `index` (0 ≤ index < count) of an epoch, a pure function of its arguments. */
  batch(epoch: number, index: number): Promise<TrainBatch>
}

export interface BatchOptions {
  readonly template?: TemplateName
  /** Rows of a micro-batch (B). */
  readonly batch: number
  /** Tokens of a row (T). */
  readonly length: number
  /** Several examples in one row, each seeing only itself. Default true. */
  readonly packing?: boolean
  readonly seed?: number
  /** Tokens that the model knows; ids beyond are refused, because some runtimes read zeros for them and say nothing. */
  readonly vocabulary?: number
  /** Another order each epoch. Default true; held-out data keep theirs. */
  readonly shuffle?: boolean
}

/** A piece of an example that fits in one row: inputs and the tokens they predict. */
interface Sequence {
  readonly example: string
  readonly ids: Uint32Array
  /** Next token, or -100. */
  readonly labels: Int32Array
}

type Row = readonly Sequence[]

/**
 * Batches of examples written in a template. Order depends on (seed, epoch) alone. Examples longer than a row continue in
 * further rows; no token is predicted twice or lost.
 * @throws AppError `no-examples`, `no-template-token`, `mask-empty`, `mask-full`, `mask-no-stop` or `unknown-token-id`
 */
export function createBatches(examples: readonly Example[], tokenizer: Tokenizer, options: BatchOptions): BatchSource {
  const { template = 'book', batch, length, packing = true, seed = 0, shuffle = true, vocabulary = Infinity } = options
  const encoder = createTemplateEncoder(tokenizer, templates[template])
  const pieces = examples.map(example => templates[template].render(example.turns, example.system))
  const encoded = pieces.map(list => encoder.encode(list))
  encoded.forEach(({ ids }, i) => checkIds(ids, examples[i], tokenizer, vocabulary))
  checkMask(pieces, encoded, template)
  encoded.forEach((tokens, i) => checkStops(tokens, examples[i], tokenizer, templates[template].stops))
  const sequences = encoded.flatMap((tokens, i) => cutWindows(examples[i].id, tokens, length))
  const rows = packing ? packRows(sequences, length, seed) : sequences.map(sequence => [sequence])
  const bytes = byteLengths(tokenizer)
  const order = epochOrder(rows.length, seed, shuffle)
  return {
    count: Math.ceil(rows.length / batch),
    fingerprint: fingerprint(rows, [batch, length, seed, shuffle]),
    batch: (epoch, index) => {
      const chosen = Array.from(order(epoch).subarray(index * batch, (index + 1) * batch), number => rows[number])
      return Promise.resolve(fillBatch(chosen, batch, length, bytes))
    },
  }
}

/** Order of n rows in each epoch, a pure function of (seed, epoch); the latest epoch's is remembered. */
export function epochOrder(n: number, seed: number, shuffle: boolean): (epoch: number) => Uint32Array {
  const unshuffled = Uint32Array.from({ length: n }, (_, i) => i)
  let known: { epoch: number; order: Uint32Array } | undefined
  return epoch => {
    if (!shuffle) return unshuffled
    if (known?.epoch !== epoch) known = { epoch, order: permutation(seed, streamOf('epoch') + epoch, n) }
    return known.order
  }
}

/** What the viewer colours: stretches of an example as the model sees them, learnt or not. */
export function maskPreview(
  example: Example,
  tokenizer: Tokenizer,
  template: TemplateName = 'book',
): { readonly text: string; readonly learn: boolean }[] {
  const { ids, learn } = createTemplateEncoder(tokenizer, templates[template]).encode(
    templates[template].render(example.turns, example.system),
  )
  return runsOf(learn).map(([start, end]) => ({
    text: Buffer.concat([...ids.subarray(start, end)].map(id => visibleBytes(id, tokenizer))).toString('utf8'),
    learn: learn[start] === 1,
  }))
}

/** A special token has no bytes of its own; it is shown by its name. */
function visibleBytes(id: number, tokenizer: Tokenizer): Uint8Array {
  const bytes = tokenizer.bytes(id)
  return bytes.length > 0 ? bytes : Buffer.from(tokenizer.token(id))
}

/** `[start, end)` of each stretch of equal marks. */
function runsOf(learn: Uint8Array): [number, number][] {
  const runs: [number, number][] = []
  for (let i = 0; i < learn.length; i++) {
    const last = runs.at(-1)
    if (last && learn[i] === learn[last[0]]) last[1] = i + 1
    else runs.push([i, i + 1])
  }
  return runs
}

function checkIds(ids: Uint32Array, { id: example }: Example, tokenizer: Tokenizer, vocabulary: number): void {
  const at = ids.findIndex(id => id >= vocabulary)
  if (at >= 0) throw unknownTokenId(example, ids[at], tokenizer.token(ids[at]), vocabulary)
}

function checkMask(pieces: readonly (readonly Piece[])[], encoded: readonly MarkedTokens[], name: TemplateName): void {
  if (pieces.every(list => list.length === 0)) throw noExamples(pieces.length)
  const total = encoded.reduce((sum, { learn }) => sum + learn.length, 0)
  if (encoded.every(({ learn }) => !learn.includes(1))) throw maskEmpty(total)
  const full = pieces.every(list => list.every(({ learn }) => learn))
  if (full && templates[name].tokens.length > 0) throw maskFull(total)
}

// A model that never saw its stop token where a reply ends will not stop when it generates.
function checkStops(
  { ids, learn }: MarkedTokens,
  example: Example,
  tokenizer: Tokenizer,
  stops: readonly string[],
): void {
  for (const [start, end] of runsOf(learn)) {
    if (learn[start] === 0 || ids[end - 1] === tokenizer.special.eos) continue
    const last = Buffer.from(visibleBytes(ids[end - 1], tokenizer)).toString('utf8')
    if (!stops.some(stop => last.endsWith(stop))) throw maskNoStop(example.id, last)
  }
}

/** Pairs of input and next token, cut into stretches of `length`; a stretch with nothing to learn is left out. */
function cutWindows(example: string, { ids, learn }: MarkedTokens, length: number): Sequence[] {
  const windows: Sequence[] = []
  for (let start = 0; start < ids.length - 1; start += length) {
    const end = Math.min(start + length, ids.length - 1)
    const labels = Int32Array.from({ length: end - start }, (_, i) =>
      learn[start + i + 1] ? ids[start + i + 1] : -100,
    )
    if (labels.some(label => label >= 0)) windows.push({ example, ids: ids.slice(start, end), labels })
  }
  return windows
}

/** First fit over the rows still open, in a seeded order so that a row mixes distant examples. */
function packRows(sequences: readonly Sequence[], length: number, seed: number): Row[] {
  const openLimit = 32
  const rows: Sequence[][] = []
  const open: { row: Sequence[]; room: number }[] = []
  for (const index of permutation(seed, streamOf('pack'), sequences.length)) {
    const sequence = sequences[index]
    let place = open.find(({ room }) => room >= sequence.ids.length)
    if (!place) {
      place = { row: [], room: length }
      rows.push(place.row)
      open.push(place)
      if (open.length > openLimit) open.shift()
    }
    place.row.push(sequence)
    place.room -= sequence.ids.length
  }
  return rows
}

function fillBatch(rows: readonly Row[], batch: number, length: number, bytes: (id: number) => number): TrainBatch {
  const size = batch * length
  const ids = new BigInt64Array(size)
  const labels = new BigInt64Array(size).fill(-100n)
  const positions = new BigInt64Array(size)
  const segments = new BigInt64Array(size)
  let tokens = 0
  let byteCount = 0
  rows.forEach((row, r) => {
    let at = r * length
    row.forEach((sequence, s) => {
      for (let i = 0; i < sequence.ids.length; i++, at++) {
        ids[at] = BigInt(sequence.ids[i])
        positions[at] = BigInt(i)
        segments[at] = BigInt(s + 1)
        if (sequence.labels[i] < 0) continue
        labels[at] = BigInt(sequence.labels[i])
        tokens++
        byteCount += bytes(sequence.labels[i])
      }
    })
  })
  const examples = [...new Set(rows.flatMap(row => row.map(sequence => sequence.example)))]
  return { batch: { batch, length, ids, labels, positions, segments }, examples, tokens, bytes: byteCount }
}

/** Raw bytes of each token; special tokens stand for no text. */
function byteLengths(tokenizer: Tokenizer): (id: number) => number {
  const special = new Set(Object.values(tokenizer.special))
  const known = new Map<number, number>()
  return id => {
    let length = known.get(id)
    if (length === undefined) known.set(id, (length = special.has(id) ? 0 : tokenizer.bytes(id).length))
    return length
  }
}

function fingerprint(rows: readonly Row[], options: readonly unknown[]): string {
  const parts = rows.map(row => row.map(({ ids, labels }) => sha256(asBytes(ids)) + sha256(asBytes(labels))).join())
  return sha256(`${JSON.stringify(options)}\n${parts.join('\n')}`)
}

function asBytes(array: Uint32Array | Int32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

function noExamples(count: number): AppError {
  return new AppError('no-examples', {
    what: {
      en: `there is nothing to train on (${count} examples, all empty)`,
      ru: `учить не на чем (примеров: ${count}, все пустые)`,
    },
    fix: {
      en: 'Build the dataset first and look at its report',
      ru: 'Сначала соберите набор данных и посмотрите его отчёт',
    },
  })
}

function maskEmpty(total: number): AppError {
  return new AppError('mask-empty', {
    what: { en: `none of the ${total} tokens is learnt`, ru: `ни один из ${total} токенов не учится` },
    fix: {
      en: 'Mark turns with learn: true, for example by choosing the focus character',
      ru: 'Отметьте реплики learn: true, например выбрав персонажа',
    },
  })
}

function maskFull(total: number): AppError {
  return new AppError('mask-full', {
    what: {
      en: `all ${total} tokens are learnt and no turn has a speaker`,
      ru: `учатся все ${total} токенов, и ни у одной реплики нет говорящего`,
    },
    fix: {
      en: 'Use the template "plain" for text without dialogue, or build the dataset from dialogues',
      ru: 'Для текста без диалогов возьмите шаблон «plain» или соберите набор из диалогов',
    },
  })
}

function unknownTokenId(example: string, id: number, token: string, vocabulary: number): AppError {
  return new AppError('unknown-token-id', {
    where: { en: `example ${example}`, ru: `пример ${example}` },
    what: {
      en: `the tokenizer gives ${JSON.stringify(token)} the id ${id}, but the model has ${vocabulary} tokens`,
      ru: `у токена ${JSON.stringify(token)} номер ${id}, а у модели токенов ${vocabulary}`,
    },
    fix: {
      en: 'Train with the tokenizer that belongs to the model, or resize its embeddings',
      ru: 'Обучайте с токенизатором этой модели или расширьте её матрицу вложений',
    },
  })
}

function maskNoStop(example: string, last: string): AppError {
  return new AppError('mask-no-stop', {
    where: { en: `example ${example}`, ru: `пример ${example}` },
    what: {
      en: `a learnt turn ends with the token ${JSON.stringify(last)} and not with a stop token, so the model would not learn to stop`,
      ru: `выученная реплика кончается токеном ${JSON.stringify(last)}, а не стоп-токеном: модель не научится останавливаться`,
    },
    fix: {
      en: 'Use a tokenizer that keeps line breaks and has an end-of-text token',
      ru: 'Возьмите токенизатор, который сохраняет переводы строк и имеет токен конца текста',
    },
  })
}
