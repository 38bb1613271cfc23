// Turns novels and plays into the token files that the pocket model is trained and judged on.
// node dist/tools/pocket/corpus.js NOVELS_DIR DRAMA_TSV TOKENIZER_DIR OUT [--held-out FILE]
// With - for the tokenizer only the texts are written, so that a tokenizer can be trained on them first.
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { AppError } from '../../src/base/errors.js'
import { writeFileAtomic } from '../../src/base/files.js'
import { permutation, streamOf } from '../../src/base/random.js'
import { loadTokenizer } from '../../src/tokenizer/files.js'
import { readDrama, readNovels, type TrainingText } from './books.js'
import { writeSlice, writeText, writeTokens } from './token-file.js'

/** Of each held-out book. */
const sliceTokens = 16_400

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { 'held-out': { type: 'string' } } })
  if (positionals.length !== 4) throw usage()
  const [novelsFolder, dramaPath, tokenizerFolder, out] = positionals
  const heldOut = values['held-out'] === undefined ? new Set<string>() : await readNames(values['held-out'])
  const texts = shuffle([...(await readNovels(novelsFolder)), ...(await readDrama(dramaPath))])
  const judged = texts.filter(({ name }) => heldOut.has(name))
  if (judged.length !== heldOut.size) throw notFound([...heldOut], texts)
  const learnt = texts.filter(({ name }) => !heldOut.has(name))
  await mkdir(out, { recursive: true })
  await writeText(join(out, 'train.txt'), learnt)
  await writeText(join(out, 'heldout.txt'), judged)
  if (tokenizerFolder === '-') return
  const tokenizer = await loadTokenizer(tokenizerFolder)
  const parts = {
    train: await writeTokens(join(out, 'train.bin'), learnt, tokenizer),
    heldout: await writeTokens(join(out, 'heldout.bin'), judged, tokenizer),
  }
  await writeSlice(join(out, 'heldout-slice.bin'), judged, tokenizer, sliceTokens)
  await writeFileAtomic(join(out, 'corpus.json'), JSON.stringify(parts, undefined, 2) + '\n')
  for (const [name, { documents, tokens, bytes }] of Object.entries(parts)) {
    console.log(
      `${name}: ${documents.length} documents, ${tokens} tokens, ${bytes} bytes, ${(bytes / tokens).toFixed(3)} bytes per token`,
    )
  }
}

async function readNames(path: string): Promise<Set<string>> {
  const names = (await readFile(path, 'utf8')).split('\n').map(line => line.trim().replace(/\.txt$/u, ''))
  return new Set(names.filter(Boolean))
}

/** Another order than the alphabet's, always the same. */
function shuffle(texts: readonly TrainingText[]): TrainingText[] {
  return [...permutation(1, streamOf('corpus'), texts.length)].map(i => texts[i])
}

function usage(): AppError {
  return new AppError('usage', {
    kind: 'usage',
    what: { en: 'four paths are needed', ru: 'нужны четыре пути' },
    fix: {
      en: 'corpus NOVELS_DIR DRAMA_TSV TOKENIZER_DIR OUT [--held-out FILE]',
      ru: 'corpus ПАПКА_РОМАНОВ ПЬЕСЫ_TSV ТОКЕНИЗАТОР ВЫХОД [--held-out ФАЙЛ]',
    },
  })
}

function notFound(asked: readonly string[], texts: readonly TrainingText[]): AppError {
  const missing = asked.filter(asked => !texts.some(({ name }) => name === asked)).join(', ')
  return new AppError('held-out-missing', {
    what: { en: `no such book to hold out: ${missing}`, ru: `нет книги, которую просили отложить: ${missing}` },
    fix: {
      en: 'Name files of the novels folder, one a line',
      ru: 'Назовите файлы из папки романов, по одному в строке',
    },
  })
}

await main()
