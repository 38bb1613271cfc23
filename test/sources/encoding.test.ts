// Bytes to text: every encoding given, declared and detected; short texts, capitals, Latin; and what is refused.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import iconv from 'iconv-lite'
import { describe, expect, test } from 'vitest'
import { decodeText } from '../../src/sources/encoding.js'
import { catchError } from './catch-error.js'

const story = `— Здравствуй, Фёкла! — крикнул мельник. — Что слышно за рекой?
Фёкла поставила ведро на землю и поправила платок. За рекой слышно было только собак.
— Тишина, — ответила она. — Зато вчера приехал Ефим и привёз чаю.
`
/** In each: sixty letters or a little more. */
const shortTexts = {
  speech: '— Ты придёшь завтра вечером к старой мельнице? — спросил Ефим и замолчал надолго.',
  narration: 'утром над рекой поднялся густой туман, и лодки пропали из виду одна за другой',
  'capitals only': 'ГЛАВА ПЕРВАЯ, В КОТОРОЙ ЕФИМ ПРИЕЗЖАЕТ В ДЕРЕВНЮ И НИКОГО НЕ НАХОДИТ ДОМА',
  'capitals above text': 'ЧАСТЬ ВТОРАЯ\n\nПУТЬ НА МЕЛЬНИЦУ\n\nЕфим шёл долго и всю дорогу думал о Фёкле.',
  'Latin around':
    '<title>The Old Mill, 1st draft</title> Мельник Ефим долго стучал в ворота, но ни Фёкла, ни Пётр ему не открыли. <p class="x">',
  'no capitals, no я': 'после обеда пошёл снег, и мельник решил остаться дома, чтобы починить старый стол',
}
const singleByte = ['windows-1251', 'koi8-r', 'ibm866', 'x-mac-cyrillic', 'iso-8859-5']
const iconvNames: Record<string, string> = { 'x-mac-cyrillic': 'maccyrillic', ibm866: 'cp866' }

function encode(text: string, name: string): Buffer {
  return iconv.encode(text, iconvNames[name] ?? name)
}

/** What the encoding can hold of a text: signs it lacks become hyphens. */
function fit(text: string, name: string): string {
  return [...text]
    .map(sign => (iconv.decode(encode(sign, name), iconvNames[name] ?? name) === sign ? sign : '-'))
    .join('')
}

