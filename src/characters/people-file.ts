// Register ↔ text the user edits: one person a paragraph, aliases below, with line numbers in every error.
import { AppError, type Text } from '../base/errors.js'
import type { Alias, Gender, Person, Register } from './person.js'

const kinds: readonly Alias['kind'][] = ['first', 'patronymic', 'surname', 'diminutive', 'title', 'full', 'nickname']

const header = `# People of the book. A person is a line "id | name | m, f or ?", aliases follow, indented: "name | kind | count".
# To merge two people move the aliases of one under the other; to forget somebody delete the paragraph.
# Действующие лица: строка «id | имя | m, f или ?», ниже с отступом их имена: «имя | вид | сколько раз».
# kinds / виды: ${kinds.join(', ')}
`

export function formatPeople(register: Register): string {
  const paragraphs = register.people.map(({ id, name, gender, aliases }) =>
    [`${id} | ${name} | ${gender === 'unknown' ? '?' : gender}`, ...aliases.map(formatAlias)].join('\n'),
  )
  return [header, ...paragraphs].join('\n') + '\n'
}

function formatAlias({ name, kind, count }: Alias): string {
  return `  ${name} | ${kind} | ${count}`
}

/**
 * Reads what formatPeople wrote and a user edited. A person's count is the sum of its aliases.
 * @param where file name for messages
 * @throws AppError `bad-people` with the line number
 */
export function parsePeople(text: string, where = 'people.txt'): Register {
  const people: { id: string; name: string; gender: Gender; aliases: Alias[]; line: number }[] = []
  text.split(/\r?\n/u).forEach((line, i) => {
    if (!line.trim() || line.trim().startsWith('#')) return
    const cells = line.split('|').map(cell => cell.trim())
    const at = `${where}:${i + 1}`
    if (!/^\s/u.test(line)) people.push({ ...readPerson(cells, at, line), line: i + 1 })
    else {
      const owner = people.at(-1)
      if (!owner) throw badPeople(at, line, aliasFirst)
      owner.aliases.push(readAlias(cells, at, line))
    }
  })
  checkIds(people, where)
  return { people: people.map(toPerson).sort((a, b) => b.count - a.count) }
}

function toPerson({
  id,
  name,
  gender,
  aliases,
}: {
  id: string
  name: string
  gender: Gender
  aliases: Alias[]
}): Person {
  const own = aliases.length ? aliases : [{ name, kind: 'full' as const, count: 0 }]
  return { id, name, gender, aliases: own, count: own.reduce((sum, { count }) => sum + count, 0) }
}

function readPerson(
  cells: readonly string[],
  at: string,
  line: string,
): { id: string; name: string; gender: Gender; aliases: Alias[] } {
  const [id, name, mark = '?'] = cells
  if (!id || !name || cells.length > 3) throw badPeople(at, line, personForm)
  if (mark !== 'm' && mark !== 'f' && mark !== '?') throw badPeople(at, line, genderForm)
  return { id, name, gender: mark === '?' ? 'unknown' : mark, aliases: [] }
}

function readAlias(cells: readonly string[], at: string, line: string): Alias {
  const [name, kind = 'full', count = '0'] = cells
  const known = kinds.find(one => one === kind)
  if (!name || cells.length > 3 || !/^\d+$/u.test(count)) throw badPeople(at, line, aliasForm)
  if (!known) throw badPeople(at, line, kindForm)
  return { name, kind: known, count: Number(count) }
}

function checkIds(people: readonly { id: string; line: number }[], where: string): void {
  const seen = new Map<string, number>()
  for (const { id, line } of people) {
    const first = seen.get(id)
    if (first !== undefined) {
      throw badPeople(`${where}:${line}`, id, {
        en: `This id stands on line ${first} already; give another one`,
        ru: `Этот id уже есть в строке ${first}; дайте другой`,
      })
    }
    seen.set(id, line)
  }
}

const personForm: Text = { en: 'Write: id | name | m, f or ?', ru: 'Пишите: id | имя | m, f или ?' }
const genderForm: Text = { en: 'Gender is m, f or ?', ru: 'Пол: m, f или ?' }
const aliasForm: Text = { en: 'Write, indented: name | kind | count', ru: 'Пишите с отступом: имя | вид | сколько раз' }
const kindForm: Text = { en: `Kinds: ${kinds.join(', ')}`, ru: `Виды: ${kinds.join(', ')}` }
const aliasFirst: Text = { en: 'An alias needs a person above it', ru: 'Над именем должен стоять человек' }

function badPeople(where: string, line: string, fix: Text): AppError {
  return new AppError('bad-people', {
    where,
    what: { en: `cannot read "${line.trim()}"`, ru: `непонятная строка «${line.trim()}»` },
    fix,
  })
}
