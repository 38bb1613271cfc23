// FictionBook: what becomes of each tag, where blocks lie in the source, and what is refused.
import iconv from 'iconv-lite'
import { describe, expect, test } from 'vitest'
import yazl from 'yazl'
import { readFb2, readFb2Zip } from '../../src/sources/fb2.js'
import { catchError } from './catch-error.js'

const body = `<body>
<title><p>Тихий затон</p></title>
<epigraph><p>Кто рано встал, тот уже ходит.</p><text-author>Поговорка</text-author></epigraph>
<section><title><p>Глава 1</p><p>Лодка</p></title>
<p>Марфа <emphasis>вышла</emphasis> к реке<a l:href="#n_1" type="note">[1]</a> &amp; села.</p>
<empty-line/>
<p>— Ты здесь?
   — спросил Ефим 😀.</p>
<poem><stanza><v>Плывёт луна,</v><v>Спит тишина.</v></stanza></poem>
<subtitle>* * *</subtitle>
<cite><p>Письмо пришло&#160;утром.</p></cite>
<p>Вот и всё.</p>
</section></body>
<body name="notes"><section id="n_1"><title><p>1</p></title><p>Река Тихая.</p></section></body>
<binary id="c.jpg" content-type="image/jpeg">QUJD</binary>`

function book(inner = body, declaration = '<?xml version="1.0" encoding="utf-8"?>'): string {
  return `${declaration}
<FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0" xmlns:l="http://www.w3.org/1999/xlink">
<description><title-info><genre>prose</genre><author><first-name>Анна</first-name><last-name>Ветрова</last-name></author>
<book-title>Тихий затон</book-title><annotation><p>О реке.</p></annotation><lang>ru</lang></title-info>
<document-info><author><nickname>кто-то</nickname></author></document-info></description>
${inner}
</FictionBook>`
}

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8')

