// Opening a book by path: what is read, what is refused by name, and what is said of a file that is not there.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import type { Progress } from '../../src/base/progress.js'
import { readDocument } from '../../src/sources/registry.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dvoynik-books-'))
  await writeFile(join(folder, 'river.txt'), 'Тихий затон\n\nГлава 1\nФёкла вышла к реке.\n')
  await writeFile(
    join(folder, 'river'),
    '<?xml version="1.0"?><FictionBook><body><section><p>Фёкла вышла.</p></section></body></FictionBook>',
  )
  for (const name of ['a.epub', 'a.docx', 'a.json', 'a.fb2.zip']) await writeFile(join(folder, name), 'x')
  await mkdir(join(folder, 'shelf.txt'))
})
afterAll(() => rm(folder, { recursive: true }))

async function messageFor(name: string): Promise<string> {
  try {
    await readDocument(join(folder, name))
  } catch (thrown) {
    if (thrown instanceof AppError)
      return `[${thrown.code}] ${thrown.render('en')} / ${thrown.render('ru')}`.replaceAll(`${folder}/`, '')
    throw thrown
  }
  return 'read'
}

test('reads a book and tells its progress', async () => {
  const seen: Progress[] = []
  const { output } = await readDocument(join(folder, 'river.txt'), { onProgress: progress => seen.push(progress) })
  expect(output.title).toBe('Тихий затон')
  expect(output.file).toBe(join(folder, 'river.txt'))
  expect(seen.map(({ done, total }) => `${done}/${total}`)).toEqual(['0/1', '1/1'])
})

test('reads a file without an extension by its content', async () => {
  const { output } = await readDocument(join(folder, 'river'))
  expect(output.blocks.map(({ text }) => text)).toEqual(['Фёкла вышла.'])
})

test('passes the encoding on', async () => {
  await writeFile(join(folder, 'short.txt'), Buffer.from([0xe4, 0xe0]))
  const { output } = await readDocument(join(folder, 'short.txt'), { encoding: 'windows-1251' })
  expect(output.blocks[0].text).toBe('да')
})

test('says what is wrong with a path and what to do', async () => {
  const names = ['rivr.txt', 'nothing-like-it.fb2', 'shelf.txt', 'a.epub', 'a.docx', 'a.json', 'a.fb2.zip']
  expect(await Promise.all(names.map(messageFor))).toMatchInlineSnapshot(`
    [
      "[file-not-found] rivr.txt: there is no such file. Did you mean "river.txt"? / rivr.txt: такого файла нет. Может быть, «river.txt»?",
      "[file-not-found] nothing-like-it.fb2: there is no such file. Check the path. / nothing-like-it.fb2: такого файла нет. Проверьте путь.",
      "[not-a-file] shelf.txt: this is a folder, not a file. Add the books in it one by one. / shelf.txt: это папка, а не файл. Добавьте книги из неё по одной.",
      "[unknown-format] a.epub: .epub files are not read. Save the book as .fb2 or .txt (Calibre converts it) and add that file. / a.epub: файлы .epub не читаются. Сохраните книгу как .fb2 или .txt (это умеет Calibre) и добавьте тот файл.",
      "[unknown-format] a.docx: .docx files are not read. Save it as plain text, .txt in UTF-8, and add that file. / a.docx: файлы .docx не читаются. Сохраните как простой текст, .txt в UTF-8, и добавьте тот файл.",
      "[unknown-format] a.json: .json files are not read. This is not a book, and chats cannot be read yet. / a.json: файлы .json не читаются. Это не книга, а переписку программа читать ещё не умеет.",
      "[bad-zip] a.fb2.zip: the ZIP archive is damaged or cut (End of central directory record signature not found. Either not a zip file, or file is truncated.). Download or copy it again. / a.fb2.zip: архив ZIP повреждён или обрезан (End of central directory record signature not found. Either not a zip file, or file is truncated.). Скачайте или скопируйте его заново.",
    ]
  `)
})
