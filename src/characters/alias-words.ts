// An alias of several words → each word with the kind of name it is.
import { parseWord } from '../language/morphology.js'
import { namesBehind, readFirstName } from './diminutives.js'
import type { NameWordKind } from './name-words.js'
import type { Alias } from './person.js'

export function classifyWords(alias: Pick<Alias, 'name' | 'kind'>, gender: 'm' | 'f'): [string, NameWordKind][] {
  const words = alias.name.split(/\s+/u)
  if (words.length === 1) return [[words[0], singleKind(words[0], alias.kind, gender)]]
  return words.map(word => [word, singleKind(word, 'full', gender)])
}

function singleKind(word: string, kind: Alias['kind'], gender: 'm' | 'f'): NameWordKind {
  if (kind === 'first' || kind === 'patronymic' || kind === 'surname' || kind === 'diminutive' || kind === 'nickname') {
    return kind
  }
  if (kind === 'title') return 'nickname'
  if (/(?:ович|евич|ьич|мич|тич|овна|евна|ична|инична)$/u.test(word)) return 'patronymic'
  if (readFirstName(word)) return 'first'
  if (namesBehind(word).length) return 'diminutive'
  const wanted = gender === 'f' ? 'femn' : 'masc'
  const parse = parseWord(word).find(({ name, case: c, gender: g }) => name && c === 'nomn' && g === wanted)
  if (parse?.name === 'Name') return 'first'
  return parse?.name === 'Surn' || /[оеё]ва?$|[иы]на?$|[сц]к(?:ий|ая)$/u.test(word) ? 'surname' : 'first'
}
