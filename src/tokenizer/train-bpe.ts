// Texts to a SentencePiece-style BPE vocabulary: the same pieces as spm_train gives, in seconds.
import { AppError } from '../base/errors.js'
import type { WorkOptions } from '../base/progress.js'
import {
  bpeModelType,
  bytePiece,
  normalizerFields,
  trainerFields,
  writeFloatField,
  writeIntField,
  writeTextField,
  type Piece,
  type RawField,
  type SentencePieceModel,
} from '../formats/sentencepiece.js'
import type { FileTokenizer } from './file.js'
import { createPairCounts, type SymbolTable } from './pair-counts.js'
import { createScriptOf, inheritedScript, isDigit } from './scripts.js'
import { createSentencePieceTokenizer } from './sentencepiece.js'
import { createWordCounts, type WordCounts } from './word-counts.js'

export interface TrainBpeOptions extends WorkOptions {
  /** All tokens together: `<unk>`, `<s>`, `</s>`, user-defined, 256 bytes, trained pieces. */
  readonly vocabSize: number
  /** Strings that are one token each and never part of a piece, e.g. "\n". */
  readonly userDefined?: readonly string[]
  /** Share of the text's characters that get a piece of their own; the rest is written in bytes. Default 0.9999. */
  readonly coverage?: number
  /** Characters that get a piece of their own however rare they are. */
  readonly required?: string
  /** In code points. Default 16. */
  readonly maxPieceLength?: number
  /** Whether each text is read as if a space stood before it. Default true, as SentencePiece has it. */
  readonly addDummyPrefix?: boolean
}

export interface TrainBpeReport {
  readonly texts: number
  readonly characters: number
  /** After cutting at spaces, digits and changes of script. */
  readonly words: number
  readonly distinctWords: number
  /** Characters with a piece of their own. */
  readonly alphabet: number
  /** Characters left to byte tokens, the most frequent first, at most 50. */
  readonly uncovered: readonly string[]
  readonly vocabSize: number
  readonly countSeconds: number
  readonly mergeSeconds: number
  /** Set when the text gave fewer pieces than asked for. */
  readonly shortBy: number
}

/**
 * Deterministic: equal texts and options give equal bytes.
 * @throws AppError `vocab-too-small` naming how much is missing, `no-text`, or `interrupted`
 */
export async function trainBpe(
  texts: AsyncIterable<string> | Iterable<string>,
  options: TrainBpeOptions,
): Promise<{ tokenizer: FileTokenizer; report: TrainBpeReport }> {
  const { vocabSize, userDefined = [], coverage = 0.9999, maxPieceLength = 16, addDummyPrefix = true, signal } = options
  const begun = performance.now()
  const counts = createWordCounts({ userDefined, addDummyPrefix })
  let read = 0
  for await (const text of texts) {
    counts.add(text)
    read++
    options.onProgress?.({ stage: 'tokenizer', done: read, unit: 'texts', note: `${counts.distinct} words` })
    if (signal?.aborted) throw interrupted()
  }
  if (counts.distinct === 0) throw noText()
  const counted = performance.now()
  const alphabet = chooseAlphabet(counts, coverage, options.required ?? '', new Set(userDefined))
  const meta = metaPieces(userDefined)
  const wanted = vocabSize - meta.length - alphabet.kept.length
  if (wanted < 0) throw vocabTooSmall(vocabSize, -wanted, meta.length, alphabet.kept.length)
  const merged = mergePairs(counts, alphabet.kept, wanted, maxPieceLength, options)
  const trained = [...merged, ...alphabet.kept.map(character => String.fromCodePoint(character))]
  const pieces = [...meta, ...trained.map((text, i): Piece => ({ text, score: -i, type: 'normal' }))]
  const model = createModel(pieces, { ...options, userDefined, coverage, maxPieceLength, addDummyPrefix })
  const report: TrainBpeReport = {
    texts: read,
    characters: counts.characters,
    words: counts.total,
    distinctWords: counts.distinct,
    alphabet: alphabet.kept.length,
    uncovered: alphabet.uncovered.slice(0, 50).map(character => String.fromCodePoint(character)),
    vocabSize: pieces.length,
    countSeconds: (counted - begun) / 1000,
    mergeSeconds: (performance.now() - counted) / 1000,
    shortBy: vocabSize - pieces.length,
  }
  return { tokenizer: createSentencePieceTokenizer(model), report }
}

