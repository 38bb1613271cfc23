// Finding people in a book, editing the register, its text form, and the lookup dialogue uses.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { formatDictionary, buildDictionary, parseDictionary } from '../../src/characters/dictionary.js'
import { createPeopleLookup } from '../../src/characters/lookup.js'
import { formatPeople, parsePeople } from '../../src/characters/people-file.js'
import {
  findCharacters,
  mergePeople,
  renamePerson,
  resolvePerson,
  setGender,
  splitAlias,
} from '../../src/characters/register.js'
import { makeBook, village } from './people.js'

const book = makeBook([
  'Рано утром Савелий Лукич Бобриков вышел во двор. За Савелием Лукичом бежала собака.',
  'Вчера Бобриков говорил с Ульяной Тимофеевной. Она слушала Бобрикова молча, а потом Ульяна Тимофеевна ушла.',
  'В Москве шёл снег. Господин Бобриков-младший писал из Москвы Бобрикову, и Ульяне Тимофеевне он писал тоже.',
  'Скоро Саввушка вернулся, и все видели, как Бобриков обнял его.',
])

describe('findCharacters', () => {
  const { output, report, drops } = findCharacters(book)

  it('gathers a full name, its parts and their oblique forms into one person', () => {
    const [first] = output.people
    expect(first.name).toBe('Савелий Лукич Бобриков')
    expect(first.gender).toBe('m')
    expect(first.count).toBe(6)
  })

  it('takes the gender from a patronymic', () => {
    expect(resolvePerson(output, 'Ульяна Тимофеевна').gender).toBe('f')
  })

  it('keeps «-младший» apart from the bare surname', () => {
    expect(resolvePerson(output, 'Бобриков-младший').id).not.toBe(output.people[0].id)
  })

  it('leaves out places and words that only begin sentences, and says why', () => {
    expect(drops.filter(({ text }) => /^Москв/u.test(text)).map(({ reason }) => reason)).toEqual(['place', 'place'])
    expect(output.people.some(({ name }) => /Москв|Рано|Вчера|Скоро/u.test(name))).toBe(false)
    expect(report.kept + drops.length).toBe(report.input)
  })
})

describe('the register', () => {
  it('merges two people and adds up their mentions', () => {
    const merged = mergePeople(village, 'saveliy', 'goryunov')
    expect(merged.people.map(({ id }) => id)).toEqual(['saveliy', 'ulyana'])
    expect(merged.people[0].count).toBe(3)
    expect(resolvePerson(merged, 'Горюнов').id).toBe('saveliy')
  })

  it('splits an alias into a person of its own', () => {
    const split = splitAlias(village, 'goryunov', 'Горюнов')
    expect(resolvePerson(split, 'Горюнов').id).not.toBe('goryunov')
    expect(resolvePerson(split, 'Пётр Горюнов').id).toBe('goryunov')
  })

  it('renames and sets gender without touching the rest', () => {
    expect(resolvePerson(renamePerson(village, 'ulyana', 'Ульяна Петровна'), 'Ульяна Петровна').id).toBe('ulyana')
    expect(setGender(village, 'ulyana', 'unknown').people[2].gender).toBe('unknown')
    expect(setGender(village, 'ulyana', 'unknown').people[0]).toEqual(village.people[0])
  })

  it('reads back what it wrote', () => {
    expect(parsePeople(formatPeople(village)).people).toEqual([...village.people].sort((a, b) => b.count - a.count))
  })

  it('a broken line of the people file is refused with its number', () => {
    expect(() => parsePeople('saveliy | Савелий | x')).toThrowErrorMatchingInlineSnapshot(
      `[AppError: people.txt:1: cannot read "saveliy | Савелий | x". Gender is m, f or ?]`,
    )
    expect(() => parsePeople('a | Савелий | m\n  Савелий | name | 3')).toThrowErrorMatchingInlineSnapshot(
      `[AppError: people.txt:2: cannot read "Савелий | name | 3". Kinds: first, patronymic, surname, diminutive, title, full, nickname.]`,
    )
  })
})

describe('dictionaries', () => {
  it('map every form of a name to a pronoun', () => {
    const { entries } = buildDictionary(village, 'Ульяна', 'ti')
    expect(Object.fromEntries(entries)).toMatchObject({
      ульяна: 'ты',
      ульяне: 'тебе',
      ульяной: 'тобой',
      ульяну: 'тебя',
    })
  })

  it('read back what they wrote', () => {
    const dictionary = buildDictionary(village, '*', 'me')
    expect([...parseDictionary(formatDictionary(dictionary), 'me').entries].sort()).toEqual(
      [...dictionary.entries].sort(),
    )
  })

  it('refuse a broken line with its number', () => {
    expect(() => parseDictionary('# note\nсавелий я', 'me', 'dict_me.txt')).toThrowErrorMatchingInlineSnapshot(
      `[AppError: dict_me.txt:2: cannot read "савелий я". Write: form = replacement, for example: голядкину = мне.]`,
    )
  })
})

describe('createPeopleLookup', () => {
  it('finds people in any case, with titles, longest name first', () => {
    const text = 'К господину Горюнову пришла Ульяна с Петром Горюновым.'
    const found = createPeopleLookup(village).find(text)
    expect(found.map(({ id, start, end }) => [id, text.slice(start, end)])).toEqual([
      ['goryunov', 'господину Горюнову'],
      ['ulyana', 'Ульяна'],
      ['goryunov', 'Петром Горюновым'],
    ])
    expect(found[0].case).toBe('datv')
  })

  it('tells gender, and unknown for strangers', () => {
    expect(createPeopleLookup(village).gender('ulyana')).toBe('f')
    expect(createPeopleLookup(village).gender('nobody')).toBe('unknown')
  })
})

const shared = process.env['DVOYNIK_SHARED'] ?? join(import.meta.dirname, '..', '..', '..', 'shared')
const novel = join(shared, 'novels', 'dostoevsky_dvoynik.txt')

describe.skipIf(!existsSync(novel))('«Двойник» (skipped where the shared novels are absent)', () => {
  it('has its hero first and the double apart', () => {
    const { people } = findCharacters(makeBook(readFileSync(novel, 'utf8').split('\n').filter(Boolean))).output
    expect(people[0].name).toBe('Яков Петрович Голядкин')
    expect(people[0].count).toBeGreaterThan(850)
    for (const name of ['Петрушка', 'Андрей Филиппович', 'Крестьян Иванович', 'Голядкин-младший', 'Клара Олсуфьевна']) {
      expect(people.slice(0, 15)).toContainEqual(resolvePerson({ people }, name))
    }
  })
})
