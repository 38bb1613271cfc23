// Makes a Document of lines, one block a line.
import type { Block, Document } from '../../src/sources/document.js'

export function documentOf(lines: readonly (string | Pick<Block, 'kind' | 'text'>)[]): Document {
  let start = 0
  const blocks = lines.map((line, i): Block => {
    const { kind, text } = typeof line === 'string' ? { kind: 'paragraph' as const, text: line } : line
    const span = [start, start + text.length] as const
    start += text.length + 1
    return { kind, text, line: i + 1, span }
  })
  return { title: 'Проба', file: 'a.txt', sha256: '0', encoding: { name: 'utf-8', by: 'detected' }, blocks }
}
