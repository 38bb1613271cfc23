// case_propn.tsv → how many name tokens get the right pronoun, with the name given and with people found by the tool itself.
import { createRewriter } from '../src/characters/rewrite.js'
import { findCharacters } from '../src/characters/register.js'
import type { Alias, Edit, Gender, Register } from '../src/characters/person.js'
import type { Document } from '../src/sources/document.js'
import { splitWords } from '../src/language/words.js'
import { notMeasured, percent, readRows, type Miss, type Row, type Section } from './eval-report.js'

export function makeRegister(name: string, gender: string, kind: Alias['kind'] = 'full'): Register {
  const own: Gender = gender === 'Fem' ? 'f' : gender === 'Masc' ? 'm' : 'unknown'
  return { people: [{ id: 'x', name, gender: own, aliases: [{ name, kind, count: 1 }], count: 1 }] }
}

export function makeDocument(texts: readonly string[]): Document {
  const blocks = texts.map((text, i) => ({
    kind: 'paragraph' as const,
    text,
    line: i + 1,
    span: [0, text.length] as const,
  }))
  return { title: 'evaluation', file: 'evaluation', sha256: '', encoding: { name: 'utf-8', by: 'given' }, blocks }
}

const kinds: Readonly<Record<string, Alias['kind']>> = { Giv: 'first', Sur: 'surname', Pat: 'patronymic' }
const namingRules = new Set(['preposition-before-pronoun', 'verb-agreement', 'anaphora'])

export function measureNames(folder: string): Section {
  const rows = readRows(folder, 'case_propn.tsv')
  if (!rows) return notMeasured('name tokens with the right pronoun', 'case_propn.tsv')
  const plain = rows.filter(({ deprel }) => deprel !== 'vocative')
  const given = measureGiven(plain)
  const found = measureFound(plain)
  const sections = [given, found, measureVocatives(rows)]
  return { measures: sections.flatMap(({ measures }) => measures), misses: sections.flatMap(({ misses }) => misses) }
}

function measureGiven(rows: readonly Row[]): Section {
  const misses: Miss[] = []
  let right = 0
  for (const row of rows) {
    const register = makeRegister(row['lemma'], row['gender'], kinds[row['type']] ?? 'full')
    const { edits } = createRewriter({ register, mode: { kind: 'focus', me: 'x' }, anaphora: false }).rewrite(
      row['text'],
    )
    const edit = editAt(edits, row)
    if (edit && isRight(edit, row)) right++
    else
      misses.push({
        kind: 'names',
        text: `${row['form']} (${row['lemma']} ${row['gold_case']} ${row['deprel']}) ${edit ? `${edit.text} ${edit.rule}` : 'kept'}: ${row['text']}`,
      })
  }
  return {
    measures: [
      {
        name: 'name tokens right, the name given',
        value: percent(right, rows.length),
        unit: '%',
        note: `${right} of ${rows.length}, vocatives apart`,
      },
    ],
    misses,
  }
}

function measureFound(rows: readonly Row[]): Section {
  const texts = [...new Set(rows.map(({ text }) => text))]
  const { output: register } = findCharacters(makeDocument(texts))
  const rewriter = createRewriter({ register, mode: { kind: 'all', person: 'me' } })
  let [right, replaced, rightEdits] = [0, 0, 0]
  const misses: Miss[] = []
  for (const text of texts) {
    const { edits } = rewriter.rewrite(text)
    const own = rows.filter(row => row['text'] === text)
    const names = edits.filter(({ rule }) => !namingRules.has(rule))
    replaced += names.length
    const good = new Set<Edit>()
    for (const row of own) {
      const edit = editAt(names, row)
      if (edit && isRight(edit, row)) {
        right++
        good.add(edit)
      } else
        misses.push({
          kind: 'found',
          text: `${row['form']} (${row['gold_case']}) ${edit ? edit.text : 'kept'}: ${text}`,
        })
    }
    rightEdits += good.size
    for (const edit of names)
      if (!good.has(edit)) misses.push({ kind: 'wrong', text: `${edit.before} > ${edit.text} (${edit.rule}): ${text}` })
  }
  return {
    measures: [
      {
        name: 'name tokens right, found by the tool',
        value: percent(right, rows.length),
        unit: '%',
        note: `${right} of ${rows.length}`,
      },
      {
        name: 'replacements that are right',
        value: percent(rightEdits, replaced),
        unit: '%',
        note: `${rightEdits} of ${replaced}`,
      },
    ],
    misses,
  }
}

function measureVocatives(rows: readonly Row[]): Section {
  const calls = rows.filter(({ deprel }) => deprel === 'vocative')
  const changed = calls.filter(row => {
    const register = makeRegister(row['lemma'], row['gender'], kinds[row['type']] ?? 'full')
    const rewriter = createRewriter({ register, mode: { kind: 'focus', me: 'x' }, anaphora: false })
    return editAt(rewriter.rewrite(row['text']).edits, row)
  })
  const kept = calls.length - changed.length
  const value = percent(kept, calls.length)
  return {
    measures: [{ name: 'vocatives untouched', value, unit: '%', note: `${kept} of ${calls.length}` }],
    misses: changed.map(row => ({ kind: 'vocatives', text: `${row['form']}: ${row['text']}` })),
  }
}

/** The edit over the row's token. Where a form stands twice the token number chooses, counted roughly. */
function editAt(edits: readonly Edit[], row: Row): Edit | undefined {
  const tokens = splitWords(row['text'])
  const places = tokens.flatMap((token, i) =>
    token.text === row['form'] || token.text.startsWith(row['form']) ? [i] : [],
  )
  const at = Number(row['tok']) - 1
  const nearest = places.reduce<number | undefined>(
    (best, i) => (best === undefined || Math.abs(i - at) < Math.abs(best - at) ? i : best),
    undefined,
  )
  if (nearest === undefined) return undefined
  const { start, end } = tokens[nearest]
  return edits.find(edit => edit.start <= start && edit.end >= end && !namingRules.has(edit.rule))
}

/** The gold pronoun, or мой where the gold case is the genitive. */
function isRight({ text, rule }: Edit, row: Row): boolean {
  if (rule === 'genitive-attribute') return row['gold_case'] === 'Gen' && /^(?:мо|тво)/iu.test(text)
  const [word] = text.toLowerCase().split(/[ ,]/u)
  return word.replace(/ою$/u, 'ой') === row['gold_me']
}
