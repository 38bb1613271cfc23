// Measures what a 5-gram model and xz -9 make of the held-out books, in bits per byte: the baselines of the pocket model.
// node dist/tools/pocket/ngram.js DATA_DIR [--order N]   writes DATA_DIR/baselines.json
import { spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { readJson, writeFileAtomic } from '../../src/base/files.js'
import { trainNgrams, type NgramModel } from './kneser-ney.js'
import type { CorpusPart } from './token-file.js'

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { order: { type: 'string', default: '5' } },
  })
  const [folder] = positionals
  const order = Number(values.order)
  const { heldout } = (await readJson(join(folder, 'corpus.json'))) as { heldout: CorpusPart }
  const train = await readIds(join(folder, 'train.bin'))
  const judged = await readIds(join(folder, 'heldout.bin'))
  const vocabulary = Math.max(maximum(train), maximum(judged)) + 1
  const began = performance.now()
  const model = trainNgrams(train, vocabulary, order)
  console.log(`${order}-gram model of ${train.length} tokens in ${((performance.now() - began) / 1000).toFixed(0)} s`)
  const text = join(folder, 'heldout.txt')
  const bytes = (await stat(text)).size
  const baselines = {
    order,
    bytes,
    ngramBitsPerByte: surprise(model, judged) / heldout.bytes,
    xzBitsPerByte: (8 * (await xzSize([text]))) / bytes,
    // What the held-out books add when xz has the whole training text in its window.
    xzAfterTrainingTextBitsPerByte:
      (8 * ((await xzSize([join(folder, 'train.txt'), text])) - (await xzSize([join(folder, 'train.txt')])))) / bytes,
  }
  await writeFileAtomic(join(folder, 'baselines.json'), JSON.stringify(baselines, undefined, 2) + '\n')
  console.log(JSON.stringify(baselines, undefined, 2))
}

async function readIds(path: string): Promise<Uint16Array> {
  const data = await readFile(path)
  return new Uint16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength))
}

function maximum(ids: Uint16Array): number {
  return ids.reduce((best, id) => Math.max(best, id), 0)
}

/** Bits that the model needs for the tokens, each given all before it. */
function surprise(model: NgramModel, ids: Uint16Array): number {
  let bits = 0
  for (let i = 0; i < ids.length; i++) {
    bits -= Math.log2(model.probability(ids.subarray(Math.max(0, i - model.order + 1), i), ids[i]))
  }
  return bits
}

/** Bytes that xz -9 makes of the files joined. */
async function xzSize(paths: readonly string[]): Promise<number> {
  const xz = spawn('xz', ['-9', '--stdout'], { stdio: ['pipe', 'pipe', 'inherit'] })
  let size = 0
  xz.stdout.on('data', (part: Buffer) => (size += part.length))
  const ended = new Promise<void>((resolve, reject) => xz.once('error', reject).once('close', () => resolve()))
  for (const path of paths.slice(0, -1)) await pipeline(createReadStream(path), xz.stdin, { end: false })
  await pipeline(createReadStream(paths[paths.length - 1]), xz.stdin)
  await ended
  return size
}

await main()