describe('decodeText', () => {
  test.each(['utf-8', ...singleByte])('reads %s given, declared and detected', name => {
    const text = fit(story, name)
    const bytes = encode(text, name)
    expect(decodeText(bytes, { where: 'a', encoding: name })).toMatchObject({ text, encoding: { name, by: 'given' } })
    expect(decodeText(bytes, { where: 'a', declared: name })).toMatchObject({
      text,
      encoding: { name, by: 'declared' },
    })
    expect(decodeText(bytes, { where: 'a' })).toMatchObject({ text, encoding: { name, by: 'detected' } })
  })

  const rows = singleByte.flatMap(name =>
    Object.entries(shortTexts).map(([kind, text]) => ({ name, kind, text: fit(text, name) })),
  )
  test.each(rows)('detects $name in a short text: $kind', ({ name, text }) => {
    const decoded = decodeText(encode(text, name), { where: 'a' })
    expect(decoded.text).toBe(text) // Windows and Mac bytes may be the same, so the text counts, not the name
    expect(decoded.confidence).toBeGreaterThan(0.5)
  })

  test.each(['utf-16le', 'utf-16be'])('reads %s with a mark and without', name => {
    const bytes = iconv.encode(story, name)
    const marked = Buffer.concat([Buffer.from(name === 'utf-16le' ? [0xff, 0xfe] : [0xfe, 0xff]), bytes])
    expect(decodeText(marked, { where: 'a' })).toMatchObject({ text: story, encoding: { name, by: 'bom' } })
    expect(decodeText(bytes, { where: 'a' })).toMatchObject({ text: story, encoding: { name, by: 'detected' } })
    expect(decodeText(bytes, { where: 'a', encoding: 'windows-1251' })).toMatchObject({
      text: story,
      overruled: 'windows-1251',
    })
  })

  test.each(['utf-32le', 'utf-32be'])('reads %s by its mark, which begins as that of UTF-16 does', name => {
    const bytes = iconv.encode('\ufeff' + story, name)
    expect(decodeText(bytes, { where: 'a' })).toMatchObject({ text: story, encoding: { name, by: 'bom' } })
  })

  test('drops the mark of UTF-8 and says that it decided', () => {
    const decoded = decodeText(Buffer.from('\ufeff' + story), { where: 'a', declared: 'windows-1251' })
    expect(decoded).toMatchObject({ text: story, encoding: { name: 'utf-8', by: 'bom' }, overruled: 'windows-1251' })
  })

  test('an English page is UTF-8, with or without curly quotes', () => {
    const page = 'The miller’s wife said nothing — she rarely did. “Come in,” said he, naïvely. '.repeat(4)
    expect(decodeText(Buffer.from(page), { where: 'a' })).toMatchObject({ text: page, encoding: { name: 'utf-8' } })
    expect(decodeText(Buffer.from('Plain letters only.'), { where: 'a' }).encoding.name).toBe('utf-8')
  })

  test('believes valid UTF-8 over a wrong name', () => {
    const decoded = decodeText(Buffer.from(story), { where: 'a', encoding: 'windows-1251' })
    expect(decoded).toMatchObject({
      text: story,
      encoding: { name: 'utf-8', by: 'detected' },
      overruled: 'windows-1251',
    })
  })

  test.each([
    ['French', 'L’été dernier, le meunier rêvait près du fossé; sa sœur préférait être à Besançon. '],
    ['German', 'Die Müllerin hörte früh am Morgen schöne Lieder über Bäche, Mühlen und große Vögel. '],
  ])('does not take %s in windows-1252 for Russian', (_language, text) => {
    const error = catchError(() => decodeText(iconv.encode(text.repeat(5), 'windows-1252'), { where: 'a.txt' }))
    expect(error.code).toBe('undecided-encoding')
    expect(error.message).toContain('windows-1252')
  })

  test('damaged UTF-8 is an error with the line, or is read with a count', () => {
    const bytes = Buffer.from(story)
    bytes[bytes.indexOf(Buffer.from('Тишина')) + 1] = 0x20
    expect(catchError(() => decodeText(bytes, { where: 'a.txt' })).where).toBe('a.txt:3')
    const decoded = decodeText(bytes, { where: 'a.txt', lenient: true })
    expect(decoded).toMatchObject({ replaced: 1, encoding: { name: 'utf-8' } })
    expect(decoded.text).toBe(story.replace('Тишина', '\ufffd ишина'))
    const cut = Buffer.from(story.trim().repeat(2)).subarray(0, -2)
    expect(catchError(() => decodeText(cut, { where: 'a.txt' })).code).toBe('damaged-text')
  })

  const refused: [string, Buffer, object][] = [
    ['empty', Buffer.alloc(0), {}],
    ['only a mark', Buffer.from([0xef, 0xbb, 0xbf]), {}],
    ['PDF', Buffer.from('%PDF-1.7\n%âãÏÓ'), {}],
    ['ZIP', Buffer.from('PK\x03\x04\x14\0\0\0'), {}],
    [
      'EPUB',
      Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(26), Buffer.from('mimetypeapplication/epub+zip')]),
      {},
    ],
    ['Kindle', Buffer.concat([Buffer.from('Kniga'), Buffer.alloc(55), Buffer.from('BOOKMOBI')]), {}],
    ['NUL bytes', Buffer.from('abc\0def'), {}],
    ['unknown name', Buffer.from('abc'), { encoding: 'windows-1215' }],
    ['given UTF-8 that is not', encode(story, 'windows-1251'), { encoding: 'utf-8' }],
    ['noise', Buffer.from([0xe4, 0xf1, 0x41, 0x80, 0x90, 0x9f, 0xe3, 0x88, 0x20, 0xd2]), {}],
  ]
  test('says in both languages what is wrong and what to do', () => {
    const messages = refused.map(([title, bytes, options]) => {
      const error = catchError(() => decodeText(bytes, { where: 'a.txt', ...options }))
      return `${title} [${error.code}] ${error.render('en')} / ${error.render('ru')}`
    })
    expect(messages).toMatchInlineSnapshot(`
      [
        "empty [empty-file] a.txt: the file is empty. Check that it was copied or downloaded whole. / a.txt: файл пуст. Проверьте, что он скопирован или скачан целиком.",
        "only a mark [empty-file] a.txt: the file is empty. Check that it was copied or downloaded whole. / a.txt: файл пуст. Проверьте, что он скопирован или скачан целиком.",
        "PDF [binary-file] a.txt: this is not a text file but a PDF. Save the book as .txt or .fb2 (Calibre converts it) and add that file. / a.txt: это не текст, а PDF. Сохраните книгу как .txt или .fb2 (это умеет Calibre) и добавьте тот файл.",
        "ZIP [binary-file] a.txt: this is not a text file but a ZIP archive. Unpack it and add the .txt or .fb2 inside. / a.txt: это не текст, а архив ZIP. Распакуйте его и добавьте .txt или .fb2, который внутри.",
        "EPUB [binary-file] a.txt: this is not a text file but an EPUB book. Save the book as .txt or .fb2 (Calibre converts it) and add that file. / a.txt: это не текст, а книга EPUB. Сохраните книгу как .txt или .fb2 (это умеет Calibre) и добавьте тот файл.",
        "Kindle [binary-file] a.txt: this is not a text file but a Kindle book (.mobi, .azw). Save the book as .txt or .fb2 (Calibre converts it) and add that file. / a.txt: это не текст, а книга Kindle (.mobi, .azw). Сохраните книгу как .txt или .fb2 (это умеет Calibre) и добавьте тот файл.",
        "NUL bytes [binary-file] a.txt: this is not a text file: it holds control bytes. Give the book as .txt or .fb2. / a.txt: это не текст: в файле управляющие байты. Дайте книгу в виде .txt или .fb2.",
        "unknown name [unknown-encoding] a.txt: unknown encoding "windows-1215". Did you mean "windows-1251"? / a.txt: неизвестная кодировка «windows-1215». Может быть, «windows-1251»?",
        "given UTF-8 that is not [damaged-text] a.txt:1: damaged UTF-8: 164 bad of 166 letters beyond ASCII, the first at byte 0. It looks like windows-1251: add --encoding windows-1251 (in the plan and in code encoding: "windows-1251"). / a.txt:1: повреждённый UTF-8: негодных букв 164 из 166, первая — байт 0. Похоже на windows-1251: добавьте --encoding windows-1251 (в плане и в коде encoding: "windows-1251").",
        "noise [undecided-encoding] a.txt: the encoding cannot be told from the bytes; the likeliest: x-mac-cyrillic, ibm866, iso-8859-5. Name it: --encoding x-mac-cyrillic (in the plan and in code encoding: "x-mac-cyrillic"). / a.txt: по байтам нельзя решить, какая это кодировка; вероятнее всего: x-mac-cyrillic, ibm866, iso-8859-5. Назовите её: --encoding x-mac-cyrillic (в плане и в коде encoding: "x-mac-cyrillic").",
      ]
    `)
  })

  const letters = fc.constantFrom(...'абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯёЁ .,!?-\n')
  test('decode(encode(x)) = x for every encoding given by name', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: letters, minLength: 1 }),
        fc.constantFrom(...singleByte, 'utf-8', 'utf-16le', 'utf-16be'),
        (text, name) => {
          expect(decodeText(encode(text, name), { where: 'a', encoding: name }).text).toBe(text)
        },
      ),
    )
  })

  test('whatever the bytes, the answer is a text or an AppError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        try {
          expect(typeof decodeText(bytes, { where: 'a' }).text).toBe('string')
        } catch (thrown) {
          expect((thrown as Error).name).toBe('AppError')
        }
      }),
    )
  })
})