function metaPieces(userDefined: readonly string[]): Piece[] {
  return [
    { text: '<unk>', score: 0, type: 'unknown' },
    { text: '<s>', score: 0, type: 'control' },
    { text: '</s>', score: 0, type: 'control' },
    ...userDefined.map((text): Piece => ({ text, score: 0, type: 'user-defined' })),
    ...Array.from({ length: 256 }, (_, byte): Piece => ({ text: bytePiece(byte), score: 0, type: 'byte' })),
  ]
}

/** TAB, NUL and U+2585 (the trainer's mark for what is left out) never become pieces. */
const neverPieces = new Set([0x00, 0x09, 0x2585])

/** By frequency falling, then code point rising, until the share is reached (in float32, as spm_train compares). */
function chooseAlphabet(counts: WordCounts, coverage: number, required: string, taken: ReadonlySet<string>) {
  const mustHave = new Set([...required].map(character => character.codePointAt(0) ?? 0))
  const frequencies = new Map<number, number>([...mustHave].map(codePoint => [codePoint, 0]))
  let total = 0
  counts.forEach((units, from, to, count) => {
    for (let i = from; i < to; i++) {
      const codePoint = unitsCodePoint(units, i)
      if (codePoint > 0xffff) i++
      frequencies.set(codePoint, (frequencies.get(codePoint) ?? 0) + count)
      total += count
    }
  })
  const sorted = [...frequencies].sort((a, b) => b[1] - a[1] || a[0] - b[0])
  const kept: number[] = []
  const uncovered: number[] = []
  let covered = 0
  for (const [codePoint, count] of sorted) {
    const enough = Math.fround(covered / total) >= Math.fround(coverage)
    if (!enough) covered += count
    const isLeftOut = enough && !mustHave.has(codePoint)
    if (isLeftOut || neverPieces.has(codePoint) || taken.has(String.fromCodePoint(codePoint))) uncovered.push(codePoint)
    else kept.push(codePoint)
  }
  return { kept, uncovered }
}

function unitsCodePoint(units: Uint16Array, at: number): number {
  const unit = units[at]
  return unit >= 0xd800 && unit < 0xdc00 ? 0x10000 + ((unit - 0xd800) << 10) + (units[at + 1] - 0xdc00) : unit
}

/** Symbol 0 is a character without a piece; then the alphabet, then merged pieces. */
function mergePairs(
  counts: WordCounts,
  alphabet: readonly number[],
  wanted: number,
  maxPieceLength: number,
  { onProgress, signal }: WorkOptions,
): string[] {
  const table = createSymbols(alphabet, maxPieceLength)
  const { symbols, starts, frequencies } = layOutWords(counts, alphabet)
  const pairs = createPairCounts(symbols, starts, frequencies, table)
  const have = new Set<string>()
  const pieces: string[] = []
  while (pieces.length < wanted) {
    const best = pairs.takeBest()
    if (!best) break
    const text = table.text(best.left) + table.text(best.right)
    // A second way to an existing string is dropped, unmerged, as spm_train does
    if (have.has(text)) continue
    have.add(text)
    pieces.push(text)
    pairs.merge(best.pair, table.join(best.left, best.right))
    if (pieces.length % 500 > 0) continue
    onProgress?.({ stage: 'tokenizer', done: pieces.length, total: wanted, unit: 'pieces' })
    if (signal?.aborted) throw interrupted()
  }
  return pieces
}

function layOutWords(counts: WordCounts, alphabet: readonly number[]) {
  const symbolOf = new Map(alphabet.map((codePoint, i) => [codePoint, i + 1]))
  const starts = new Int32Array(counts.distinct + 1)
  const frequencies = new Float64Array(counts.distinct)
  let size = 0
  counts.forEach((_units, from, to) => (size += to - from))
  const symbols = new Int32Array(size)
  let word = 0
  let at = 0
  counts.forEach((units, from, to, count) => {
    for (let i = from; i < to; i++) {
      const codePoint = unitsCodePoint(units, i)
      if (codePoint > 0xffff) i++
      symbols[at++] = symbolOf.get(codePoint) ?? 0
    }
    frequencies[word++] = count
    starts[word] = at
  })
  return { symbols: symbols.subarray(0, at), starts, frequencies }
}

