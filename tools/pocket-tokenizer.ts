// A folder of .txt files to the pocket model's tokenizer: 8000 tokens, byte fallback, a line break as one token; prints what it is worth.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { saveTokenizer } from '../src/tokenizer/files.js'
import { trainBpe } from '../src/tokenizer/train-bpe.js'
import type { Tokenizer } from '../src/tokenizer/tokenizer.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'held-out': { type: 'string', multiple: true, default: [] },
    extra: { type: 'string', multiple: true, default: [] },
    vocab: { type: 'string', default: '8000' },
  },
})
const [corpus, target] = positionals
if (!corpus || !target) {
  console.error('usage: pocket-tokenizer CORPUS_DIR OUT_DIR [--held-out FILE]... [--extra FILE]... [--vocab N]')
  process.exit(2)
}

const heldOut = values['held-out'].map(file => resolve(file))
const files = [...(await listTexts(corpus)), ...values.extra.map(file => resolve(file))].filter(
  file => !heldOut.includes(file),
)
const { tokenizer, report } = await trainBpe(readTexts(files), {
  vocabSize: Number(values.vocab),
  userDefined: ['\n'],
  addDummyPrefix: false,
  required: printable(),
})
await saveTokenizer(target, tokenizer)
const measures = []
for (const file of heldOut) measures.push({ file, ...measure(tokenizer, normaliseLines(await readFile(file, 'utf8'))) })
const result = { files: files.length, ...report, heldOut: measures }
await writeFile(join(target, 'report.json'), JSON.stringify(result, null, 2) + '\n')
console.log(JSON.stringify(result, null, 2))

async function listTexts(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const names = entries.filter(entry => entry.isFile() && entry.name.endsWith('.txt'))
  return names.map(entry => resolve(entry.parentPath, entry.name)).sort()
}

async function* readTexts(paths: readonly string[]): AsyncGenerator<string> {
  for (const path of paths) yield normaliseLines(await readFile(path, 'utf8'))
}

/** Books come with indents and runs of spaces; the pocket model is to read neither. */
function normaliseLines(text: string): string {
  const lines = text
    .replace(/^\ufeff/, '')
    .replace(/\r\n?/g, '\n')
    .split('\n')
  return lines
    .map(line => line.replace(/[ \t]+/g, ' ').trim())
    .join('\n')
    .replace(/\n{2,}/g, '\n')
    .trim()
}

/** ASCII, the Russian alphabet and the marks of Russian typography, whatever the corpus lacks. */
function printable(): string {
  const ascii = Array.from({ length: 94 }, (_, i) => String.fromCharCode(0x21 + i)).join('')
  const russian = Array.from({ length: 64 }, (_, i) => String.fromCharCode(0x410 + i)).join('')
  return ascii + russian + 'Ёё«»„“”‘’…–—№\u0301'
}

function measure(trained: Tokenizer, text: string) {
  const { ids } = trained.encode(text)
  const words = text.match(/[\p{L}\p{N}\p{M}]+/gu)?.length ?? 0
  const lineBreak = trained.id('\n')
  const inBytes = ids.reduce((n, id) => n + (/^<0x/.test(trained.token(id)) ? 1 : 0), 0)
  const breaks = ids.reduce((n, id) => n + (id === lineBreak ? 1 : 0), 0)
  return {
    words,
    tokens: ids.length,
    lineBreaks: breaks,
    tokensPerWord: round(ids.length / words),
    charactersPerToken: round([...text].length / ids.length),
    bytesPerToken: round(Buffer.byteLength(text) / ids.length),
    byteTokenShare: round(inBytes / ids.length, 6),
    roundTrip: trained.decode(ids) === text,
  }
}

function round(value: number, digits = 3): number {
  return Number(value.toFixed(digits))
}
