// Invented people for the tests of this room.
import type { Alias, Gender, Person, Register } from '../../src/characters/person.js'
import type { Document } from '../../src/sources/document.js'

function person(id: string, name: string, gender: Gender, aliases: readonly [string, Alias['kind']][]): Person {
  const own = aliases.map(([alias, kind]) => ({ name: alias, kind, count: 1 }))
  return { id, name, gender, aliases: own, count: own.length }
}

export const village: Register = {
  people: [
    person('saveliy', 'Савелий', 'm', [['Савелий', 'first']]),
    person('goryunov', 'Пётр Горюнов', 'm', [
      ['Горюнов', 'surname'],
      ['Пётр Горюнов', 'full'],
    ]),
    person('ulyana', 'Ульяна', 'f', [['Ульяна', 'first']]),
  ],
}

export function makeBook(paragraphs: readonly string[]): Document {
  const blocks = paragraphs.map((text, i) => ({
    kind: 'paragraph' as const,
    text,
    line: i + 1,
    span: [0, text.length] as const,
  }))
  return { title: 'Книга', file: 'book.txt', sha256: '', encoding: { name: 'utf-8', by: 'given' }, blocks }
}
