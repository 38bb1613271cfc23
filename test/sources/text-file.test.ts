// Plain text: which layout a file has, how its lines become paragraphs, where they lie, and title and author.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Document } from '../../src/sources/document.js'
import { decodeText } from '../../src/sources/encoding.js'
import { readTextFile } from '../../src/sources/text-file.js'
import { catchError } from './catch-error.js'

const read = (text: string, file = 'a.txt'): Document => readTextFile(Buffer.from(text), file).output
const texts = (document: Document): string[] => document.blocks.map(({ text }) => text)
const layoutOf = (text: string): string | undefined =>
  Object.keys(readTextFile(Buffer.from(text), 'a.txt').report.counts ?? {}).find(key => key.startsWith('layout:'))

const paragraphs = [
  'Ефим вышел из дому рано, когда над рекой ещё стоял туман и лодки у берега казались большими серыми птицами, которые спят.',
  '— Куда ты собрался в такую пору? — крикнула ему с крыльца Фёкла, запахивая на груди старый платок. — Там же ничего не видно.',
  '— На мельницу.',
  'Он шёл долго, и всё это время дорога поднималась, а туман понемногу редел, пока совсем не пропал за поворотом у старой берёзы.',
  'У ворот мельницы его ждали двое: хозяин и какой-то незнакомый старик в дорожном плаще, от которого пахло дымом и мятой.',
]

/** Hard-wraps as an old text file does. */
function wrap(text: string, width: number, first = '', indent = ''): string[] {
  const lines: string[] = []
  let line = first
  for (const word of text.split(' ')) {
    if (line.trim() && line.length + word.length + 1 > width) {
      lines.push(line)
      line = indent
    }
    line += (line.trim() ? ' ' : '') + word
  }
  return [...lines, line]
}

const books = {
  'layout:lines': paragraphs.join('\n'),
  'layout:spaced': paragraphs.map(text => wrap(text, 60).join('\n')).join('\n\n'),
  'layout:indented': paragraphs.map(text => wrap(text, 60, '    ').join('\n')).join('\n'),
  'layout:ragged': paragraphs.map(text => wrap(text, 60).join('\n')).join('\n'),
}

