// What a rule may know of the rest of the book: the block before, and which stretches are notes or a table of contents.
import type { Block } from '../sources/document.js'
import { matchHeading } from './headings.js'

export interface Surroundings {
  /** The nearest block before that stays. */
  readonly before: Block | undefined
  /** Blocks of a section of notes, its heading included. */
  readonly notes: ReadonlySet<Block>
  /** Blocks of a table of contents, its heading included. */
  readonly contents: ReadonlySet<Block>
  /** What a line with nothing but a number is in this book. */
  readonly bareNumbers: 'pages' | 'chapters'
}

const notesTitle = /^(?:примечани[ея]|сноски|комментарии|notes|footnotes)[.:]?$/iu
const noteStart = /^(?:\[?\{?\(?\*?\d{1,3}[\])}.]*(?:\s|$)|\*)/u
const contentsTitle = /^(?:оглавление|содержание|contents|table of contents)[.:]?$/iu
/** Pages have 1,500 to 3,000 letters; chapters of a book with numbers alone are longer. */
const maxPageLetters = 3200

export function surveyBook(blocks: readonly Block[]): Omit<Surroundings, 'before'> {
  return { notes: findNotes(blocks), contents: findContents(blocks), bareNumbers: judgeNumbers(blocks) }
}

/** From «Примечания» with a numbered note below it to the next chapter heading with words, or the end. */
function findNotes(blocks: readonly Block[]): Set<Block> {
  const found = new Set<Block>()
  let inside = false
  blocks.forEach((block, i) => {
    if (notesTitle.test(block.text.trim())) inside = noteStart.test(blocks[i + 1]?.text ?? '')
    else if (inside && isWordHeading(block.text)) inside = false
    if (inside) found.add(block)
  })
  return found
}

function isWordHeading(text: string): boolean {
  const heading = matchHeading(text)
  return heading === 'numbered-heading' || heading === 'named-heading'
}

/** From «Оглавление» over the short lines without a stop below it; one line is no table. */
function findContents(blocks: readonly Block[]): Set<Block> {
  const found = new Set<Block>()
  blocks.forEach((block, i) => {
    if (!contentsTitle.test(block.text.trim())) return
    const rest = blocks.slice(i + 1)
    const end = rest.findIndex(({ text }) => !isContentsLine(text))
    const lines = end < 0 ? rest : rest.slice(0, end)
    if (lines.length >= 2) for (const line of [block, ...lines]) found.add(line)
  })
  return found
}

function isContentsLine(text: string): boolean {
  return text.length <= 120 && !/^[—–-]/u.test(text) && (/\d$/u.test(text) || !/[.!?…,;:»]$/u.test(text))
}

function judgeNumbers(blocks: readonly Block[]): Surroundings['bareNumbers'] {
  const gaps: number[] = []
  let letters = 0
  for (const { text, kind } of blocks) {
    if (kind === 'paragraph' && /^\d{1,4}$/u.test(text.trim())) {
      gaps.push(letters)
      letters = 0
    } else letters += text.length
  }
  const between = gaps.slice(1).sort((a, b) => a - b)
  return between.length >= 4 && between[between.length >> 1] < maxPageLetters ? 'pages' : 'chapters'
}
