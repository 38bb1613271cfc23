// assets/russian/diminutives.txt → full name of an everyday form, and gender of a first name.
import { readFileSync } from 'node:fs'
import { assetPath } from '../base/package.js'
import { wordKey } from '../language/words.js'

export interface FirstName {
  readonly name: string
  readonly gender: 'm' | 'f'
}

interface NameTables {
  readonly full: ReadonlyMap<string, FirstName>
  readonly byDiminutive: ReadonlyMap<string, readonly FirstName[]>
}

let tables: NameTables | undefined

function loadTables(): NameTables {
  if (tables) return tables
  const full = new Map<string, FirstName>()
  const byDiminutive = new Map<string, FirstName[]>()
  for (const line of readFileSync(assetPath('russian', 'diminutives.txt'), 'utf8').split('\n')) {
    const match = /^(?<name>\p{L}+) (?<gender>[mf]):(?<forms>.*)$/u.exec(line)?.groups
    if (!match) continue
    const entry: FirstName = { name: match['name'], gender: match['gender'] as 'm' | 'f' }
    full.set(wordKey(entry.name), entry)
    for (const form of match['forms'].trim().split(/\s+/u)) {
      byDiminutive.set(wordKey(form), [...(byDiminutive.get(wordKey(form)) ?? []), entry])
    }
  }
  tables = { full, byDiminutive }
  return tables
}

/** The entry of a full first name in the nominative. */
export function readFirstName(name: string): FirstName | undefined {
  return loadTables().full.get(wordKey(name))
}

/** Full names an everyday form may stand for; empty when it is none. */
export function namesBehind(form: string): readonly FirstName[] {
  return loadTables().byDiminutive.get(wordKey(form)) ?? []
}