describe('readTextFile', () => {
  test.each(Object.entries(books))('finds %s and the same paragraphs', (layout, text) => {
    expect(layoutOf(text)).toBe(layout)
    expect(texts(read(text))).toEqual(paragraphs)
  })

  test.each(['\r\n', '\r', '\n'])('reads line ends %j alike, and trailing spaces and form feeds', lineEnd => {
    const text = `${books['layout:indented'].replaceAll('\n', '  \n')}\n\f\n`.replaceAll('\n', lineEnd)
    expect(texts(read(text))).toEqual(paragraphs)
  })

  test('a line that begins with a dash inside a paragraph stays in it where paragraphs are indented', () => {
    const text = [
      '    Фёкла долго молчала, глядя на воду, а потом',
      '- как будто нехотя - отвернулась и сказала, что',
      'больше не придёт.',
      '    - Прощай!',
      '    Ефим остался один и долго смотрел ей вслед, и',
      'только потом пошёл домой.',
    ].join('\n')
    expect(texts(read(text))).toEqual([
      'Фёкла долго молчала, глядя на воду, а потом - как будто нехотя - отвернулась и сказала, что больше не придёт.',
      '- Прощай!',
      'Ефим остался один и долго смотрел ей вслед, и только потом пошёл домой.',
    ])
  })

  test('takes far indented lines for verse', () => {
    const text = `${' '.repeat(30)}Плывёт луна над тёмной рекой,\n${' '.repeat(30)}Уснули люди, и пуст покой.\n${books['layout:indented']}`
    const { blocks } = read(text)
    expect(blocks.map(({ kind }) => kind)).toEqual(['verse', 'verse', ...paragraphs.map(() => 'paragraph')])
  })

  test('a hyphen at a line end goes only where the book itself decides it', () => {
    const text = [
      'Старый мельник сказал, что завтра кто-то при-',
      'дёт сюда, а он не хотел, чтобы кто-',
      'нибудь приходил, и потому северо-',
      'запад был закрыт; но всё же гость придёт и',
      'останется на обед.',
    ].join('\n')
    expect(texts(read(text))[0]).toBe(
      'Старый мельник сказал, что завтра кто-то придёт сюда, а он не хотел, чтобы кто-нибудь приходил, и потому северо-запад был закрыт; но всё же гость придёт и останется на обед.',
    )
    expect(readTextFile(Buffer.from(text), 'a.txt').report.counts).toMatchObject({
      'hyphens:removed': 1,
      'hyphens:kept': 2,
    })
  })

  test('a soft hyphen at a line end always goes', () => {
    const soft = '\u00ad'
    expect(
      texts(
        read(
          `Ефим шёл через поле и смот${soft}\nрел на небо, где собира${soft}\nлись тучи и летели птицы,\nа потом пропали.`,
        ),
      )[0],
    ).toBe('Ефим шёл через поле и смотрел на небо, где собирались тучи и летели птицы, а потом пропали.')
  })

  const titles: [string, Partial<Document>][] = [
    ['Анна Ветрова\nТихий затон\n\nГлава 1\n', { author: 'Анна Ветрова', title: 'Тихий затон' }],
    ['А. П. Ветрова\nТихий затон\nПовесть\n\nI\n', { author: 'А. П. Ветрова', title: 'Тихий затон' }],
    ['Тихий затон\nАнна Павловна Ветрова\n1907\n\n', { author: 'Анна Павловна Ветрова', title: 'Тихий затон' }],
    ['ТИХИЙ ЗАТОН\n\nГЛАВА I\n', { title: 'ТИХИЙ ЗАТОН' }],
    ['', { title: 'Затон (1907)' }],
  ]
  test.each(titles)('title and author of %j', (head, expected) => {
    const document = read(head + books['layout:lines'], 'книги/Затон (1907).txt')
    expect(document).toMatchObject(expected)
    expect(document.author).toBe(expected.author)
    expect(document.blocks.filter(({ kind }) => kind === 'title')).toHaveLength(
      head
        .split(/\n(?=\n)/u)[0]
        .split('\n')
        .filter(Boolean).length,
    )
  })

  test('knows Russian by its letters', () => {
    expect(read(books['layout:lines']).language).toBe('ru')
    expect(read('The miller went home.\nNobody saw him.').language).toBeUndefined()
  })

  test('refuses a file without letters', () => {
    const error = catchError(() => read('* * *\n\n123\n'))
    expect([error.code, error.render('ru')]).toEqual([
      'no-text',
      'a.txt: в файле нет ни одной буквы. Проверьте, та ли это книга.',
    ])
  })

  test('blocks lie where they say, in order and without overlap', () => {
    for (const text of Object.values(books))
      checkPlaces(Buffer.from(`Тихий затон\r\n\r\n${text.replaceAll('\n', '\r\n')}`))
  })
})

function checkPlaces(bytes: Buffer): void {
  const { blocks } = readTextFile(bytes, 'a.txt').output
  const source = decodeText(bytes, { where: 'a.txt' }).text
  const breaks = Array.from(source.matchAll(/\r\n|[\n\r]/gu), ({ index }) => index)
  let end = 0
  let line = 0
  for (const block of blocks) {
    const place = source.slice(...block.span)
    expect(block.span[0]).toBeGreaterThanOrEqual(end)
    expect(place.replace(/\s+/gu, '')).toBe(block.text.replace(/\s+/gu, ''))
    while (breaks[line] < block.span[0]) line++
    expect(block.line).toBe(line + 1)
    end = block.span[1]
  }
}

const novels = join(process.env['DVOYNIK_SHARED'] ?? '../shared', 'novels')
test.skipIf(!existsSync(novels))(
  'blocks of real novels lie where they say (shared folder; skipped where it is absent)',
  () => {
    for (const file of readdirSync(novels)) checkPlaces(readFileSync(join(novels, file)))
  },
)