const novels = join(process.env['DVOYNIK_SHARED'] ?? '../shared', 'novels')
describe.skipIf(!existsSync(novels))('on real novels (shared folder; skipped where it is absent)', () => {
  test('every stretch of 60 letters is decoded right in each encoding', () => {
    const wrong: string[] = []
    const undecided: string[] = []
    let tried = 0
    for (const file of readdirSync(novels)) {
      const text = readFileSync(join(novels, file), 'utf8')
      for (let at = 0; at + 90 < text.length && tried < 5000; at += 997) {
        const piece = text.slice(at, at + 90)
        if ((piece.match(/\p{L}/gu)?.length ?? 0) < 60) continue
        for (const name of singleByte) {
          const fitted = fit(piece, name)
          const got = attempt(encode(fitted, name))
          tried++
          if (got === undefined) undecided.push(`${name}: ${fitted}`)
          else if (got !== fitted) wrong.push(`${name}: ${fitted}`)
        }
      }
    }
    expect(tried).toBeGreaterThan(500)
    expect(wrong.length / tried, wrong.slice(0, 9).join('\n')).toBeLessThan(0.002)
    expect(undecided.length / tried, undecided.slice(0, 9).join('\n')).toBeLessThan(0.025) // nearly all of Mac, whose small letters are those of Windows but one
    expect(undecided.filter(row => !row.startsWith('x-mac')).length / tried).toBeLessThan(0.003)
  })
})

function attempt(bytes: Buffer): string | undefined {
  try {
    return decodeText(bytes, { where: 'a' }).text
  } catch {
    return undefined
  }
}
