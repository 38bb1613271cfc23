// Finds title and author in the first lines of a plain text, where they are evident.
import { basename } from 'node:path'
import type { Block } from './document.js'

interface TitlePage {
  readonly title: string
  readonly author?: string
  /** How many blocks at the beginning belong to the title page. */
  readonly blocks: number
}

const maxTitleLength = 90
/** А. С. Пушкин; Пушкин А.С.; Антон Павлович Чехов; Е. Ган; Мамин-Сибиряк Д. Н. */
const initials = String.raw`(?:\p{Lu}\p{Ll}?\.[\s\u00a0]*){1,3}`
const name = String.raw`\p{Lu}[\p{L}’'-]+`
const authorPattern = new RegExp(
  `^(?:${initials}${name}|${name},?\\s+${initials}|${name}(?:\\s+(?:де|фон|ван|von|de|of))?\\s+${name}(?:\\s+${name})?)[.]?$`,
  'u',
)
const patronymic = /\p{L}(?:вич|вна|ична|инична)(?=\s|$)/iu
const headingStart =
  /^(?:[ivxlc]+|\d{1,3})[.)]?$|^(?:глава|часть|книга|том|пролог|предисловие|введение|chapter|part|book|prologue)(?!\p{L})/iu

/** The file's name without its extension is the title where the first lines do not tell. */
export function findTitlePage(blocks: readonly Block[], file: string): TitlePage {
  const fromFile = { title: basename(file).replace(/\.(fb2\.zip|[^.]+)$/iu, ''), blocks: 0 }
  const head = blocks.slice(0, 8).findIndex(block => !isTitleLike(block.text))
  const lines = blocks.slice(0, head < 0 ? Math.min(blocks.length, 8) : head).map(block => block.text)
  if (lines.length === 0 || lines.length === blocks.length) return fromFile
  return readTitleLines(lines) ?? fromFile

  function readTitleLines([first, ...more]: readonly string[]): TitlePage | undefined {
    const second = more.find(line => /^[\p{L}«"\d]/u.test(line) && /\p{L}/u.test(line))
    if (!/\p{L}/u.test(first)) return undefined
    if (second === undefined) {
      return authorLikeness(first) > 1
        ? { ...fromFile, author: first, blocks: 1 }
        : { title: first, blocks: lines.length }
    }
    const [one, two] = [authorLikeness(first), authorLikeness(second)]
    if (one > 0 && one >= two) return { title: second, author: dropStop(first), blocks: lines.length }
    return { title: first, ...(two > 0 ? { author: dropStop(second) } : {}), blocks: lines.length }
  }
}

/** 0 no author; 1 two or three capitalised words; 2 with a patronymic; 3 with initials. */
function authorLikeness(line: string): number {
  if (!authorPattern.test(line) || headingStart.test(line)) return 0
  if (/(?<!\p{L})\p{Lu}\p{Ll}?\./u.test(line)) return 3
  return patronymic.test(line) ? 2 : 1
}

function dropStop(author: string): string {
  return author.replace(/(?<=\p{Ll}{3})\.$/u, '')
}

function isTitleLike(text: string): boolean {
  if (text.length > maxTitleLength || headingStart.test(text) || /^[—–\-*«"„]/u.test(text)) return false
  return !/[,;:]$/u.test(text) && (!/\.$/u.test(text) || authorPattern.test(text))
}
