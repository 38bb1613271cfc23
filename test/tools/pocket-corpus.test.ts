import { describe, expect, it } from 'vitest'
import type { Block } from '../../src/sources/document.js'
import { trainBpe } from '../../src/tokenizer/train-bpe.js'
import { writeParagraphs } from '../../tools/pocket/books.js'
import { encodeDocument } from '../../tools/pocket/token-file.js'

const lines = Array.from({ length: 150 }, (_, i) =>
  i % 2 ? `— Нет, — сказал Фрол, — на станции номер ${i} чаю нет.` : 'Зима стояла теплая, и чай остыл.',
)

describe('a document as tokens', () => {
  it.each([true, false])(
    'is encoded in pieces as it would be at once, with its end after it (dummy prefix %s)',
    async addDummyPrefix => {
      const { tokenizer } = await trainBpe([lines.join('\n')], { vocabSize: 340, userDefined: ['\n'], addDummyPrefix })
      const ids = encodeDocument(lines, tokenizer).flatMap(piece => [...piece])
      const whole = tokenizer.encode(lines.join('\n') + '\n', { allow: 'none' }).ids
      expect(ids).toEqual([...whole, tokenizer.special.eos])
      expect(tokenizer.decode(whole)).toBe(lines.join('\n') + '\n')
    },
  )
})

describe('the paragraphs of a book', () => {
  const block = (text: string, kind: Block['kind'] = 'paragraph'): Block => ({
    kind,
    text,
    line: 1,
    span: [0, text.length],
  })

  it('are prose, speech and verse in Russian, without titles, headings, notes and foreign passages', () => {
    const blocks = [
      block('Теплая зима', 'title'),
      block('ГЛАВА ПЕРВАЯ'),
      block('IV.'),
      block('-- Чаю! -- крикнул Фрол.'),
      block('* Немного чаю (фр.).'),
      block('Un peu de the, s’il vous plait, monsieur Frol.'),
      block('Чай остыл...', 'verse'),
    ]
    expect(writeParagraphs(blocks, 'sign')).toEqual(['— Чаю! — крикнул Фрол.', 'Чай остыл…'])
  })
})
