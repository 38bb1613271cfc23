import { describe, expect, it } from 'vitest'
import { writeSentencePiece } from '../../src/formats/sentencepiece.js'
import type { FileTokenizer } from '../../src/tokenizer/file.js'
import { trainBpe } from '../../src/tokenizer/train-bpe.js'
import { ownLines } from './texts.js'

const lines = ownLines(600)
const texts = (tokenizer: FileTokenizer) => Array.from({ length: tokenizer.size }, (_, id) => tokenizer.token(id))
const bytesOf = ({ file }: FileTokenizer) =>
  file.kind === 'sentencepiece' ? Buffer.from(writeSentencePiece(file.model)) : Buffer.alloc(0)

/** The slow way: count every pair of every word anew for each merge. */
function trainNaively(words: Map<string, number>, merges: number): string[] {
  let split = [...words].map(([word, count]) => ({ symbols: [...word], count }))
  const pieces: string[] = []
  const dropped = new Set<string>()
  while (pieces.length < merges) {
    const counts = new Map<string, number>()
    for (const { symbols, count } of split)
      for (let i = 1; i < symbols.length; i++) {
        const key = symbols[i - 1] + '\0' + symbols[i]
        if (!dropped.has(key)) counts.set(key, (counts.get(key) ?? 0) + count)
      }
    const length = (key: string) => [...key].length
    const [best] = [...counts].sort(
      (a, b) =>
        b[1] - a[1] || length(a[0]) - length(b[0]) || (a[0].replace('\0', '') < b[0].replace('\0', '') ? -1 : 1),
    )
    if (!best) break
    const [left, right] = best[0].split('\0')
    if (pieces.includes(left + right)) {
      dropped.add(best[0])
      continue
    }
    pieces.push(left + right)
    split = split.map(({ symbols, count }) => ({ count, symbols: join(symbols, left, right) }))
  }
  return pieces
}

function join(symbols: string[], left: string, right: string): string[] {
  const joined: string[] = []
  for (let i = 0; i < symbols.length; i++) {
    const both = symbols[i] === left && symbols[i + 1] === right
    joined.push(both ? left + right : symbols[i])
    if (both) i++
  }
  return joined
}

