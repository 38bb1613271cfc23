import { describe, expect, it } from 'vitest'
import { gpt2Pattern, nextGpt2Word } from '../../src/tokenizer/byte-level.js'
import { createHuggingFaceTokenizer } from '../../src/tokenizer/huggingface.js'
import { parseTokenizerJson, renderTokenizerJson, type TokenizerJson } from '../../src/tokenizer/tokenizer-json.js'
import { gpt2Style } from './byte-level-file.js'
import { huggingFaceOracle } from './oracles.js'
import { hostileLines, ownLines } from './texts.js'

const lines = [
  ...hostileLines(600),
  ...ownLines(100),
  "it's they're I'LL we'd   x'y 'll ''s 's",
  ' \n\n  a\t b \n',
  'a<|endoftext|>b',
]
const gpt2 = gpt2Style(ownLines(150), 400)

describe('a GPT-2-style tokenizer.json', () => {
  it.each([
    ['as GPT-2 has it', gpt2],
    [
      'with a space put first',
      { ...gpt2, preTokenizer: { ...gpt2.preTokenizer, type: 'ByteLevel', add_prefix_space: true } },
    ],
  ])('%s gives the ids and the text of Hugging Face', async (_name, json: TokenizerJson) => {
    const tokenizer = createHuggingFaceTokenizer(json)
    const oracle = huggingFaceOracle(renderTokenizerJson(json))
    for (const line of lines) {
      const ids = [...tokenizer.encode(line).ids]
      expect([line, ids]).toEqual([line, await oracle.encode(line)])
      expect(tokenizer.decode(ids)).toBe(await oracle.decode(ids))
    }
  })

  it('gives offsets of the characters that a token touches', () => {
    const tokenizer = createHuggingFaceTokenizer(gpt2)
    const { ids, offsets = new Uint32Array() } = tokenizer.encode('да 😀', { offsets: true })
    expect(ids.length * 2).toBe(offsets.length)
    expect(offsets[0]).toBe(0)
    expect(offsets.at(-1)).toBe(5)
    expect([...offsets.slice(-2)]).toEqual([3, 5])
  })

  it('makes no special token of text under allow none, nor one that is not listed', () => {
    const tokenizer = createHuggingFaceTokenizer(gpt2)
    const end = tokenizer.id('<|endoftext|>')
    expect([...tokenizer.encode('a<|endoftext|>').ids]).toContain(end)
    expect([...tokenizer.encode('a<|endoftext|>', { allow: 'none' }).ids]).not.toContain(end)
    expect([...tokenizer.encode('a<|endoftext|>', { allow: new Set(['<char>']) }).ids]).not.toContain(end)
    expect([...tokenizer.encode('a<|endoftext|>', { allow: new Set(['<|endoftext|>']) }).ids]).toContain(end)
  })

  it('splits words as the pattern does where the engines agree on white space', () => {
    for (const line of lines.filter(text => !/[\ufeff\u0085]/.test(text))) {
      const words: string[] = []
      for (let at = 0; at < line.length;) {
        const end = nextGpt2Word(line, at, line.length)
        words.push(line.slice(at, end))
        at = end
      }
      expect(words).toEqual(line.match(new RegExp(gpt2Pattern, 'gu')) ?? [])
    }
  })
})

describe('a LLaMA-style tokenizer.json of other shapes', () => {
  const pieces = ['<unk>', '<s>', '\u2581', 'a', 'b', '\u2581a', 'ab', '\u2581ab', '\u2581\u2581']
  const special = (id: number) => ({
    id,
    content: pieces[id],
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })
  const base: TokenizerJson = {
    addedTokens: [special(0), special(1)],
    normalizer: null,
    preTokenizer: null,
    postProcessor: null,
    decoder: { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'first', split: false },
    model: {
      vocab: new Map(pieces.map((piece, id) => [piece, id])),
      merges: [
        ['\u2581', '\u2581'],
        ['\u2581', 'a'],
        ['a', 'b'],
        ['\u2581a', 'b'],
      ],
      unkToken: '<unk>',
      fuseUnk: true,
      byteFallback: false,
      ignoreMerges: false,
    },
    other: {},
    otherModel: {},
  }
  const metaspace = (prepend_scheme: string, split: boolean) => ({
    ...base,
    preTokenizer: { type: 'Metaspace', replacement: '\u2581', prepend_scheme, split },
  })
  it.each([
    ['Metaspace first, unsplit', metaspace('first', false)],
    ['Metaspace always, split', metaspace('always', true)],
    ['Metaspace never, split', metaspace('never', true)],
    ['no fusing of unknown', { ...metaspace('first', false), model: { ...base.model, fuseUnk: false } }],
    [
      'no unknown token',
      { ...metaspace('first', false), model: { ...base.model, unkToken: undefined, fuseUnk: false } },
    ],
  ])('%s gives the ids of Hugging Face', async (_name, json: TokenizerJson) => {
    const tokenizer = createHuggingFaceTokenizer(json)
    const oracle = huggingFaceOracle(renderTokenizerJson(json))
    for (const line of [
      'ab',
      ' ab',
      '  ab ab',
      'xyz ab xx',
      'x',
      'a<s>b',
      '<s>ab',
      '<s> ab',
      'ab  ',
      '',
      ' ',
      'жж ж',
      'b<s><s>  ab',
    ])
      expect([line, ...tokenizer.encode(line).ids]).toEqual([line, ...(await oracle.encode(line))])
  })

  it('puts the tokens of its template around a text on request', () => {
    const postProcessor = {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: {},
    }
    const tokenizer = createHuggingFaceTokenizer({ ...metaspace('first', false), postProcessor })
    expect([...tokenizer.encode('ab').ids]).toEqual([7])
    expect(tokenizer.encode('ab', { addSpecial: true, offsets: true })).toEqual({
      ids: Uint32Array.of(1, 7),
      offsets: Uint32Array.of(0, 0, 0, 2),
    })
  })
})

