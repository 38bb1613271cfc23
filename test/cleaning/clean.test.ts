// Cleaning as a stage: sums, kinds, borders, and that cleaning twice equals cleaning once.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cleanDocument, explainCleaning } from '../../src/cleaning/clean.js'
import type { Block } from '../../src/sources/document.js'
import { documentOf } from './document-of.js'

const fixture = readFileSync(new URL('../fixtures/cleaning.txt', import.meta.url), 'utf8')
  .replace(/\\u([0-9a-f]{4})/gu, (_escape, code: string) => String.fromCharCode(parseInt(code, 16)))
  .split('\n')
  .filter(line => line.includes(' => '))
  .flatMap(line => line.split(' => ')[0].split(' ¶ '))

describe('cleanDocument', () => {
  test('leaves out title page and notes by kind, keeps verse and epigraphs, and marks headings as borders', () => {
    const { output, report, drops } = cleanDocument(
      documentOf([
        { kind: 'title', text: 'Тихий затон' },
        { kind: 'epigraph', text: 'Кто рано встал, тот ходит' },
        { kind: 'heading', text: 'Лодка. Утро.' },
        'Марфа вышла к реке.',
        { kind: 'verse', text: 'Плывёт луна' },
        { kind: 'note', text: 'Река Тихая.' },
      ]),
    )
    expect(output.blocks.map(({ kind }) => kind)).toEqual(['epigraph', 'heading', 'paragraph', 'verse'])
    expect(drops.map(({ reason, where }) => `${reason} ${where}`)).toEqual(['title-page a.txt:1', 'note a.txt:6'])
    expect(report).toMatchObject({ input: 6, kept: 4, dropped: { 'title-page': 1, note: 1 }, counts: { borders: 1 } })
  })

  test('drops borders for their reasons where headings are not kept', () => {
    const { output, report } = cleanDocument(documentOf(['Глава 1', 'Шёл снег.', '* * *', 'Снег кончился.']), {
      keepHeadings: false,
    })
    expect(output.blocks.map(({ text }) => text)).toEqual(['Шёл снег.', 'Снег кончился.'])
    expect(report.dropped).toEqual({ 'chapter-heading': 1, separator: 1 })
  })

  test('takes frequent bare numbers for pages and rare ones for chapters', () => {
    const page = 'Фома шёл по дороге и думал о том, что было. '.repeat(30).trim()
    const book = (texts: string): string[] => [1, 2, 3, 4, 5, 6].flatMap(n => [String(n), `${n}) ${texts}`])
    expect(cleanDocument(documentOf(book(page))).report.dropped).toEqual({ 'page-number': 6 })
    const chapters = cleanDocument(documentOf(book(`${page} `.repeat(4).trim())))
    expect(chapters.report).toMatchObject({ dropped: {}, counts: { borders: 6 } })
  })

  test('keeps a block that no rule touched as the same object', () => {
    const source = documentOf(['— Да.', 'Шёл  снег.', 'Он молчал… — «Ну?» - "да" -- нет'])
    const { blocks } = cleanDocument(source).output
    expect(blocks[0]).toBe(source.blocks[0])
    expect(blocks[1].text).toBe('Шёл снег.')
    expect(blocks[2]).toBe(source.blocks[2])
  })

  test('explains why a line went', () => {
    expect(explainCleaning('ISBN 5-11-222333-4')).toEqual([
      { rule: 'isbn', before: 'ISBN 5-11-222333-4', reason: 'isbn' },
    ])
    expect(explainCleaning('Шёл снег.')).toEqual([])
  })

  const piece = fc.oneof(
    fc.constantFrom(...fixture),
    fc.constantFrom(
      '&amp;nbsp;',
      '&amp;amp;lt;b&gt;',
      '<<b>i>',
      'http://a.b',
      ' ',
      '_',
      '*',
      '[1]',
      '(*2)',
      'прим. ред.',
      '(',
      ')',
      '\u00ad',
      '\u00a0',
      '&',
      'lt;',
      '2000',
    ),
    fc.string({ unit: 'binary', maxLength: 12 }),
  )
  const block = fc.record({
    kind: fc.constantFrom<Block['kind']>(
      'paragraph',
      'paragraph',
      'paragraph',
      'heading',
      'verse',
      'note',
      'epigraph',
      'title',
    ),
    text: fc.array(piece, { minLength: 1, maxLength: 4 }).map(pieces => pieces.join('')),
  })

  test('cleaning twice equals cleaning once, and nothing is lost', () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 25 }), fc.boolean(), (blocks, keepHeadings) => {
        const source = documentOf(blocks)
        const once = cleanDocument(source, { keepHeadings })
        const twice = cleanDocument(once.output, { keepHeadings })
        expect(twice.output).toEqual(once.output)
        expect(twice.drops).toEqual([])
        const lines = [
          ...once.output.blocks.map(({ line }) => line),
          ...once.drops.map(({ where }) => Number(where.split(':')[1])),
        ]
        expect(lines.sort((a, b) => a - b)).toEqual(source.blocks.map(({ line }) => line))
      }),
      { numRuns: 400 },
    )
  })
})
