import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { packageRoot } from '../../src/base/package.js'
import { readSentencePiece, writeSentencePiece } from '../../src/formats/sentencepiece.js'
import { addTokens } from '../../src/tokenizer/add.js'
import { convertToTokenizerJson } from '../../src/tokenizer/convert.js'
import type { FileTokenizer } from '../../src/tokenizer/file.js'
import { createHuggingFaceTokenizer } from '../../src/tokenizer/huggingface.js'
import { createSentencePieceTokenizer } from '../../src/tokenizer/sentencepiece.js'
import { parseTokenizerJson, renderTokenizerJson } from '../../src/tokenizer/tokenizer-json.js'
import { trainBpe } from '../../src/tokenizer/train-bpe.js'
import { huggingFaceOracle, llamaModel, sentencePieceOracle, type Oracle } from './oracles.js'
import { hostileLines, ownLines } from './texts.js'

/** Lines on which ids differ, at most five of them. */
async function differing(tokenizer: FileTokenizer, oracle: Oracle, lines: readonly string[]): Promise<string[]> {
  const wrong: string[] = []
  for (const line of lines) {
    const ids = [...tokenizer.encode(line).ids]
    const theirs = await oracle.encode(line)
    if (ids.join() !== theirs.join() && wrong.length < 5)
      wrong.push(`${JSON.stringify(line)}: ${ids.join()} / ${theirs.join()}`)
  }
  return wrong
}

async function differingDecode(tokenizer: FileTokenizer, oracle: Oracle, lines: readonly string[]): Promise<string[]> {
  const wrong: string[] = []
  for (const line of lines) {
    const ids = [...tokenizer.encode(line).ids]
    const [ours, theirs] = [tokenizer.decode(ids), await oracle.decode(ids)]
    if (ours !== theirs && wrong.length < 5) wrong.push(`${JSON.stringify(ours)} / ${JSON.stringify(theirs)}`)
  }
  return wrong
}

interface Both {
  readonly model: FileTokenizer
  readonly json: FileTokenizer
  readonly modelOracle: Oracle
  readonly jsonOracle: Oracle
}

async function both(model: FileTokenizer): Promise<Both> {
  if (model.file.kind !== 'sentencepiece') throw new Error('a .model is needed')
  const bytes = writeSentencePiece(model.file.model)
  const text = renderTokenizerJson(convertToTokenizerJson(model.file.model))
  return {
    model: createSentencePieceTokenizer(readSentencePiece(bytes)),
    json: createHuggingFaceTokenizer(parseTokenizerJson(JSON.parse(text), 'tokenizer.json')),
    modelOracle: await sentencePieceOracle(bytes),
    jsonOracle: huggingFaceOracle(text),
  }
}

const hostile = hostileLines(400)
const own = ownLines(300)
const cases: { readonly [name: string]: () => Promise<FileTokenizer> } = {
  'a trained pocket tokenizer': async () =>
    (await trainBpe([...own, 'a 0 中文'], { vocabSize: 600, userDefined: ['\n'], addDummyPrefix: false })).tokenizer,
  'a trained tokenizer with a dummy prefix': async () =>
    (await trainBpe(own, { vocabSize: 500, userDefined: ['<char>', '<s'] })).tokenizer,
  LLaMA: () => Promise.resolve(createSentencePieceTokenizer(readSentencePiece(llamaModel()))),
  'LLaMA with added tokens': () =>
    Promise.resolve(
      addTokens(createSentencePieceTokenizer(readSentencePiece(llamaModel())), ['<char>', '\n', 'слово'], {
        special: false,
      }).tokenizer,
    ),
}

