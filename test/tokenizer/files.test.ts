import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { addTokens } from '../../src/tokenizer/add.js'
import { loadTokenizer, saveTokenizer } from '../../src/tokenizer/files.js'
import type { FileTokenizer } from '../../src/tokenizer/file.js'
import { createHuggingFaceTokenizer } from '../../src/tokenizer/huggingface.js'
import { encodeBatch } from '../../src/tokenizer/packing.js'
import { trainBpe } from '../../src/tokenizer/train-bpe.js'
import { gpt2Style } from './byte-level-file.js'
import { huggingFaceOracle, sentencePieceOracle } from './oracles.js'
import { ownLines } from './texts.js'

let folder: string
let pocket: FileTokenizer
const text = ownLines(20).join('\n')
const gpt2 = createHuggingFaceTokenizer(gpt2Style(ownLines(40), 150))

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokenizer-'))
  pocket ??= (await trainBpe(ownLines(200), { vocabSize: 500, userDefined: ['\n'], addDummyPrefix: false })).tokenizer
})
afterEach(() => rm(folder, { recursive: true }))

describe('the files of a tokenizer', () => {
  it('load again with equal ids, from the folder and from each file', async () => {
    await saveTokenizer(folder, pocket)
    expect((await readdir(folder)).sort()).toEqual([
      'special_tokens_map.json',
      'tokenizer.json',
      'tokenizer.model',
      'tokenizer_config.json',
    ])
    for (const path of [folder, join(folder, 'tokenizer.json'), join(folder, 'tokenizer.model')]) {
      const loaded = await loadTokenizer(path)
      expect(loaded.size).toBe(500)
      expect(loaded.special).toEqual(pocket.special)
      expect([...loaded.encode(text).ids]).toEqual([...pocket.encode(text).ids])
    }
  })

  it('saved, loaded and saved again are the same bytes', async () => {
    await saveTokenizer(folder, addTokens(pocket, ['<char>']).tokenizer)
    const before = await Promise.all((await readdir(folder)).map(name => readFile(join(folder, name), 'utf8')))
    await saveTokenizer(folder, await loadTokenizer(folder))
    expect(await Promise.all((await readdir(folder)).map(name => readFile(join(folder, name), 'utf8')))).toEqual(before)
  })

  it('keep a chat template and other keys of the configuration', async () => {
    await saveTokenizer(folder, pocket)
    const path = join(folder, 'tokenizer_config.json')
    const config = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    await writeFile(path, JSON.stringify({ ...config, chat_template: '{{ x }}', future: 1 }))
    await saveTokenizer(folder, await loadTokenizer(folder))
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({
      chat_template: '{{ x }}',
      future: 1,
      clean_up_tokenization_spaces: false,
      bos_token: '<s>',
    })
  })

  it('of which the tokenizer.json has been added to follow the tokenizer.json', async () => {
    await saveTokenizer(folder, pocket)
    const grown = addTokens(await loadTokenizer(join(folder, 'tokenizer.json')), ['<char>']).tokenizer
    const other = await mkdtemp(join(tmpdir(), 'tokenizer-'))
    await saveTokenizer(other, grown)
    await writeFile(join(other, 'tokenizer.model'), await readFile(join(folder, 'tokenizer.model')))
    expect((await loadTokenizer(other)).id('<char>')).toBe(500)
    await rm(other, { recursive: true })
  })

  it('that are missing are named', async () => {
    await expect(loadTokenizer(join(folder, 'absent'))).rejects.toThrow(
      expect.objectContaining({ code: 'file-not-found' }),
    )
    await expect(loadTokenizer(folder)).rejects.toThrow(expect.objectContaining({ code: 'no-tokenizer' }))
    await writeFile(join(folder, 'tokenizer.json'), '{')
    await expect(loadTokenizer(folder)).rejects.toThrow(expect.objectContaining({ code: 'bad-json' }))
  })
})

describe.each([
  ['a .model', () => pocket],
  ['a tokenizer.json', () => gpt2],
])('tokens added to %s', (_name, get) => {
  it('are one id wherever they stand, and leave their neighbours alone', () => {
    const base = get()
    const { tokenizer } = addTokens(base, ['<char>', '@@'])
    const id = tokenizer.id('<char>') ?? -1
    expect(id).toBe(base.size)
    expect([...tokenizer.encode('сло<char>во <char><char>').ids]).toEqual([
      ...base.encode('сло').ids,
      id,
      ...(base.pieceIds(base.file.kind === 'sentencepiece' ? 'во\u2581' : 'воĠ').length ? base.encode('во ').ids : []),
      id,
      id,
    ])
    expect(tokenizer.encode('<char>', { allow: 'none' }).ids).not.toContain(id)
  })

  it('come with a map: old rows stay, spare rows are filled, padding is zero', () => {
    const base = get()
    const n = base.size
    const { map } = addTokens(base, ['<char>', '@@'], { oldRows: n + 1, rowMultiple: 64 })
    const rows = Math.ceil((n + 2) / 64) * 64
    expect(map).toMatchObject({ oldTokens: n, oldRows: n + 1, newTokens: n + 2, newRows: rows })
    expect([...map.from.slice(0, n)]).toEqual(Array.from({ length: n }, (_, i) => i))
    expect([...map.from.slice(n)].every(from => from === -1)).toBe(true)
    expect([map.init.get(n), map.init.get(n + 1), map.init.get(n + 2)]).toEqual([
      { kind: 'mean' },
      { kind: 'mean' },
      { kind: 'zero' },
    ])
    expect(map.init.size).toBe(rows - n)
  })

  it('twice or already there change nothing more', () => {
    const { tokenizer } = addTokens(get(), ['<char>', '<char>'])
    const again = addTokens(tokenizer, ['<char>'])
    expect(again.tokenizer.size).toBe(get().size + 1)
    expect(again.map.init.size).toBe(0)
  })

  it('that are special are hidden when decoding, others are shown', () => {
    const hidden = addTokens(get(), ['<char>']).tokenizer
    const shown = addTokens(get(), ['<char>'], { special: false }).tokenizer
    expect(hidden.decode(hidden.encode('да<char>').ids)).toBe('да')
    expect(hidden.decode(hidden.encode('да<char>').ids, { skipSpecial: false })).toBe('да<char>')
    expect(shown.decode(shown.encode('да<char>').ids)).toBe('да<char>')
  })
})