interface GrowingSymbols extends SymbolTable {
  join(left: number, right: number): number
}

/** Symbols know their first and last script, so that joining two is checked without looking at their text. */
function createSymbols(alphabet: readonly number[], maxPieceLength: number): GrowingSymbols {
  const scriptOf = createScriptOf()
  const texts = ['']
  const lengths = [0]
  const firsts = [0]
  const lasts = [0]
  const alone = [true]
  for (const codePoint of alphabet) {
    const script = scriptOf(codePoint)
    texts.push(String.fromCodePoint(codePoint))
    lengths.push(1)
    firsts.push(script === inheritedScript ? 0 : script)
    lasts.push(script === inheritedScript ? 0 : script)
    alone.push(isDigit(codePoint))
  }
  return {
    text: symbol => texts[symbol],
    lengthOf: symbol => lengths[symbol],
    mayJoin(left, right) {
      if (alone[left] || alone[right] || lengths[left] + lengths[right] > maxPieceLength) return false
      return lasts[left] === 0 || firsts[right] === 0 || lasts[left] === firsts[right]
    },
    join(left, right) {
      texts.push(texts[left] + texts[right])
      lengths.push(lengths[left] + lengths[right])
      firsts.push(firsts[left] || firsts[right])
      lasts.push(lasts[right] || lasts[left])
      alone.push(false)
      return texts.length - 1
    },
  }
}

type ModelOptions = Required<Pick<TrainBpeOptions, 'userDefined' | 'coverage' | 'maxPieceLength' | 'addDummyPrefix'>> &
  Pick<TrainBpeOptions, 'required'>

function createModel(pieces: readonly Piece[], options: ModelOptions): SentencePieceModel {
  const t = trainerFields
  const trainer: RawField[] = [
    writeIntField(t.modelType, bpeModelType),
    writeIntField(t.vocabSize, pieces.length),
    writeFloatField(t.characterCoverage, options.coverage),
    writeIntField(t.maxPieceLength, options.maxPieceLength),
    writeIntField(t.splitByScript, true),
    writeIntField(t.splitByWhitespace, true),
    writeIntField(t.splitByNumber, true),
    writeIntField(t.splitDigits, true),
    ...options.userDefined.map(text => writeTextField(t.userDefined, text)),
    writeIntField(t.hardVocabLimit, false),
    writeIntField(t.byteFallback, true),
    ...(options.required ? [writeTextField(t.requiredChars, options.required)] : []),
    writeIntField(t.unkId, 0),
    writeIntField(t.bosId, 1),
    writeIntField(t.eosId, 2),
    writeIntField(t.padId, -1),
  ]
  const n = normalizerFields
  const normalizer: RawField[] = [
    writeTextField(n.name, 'identity'),
    writeIntField(n.addDummyPrefix, options.addDummyPrefix),
    writeIntField(n.removeExtraWhitespaces, false),
    writeIntField(n.escapeWhitespaces, true),
  ]
  return { pieces, trainer, normalizer, rest: [] }
}

function vocabTooSmall(vocabSize: number, missing: number, meta: number, alphabet: number): AppError {
  return new AppError('vocab-too-small', {
    what: {
      en: `a vocabulary of ${vocabSize} is ${missing} too small: ${meta} fixed tokens and ${alphabet} characters need a place`,
      ru: `словаря из ${vocabSize} не хватает на ${missing}: место нужно ${meta} служебным токенам и ${alphabet} символам`,
    },
    fix: {
      en: `Ask for at least ${vocabSize + missing} (--vocab ${vocabSize + missing})`,
      ru: `Задайте не меньше ${vocabSize + missing} (--vocab ${vocabSize + missing})`,
    },
  })
}

function noText(): AppError {
  return new AppError('no-text', {
    what: { en: 'there is no text to train a tokenizer on', ru: 'нет текста для обучения токенизатора' },
    fix: { en: 'Give texts that are not empty', ru: 'Дайте непустые тексты' },
  })
}

function interrupted(): AppError {
  return new AppError('interrupted', {
    kind: 'interrupted',
    what: { en: 'training of the tokenizer was stopped', ru: 'обучение токенизатора остановлено' },
    fix: { en: 'Run the command again; nothing was saved', ru: 'Повторите команду; ничего не сохранено' },
  })
}
