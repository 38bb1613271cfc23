// Tells from a file's first bytes that it is not text, names what it is, and says what to do instead.
import { AppError, type Text } from '../base/errors.js'

interface Signature {
  readonly name: Text
  readonly at?: number
  readonly bytes: string
  readonly fix: Text
}

const convert: Text = {
  en: 'Save the book as .txt or .fb2 (Calibre converts it) and add that file',
  ru: 'Сохраните книгу как .txt или .fb2 (это умеет Calibre) и добавьте тот файл',
}
const wrongFile: Text = { en: 'Give the book as .txt or .fb2', ru: 'Дайте книгу в виде .txt или .fb2' }
const unpack: Text = {
  en: 'Unpack it and add the .txt or .fb2 inside',
  ru: 'Распакуйте его и добавьте .txt или .fb2, который внутри',
}

/** `bytes` is latin1 text; a longer signature stands before a shorter one that begins alike. */
const signatures: readonly Signature[] = [
  { name: { en: 'an EPUB book', ru: 'книга EPUB' }, at: 30, bytes: 'mimetypeapplication/epub', fix: convert },
  {
    name: { en: 'an Office document (.docx, .odt)', ru: 'документ Office (.docx, .odt)' },
    at: 30,
    bytes: '[Content_Types]',
    fix: convert,
  },
  {
    name: { en: 'an OpenDocument file', ru: 'документ OpenDocument' },
    at: 30,
    bytes: 'mimetypeapplication/vnd',
    fix: convert,
  },
  { name: { en: 'a ZIP archive', ru: 'архив ZIP' }, bytes: 'PK\x03\x04', fix: unpack },
  { name: { en: 'an empty ZIP archive', ru: 'пустой архив ZIP' }, bytes: 'PK\x05\x06', fix: wrongFile },
  { name: { en: 'a PDF', ru: 'PDF' }, bytes: '%PDF-', fix: convert },
  { name: { en: 'an RTF document', ru: 'документ RTF' }, bytes: '{\\rtf', fix: convert },
  {
    name: { en: 'an old Word document (.doc)', ru: 'старый документ Word (.doc)' },
    bytes: '\xd0\xcf\x11\xe0\xa1\xb1',
    fix: convert,
  },
  {
    name: { en: 'a Kindle book (.mobi, .azw)', ru: 'книга Kindle (.mobi, .azw)' },
    at: 60,
    bytes: 'BOOKMOBI',
    fix: convert,
  },
  { name: { en: 'a DjVu scan', ru: 'скан DjVu' }, bytes: 'AT&TFORM', fix: convert },
  { name: { en: 'a RAR archive', ru: 'архив RAR' }, bytes: 'Rar!', fix: unpack },
  { name: { en: 'a 7-Zip archive', ru: 'архив 7-Zip' }, bytes: '7z\xbc\xaf', fix: unpack },
  { name: { en: 'a GZIP archive', ru: 'архив GZIP' }, bytes: '\x1f\x8b', fix: unpack },
  { name: { en: 'a PNG image', ru: 'картинка PNG' }, bytes: '\x89PNG', fix: wrongFile },
  { name: { en: 'a JPEG image', ru: 'картинка JPEG' }, bytes: '\xff\xd8\xff', fix: wrongFile },
  { name: { en: 'a GIF image', ru: 'картинка GIF' }, bytes: 'GIF8', fix: wrongFile },
  { name: { en: 'an audio file (MP3)', ru: 'звуковой файл (MP3)' }, bytes: 'ID3', fix: wrongFile },
  { name: { en: 'a Windows program', ru: 'программа Windows' }, bytes: 'MZ\x90', fix: wrongFile },
  { name: { en: 'a Linux program', ru: 'программа Linux' }, bytes: '\x7fELF', fix: wrongFile },
  { name: { en: 'an SQLite database', ru: 'база SQLite' }, bytes: 'SQLite format 3\0', fix: wrongFile },
]

/** @throws AppError `binary-file` when the first bytes are those of a known format that is not text */
export function refuseBinary(bytes: Uint8Array, where: string): void {
  const found = signatures.find(signature => startsAt(bytes, signature))
  if (!found) return
  throw new AppError('binary-file', {
    where,
    what: { en: `this is not a text file but ${found.name.en}`, ru: `это не текст, а ${found.name.ru}` },
    fix: found.fix,
  })
}

function startsAt(bytes: Uint8Array, { at = 0, bytes: expected }: Signature): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected.charCodeAt(i)) return false
  return true
}
