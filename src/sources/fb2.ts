// Turns a FictionBook (.fb2, .fb2.zip) into a Document.
import { AppError } from '../base/errors.js'
import { sha256 } from '../base/hash.js'
import { checkReport, countReasons, type Drop, type Staged } from '../base/report.js'
import { declaredEncoding, parseXml, type XmlTag } from '../formats/xml.js'
import { openZip } from '../formats/zip.js'
import type { Block, Document } from './document.js'
import { decodeText, type Decoded } from './encoding.js'
import { guessLanguage, noText } from './text-facts.js'
import type { ReadOptions } from './text-file.js'

const maxUnpackedBytes = 256 * 1024 * 1024

/**
 * Reads a FictionBook. Spans lie in the decoded XML, between the tags of the paragraph.
 * @throws AppError those of `decodeText` and `parseXml`; `not-fb2`, `protected-book`, `no-text`
 */
export function readFb2(bytes: Uint8Array, file: string, options: ReadOptions = {}): Staged<Document> {
  const began = performance.now()
  const declared = declaredEncoding(bytes)
  const decoded = decodeText(bytes, { ...options, ...(declared === undefined ? {} : { declared }), where: file })
  const book = collectBook(decoded.text, file)
  if (!book.blocks.some(({ text }) => /\p{L}/u.test(text))) throw noText(file)
  return { ...finish(bytes, file, decoded, book, began), drops: book.drops }
}

/**
 * Reads the one FictionBook of a ZIP archive.
 * @throws AppError those of `openZip` and `readFb2`; `no-book-in-zip`, `many-books-in-zip`
 */
export async function readFb2Zip(
  bytes: Uint8Array,
  file: string,
  options: ReadOptions = {},
): Promise<Staged<Document>> {
  const entries = await openZip(bytes, file, { maxBytes: maxUnpackedBytes })
  const books = entries.filter(({ name }) => /\.fb2$/iu.test(name))
  if (books.length !== 1) throw wrongCount(file, books.length === 0 ? entries : books, books.length)
  const staged = readFb2(await books[0].read(), file, options)
  return { ...staged, output: { ...staged.output, sha256: sha256(bytes) } }
}

function finish(
  bytes: Uint8Array,
  file: string,
  decoded: Decoded,
  book: Book,
  began: number,
): Omit<Staged<Document>, 'drops'> {
  const language = book.language ?? guessLanguage(book.blocks.map(({ text }) => text).join(' '))
  const output: Document = {
    title: book.title || book.blocks[0].text,
    ...(book.author ? { author: book.author } : {}),
    ...(language ? { language } : {}),
    file,
    sha256: sha256(bytes),
    encoding: decoded.encoding,
    blocks: book.blocks,
  }
  const report = checkReport({
    stage: 'read',
    unit: 'paragraphs',
    input: book.blocks.length + book.drops.length,
    kept: book.blocks.length,
    dropped: countReasons(book.drops),
    counts: {
      'layout:fb2': 1,
      'references:removed': book.references,
      'bytes:replaced': decoded.replaced,
      'encoding:overruled': decoded.overruled === undefined ? 0 : 1,
    },
    seconds: (performance.now() - began) / 1000,
  })
  return { output, report }
}

interface Book {
  title: string
  author: string
  language: string | undefined
  readonly blocks: Block[]
  readonly drops: Drop<'outside-paragraph'>[]
  /** Note references (`<a type="note">`) left out of the text. */
  references: number
}

/** Tags whose text is one block. */
const blockTags = new Set(['p', 'v', 'subtitle', 'text-author', 'th', 'td'])
const authorParts = ['first-name', 'middle-name', 'last-name', 'nickname']
const ignoredTags = new Set(['binary', 'stylesheet', 'src-title-info', 'document-info', 'publish-info', 'custom-info'])

interface OpenTag extends XmlTag {
  readonly after: number
  readonly line: number
}

