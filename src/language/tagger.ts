// Sentence → one parse per word: an averaged perceptron chooses among the dictionary's parses, left to right.
import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { assetPath } from '../base/package.js'
import {
  type FormInfo,
  advanceState,
  startState,
  writeAgreement,
  writeContext,
  type Label,
  type TagState,
} from './features.js'
import type { Parse } from './morphology.js'
import type { Token } from './words.js'

/** Weights live in a table of this many cells; features are hashed into it. */
export const tableBits = 21
const tableMask = (1 << tableBits) - 1
const contextBuffer = new Int32Array(64)

/** One multiplication, since this runs a hundred times a word: the upper bits of the product are the well-mixed ones. */
function cellOf(feature: number, hash: number): number {
  return Math.imul(feature ^ hash, 0x9e3779b1) >>> (32 - tableBits)
}

/** Cells a candidate's score is the sum of. Returns how many were written into `out`. */
export function candidateCells(
  context: Int32Array,
  n: number,
  state: TagState,
  i: number,
  label: Label,
  out: Int32Array,
): number {
  let m = 0
  for (const hash of [label.full, label.posCase, label.caseHash])
    for (let f = 0; f < n; f++) out[m++] = cellOf(context[f], hash)
  const end = writeAgreement(state, i, label, out, m)
  for (; m < end; m++) out[m] &= tableMask
  return m
}

const cellBuffer = new Int32Array(8)

/** Index of the best of the word's parses, -1 where it has none. */
export function choose(state: TagState, i: number, weights: Float32Array | Int8Array): number {
  const { labels } = state.forms[i]
  if (labels.length < 2) return labels.length - 1
  const n = writeContext(state, i, contextBuffer)
  // Candidates share parts of speech and cases, so each hash is summed once.
  const sums = new Map<number, number>()
  const sumOf = (hash: number): number => {
    const known = sums.get(hash)
    if (known !== undefined) return known
    let sum = 0
    for (let f = 0; f < n; f++) sum += weights[cellOf(contextBuffer[f], hash)]
    sums.set(hash, sum)
    return sum
  }
  let best = 0
  let bestScore = -Infinity
  labels.forEach((label, c) => {
    let score = sumOf(label.full) + sumOf(label.posCase) + sumOf(label.caseHash)
    const m = writeAgreement(state, i, label, cellBuffer, 0)
    for (let f = 0; f < m; f++) score += weights[cellBuffer[f] & tableMask]
    if (score > bestScore) [best, bestScore] = [c, score]
  })
  return best
}

let shipped: Int8Array | undefined

/** The weights of assets/russian/tagger.bin.gz; without them the dictionary's first parse wins. */
function shippedWeights(): Int8Array {
  if (shipped) return shipped
  const path = assetPath('russian', 'tagger.bin.gz')
  const bytes = existsSync(path) ? gunzipSync(readFileSync(path)) : Buffer.alloc(1 << tableBits)
  shipped = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  return shipped
}

/** A word with the parse chosen for it in its sentence; signs and unknown letters have none. */
export interface TaggedWord extends Token {
  readonly parse: Parse | undefined
  readonly parses: readonly Parse[]
}

/**
 * @param tokens one sentence, offsets are kept
 * @param names by token index: readings a caller knows better than the dictionary (a name's cases from its paradigm)
 */
export function tagWords(tokens: readonly Token[], names: ReadonlyMap<number, FormInfo> = noNames): TaggedWord[] {
  const weights = shippedWeights()
  const state = startState(tokens, names)
  return tokens.map((token, i) => {
    const { parses, labels } = state.forms[i]
    const index = choose(state, i, weights)
    advanceState(state, i, labels[index])
    const { kind, text, start, end } = token
    return { kind, text, start, end, parse: parses[index], parses }
  })
}

const noNames: ReadonlyMap<number, FormInfo> = new Map()
