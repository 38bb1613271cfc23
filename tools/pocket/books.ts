// Turns a folder of plain-text novels and a table of plays into documents of one paragraph a line.
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { readDocument } from '../../src/sources/registry.js'
import type { Block } from '../../src/sources/document.js'
import { readPlays } from './drama.js'
import { setTypography, type Ellipsis } from './typography.js'

export interface TrainingText {
  /** File name of a novel without extension, or the play's id. */
  readonly name: string
  readonly kind: 'novel' | 'play'
  readonly lines: readonly string[]
}

const ellipses: readonly Ellipsis[] = ['sign', 'dots']
/** Title pages, chapter numbers and headings say nothing that a character would say. */
const heading =
  /^(?:(?:глава|часть|том|книга|действие|явление|рассказ|очерк|письмо|отдел)(?!\p{Ll})[^.!?]{0,60}[.]?|[IVXLC\d\s.,:*_—-]+)$/iu

export async function readNovels(folder: string): Promise<TrainingText[]> {
  const names = (await readdir(folder)).filter(name => name.endsWith('.txt')).sort()
  const novels: TrainingText[] = []
  for (const [i, name] of names.entries()) {
    const { output } = await readDocument(join(folder, name))
    novels.push({ name: basename(name, '.txt'), kind: 'novel', lines: writeParagraphs(output.blocks, ellipses[i % 2]) })
  }
  return novels
}

export async function readDrama(path: string): Promise<TrainingText[]> {
  const plays = readPlays(await readFile(path, 'utf8'))
  return [...plays].map(([name, lines], i) => ({
    name,
    kind: 'play' as const,
    lines: lines.map(line => setTypography(line, ellipses[i % 2])),
  }))
}

/** Paragraphs, verse and notes with Russian words in them; headings, title pages and foreign passages stay out. */
export function writeParagraphs(blocks: readonly Block[], ellipsis: Ellipsis): string[] {
  return blocks
    .filter(({ kind }) => kind === 'paragraph' || kind === 'verse' || kind === 'epigraph')
    .filter(({ text }) => !/^\*/u.test(text)) // a footnote at the foot of its page
    .map(({ text }) => setTypography(text, ellipsis))
    .filter(line => isRussian(line) && !heading.test(line) && /\p{Ll}/u.test(line))
}

function isRussian(line: string): boolean {
  const letters = line.match(/\p{L}/gu)?.length ?? 0
  const russian = line.match(/[а-яё]/giu)?.length ?? 0
  return russian > 1 && russian >= letters * 0.6
}
