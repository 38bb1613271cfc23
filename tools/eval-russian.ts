// A folder of evaluation files → the measures of Russian rewriting, as a table or JSON.
// npm run eval:russian -- DIR [--json] [--show roundtrip|novels|verbs|names|speech] [--limit 40]
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { makeDocument, makeRegister, measureNames } from './eval-names.js'
import { notMeasured, percent, readRows, type Measure, type Miss, type Row, type Section } from './eval-report.js'
import { measureSpeech } from './eval-speech.js'
import { createRewriter } from '../src/characters/rewrite.js'
import { findCharacters } from '../src/characters/register.js'
import type { Edit } from '../src/characters/person.js'

/** Rewriting the name put in must give the sentence it was made from. ё and е count as one letter in the second figure. */
function measureRoundTrip(folder: string, file: string, kind: string): Section {
  const rows = readRows(folder, file)
  if (!rows) return notMeasured(`round trip, ${kind}`, file)
  const misses: Miss[] = []
  const counts = { all: 0, exact: 0, folded: 0, shown: 0, lowerStart: 0, finite: 0, finiteExact: 0 }
  for (const row of rows) {
    const got = likeTarget(rewriteRow(row), row)
    const finite = Number(row['n_presfut'] ?? row['n_verb'] ?? '0') > 0
    const exact = got === row['target']
    const folded = fold(got) === fold(row['target'])
    const shown = hideUnknowable(got) === hideUnknowable(row['target'])
    counts.all++
    if (exact) counts.exact++
    if (folded) counts.folded++
    if (shown) counts.shown++
    if (folded || sameButStart(got, row['target'])) counts.lowerStart++
    if (finite) counts.finite++
    if (finite && exact) counts.finiteExact++
    if (!folded) misses.push({ kind, text: `${row['input']}\n   want ${row['target']}\n   got  ${got}` })
  }
  const { all, exact, folded, shown, lowerStart, finite, finiteExact } = counts
  return {
    measures: [
      { name: `round trip exact, ${kind}`, value: percent(exact, all), unit: '%', note: `${exact} of ${all}` },
      {
        name: `  with a present or future verb`,
        value: percent(finiteExact, finite),
        unit: '%',
        note: `${finiteExact} of ${finite}`,
      },
      {
        name: `  ё read as е (the first letter of the line always forgiven)`,
        value: percent(folded, all),
        unit: '%',
        note: `${folded} of ${all}`,
      },
      {
        name: `  but for what the name hides: capitals of verse lines, мною or мной, ё`,
        value: percent(shown, all),
        unit: '%',
        note: `${shown} of ${all}`,
      },
      {
        name: `  letter case ignored`,
        value: percent(lowerStart, all),
        unit: '%',
        note: `${lowerStart} of ${all}`,
      },
    ],
    misses,
  }
}

function rewriteRow(row: Row): string {
  const register = makeRegister(row['name'], row['gender'])
  const mode = row['mode'] === 'ti' ? ({ kind: 'address', you: 'x' } as const) : ({ kind: 'focus', me: 'x' } as const)
  return createRewriter({ register, mode, anaphora: false }).rewrite(row['input']).text
}

/**
 * The rows were made from real sentences by a program that wrote ё and a capital first letter where the sentence has е
 * and a small one; no rewriting can know that, so the untouched first letter takes the target's case. ё is counted apart.
 */
function likeTarget(got: string, row: Row): string {
  const [first, wanted] = [got.charAt(0), row['target'].charAt(0)]
  return first !== wanted && first.toLowerCase() === wanted ? wanted + got.slice(1) : got
}

function fold(text: string): string {
  return text.replaceAll('ё', 'е').replaceAll('Ё', 'Е')
}

/** Where a pronoun was replaced by a name its letter case and its longer form are lost. */
function hideUnknowable(text: string): string {
  const pronouns = /(?<!\p{L})(?:я|меня|мне|мно[йю]|ты|тебя|тебе|тобо[йю]|мо[йяюеи]|мо(?:его|ему|им|их))(?!\p{L})/giu
  return fold(text).replace(pronouns, word => word.toLowerCase().replace(/ою$/u, 'ой'))
}

function sameButStart(a: string, b: string): boolean {
  return fold(a).toLowerCase() === fold(b).toLowerCase()
}

/** Real third-person sentences: the verbs listed must change into the forms listed, no other verb may. */
function measureVerbs(folder: string): Section {
  const rows = readRows(folder, 'agree_3rd.tsv')
  if (!rows) return notMeasured('verbs changed', 'agree_3rd.tsv')
  const misses: Miss[] = []
  let [right, made, asked] = [0, 0, 0]
  for (const row of rows) {
    const register = makeRegister(row['name'], row['gender'])
    const { edits } = createRewriter({ register, mode: { kind: 'focus', me: 'x' }, anaphora: false }).rewrite(
      row['text'],
    )
    const verbs = edits.filter(({ rule }) => rule === 'verb-agreement')
    const wanted = readChanges(row['change(id:form>me/ti)'])
    const hits = verbs.filter(edit => takeWanted(wanted, edit))
    made += verbs.length
    right += hits.length
    asked += hits.length + wanted.length
    if (hits.length < verbs.length || wanted.length) {
      const wrong = verbs.filter(edit => !hits.includes(edit)).map(({ before, text }) => `${before}>${text}`)
      const missed = wanted.map(({ form, me }) => `${form}>${me}`)
      misses.push({
        kind: 'verbs',
        text: `[${row['name']}] ${row['text']}\n   wrong ${wrong.join(' ')} missed ${missed.join(' ')}`,
      })
    }
  }
  return {
    measures: [
      { name: 'verbs changed, precision', value: percent(right, made), unit: '%', note: `${right} of ${made}` },
      { name: 'verbs changed, recall', value: percent(right, asked), unit: '%', note: `${right} of ${asked}` },
    ],
    misses,
  }
}