async function zipOf(files: Record<string, string>): Promise<Buffer> {
  const zip = new yazl.ZipFile()
  for (const [name, text] of Object.entries(files)) zip.addBuffer(Buffer.from(text), name)
  zip.end()
  const chunks: Buffer[] = []
  for await (const chunk of zip.outputStream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

describe('readFb2', () => {
  test('gives every kind of block in order', () => {
    const { output, report } = readFb2(bytes(book()), 'a.fb2')
    expect(output.blocks.map(({ kind, text }) => `${kind}: ${text}`)).toEqual([
      'title: Тихий затон',
      'epigraph: Кто рано встал, тот уже ходит.',
      'epigraph: Поговорка',
      'heading: Глава 1',
      'heading: Лодка',
      'paragraph: Марфа вышла к реке & села.',
      'paragraph: — Ты здесь? — спросил Ефим 😀.',
      'verse: Плывёт луна,',
      'verse: Спит тишина.',
      'heading: * * *',
      'paragraph: Письмо пришло\u00a0утром.',
      'paragraph: Вот и всё.',
      'note: 1',
      'note: Река Тихая.',
    ])
    expect(output).toMatchObject({
      title: 'Тихий затон',
      author: 'Анна Ветрова',
      language: 'ru',
      encoding: { name: 'utf-8', by: 'declared' },
    })
    expect(report.counts).toMatchObject({ 'references:removed': 1 })
  })

  test('places blocks in the decoded XML, also behind letters of two UTF-16 units and CRLF', () => {
    const source = book().replaceAll('\n', '\r\n')
    for (const block of readFb2(bytes(source), 'a.fb2').output.blocks) {
      const place = source.slice(...block.span)
      for (const word of block.text.match(/\p{L}+/gu) ?? []) expect(place).toContain(word)
      expect(place).not.toMatch(/^<p|<\/p>$/u)
      expect(source.split('\r\n')[block.line - 1]).toContain(block.text.match(/[\p{L}\d*]+/u)?.[0])
    }
  })

  test.each(['windows-1251', 'koi8-r', 'cp866', 'iso-8859-5'])('follows the declared encoding %s', name => {
    const text = book(body.replace('😀', '').replace('&#160;', ' '), `<?xml version="1.0" encoding="${name}"?>`)
    const { output } = readFb2(iconv.encode(text.replaceAll('—', '-'), name), 'a.fb2')
    expect(output.encoding).toEqual({ name, by: 'declared' })
    expect(output.title).toBe('Тихий затон')
  })

  test('believes the bytes where the declaration lies', () => {
    const { output, report } = readFb2(bytes(book(body, '<?xml version="1.0" encoding="windows-1251"?>')), 'a.fb2')
    expect(output.title).toBe('Тихий затон')
    expect(output.encoding).toEqual({ name: 'utf-8', by: 'detected' })
    expect(report.counts?.['encoding:overruled']).toBe(1)
  })

  test('keeps text outside paragraphs as a drop with its place', () => {
    const { drops, report } = readFb2(bytes(book('<body><section>сирота<p>Слово.</p></section></body>')), 'a.fb2')
    expect(drops).toEqual([{ stage: 'read', reason: 'outside-paragraph', text: 'сирота', where: 'a.fb2:6' }])
    expect(report).toMatchObject({ input: 2, kept: 1, dropped: { 'outside-paragraph': 1 } })
  })

  test.each([
    ['cut in the middle', book().slice(0, 900)],
    ['an unknown entity', book('<body><section><p>а&nbsp;б</p></section></body>')],
    ['wrong nesting', book('<body><section><p>а</section></p></body>')],
  ])('refuses broken XML with its place: %s', (_title, text) => {
    const error = catchError(() => readFb2(bytes(text), 'a.fb2'))
    expect(error.code).toBe('bad-xml')
    expect(error.message).toMatch(/^a\.fb2:\d+:\d+: broken XML: /u)
  })

  test('says what to do in both languages', () => {
    const messages = (text: string): string[] => {
      const error = catchError(() => readFb2(bytes(text), 'a.fb2'))
      return [error.code, error.render('en'), error.render('ru')]
    }
    expect(messages(book('<body><p>а&nbsp;б</p></body>'))).toMatchInlineSnapshot(`
      [
        "bad-xml",
        "a.fb2:6:16: broken XML: undefined entity. Only &lt; &gt; &amp; &quot; &apos; and numeric references are known; put the character itself in its place.",
        "a.fb2:6:16: испорченный XML: undefined entity. Известны только &lt; &gt; &amp; &quot; &apos; и числовые ссылки; поставьте на это место сам знак.",
      ]
    `)
    expect(messages(book().replace('?>', '?><!DOCTYPE x [<!ENTITY a "b">]>'))).toMatchInlineSnapshot(`
      [
        "xml-doctype",
        "a.fb2:1:68: the file has a DOCTYPE, which could hold entities. Delete the <!DOCTYPE …> line and add the file again.",
        "a.fb2:1:68: в файле есть DOCTYPE, в нём могут быть сущности. Удалите строку <!DOCTYPE …> и добавьте файл снова.",
      ]
    `)
    expect(messages('<html><body>Страница</body></html>')).toMatchInlineSnapshot(`
      [
        "not-fb2",
        "a.fb2: this XML is not a FictionBook: its root is <html>. Give a book as .fb2 or .txt.",
        "a.fb2: это не FictionBook: корневой элемент <html>. Дайте книгу в виде .fb2 или .txt.",
      ]
    `)
    expect(messages('<encryption xmlns="urn:x"><EncryptedKey/></encryption>')).toMatchInlineSnapshot(`
      [
        "protected-book",
        "a.fb2: the book is encrypted (DRM). Take a copy without protection.",
        "a.fb2: книга зашифрована (DRM). Возьмите копию без защиты.",
      ]
    `)
    expect(messages(book('<body><section><EncryptedData/></section></body>'))).toMatchInlineSnapshot(`
      [
        "protected-book",
        "a.fb2: the book is encrypted (DRM). Take a copy without protection.",
        "a.fb2: книга зашифрована (DRM). Возьмите копию без защиты.",
      ]
    `)
    expect(messages(book('<body><section><p>* * *</p></section></body>'))).toMatchInlineSnapshot(`
      [
        "no-text",
        "a.fb2: there is not one letter in this file. Check that it is the book.",
        "a.fb2: в файле нет ни одной буквы. Проверьте, та ли это книга.",
      ]
    `)
  })
})

describe('readFb2Zip', () => {
  test('reads the one book in an archive', async () => {
    const { output } = await readFb2Zip(await zipOf({ 'книга.fb2': book(), 'readme.txt': 'x' }), 'a.fb2.zip')
    expect(output.title).toBe('Тихий затон')
    expect(output.blocks).toHaveLength(14)
  })

  test('asks which book where there are several, and says what is there where there is none', async () => {
    await expect(
      readFb2Zip(await zipOf({ 'a.fb2': book(), 'b.fb2': book() }), 'x.zip'),
    ).rejects.toThrowErrorMatchingInlineSnapshot(
      `[AppError: x.zip: there are 2 books in the archive: "a.fb2", "b.fb2". Unpack it and add the one you want.]`,
    )
    await expect(readFb2Zip(await zipOf({ 'a.doc': 'x' }), 'x.zip')).rejects.toThrowErrorMatchingInlineSnapshot(
      `[AppError: x.zip: there is no .fb2 in the archive, only: "a.doc". Unpack it and add the book itself.]`,
    )
  })
})
