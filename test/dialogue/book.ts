// Paragraphs → a Document; `# ` begins a heading.
import type { Block, Document } from '../../src/sources/document.js'

export function bookOf(text: string, file = 'story.txt'): Document {
  const blocks: Block[] = []
  let offset = 0
  text.split('\n').forEach((line, i) => {
    const kind = line.startsWith('# ') ? 'heading' : 'paragraph'
    if (line !== '')
      blocks.push({ kind, text: line.replace(/^# /u, ''), line: i + 1, span: [offset, offset + line.length] })
    offset += line.length + 1
  })
  return { title: 'Мельница', file, sha256: 'f00d', encoding: { name: 'utf-8', by: 'given' }, blocks }
}
