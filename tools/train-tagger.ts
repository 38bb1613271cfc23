// UD treebanks (*.conllu.gz) → assets/russian/tagger.bin.gz: trains the averaged perceptron of src/language/tagger.ts.
// node dist/tools/train-tagger.js FOLDER [--held-out taiga-dev] [--epochs 8] [--out assets/russian/tagger.bin.gz]
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { permutation } from '../src/base/random.js'
import {
  advanceState,
  nameForm,
  startState,
  writeContext,
  type FormInfo,
  type Label,
} from '../src/language/features.js'
import type { Parse } from '../src/language/morphology.js'
import { cases as allCases } from '../src/language/names.js'
import { candidateCells, choose, tableBits } from '../src/language/tagger.js'

interface GoldWord {
  readonly kind: 'word' | 'number' | 'punct'
  readonly text: string
  readonly pos: string
  readonly lemma: string
  readonly features: Readonly<Record<string, string>>
}

const posTable: Readonly<Record<string, readonly string[]>> = {
  NOUN: ['NOUN'],
  PROPN: ['NOUN', 'ADJF'],
  ADJ: ['ADJF', 'ADJS', 'COMP', 'PRTF', 'PRTS'],
  DET: ['ADJF', 'NPRO', 'NUMR'],
  PRON: ['NPRO', 'ADJF', 'ADVB'],
  NUM: ['NUMR', 'NOUN', 'ADVB'],
  VERB: ['VERB', 'INFN', 'PRTF', 'PRTS', 'GRND', 'PRED'],
  AUX: ['VERB', 'INFN', 'GRND', 'PRTF', 'PRCL'],
  ADV: ['ADVB', 'PRED', 'COMP', 'CONJ', 'PRCL', 'ADJS'],
  ADP: ['PREP', 'ADVB'],
  CCONJ: ['CONJ', 'PRCL'],
  SCONJ: ['CONJ', 'ADVB', 'PRCL'],
  PART: ['PRCL', 'CONJ', 'INTJ', 'ADVB', 'PRED'],
  INTJ: ['INTJ', 'PRCL'],
}
const caseTable: Readonly<Record<string, string>> = {
  Nom: 'nomn', Gen: 'gent', Dat: 'datv', Acc: 'accs', Ins: 'ablt', Loc: 'loct', Par: 'gent', Voc: 'nomn',
} // prettier-ignore
const genderTable: Readonly<Record<string, string>> = { Masc: 'masc', Fem: 'femn', Neut: 'neut' }
const tenseTable: Readonly<Record<string, string>> = { Past: 'past', Pres: 'pres', Fut: 'futr' }
const formTable: Readonly<Record<string, readonly string[]>> = {
  Fin: ['VERB'],
  Inf: ['INFN'],
  Conv: ['GRND'],
  Part: ['PRTF', 'PRTS'],
}

function readTreebank(path: string): GoldWord[][] {
  const sentences: GoldWord[][] = []
  for (const block of gunzipSync(readFileSync(path)).toString('utf8').split(/\n\n+/u)) {
    const words = block
      .split('\n')
      .filter(line => /^\d+\t/u.test(line))
      .map(readWord)
    if (words.length) sentences.push(words)
  }
  return sentences
}

function readWord(line: string): GoldWord {
  const [, text, lemma, pos, , feats] = line.split('\t')
  const features = Object.fromEntries(feats === '_' ? [] : feats.split('|').map(f => f.split('=') as [string, string]))
  const kind = /^[\p{L}\p{M}]/u.test(text) ? 'word' : /^\d/u.test(text) ? 'number' : 'punct'
  return { kind, text, pos, lemma, features }
}

/** How well a parse fits the gold word; undefined when its part of speech cannot be right. */
function fit(word: GoldWord, parse: Parse): number | undefined {
  const allowed = word.features['VerbForm'] ? formTable[word.features['VerbForm']] : posTable[word.pos]
  if (!allowed?.includes(parse.pos)) return undefined
  const { features } = word
  const differs = (gold: string | undefined, own: string | undefined): boolean =>
    gold !== undefined && own !== undefined && gold !== own
  const wrongCase = features['Case'] !== undefined && caseTable[features['Case']] !== parse.case
  const number = features['Number'] === 'Plur' ? 'plur' : features['Number'] === 'Sing' ? 'sing' : undefined
  const wrongNumber = differs(number, parse.number)
  const wrongGender = differs(genderTable[features['Gender'] ?? ''], parse.gender)
  const wrongTense = differs(tenseTable[features['Tense'] ?? ''], parse.tense)
  const wrongMood = differs(features['Mood'] === 'Imp' ? 'impr' : 'indc', parse.mood)
  if (wrongCase || wrongNumber || wrongTense || wrongMood) return undefined
  const lemma = word.lemma.toLowerCase().replaceAll('ё', 'е') === parse.lemma.replaceAll('ё', 'е') ? 1 : 0
  const name = word.pos === 'PROPN' && parse.name !== undefined ? 1 : 0
  const animacy =
    features['Animacy'] === undefined || (features['Animacy'] === 'Anim') === (parse.animate ?? false) ? 0.5 : 0
  const first = posTable[word.pos]?.[0] === parse.pos ? 0.25 : 0
  return lemma + name + animacy + first - (wrongGender ? 2 : 0)
}

