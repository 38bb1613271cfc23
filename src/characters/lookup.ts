// Register → mentions of its people in a text: a map from name forms, longest match first, linear in the text.
import type { PeopleLookup, PersonMention } from '../dialogue/scene.js'
import type { Case } from '../language/morphology.js'
import { isCapitalised, splitWords, wordKey, type Token } from '../language/words.js'
import { makeNameWord } from './name-words.js'
import { classifyWords } from './alias-words.js'
import type { Alias, Gender, Person, Register } from './person.js'
import { readTitle } from './titles.js'

/** What a sequence of words may be: whose name, in which cases. */
interface NameEntry {
  readonly id: string
  readonly cases: ReadonlySet<Case>
}

export interface NameIndex {
  readonly entries: ReadonlyMap<string, NameEntry>
  /** First words of names, so that most tokens cost one look. */
  readonly starts: ReadonlySet<string>
  readonly genders: ReadonlyMap<string, Person['gender']>
}

/** A mention with the tokens it covers (`[from, to)`), its title included, and the cases its form allows. */
export interface Mention {
  readonly id: string
  readonly from: number
  readonly to: number
  readonly cases: ReadonlySet<Case>
}

const maxWords = 4

/** Every alias of every person in six cases. A form two people share goes to the one who uses it more. */
export function indexNames(register: Register): NameIndex {
  const entries = new Map<string, { id: string; cases: Set<Case>; count: number }>()
  const starts = new Set<string>()
  for (const person of register.people) {
    for (const alias of person.aliases) addAlias(entries, person, alias)
    addAlias(entries, person, { name: person.name, kind: 'full', count: 0 })
  }
  for (const key of entries.keys()) starts.add(key.split(' ')[0])
  const genders = new Map(register.people.map(({ id, gender }) => [id, gender]))
  return { entries, starts, genders }
}

function addAlias(
  entries: Map<string, { id: string; cases: Set<Case>; count: number }>,
  person: Person,
  alias: Alias,
): void {
  for (const [key, cases] of aliasForms(person, alias)) {
    const known = entries.get(key)
    if (!known || (known.id !== person.id && known.count < alias.count)) {
      entries.set(key, { id: person.id, cases: new Set(cases), count: alias.count })
    } else if (known.id === person.id) cases.forEach(c => known.cases.add(c))
  }
}

/** The six forms of an alias, all its words in the same case, by word keys joined with spaces. */
export function aliasForms(
  person: Pick<Person, 'gender'>,
  alias: Pick<Alias, 'name' | 'kind'>,
): Map<string, Set<Case>> {
  const forms = new Map<string, Set<Case>>()
  const genders = person.gender === 'unknown' ? guessGenders(alias.name) : [person.gender]
  for (const gender of genders) {
    const words = classifyWords(alias, gender).map(([word, kind]) => makeNameWord(word, kind, gender))
    for (const c of ['nomn', 'gent', 'datv', 'accs', 'ablt', 'loct'] as const) {
      const key = words.map(word => wordKey(word.forms[c])).join(' ')
      forms.set(key, (forms.get(key) ?? new Set<Case>()).add(c))
      if (c === 'ablt' && /[ео]й$/u.test(key)) forms.set(key.replace(/й$/u, 'ю'), new Set<Case>(['ablt']))
    }
  }
  return forms
}

function guessGenders(name: string): readonly ('m' | 'f')[] {
  return /[ая]$/u.test(name) ? ['f'] : ['m']
}

/** Mentions among the tokens of one text, left to right, not overlapping. A title in an agreeing case belongs to the mention. */
export function findMentions(tokens: readonly Token[], index: NameIndex): Mention[] {
  const mentions: Mention[] = []
  let free = 0
  for (let i = 0; i < tokens.length; i++) {
    const mention = mentionAt(tokens, i, index)
    if (!mention) continue
    const from = i > free ? extendOverTitle(tokens, i, mention, index.genders.get(mention.id)) : i
    mentions.push({ ...mention, from })
    free = mention.to
    i = mention.to - 1
  }
  return mentions
}

function mentionAt(tokens: readonly Token[], i: number, index: NameIndex): Mention | undefined {
  const { kind, text } = tokens[i]
  if (kind !== 'word' || !isCapitalised(text)) return undefined
  const first = nameKey(text)
  if (!index.starts.has(first)) return undefined
  let best: Mention | undefined
  let key = first
  for (let n = 1; ; n++) {
    const entry = index.entries.get(key)
    if (entry) best = { id: entry.id, from: i, to: i + n, cases: entry.cases }
    const next = tokens[i + n] as Token | undefined
    if (n === maxWords || next?.kind !== 'word' || !isCapitalised(next.text)) return best
    key = `${key} ${nameKey(next.text)}`
  }
}

/** A particle may hang on a name: «Голядкин-то», «Иван-с». */
function nameKey(text: string): string {
  return wordKey(text).replace(/-(?:то|с|ка|де|таки)$/u, '')
}

/** A title of the other gender is another person's: «мать Владимира». */
function extendOverTitle(tokens: readonly Token[], i: number, mention: Mention, gender: Gender = 'unknown'): number {
  const before = i > 0 ? tokens[i - 1] : undefined
  if (before?.kind === 'word') {
    const title = readTitle(before.text)
    if (title && title.gender !== 'unknown' && gender !== 'unknown' && title.gender !== gender) return i
    return title && [...title.cases].some(c => mention.cases.has(c)) ? i - 1 : i
  }
  const abbreviated =
    before?.text === '.' && i > 1 && tokens[i - 2].end === before.start && readTitle(tokens[i - 2].text)
  return abbreviated && abbreviated.gender === 'unknown' ? i - 2 : i
}

/** Implements what dialogue needs to know of people. */
export function createPeopleLookup(register: Register): PeopleLookup {
  const index = indexNames(register)
  return {
    find: text => {
      const tokens = splitWords(text)
      return findMentions(tokens, index).map(mention => toPersonMention(mention, tokens))
    },
    gender: id => index.genders.get(id) ?? 'unknown',
  }
}

function toPersonMention({ id, from, to, cases }: Mention, tokens: readonly Token[]): PersonMention {
  const [only] = cases.size === 1 ? [...cases] : []
  return { id, start: tokens[from].start, end: tokens[to - 1].end, ...(only && { case: only }) }
}