describe('what we do not follow', () => {
  it.each([
    ['a normalizer', { ...gpt2, normalizer: { type: 'NFC' } }],
    [
      'a pattern',
      {
        ...gpt2,
        preTokenizer: {
          type: 'Sequence',
          pretokenizers: [
            { type: 'Split', pattern: { Regex: 'x' } },
            { type: 'ByteLevel', use_regex: false },
          ],
        },
      },
    ],
    ['a decoder', { ...gpt2, decoder: { type: 'WordPiece' } }],
    ['a post-processor', { ...gpt2, postProcessor: { type: 'RobertaProcessing' } }],
    ['ignore_merges', { ...gpt2, model: { ...gpt2.model, ignoreMerges: true } }],
    ['lstrip', { ...gpt2, addedTokens: [{ ...gpt2.addedTokens[0], lstrip: true }] }],
  ])('%s is refused by name', (_name, json: TokenizerJson) => {
    expect(() => createHuggingFaceTokenizer(json)).toThrow(expect.objectContaining({ code: 'tokenizer-unsupported' }))
  })
  it('a refusal names the thing and the file', () => {
    expect(() =>
      createHuggingFaceTokenizer({ ...gpt2, normalizer: { type: 'NFC' } }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[AppError: tokenizer.json: this tokenizer uses normalizer NFC, which is not supported. Use a BPE tokenizer: SentencePiece, LLaMA-style or GPT-2-style.]`,
    )
    expect(() =>
      parseTokenizerJson({ model: { type: 'WordPiece' } }, 'bert/tokenizer.json'),
    ).toThrowErrorMatchingInlineSnapshot(
      `[AppError: bert/tokenizer.json: this tokenizer uses model WordPiece, which is not supported. Use a BPE tokenizer: SentencePiece, LLaMA-style or GPT-2-style.]`,
    )
    expect(() =>
      parseTokenizerJson({ model: { type: 'BPE', vocab: {}, merges: ['a b c'] } }, 'tokenizer.json'),
    ).toThrowErrorMatchingInlineSnapshot(
      `[AppError: tokenizer.json: merge "a b c" is not a pair. Take the file from its source again.]`,
    )
  })
})

describe('tokenizer.json as text', () => {
  it('keeps unknown keys, digit tokens and __proto__ in id order', () => {
    const tokens = ['__proto__', 'b', '10', '2', 'a']
    const json = {
      ...gpt2,
      other: { future: { x: 1 } },
      otherModel: { cache: 5 },
      model: { ...gpt2.model, vocab: new Map(tokens.map((token, id) => [token, id])), merges: [] },
    }
    const text = renderTokenizerJson(json)
    const back = parseTokenizerJson(JSON.parse(text), '')
    expect([...text.matchAll(/^ {6}"(.+)": \d+/gm)].map(match => match[1])).toEqual(tokens)
    expect([...back.model.vocab.keys()].sort()).toEqual([...tokens].sort())
    expect(back.other).toMatchObject({ future: { x: 1 } })
    expect(back.otherModel).toMatchObject({ cache: 5 })
    expect(renderTokenizerJson(back)).toBe(text)
  })
  it('reads merges in both spellings', () => {
    const model = { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 } }
    const read = (merges: unknown) => parseTokenizerJson({ model: { ...model, merges } }, '').model.merges
    expect(read(['a b'])).toEqual(read([['a', 'b']]))
  })
})
