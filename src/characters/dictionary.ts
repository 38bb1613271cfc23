// A person of the register → the editable list that maps every form of their names to я, меня, мне … or ты, тебя, тебе …
import { AppError } from '../base/errors.js'
import type { Case } from '../language/morphology.js'
import { personalPronoun, type PronounPerson } from '../language/pronouns.js'
import { wordKey } from '../language/words.js'
import { aliasForms } from './lookup.js'
import type { Person, Register } from './person.js'
import { resolvePerson } from './register.js'

/** Name form (word key) → what replaces it. `-` keeps the name as it is. */
export interface PronounDictionary {
  readonly person: PronounPerson
  readonly entries: ReadonlyMap<string, string>
}

/** Where one form stands for several cases the commonest in prose wins: subject, object, then the rest. */
const preference: readonly Case[] = ['nomn', 'accs', 'gent', 'datv', 'ablt', 'loct']

/**
 * @param person id or name; '*' takes everybody, as TiMe's dict_me and dict_ti do
 * @throws AppError `unknown-character`
 */
export function buildDictionary(register: Register, person: string, kind: PronounPerson): PronounDictionary {
  const people = person === '*' ? register.people : [resolvePerson(register, person)]
  const entries = new Map<string, string>()
  for (const one of people)
    for (const [form, cases] of formsOf(one)) {
      const best = preference.find(c => cases.has(c))
      if (best && !entries.has(form)) entries.set(form, personalPronoun(kind, best))
    }
  return { person: kind, entries }
}

function formsOf(person: Person): Map<string, Set<Case>> {
  const all = new Map<string, Set<Case>>()
  for (const alias of person.aliases) {
    for (const [form, cases] of aliasForms(person, alias)) {
      const known = all.get(form) ?? new Set<Case>()
      cases.forEach(c => known.add(c))
      all.set(form, known)
    }
  }
  return all
}

/** One form a line: `голядкина = меня`; lines that begin with # are notes. */
export function formatDictionary({ person, entries }: PronounDictionary): string {
  const rows = [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([form, word]) => `${form} = ${word}`)
  return [
    `# ${person}: form = replacement ("-" keeps the name) / форма = замена («-» оставляет имя)`,
    ...rows,
    '',
  ].join('\n')
}

/**
 * @param where file name for messages
 * @throws AppError `bad-dictionary` with the line number
 */
export function parseDictionary(text: string, person: PronounPerson, where = 'dictionary'): PronounDictionary {
  const entries = new Map<string, string>()
  text.split(/\r?\n/u).forEach((line, i) => {
    if (!line.trim() || line.trim().startsWith('#')) return
    const match = /^(?<form>[^=]+?)\s*=\s*(?<word>\S.*?)\s*$/u.exec(line.trim())?.groups
    if (!match) throw badLine(where, i + 1, line)
    entries.set(wordKey(match['form']), match['word'])
  })
  return { person, entries }
}

function badLine(where: string, line: number, text: string): AppError {
  return new AppError('bad-dictionary', {
    where: `${where}:${line}`,
    what: { en: `cannot read "${text}"`, ru: `непонятная строка «${text}»` },
    fix: {
      en: 'Write: form = replacement, for example: голядкину = мне',
      ru: 'Пишите: форма = замена, например: голядкину = мне',
    },
  })
}
