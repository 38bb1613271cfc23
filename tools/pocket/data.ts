// Opens the token files of the pocket model, with the bytes each token stands for.
import { join } from 'node:path'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.js'
import type { BatchSource } from '../../src/train/batches.js'
import { openTokenBlocks } from '../../src/train/token-blocks.js'
import { blockLength } from './model.js'

type OpenSource = BatchSource & { close(): Promise<void> }

export function openTrainingBlocks(
  folder: string,
  batch: number,
  seed: number,
  tokenizer: Tokenizer,
): Promise<OpenSource> {
  return openTokenBlocks(join(folder, 'train.bin'), { batch, length: blockLength, seed, bytes: byteLengths(tokenizer) })
}

/** Blocks in the order of the text. */
export function openJudgedBlocks(path: string, batch: number, tokenizer: Tokenizer): Promise<OpenSource> {
  return openTokenBlocks(path, { batch, length: blockLength, shuffle: false, bytes: byteLengths(tokenizer) })
}

/** Raw bytes of each token; special tokens stand for no text. */
function byteLengths(tokenizer: Tokenizer): (id: number) => number {
  const special = new Set(Object.values(tokenizer.special))
  const lengths = Uint8Array.from({ length: tokenizer.size }, (_, id) =>
    special.has(id) ? 0 : tokenizer.bytes(id).length,
  )
  return id => lengths[id]
}