function collectBook(text: string, file: string): Book {
  const book: Book = { title: '', author: '', language: undefined, blocks: [], drops: [], references: 0 }
  const path: OpenTag[] = []
  const people: string[][] = []
  let piece = ''
  let seen = false
  const inside = (name: string): boolean => path.some(tag => tag.name === name)
  parseXml(text, file, {
    open(tag, after, line) {
      if (!seen) checkRoot(tag, file)
      seen = true
      if (/^encrypt/iu.test(tag.name)) throw protectedBook(file)
      if (!inBlock()) flushStray()
      if (tag.name === 'author' && inside('title-info')) people.push([])
      if (isReference(tag)) book.references++
      path.push({ ...tag, after, line })
    },
    close(name, before) {
      const tag = path.pop()!
      if (path.some(outer => ignoredTags.has(outer.name)) || ignoredTags.has(name)) piece = ''
      else if (inside('title-info')) keepInfo(name)
      else if (isBlock(name)) keepBlock(tag, before)
      else if (!inBlock()) flushStray()
    },
    text(part) {
      if (!path.some(isReference)) piece += part
    },
  })
  book.author = (people[0] ?? []).join(' ')
  return book

  function isBlock(name: string): boolean {
    return blockTags.has(name) && !inBlock()
  }

  function inBlock(): boolean {
    return path.some(tag => blockTags.has(tag.name))
  }

  function keepInfo(name: string): void {
    const value = tidy(piece)
    if (name === 'book-title') book.title = value
    if (name === 'lang') book.language = value.toLowerCase() || undefined
    if (authorParts.includes(name) && inside('author') && value && (name !== 'nickname' || people.at(-1)?.length === 0))
      people.at(-1)?.push(value)
    piece = ''
  }

  function keepBlock(tag: OpenTag, before: number): void {
    const value = tidy(piece)
    if (value) book.blocks.push({ kind: kindOf(tag, path), text: value, line: tag.line, span: [tag.after, before] })
    piece = ''
  }

  /** Text between paragraphs is against the format; it is left out with a trace. */
  function flushStray(): void {
    const value = tidy(piece)
    piece = ''
    const at = path.at(-1)
    if (value && inside('body'))
      book.drops.push({ stage: 'read', reason: 'outside-paragraph', text: value, where: `${file}:${at?.line ?? 1}` })
  }
}

function isReference({ name, attributes }: XmlTag): boolean {
  return (
    name === 'a' &&
    (attributes['type'] === 'note' ||
      Object.values(attributes).some(value => /^#(?:n|note|fn|footnote|c|comment)_?\d+/iu.test(value)))
  )
}

function kindOf(tag: XmlTag, path: readonly XmlTag[]): Block['kind'] {
  const has = (name: string): boolean => path.some(outer => outer.name === name)
  const body = path.find(outer => outer.name === 'body')
  if (/^(?:notes|footnotes|comments)$/iu.test(body?.attributes['name'] ?? '')) return 'note'
  if (has('epigraph')) return 'epigraph'
  if (has('poem') || has('stanza') || tag.name === 'v') return 'verse'
  if (has('title')) return has('section') ? 'heading' : 'title'
  return tag.name === 'subtitle' ? 'heading' : 'paragraph'
}

/** Line breaks of the XML source inside a paragraph are spaces; other spaces stay as they are. */
function tidy(text: string): string {
  return text.replace(/[ \t]*[\r\n]+[ \t]*/gu, ' ').trim()
}

function checkRoot({ name }: XmlTag, file: string): void {
  if (name === 'FictionBook') return
  if (/^encrypt|^rights$/iu.test(name)) throw protectedBook(file)
  throw new AppError('not-fb2', {
    where: file,
    what: {
      en: `this XML is not a FictionBook: its root is <${name}>`,
      ru: `это не FictionBook: корневой элемент <${name}>`,
    },
    fix: { en: 'Give a book as .fb2 or .txt', ru: 'Дайте книгу в виде .fb2 или .txt' },
  })
}

function protectedBook(file: string): AppError {
  return new AppError('protected-book', {
    where: file,
    what: { en: 'the book is encrypted (DRM)', ru: 'книга зашифрована (DRM)' },
    fix: { en: 'Take a copy without protection', ru: 'Возьмите копию без защиты' },
  })
}

function wrongCount(file: string, entries: readonly { name: string }[], books: number): AppError {
  const some = entries.slice(0, 10).map(({ name }) => `"${name}"`)
  const names = some.join(', ') + (entries.length > some.length ? ', …' : '') || '-'
  if (books === 0) {
    return new AppError('no-book-in-zip', {
      where: file,
      what: { en: `there is no .fb2 in the archive, only: ${names}`, ru: `в архиве нет .fb2, есть: ${names}` },
      fix: { en: 'Unpack it and add the book itself', ru: 'Распакуйте его и добавьте саму книгу' },
    })
  }
  return new AppError('many-books-in-zip', {
    where: file,
    what: { en: `there are ${books} books in the archive: ${names}`, ru: `в архиве книг: ${books}: ${names}` },
    fix: { en: 'Unpack it and add the one you want', ru: 'Распакуйте его и добавьте ту, что нужна' },
  })
}
