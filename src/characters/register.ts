// Document → register of its people, and the edits a user makes to it: merge, split, rename, set gender.
import { AppError } from '../base/errors.js'
import { nearestName } from '../base/nearest.js'
import { checkReport, countReasons, type Drop, type Staged } from '../base/report.js'
import type { Document } from '../sources/document.js'
import { parseWord } from '../language/morphology.js'
import { isCapitalised, wordKey } from '../language/words.js'
import { collectCapitals, type Capitals, type NameGroup } from './capitals.js'
import { countGenderVotes, nameWordsOf, rejectForm, type NameContext, type NotAName } from './name-words.js'
import { freeId, gatherPeople } from './people.js'
import type { Alias, Gender, Person, Register } from './person.js'
import { readTitle } from './titles.js'

/**
 * The people of a book, most mentioned first.
 * The report counts distinct capitalised forms; a drop says why a form is nobody's name.
 */
export function findCharacters(document: Document): Staged<Register> {
  const started = performance.now()
  const capitals = collectCapitals(document, word => readTitle(word) !== undefined)
  const { accepted, drops } = sift(capitals, document.file)
  const votes = countGenderVotes(capitals.groups)
  const people = gatherPeople(capitals.groups, nameWordsOf(capitals, accepted, votes), votes)
  const capitalised = accepted.size + drops.length
  const report = checkReport({
    stage: 'characters',
    unit: 'names',
    input: capitalised,
    kept: accepted.size,
    dropped: countReasons(drops),
    counts: { people: people.length, mentions: people.reduce((sum, { count }) => sum + count, 0) },
    seconds: (performance.now() - started) / 1000,
  })
  return { output: { people }, report, drops }
}

function sift(capitals: Capitals, file: string): { accepted: Set<string>; drops: Drop<NotAName>[] } {
  const context = readContext(capitals)
  const accepted = new Set<string>()
  const drops: Drop<NotAName>[] = []
  for (const [key, count] of capitals.forms) {
    if (count.inside + count.initial === 0) continue
    const reason = rejectForm(key, count, context)
    if (!reason) accepted.add(key)
    else drops.push({ stage: 'characters', reason, text: count.text, where: file })
  }
  return { accepted, drops }
}

function readContext(capitals: Capitals): NameContext {
  return {
    places: mostly(capitals, ({ before }) => placePrepositions.has(before?.text.toLowerCase() ?? ''), true),
    beside: namesByContext(capitals),
    quoted: mostly(capitals, isQuoted),
    attributes: mostly(capitals, isAttribute),
  }
}

/** Words whose groups are mostly of this kind. */
function mostly({ groups }: Capitals, holds: (group: NameGroup) => boolean, onlyFirst = false): ReadonlySet<string> {
  const counts = new Map<string, { all: number; held: number }>()
  for (const group of groups) {
    const held = holds(group) ? 1 : 0
    for (const word of onlyFirst ? group.words.slice(0, 1) : group.words) {
      const count = counts.get(wordKey(word)) ?? { all: 0, held: 0 }
      count.all++
      count.held += held
      counts.set(wordKey(word), count)
    }
  }
  return new Set([...counts].filter(([, { all, held }]) => held * 2 > all).map(([key]) => key))
}

/** «Витязь», "Витязь", ``Витязь'' */
function isQuoted({ before, after }: NameGroup): boolean {
  return /^[«„“"`']/u.test(before?.text ?? '') && /^[»“”"'&]/u.test(after?.text ?? '')
}

/** «Северной войны», «Московский институт»: an adjective and the noun behind it share case, number and gender. */
function isAttribute({ words, after }: NameGroup): boolean {
  if (after?.kind !== 'word' || words.length > 1 || isCapitalised(after.text)) return false
  const nouns = parseWord(after.text).filter(({ pos, known }) => known && (pos === 'NOUN' || pos === 'ADJF'))
  return parseWord(words[0]).some(
    ({ pos, case: c, number, gender }) =>
      pos === 'ADJF' &&
      nouns.some(n => n.case === c && n.number === number && (number === 'plur' || n.gender === gender)),
  )
}

/** Words beside a first name or patronymic, behind a title, or unknown words that a singular verb follows. */
function namesByContext({ groups }: Capitals): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { words, title, after } of groups) {
    if (title !== undefined || (words.length > 1 && words.some(isFirstName)))
      words.forEach(word => names.add(wordKey(word)))
    else if (words.length === 1 && isUnknown(words[0]) && after && isSingularVerb(after.text))
      names.add(wordKey(words[0]))
  }
  return names
}

