// Turns a plain text book (.txt) into a Document, whichever way it marks paragraphs.
import { sha256 } from '../base/hash.js'
import { checkReport, type Staged } from '../base/report.js'
import type { Block, Document } from './document.js'
import { decodeText } from './encoding.js'
import { makeJoiner } from './join-lines.js'
import { decideLayout, endsEarly, startsSmall, type Layout } from './layout.js'
import { splitLines, type Line } from './lines.js'
import { guessLanguage, noText } from './text-facts.js'
import { findTitlePage } from './title.js'

export interface ReadOptions {
  /** Encoding of the file where detection fails or is wrong. */
  readonly encoding?: string
  /** Read damaged UTF-8, with U+FFFD for each bad sequence, instead of refusing it. */
  readonly lenient?: boolean
}

/**
 * Reads a plain text. Paragraphs are told by the layout found (`report.counts['layout:…']`); offsets are those of the
 * decoded text.
 * @throws AppError those of `decodeText`; `no-text` when there is not one letter in the file
 */
export function readTextFile(bytes: Uint8Array, file: string, options: ReadOptions = {}): Staged<Document> {
  const began = performance.now()
  const decoded = decodeText(bytes, { ...options, where: file })
  const lines = splitLines(decoded.text)
  const layout = decideLayout(lines)
  const joiner = makeJoiner(decoded.text, layout.kind === 'lines' ? [] : lines)
  const found = groupLines(lines, layout).map(group => makeBlock(group, layout, joiner.join(group)))
  if (!found.some(block => /\p{L}/u.test(block.text))) throw noText(file)
  const page = findTitlePage(found, file)
  const blocks = found.map((block, i) => (i < page.blocks ? { ...block, kind: 'title' as const } : block))
  const language = guessLanguage(decoded.text)
  const report = checkReport({
    stage: 'read',
    unit: 'paragraphs',
    input: blocks.length,
    kept: blocks.length,
    dropped: {},
    counts: {
      [`layout:${layout.kind}`]: 1,
      lines: lines.length,
      'hyphens:removed': joiner.counts.removed,
      'hyphens:kept': joiner.counts.kept,
      'bytes:replaced': decoded.replaced,
      'encoding:overruled': decoded.overruled === undefined ? 0 : 1,
    },
    seconds: (performance.now() - began) / 1000,
  })
  const output: Document = {
    title: page.title,
    ...(page.author === undefined ? {} : { author: page.author }),
    ...(language === undefined ? {} : { language }),
    file,
    sha256: sha256(bytes),
    encoding: decoded.encoding,
    blocks,
  }
  return { output, report, drops: [] }
}

/** A line that ends so many columns early, with no indentation below it, is a title or a heading. */
const titleGap = 12

function groupLines(lines: readonly Line[], layout: Layout): Line[][] {
  const groups: Line[][] = []
  let before: Line | undefined
  for (const line of lines) {
    if (line.content && before && !startsParagraph(before, line, layout)) groups[groups.length - 1].push(line)
    else if (line.content) groups.push([line])
    before = line.content ? line : undefined
  }
  return groups
}

/** Whether a paragraph begins at `line`, which stands directly below the filled line `before`. */
function startsParagraph(before: Line, line: Line, layout: Layout): boolean {
  if (layout.kind === 'lines') return true
  if (isFarIndented(line, layout) || isFarIndented(before, layout)) return true
  const small = startsSmall(line)
  if (layout.kind === 'indented') {
    if (line.indent > layout.indent + 1) return !small || endsSentence(before)
    return !small && endsEarly(before, line, layout.width - titleGap)
  }
  if (small) return false
  const early = endsEarly(before, line, layout.width) && endsSentence(before)
  if (layout.kind === 'ragged') return early || isCapitalLine(before.content)
  return early && /^[—–-]+[\s\u00a0]*[\p{Lu}«"„]/u.test(line.content)
}

function endsSentence({ content }: Line): boolean {
  return /[.!?…:;»”")\]]$/u.test(content)
}

/** Verse, epigraphs and centred lines stand much farther to the right than a paragraph begins. */
function isFarIndented(line: Line, layout: Layout): boolean {
  return line.indent >= Math.max(layout.indent, layout.firstIndent) + 8
}

function isCapitalLine(content: string): boolean {
  return !/\p{Ll}/u.test(content)
}

function makeBlock(group: readonly Line[], layout: Layout, text: string): Block {
  const [first] = group
  const last = group[group.length - 1]
  const verse = layout.kind === 'indented' && isFarIndented(first, layout) && /\p{Ll}/u.test(text)
  return { kind: verse ? 'verse' : 'paragraph', text, line: first.number, span: [first.start, last.end] }
}
