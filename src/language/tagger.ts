// Sentence → one parse per word: an averaged perceptron chooses among the dictionary's parses, left to right.
import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { assetPath } from '../base/package.js'
import {
  type FormInfo,
  advanceState,
  mixHash,
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
  for (let f = 0; f < n; f++) {
    out[m++] = mixHash(context[f], label.full) & tableMask
    out[m++] = mixHash(context[f], label.posCase) & tableMask
    out[m++] = mixHash(context[f], label.caseHash) & tableMask
  }
  const end = writeAgreement(state, i, label, out, m)
  for (; m < end; m++) out[m] &= tableMask
  return m
}

const cellBuffer = new Int32Array(256)

/** Index of the best of the word's parses, -1 where it has none. */
export function choose(state: TagState, i: number, weights: Float32Array | Int8Array): number {
  const { labels } = state.forms[i]
  if (labels.length < 2) return labels.length - 1
  const n = writeContext(state, i, contextBuffer)
  let best = 0
  let bestScore = -Infinity
  for (let c = 0; c < labels.length; c++) {
    const m = candidateCells(contextBuffer, n, state, i, labels[c], cellBuffer)
    let score = 0
    for (let f = 0; f < m; f++) score += weights[cellBuffer[f]]
    if (score > bestScore) [best, bestScore] = [c, score]
  }
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