describe.each(Object.entries(cases))('%s', (_name, make) => {
  let t: Both
  beforeAll(async () => {
    t = await both(await make())
  })

  it('gives the ids of SentencePiece in its .model', async () => {
    expect(await differing(t.model, t.modelOracle, [...hostile, ...own, own.join('\n')])).toEqual([])
  })
  it('gives the ids of Hugging Face in its tokenizer.json', async () => {
    expect(await differing(t.json, t.jsonOracle, [...hostile, ...own, own.join('\n')])).toEqual([])
  })
  it('decodes like both', async () => {
    expect(await differingDecode(t.model, t.modelOracle, [...hostile, ...own])).toEqual([])
    expect(await differingDecode(t.json, t.jsonOracle, [...hostile, ...own])).toEqual([])
  })
  it('gives offsets that lead back to the text, with the same ids', () => {
    const wrong: string[] = []
    for (const line of hostile) {
      for (const tokenizer of [t.model, t.json]) {
        const { ids, offsets = new Uint32Array() } = tokenizer.encode(line, { offsets: true })
        if (ids.join() !== tokenizer.encode(line).ids.join()) wrong.push(`ids of ${JSON.stringify(line)}`)
        wrong.push(...badOffsets(tokenizer, line, ids, offsets))
      }
    }
    expect(wrong).toEqual([])
  })
})

/** Spans go forward without gaps, end at the text's end, and a text piece's span is its own text. */
function badOffsets(tokenizer: FileTokenizer, line: string, ids: Uint32Array, offsets: Uint32Array): string[] {
  const wrong: string[] = []
  let end = 0
  ids.forEach((id, i) => {
    const [from, to] = offsets.subarray(2 * i, 2 * i + 2)
    const token = tokenizer.token(id)
    const isByte = token.startsWith('<0x')
    const slice = line.slice(from, to).replaceAll(' ', '\u2581')
    const follows = from === end || (isByte && from === offsets[2 * i - 2])
    const fits = isByte || token === slice || (token[0] === '\u2581' && token.slice(1) === slice)
    if (!follows || !fits) wrong.push(`${token} at ${from}-${to} of ${JSON.stringify(line)}`)
    end = to
  })
  return end === (ids.length === 0 ? 0 : line.length) ? wrong : [...wrong, `end of ${JSON.stringify(line)}`]
}

const shared = process.env.DVOYNIK_SHARED ?? join(packageRoot, '..', 'shared')
describe.skipIf(!existsSync(join(shared, 'corpora')))(
  'on prose of the shared corpora (skipped where they are absent)',
  () => {
    const read = (archive: string) => {
      const command = `tar -xJOf ${JSON.stringify(join(shared, 'corpora', archive))} 2>/dev/null | head -c 3000000`
      return execFileSync('sh', ['-c', command], { maxBuffer: 1 << 24 })
        .toString()
        .split('\n')
        .filter(Boolean)
        .slice(-2000)
    }
    let llama: Both
    beforeAll(async () => {
      llama = await both(await cases.LLaMA())
    })
    it.each(['ru_prose.tar.xz', 'zh_prose.tar.xz'])('LLaMA gives equal ids on 2000 lines of %s', async archive => {
      const lines = read(archive).map(line => line.slice(0, 200))
      expect(lines).toHaveLength(2000)
      const t = llama
      expect(await differing(t.model, t.modelOracle, lines)).toEqual([])
      expect(await differing(t.json, t.jsonOracle, lines)).toEqual([])
    })
    it('a tokenizer trained on a novel reads it in the ids of both libraries', async () => {
      const novel = readFileSync(join(shared, 'novels/dostoevsky_dvoynik.txt'), 'utf8')
      const t = await both(
        (await trainBpe([novel], { vocabSize: 4000, userDefined: ['\n'], addDummyPrefix: false })).tokenizer,
      )
      const lines = novel.split('\n')
      expect(await differing(t.model, t.modelOracle, lines)).toEqual([])
      expect(await differing(t.json, t.jsonOracle, lines)).toEqual([])
      expect(t.model.decode(t.model.encode(novel).ids)).toBe(novel)
    })
  },
)