function goldIndex(word: GoldWord, parses: readonly Parse[]): number {
  let best = -1
  let bestFit = -Infinity
  parses.forEach((parse, i) => {
    const score = fit(word, parse)
    if (score !== undefined && score > bestFit) [best, bestFit] = [i, score]
  })
  return best
}

const tableSize = 1 << tableBits
const sum = new Float64Array(tableSize)
const weights = new Float32Array(tableSize)
const stamp = new Int32Array(tableSize)
let step = 0

function bump(cell: number, by: number): void {
  sum[cell] += weights[cell] * (step - stamp[cell])
  stamp[cell] = step
  weights[cell] += by
}

const context = new Int32Array(64)
const cells = new Int32Array(256)

/** A third of the names are read as if they did not decline, so that their neighbours alone teach the case. */
function hideNames(sentence: readonly GoldWord[]): Map<number, FormInfo> {
  const hidden = new Map<number, FormInfo>()
  sentence.forEach(({ pos, features, text }, i) => {
    if (pos !== 'PROPN' || features['Number'] !== 'Sing' || features['Case'] === undefined) return
    const gender = features['Gender'] === 'Fem' ? 'femn' : 'masc'
    if ((step + i) % 3 === 0) hidden.set(i, nameForm(text, allCases, gender, 'Name'))
  })
  return hidden
}

function learn(sentence: readonly GoldWord[]): void {
  const state = startState(sentence, hideNames(sentence))
  sentence.forEach((word, i) => {
    const { labels, parses } = state.forms[i]
    const guess = choose(state, i, weights)
    const gold = goldIndex(word, parses)
    step++
    if (gold >= 0 && guess !== gold && labels[guess].full !== labels[gold].full) {
      const n = writeContext(state, i, context)
      const nudge = (label: Label, by: number): void => {
        const m = candidateCells(context, n, state, i, label, cells)
        for (let f = 0; f < m; f++) bump(cells[f], by)
      }
      nudge(labels[gold], 1)
      nudge(labels[guess], -1)
    }
    advanceState(state, i, labels[guess])
  })
}

function averaged(): Float32Array {
  return Float32Array.from(weights, (w, cell) => (sum[cell] + w * (step - stamp[cell])) / Math.max(1, step))
}

/** Shares of words whose case (of those with one in gold) and whole label are right. */
function measure(sentences: readonly GoldWord[][], table: Float32Array | Int8Array | undefined): string {
  let [cased, caseRight, verbs, posRight, words, all] = [0, 0, 0, 0, 0, 0]
  for (const sentence of sentences) {
    const state = startState(sentence)
    sentence.forEach((word, i) => {
      const { labels, parses } = state.forms[i]
      const guess = table ? choose(state, i, table) : parses.length ? 0 : -1
      advanceState(state, i, labels[guess])
      if (word.kind !== 'word' || word.pos === 'X' || word.pos === 'SYM') return
      words++
      const gold = goldIndex(word, parses)
      if (gold >= 0 && labels[gold].full === labels[guess].full) all++
      if (gold >= 0 && parses[gold].pos === parses[guess].pos) posRight++
      if (word.features['VerbForm'] === 'Fin') verbs++
      if (word.features['Case'] === undefined) return
      cased++
      if (parses[guess]?.case === caseTable[word.features['Case']]) caseRight++
    })
  }
  const percent = (a: number, b: number): string => ((100 * a) / b).toFixed(2) + ' %'
  return `case ${percent(caseRight, cased)}, part of speech ${percent(posRight, words)}, all features ${percent(all, words)} of ${words} words (${verbs} finite verbs)`
}

function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? fallback : process.argv[at + 1]
}

/** One byte a cell: the scale that keeps 99.99 % of cells unclipped. */
function quantise(table: Float32Array): Int8Array {
  const sizes = Float32Array.from(table, Math.abs).sort()
  const scale = 127 / sizes[Math.floor(sizes.length * 0.9999)]
  return Int8Array.from(table, w => Math.max(-127, Math.min(127, Math.round(w * scale))))
}

function main(): void {
  const folder = process.argv[2]
  const heldOut = option('held-out', 'taiga-dev')
  const files = readdirSync(folder)
    .filter(name => name.endsWith('.conllu.gz'))
    .sort()
  const train = files.filter(name => !name.startsWith(heldOut)).flatMap(name => readTreebank(join(folder, name)))
  const test = files.filter(name => name.startsWith(heldOut)).flatMap(name => readTreebank(join(folder, name)))
  console.log(`train ${train.length} sentences of ${files.filter(name => !name.startsWith(heldOut)).join(', ')}`)
  console.log(`held out ${heldOut}: dictionary's first parse: ${measure(test, undefined)}`)
  const epochs = Number(option('epochs', '8'))
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (const at of permutation(1, epoch, train.length)) learn(train[at])
  }
  const table = quantise(averaged())
  const bytes = gzipSync(new Uint8Array(table.buffer), { level: 9 })
  writeFileSync(option('out', join('assets', 'russian', 'tagger.bin.gz')), bytes)
  const seconds = process.cpuUsage().user / 1e6
  console.log(
    `held out ${heldOut}: ${measure(test, table)}; ${(bytes.length / 1e6).toFixed(2)} MB, ${seconds.toFixed(0)} s`,
  )
}

main()