describe('training of BPE', () => {
  it('finds the pieces that counting every pair anew finds, in the same order', async () => {
    const words = ['ананас', 'аааааа', 'аааа', 'анна', 'банан', 'нана', 'наана', 'бабаба', 'сосна', 'насос', 'сосссс']
    const text = words.flatMap((word, i) => Array.from({ length: 1 + ((i * 7) % 5) }, () => word)).join(' ')
    const counts = new Map<string, number>()
    for (const word of text.split(' ')) counts.set('\u2581' + word, (counts.get('\u2581' + word) ?? 0) + 1)
    const { tokenizer, report } = await trainBpe([text], { vocabSize: 320, coverage: 1 })
    const trained = texts(tokenizer).slice(259, tokenizer.size - report.alphabet)
    expect(trained).toEqual(trainNaively(counts, trained.length))
    expect(trained.length).toBeGreaterThan(30)
  })

  it('gives the same bytes twice, and whether the texts come at once or as a stream', async () => {
    const stream = async function* () {
      for (const line of lines) yield await Promise.resolve(line)
    }
    const [first, again, streamed] = await Promise.all([
      trainBpe(lines, { vocabSize: 500 }),
      trainBpe(lines, { vocabSize: 500 }),
      trainBpe(stream(), { vocabSize: 500 }),
    ])
    expect(bytesOf(first.tokenizer).equals(bytesOf(again.tokenizer))).toBe(true)
    expect(bytesOf(first.tokenizer).equals(bytesOf(streamed.tokenizer))).toBe(true)
  })

  it('puts fixed tokens first: unknown, control, user-defined, 256 bytes', async () => {
    const { tokenizer } = await trainBpe(lines, { vocabSize: 450, userDefined: ['\n', '<char>'] })
    expect(texts(tokenizer).slice(0, 7)).toEqual(['<unk>', '<s>', '</s>', '\n', '<char>', '<0x00>', '<0x01>'])
    expect(tokenizer.size).toBe(450)
    expect(tokenizer.special).toEqual({ unk: 0, bos: 1, eos: 2, pad: undefined })
  })

  it('keeps digits alone, one script to a piece, spaces in front, and user-defined strings out of pieces', async () => {
    const { tokenizer } = await trainBpe([...lines, ...lines.map(line => line + '<char>слово2word')], {
      vocabSize: 700,
      userDefined: ['<char>'],
    })
    const pieces = texts(tokenizer).slice(260)
    expect(pieces.filter(piece => piece.length > 1 && /\d/.test(piece))).toEqual([])
    expect(pieces.filter(piece => /\p{Script=Latin}/u.test(piece) && /\p{Script=Cyrillic}/u.test(piece))).toEqual([])
    expect(pieces.filter(piece => /[\p{L}][-—.,!]|[-—.,!][\p{L}]/u.test(piece))).toEqual([])
    expect(pieces.filter(piece => piece.lastIndexOf('\u2581') > 0)).toEqual([])
    expect(pieces.filter(piece => piece.includes('<') || piece.includes('char>'))).toEqual([])
  })

  it('keeps a stress mark inside a Cyrillic piece', async () => {
    const { tokenizer } = await trainBpe(['за\u0301мок за\u0301мок за\u0301мок'], { vocabSize: 275, coverage: 1 })
    expect(texts(tokenizer)).toContain('\u2581за\u0301мок')
  })

  it('leaves rare characters to bytes unless they are required', async () => {
    const options = { vocabSize: 480, coverage: 0.99 }
    const plain = await trainBpe([...lines, 'ѣ'], options)
    const required = await trainBpe([...lines, 'ѣ'], { ...options, required: 'ѣ☂' })
    expect(plain.tokenizer.id('ѣ')).toBeUndefined()
    expect(plain.report.uncovered).toContain('ѣ')
    expect(
      [...plain.tokenizer.encode('ѣ', { offsets: true }).ids].map(id => plain.tokenizer.token(id)).slice(-2),
    ).toEqual(['<0xD1>', '<0xA3>'])
    expect(required.tokenizer.id('ѣ')).toBeGreaterThan(258)
    expect(required.tokenizer.id('☂')).toBeGreaterThan(258)
  })

  it('gives fewer pieces than asked for when the text has no more, and says by how many', async () => {
    const { tokenizer, report } = await trainBpe(['да да нет'], { vocabSize: 1000 })
    expect(tokenizer.size + report.shortBy).toBe(1000)
    expect(report.shortBy).toBeGreaterThan(700)
  })

  it('does not make pieces longer than allowed', async () => {
    const { tokenizer } = await trainBpe(['достопримечательность достопримечательность'], {
      vocabSize: 400,
      maxPieceLength: 5,
    })
    expect(
      Math.max(
        ...texts(tokenizer)
          .slice(259)
          .map(text => [...text].length),
      ),
    ).toBe(5)
  })

  it('refuses a vocabulary that cannot hold the characters, an empty corpus, and stops when asked to', async () => {
    await expect(trainBpe(lines, { vocabSize: 280 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[AppError: a vocabulary of 280 is 40 too small: 259 fixed tokens and 61 characters need a place. Ask for at least 320 (--vocab 320).]`,
    )
    await expect(trainBpe([''], { vocabSize: 280 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[AppError: there is no text to train a tokenizer on. Give texts that are not empty.]`,
    )
    const signal = AbortSignal.abort()
    await expect(trainBpe(lines, { vocabSize: 500, signal })).rejects.toThrow(
      expect.objectContaining({ code: 'interrupted' }),
    )
  })

  it('trains on one line of 300,000 characters without spaces', async () => {
    const line = Array.from({ length: 300_000 }, (_, i) => String.fromCharCode(0x4e00 + ((i * i) % 97))).join('')
    const { report } = await trainBpe([line], { vocabSize: 600, coverage: 1 })
    expect(report.characters).toBe(300_001)
  })
})