function isFirstName(word: string): boolean {
  return parseWord(word).some(({ known, name }) => known && (name === 'Name' || name === 'Patr'))
}

function isUnknown(word: string): boolean {
  return !parseWord(word).some(({ known }) => known)
}

function isSingularVerb(word: string): boolean {
  const [parse] = parseWord(word)
  return parse?.pos === 'VERB' && parse.number === 'sing' && parse.gender !== 'neut' && parse.mood !== 'impr'
}

const placePrepositions = new Set(['в', 'во', 'из', 'на', 'под'])

/**
 * The person a user means by an id, a name or an alias; letter case and ё do not matter.
 * @throws AppError `unknown-character` with the nearest known names
 */
export function resolvePerson(register: Register, name: string): Person {
  const key = wordKey(name.trim())
  const found =
    register.people.find(person => person.id === name.trim()) ??
    register.people.find(person => wordKey(person.name) === key) ??
    register.people.find(({ aliases }) => aliases.some(alias => wordKey(alias.name) === key))
  if (found) return found
  const known = register.people.flatMap(person => [person.name, ...person.aliases.map(alias => alias.name)])
  const near = nearestName(name, known)
  const top = register.people.slice(0, 5).map(person => person.name)
  throw new AppError('unknown-character', {
    what: {
      en: `nobody called "${name}" is in the register of characters`,
      ru: `в списке действующих лиц нет имени «${name}»`,
    },
    fix: near
      ? {
          en: `Did you mean "${near}"? Most mentioned: ${top.join(', ')}`,
          ru: `Может быть, «${near}»? Чаще всего упомянуты: ${top.join(', ')}`,
        }
      : top.length
        ? { en: `Most mentioned: ${top.join(', ')}`, ru: `Чаще всего упомянуты: ${top.join(', ')}` }
        : { en: 'The register is empty; add people to it by hand', ru: 'Список пуст; впишите в него людей вручную' },
  })
}

/** One person out of two: the first keeps id and name, aliases and counts are added. */
export function mergePeople(register: Register, keep: string, absorb: string): Register {
  const target = resolvePerson(register, keep)
  const source = resolvePerson(register, absorb)
  if (target.id === source.id) return register
  const aliases = mergeAliases([...target.aliases, ...source.aliases])
  const gender = target.gender === 'unknown' ? source.gender : target.gender
  const merged: Person = { ...target, gender, aliases, count: target.count + source.count }
  return sorted(
    register.people.filter(({ id }) => id !== source.id).map(person => (person.id === target.id ? merged : person)),
  )
}

function mergeAliases(aliases: readonly Alias[]): Alias[] {
  const byName = new Map<string, Alias>()
  for (const alias of aliases) {
    const known = byName.get(wordKey(alias.name))
    byName.set(wordKey(alias.name), known ? { ...known, count: known.count + alias.count } : alias)
  }
  return [...byName.values()].sort((a, b) => b.count - a.count)
}

export function renamePerson(register: Register, person: string, name: string): Register {
  return change(register, person, old => ({ ...old, name }))
}

export function setGender(register: Register, person: string, gender: Gender): Register {
  return change(register, person, old => ({ ...old, gender }))
}

/**
 * Takes one alias out of a person and makes it a person of its own.
 * @throws AppError `unknown-character` when the person has no such alias
 */
export function splitAlias(register: Register, person: string, aliasName: string): Register {
  const owner = resolvePerson(register, person)
  const alias = owner.aliases.find(({ name }) => wordKey(name) === wordKey(aliasName))
  if (!alias) resolvePerson({ people: [owner] }, aliasName)
  if (!alias || owner.aliases.length < 2) return register
  const id = freeId(alias.name, new Set(register.people.map(other => other.id)))
  const own: Person = { id, name: alias.name, gender: owner.gender, aliases: [alias], count: alias.count }
  const rest: Person = {
    ...owner,
    aliases: owner.aliases.filter(other => other !== alias),
    count: owner.count - alias.count,
  }
  return sorted([...register.people.map(other => (other.id === owner.id ? rest : other)), own])
}

function change(register: Register, person: string, edit: (old: Person) => Person): Register {
  const { id } = resolvePerson(register, person)
  return { people: register.people.map(old => (old.id === id ? edit(old) : old)) }
}

function sorted(people: Person[]): Register {
  return { people: people.sort((a, b) => b.count - a.count) }
}