it('added tokens are read by both libraries from both files', async () => {
  const { tokenizer } = addTokens(pocket, ['<char>', '@@'])
  await saveTokenizer(folder, tokenizer)
  const oracles = [
    await sentencePieceOracle(await readFile(join(folder, 'tokenizer.model'))),
    huggingFaceOracle(await readFile(join(folder, 'tokenizer.json'), 'utf8')),
  ]
  for (const line of ['при<char>вет @@ @<char>\n<char>', '<char>', ' <char> '])
    for (const oracle of oracles) expect(await oracle.encode(line)).toEqual([...tokenizer.encode(line).ids])
})

it('a hundred thousand added tokens load and encode in seconds', () => {
  const tokens = Array.from({ length: 100_000 }, (_, i) => `<token${i}>`)
  const json = gpt2.file.kind === 'huggingface' ? gpt2.file.json : undefined
  const added = tokens.map((content, i) => ({
    id: gpt2.size + i,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }))
  const begun = performance.now()
  const grown = createHuggingFaceTokenizer({ ...json!, addedTokens: [...json!.addedTokens, ...added] })
  expect([...grown.encode('<token7><token77777>').ids]).toEqual([gpt2.size + 7, gpt2.size + 77_777])
  expect(performance.now() - begun).toBeLessThan(5_000)
})

it('tokens that cannot be added are refused', () => {
  expect(() => addTokens(pocket, ['</s>'])).toThrowErrorMatchingInlineSnapshot(
    `[AppError: "</s>" is a control piece of this tokenizer and never made from text. Choose another spelling.]`,
  )
  expect(() => addTokens(pocket, [''])).toThrowErrorMatchingInlineSnapshot(
    `[AppError: "" cannot be a token. Give a token of at least one character.]`,
  )
  const overlapping = addTokens(pocket, ['во<']).tokenizer
  expect(() => addTokens(overlapping, ['о<char>'])).not.toThrow()
  expect(() => addTokens(addTokens(pocket, ['о<']).tokenizer, ['<char>'])).toThrowErrorMatchingInlineSnapshot(
    `[AppError: "<char>" was added, but "слово<char>дело" becomes с | ло | в | о< | <0x63> | h | ar | <0x3E> | д | е | ло. Another token overlaps it; choose a spelling that shares no ending or beginning with it.]`,
  )
})

describe('a batch', () => {
  it('is one array with the start of each text, nothing dropped', () => {
    const lines = ['', ...ownLines(5), '']
    const { ids, starts } = encodeBatch(pocket, lines)
    expect(ids).toBeInstanceOf(Uint16Array)
    lines.forEach((line, i) =>
      expect([...ids.subarray(starts[i], starts[i + 1])]).toEqual([...pocket.encode(line).ids]),
    )
    expect(starts.at(-1)).toBe(ids.length)
  })
})

describe('text pieces', () => {
  it('encode to themselves, each alone', () => {
    const dead = Array.from({ length: pocket.size }, (_, id) => id).filter(id => {
      const piece = pocket.token(id)
      return !/^<.+>$/.test(piece) && pocket.pieceIds(piece).join() !== String(id)
    })
    expect(dead).toEqual([])
  })

  it('of two texts join to the pieces of the joined text at a line break and before a space', () => {
    const [a, b] = ownLines(2)
    const ids = (line: string) => [...pocket.encode(line).ids]
    expect([...ids(a), ...ids('\n'), ...ids(b)]).toEqual(ids(`${a}\n${b}`))
    expect([...ids(a), ...ids(' ' + b)]).toEqual(ids(`${a} ${b}`))
  })

  it('line breaks are one id each even when no mark may be made from text', () => {
    const id = pocket.id('\n')
    expect([...pocket.encode('\n\n', { allow: 'none' }).ids]).toEqual([id, id])
  })

  it('encode lone surrogates as U+FFFD and empty text as nothing', () => {
    expect([...pocket.encode('\ud800').ids]).toEqual([...pocket.encode('\ufffd').ids])
    expect(pocket.encode('').ids).toHaveLength(0)
  })
})
