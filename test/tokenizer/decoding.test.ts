import { beforeAll, describe, expect, it } from 'vitest'
import { convertToTokenizerJson } from '../../src/tokenizer/convert.js'
import type { FileTokenizer } from '../../src/tokenizer/file.js'
import { createHuggingFaceTokenizer } from '../../src/tokenizer/huggingface.js'
import { trainBpe } from '../../src/tokenizer/train-bpe.js'
import { gpt2Style } from './byte-level-file.js'
import { hostileLines, ownLines } from './texts.js'

const makers: { readonly [name: string]: () => Promise<FileTokenizer> } = {
  'spm without prefix': async () =>
    (await trainBpe(ownLines(200), { vocabSize: 450, userDefined: ['\n'], addDummyPrefix: false })).tokenizer,
  'spm with prefix': async () => (await trainBpe(ownLines(200), { vocabSize: 450 })).tokenizer,
  'hf with prefix': async () => {
    const { file } = (await trainBpe(ownLines(200), { vocabSize: 450 })).tokenizer
    if (file.kind !== 'sentencepiece') throw new Error('a .model is needed')
    return createHuggingFaceTokenizer(convertToTokenizerJson(file.model))
  },
  'gpt2-style': () => Promise.resolve(createHuggingFaceTokenizer(gpt2Style(ownLines(100), 300))),
}

describe.each(Object.entries(makers))('decoding of %s', (name, make) => {
  let t: FileTokenizer
  beforeAll(async () => {
    t = await make()
  })

  it('as a stream gives the text of decoding at once, for every prefix of every line', () => {
    const wrong: string[] = []
    for (const line of hostileLines(60).filter(text => text.length < 80)) {
      const { ids } = t.encode(line)
      for (let cut = 0; cut <= ids.length; cut += 3) {
        const decoder = t.decoder()
        const parts = [...ids.slice(0, cut)].map(id => decoder.push(id))
        const streamed = parts.join('') + decoder.end()
        if (streamed !== t.decode(ids.slice(0, cut))) wrong.push(`${JSON.stringify(line)} at ${cut}`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('never shows half a character of a whole text', () => {
    const decoder = t.decoder()
    const parts = [...t.encode('да 😀中ё').ids].map(id => decoder.push(id))
    expect(parts.join('')).not.toContain('\ufffd')
    expect(parts.join('') + decoder.end()).toBe('да 😀中ё')
  })

  it('gives back the text, ten times over', () => {
    const replaced = name === 'gpt2-style' ? (s: string) => s : (s: string) => s.replaceAll('\u2581', ' ')
    for (const line of [...ownLines(20), ...hostileLines(30).map(replaced)].filter(text => !/<\/?s>|<0x/.test(text))) {
      let text = line
      for (let i = 0; i < 10; i++) text = t.decode(t.encode(text).ids)
      expect(text).toBe(line)
    }
  })

  it('counts the bytes of a text by the bytes of its tokens', () => {
    for (const line of ownLines(20)) {
      const sum = [...t.encode(line).ids].reduce((n, id) => n + t.bytes(id).length, 0)
      expect(sum - Buffer.byteLength(line)).toBe(name.endsWith('with prefix') ? 1 : 0)
    }
  })

  it('refuses an id outside the vocabulary', () => {
    expect(() => t.decode([t.size])).toThrow(expect.objectContaining({ code: 'bad-token-id' }))
    expect(() => t.bytes(-1)).toThrow(expect.objectContaining({ code: 'bad-token-id' }))
  })
})

describe('bad byte runs', () => {
  it('lose one byte each in a .model, and the whole run in a tokenizer.json, as the references have it', async () => {
    const spm = await makers['spm with prefix']()
    const hf = await makers['hf with prefix']()
    const ids = ['<0xD0>', '<0x96>', '<0xD0>', '<0x41>'].map(piece => spm.id(piece) ?? 0)
    expect(spm.decode(ids)).toBe('Ж\ufffdA')
    expect(hf.decode(ids)).toBe('\ufffd\ufffd\ufffd\ufffd')
  })
})