interface Change {
  readonly form: string
  readonly me: string
}

function readChanges(cell: string): Change[] {
  if (cell === '-' || !cell) return []
  return [...cell.matchAll(/\d+:(?<form>[^>\s]+)>(?<me>[^/\s]+)/gu)].map(match => ({
    form: match.groups?.['form'] ?? '',
    me: match.groups?.['me'] ?? '',
  }))
}

function takeWanted(wanted: Change[], { before, text }: Edit): boolean {
  const at = wanted.findIndex(
    ({ form, me }) => fold(form).toLowerCase() === fold(before).toLowerCase() && fold(me) === fold(text).toLowerCase(),
  )
  if (at < 0) return false
  wanted.splice(at, 1)
  return true
}

/** A person whom no text names: every text must come back as it was. */
function measureIdentity(texts: readonly string[]): Section {
  const rewriter = createRewriter({ register: makeRegister('Незванцев', 'Masc'), mode: { kind: 'focus', me: 'x' } })
  const same = texts.filter(text => rewriter.rewrite(text).text === text).length
  return {
    measures: [
      {
        name: 'text without the name byte-identical',
        value: percent(same, texts.length),
        unit: '%',
        note: `${same} of ${texts.length}`,
      },
    ],
    misses: [],
  }
}

/** Register and rewriting of all texts of the folder as one book; the dictionary's start-up is told apart. */
function measureSpeed(texts: readonly string[], startMs: number): Section {
  const document = makeDocument(texts)
  const words = texts.reduce((sum, text) => sum + text.split(/\s+/u).length, 0)
  const begin = process.cpuUsage().user
  const { output } = findCharacters(document)
  const rewriter = createRewriter({ register: output, mode: { kind: 'focus', me: output.people[0]?.id ?? 'x' } })
  for (const { text } of document.blocks) rewriter.rewrite(text)
  const seconds = (process.cpuUsage().user - begin) / 1e6
  const memory = Math.round(process.memoryUsage().rss / 1e6)
  const note = `register and focus rewriting of ${words} words in ${seconds.toFixed(2)} s of processor time, start-up ${Math.round(startMs)} ms, ${memory} MB`
  return { measures: [{ name: 'speed', value: words / seconds, unit: 'words/s', note }], misses: [] }
}

function allTexts(folder: string): string[] {
  const columns = [
    ['case_propn.tsv', 'text'],
    ['agree_roundtrip.tsv', 'input'],
    ['novel_roundtrip.tsv', 'input'],
    ['agree_3rd.tsv', 'text'],
  ] as const
  return [...new Set(columns.flatMap(([file, column]) => (readRows(folder, file) ?? []).map(row => row[column])))]
}

function evaluate(folder: string): Section {
  const begin = performance.now()
  createRewriter({ register: makeRegister('Вася', 'Masc'), mode: { kind: 'focus', me: 'x' } }).rewrite('Вася идёт.')
  const startMs = performance.now() - begin
  const texts = allTexts(folder)
  const sections = [
    measureSpeed(texts, startMs),
    measureNames(folder),
    measureRoundTrip(folder, 'agree_roundtrip.tsv', 'treebanks'),
    measureRoundTrip(folder, 'novel_roundtrip.tsv', 'novels'),
    measureVerbs(folder),
    measureIdentity(texts),
    measureSpeech(folder),
    notMeasured('speaker accuracy', 'file with speakers by register id'),
    notMeasured('он/она → я precision and coverage', 'file with marked antecedents'),
  ]
  return { measures: sections.flatMap(({ measures }) => measures), misses: sections.flatMap(({ misses }) => misses) }
}

function printTable(measures: readonly Measure[]): void {
  const width = Math.max(...measures.map(({ name }) => name.length))
  for (const { name, value, unit, note } of measures) {
    const figure = value === undefined ? '-' : unit === '%' ? `${value.toFixed(1)} %` : String(Math.round(value))
    console.log(`${name.padEnd(width)}  ${figure.padStart(8)}  ${note}`)
  }
}

function main(args: readonly string[]): void {
  const folder = args.find(
    (arg, i) => !arg.startsWith('--') && !args[i - 1]?.startsWith('--show') && !args[i - 1]?.startsWith('--limit'),
  )
  if (!folder || !existsSync(folder)) {
    console.error(
      `Usage: npm run eval:russian -- DIR [--json] [--show KIND] [--limit N]; received ${folder ?? 'no folder'}`,
    )
    process.exitCode = 2
    return
  }
  const { measures, misses } = evaluate(folder)
  if (args.includes('--json')) {
    console.log(JSON.stringify({ folder: basename(folder), measures }, null, 2))
    return
  }
  const show = args.includes('--show') ? args[args.indexOf('--show') + 1] : undefined
  const limit = args.includes('--limit') ? Number(args[args.indexOf('--limit') + 1]) : 40
  for (const { text } of misses.filter(({ kind }) => kind === show).slice(0, limit)) console.log(text)
  printTable(measures)
}

main(process.argv.slice(2))
