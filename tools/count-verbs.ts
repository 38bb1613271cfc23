// A folder of prose (*.txt) → assets/russian/thing-verbs.txt, reflexive verbs whose present subject is hardly ever я or ты, and
// assets/russian/person-verbs.txt, verbs that often have one. node dist/tools/count-verbs.js FOLDER [--out assets/russian]
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseWord } from '../src/language/morphology.js'

interface Count {
  third: number
  own: number
}

/** Counts present and future singular forms of one file: third person against first and second. */
function countFile(path: string, counts: Map<string, Count>): void {
  const forms = new Map<string, number>()
  for (const [word] of readFileSync(path, 'utf8').matchAll(/\p{L}+/gu)) {
    const key = word.toLowerCase()
    forms.set(key, (forms.get(key) ?? 0) + 1)
  }
  for (const [form, times] of forms) {
    const parses = parseWord(form)
    const [parse] = parses
    if (!parse?.known || parse.pos !== 'VERB' || parse.number !== 'sing' || parse.person === undefined) continue
    if (parses.some(other => other.pos !== 'VERB')) continue
    const count = counts.get(parse.lemma) ?? { third: 0, own: 0 }
    if (parse.person === '3per') count.third += times
    else count.own += times
    counts.set(parse.lemma, count)
  }
}

/** Reflexive verbs alone: others share too many forms with other words to be counted by form. */
function isRare(lemma: string, { third, own }: Count): boolean {
  return /ся$/u.test(lemma) && third >= 8 && own * 60 <= third
}

const auxiliaries = new Set(['быть', 'стать', 'мочь', 'смочь', 'иметь'])

function isPersonal(lemma: string, { third, own }: Count): boolean {
  return own >= 6 && own * 4 >= third && !auxiliaries.has(lemma)
}

function writeTable(path: string, what: string, books: number, lemmas: readonly string[]): void {
  const source = `# Counted by tools/count-verbs.ts in ${books} public-domain books of Russian prose; counts only, no text. CC0.`
  writeFileSync(path, `# ${what}\n${source}\n${lemmas.toSorted().join('\n')}\n`)
}

function main(folder: string, out: string): void {
  const counts = new Map<string, Count>()
  const files = readdirSync(folder)
    .filter(name => name.endsWith('.txt'))
    .sort()
  for (const file of files) countFile(join(folder, file), counts)
  const choose = (fits: typeof isRare): string[] =>
    [...counts].filter(([lemma, count]) => fits(lemma, count)).map(([lemma]) => lemma)
  const [things, people] = [choose(isRare), choose(isPersonal)]
  const thing =
    'Reflexive verbs whose singular present or future form has я or ты as its subject in at most one case of 60.'
  const person = 'Verbs whose singular present or future form has я or ты as its subject in at least one case of 5.'
  writeTable(join(out, 'thing-verbs.txt'), thing, files.length, things)
  writeTable(join(out, 'person-verbs.txt'), person, files.length, people)
  console.log(`${things.length} thing verbs and ${people.length} person verbs of ${counts.size}`)
}

const at = process.argv.indexOf('--out')
main(process.argv[2], at < 0 ? join('assets', 'russian') : process.argv[at + 1])
