// Counts letter pairs in a folder of Russian texts (UTF-8) and prints src/sources/letter-bigrams.ts.
// node tools/letter-bigrams.ts FOLDER > src/sources/letter-bigrams.ts   (after stripping types, or through dist/)
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const letters = 'абвгдежзийклмнопрстуфхцчшщъыьэюя'
const size = letters.length + 1

const folder = process.argv[2]
const counts = Array.from({ length: size }, () => new Float64Array(size).fill(0.5))
for (const name of readdirSync(folder).filter(name => name.endsWith('.txt'))) countFile(join(folder, name))
console.log(renderTable())

function countFile(path: string): void {
  let before = 0
  for (const letter of readFileSync(path, 'utf8').toLowerCase().replaceAll('ё', 'е').replace(/\s+/gu, ' ')) {
    const now = letters.indexOf(letter) + 1
    counts[before][now]++
    before = now
  }
}

function renderTable(): string {
  const rows = counts.map(row => {
    const total = row.reduce((sum, n) => sum + n, 0)
    return [...row].map(n => Math.min(35, Math.round(-4 * Math.log(n / total))).toString(36)).join('')
  })
  return [
    '// Letter pairs of Russian prose, counted by tools/letter-bigrams.ts over public-domain novels of the 19th century.',
    '',
    '/** Order of rows and columns: 0 is anything but a letter, then these (ё counts as е). */',
    `export const bigramLetters = '${letters}'`,
    '',
    '/** Row: the letter before; column: the letter; a base-36 digit is −4·ln P(letter | letter before), at most 35. */',
    'export const bigramCosts: readonly string[] = [',
    ...rows.map(row => `  '${row}',`),
    ']',
  ].join('\n')
}
