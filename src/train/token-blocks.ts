// Turns a file of token ids (little-endian uint16 or uint32, as preprocessing wrote it) into batches for pretraining.
import { open } from 'node:fs/promises'
import { AppError } from '../base/errors.js'
import { sha256File } from '../base/hash.js'
import { epochOrder, type BatchSource, type TrainBatch } from './batches.js'

export interface TokenBlockOptions {
  readonly batch: number
  readonly length: number
  readonly seed?: number
  readonly shuffle?: boolean
  /** Width of an id in the file. Default `uint16`. */
  readonly width?: 'uint16' | 'uint32'
  /** UTF-8 bytes of a token, for bits per byte. */
  readonly bytes?: (id: number) => number
}

/**
 * Blocks of `length` tokens, each predicting the token after it; a tail shorter than a block is left out.
 * Close it when training is done.
 * @throws AppError `token-file-short` when the file has not even one block
 */
export async function openTokenBlocks(
  path: string,
  options: TokenBlockOptions,
): Promise<BatchSource & { close(): Promise<void> }> {
  const { batch, length, seed = 0, shuffle = true, width = 'uint16', bytes = () => 0 } = options
  const size = width === 'uint16' ? 2 : 4
  const fingerprint = [await sha256File(path), width, batch, length, seed, shuffle].join('-')
  const file = await open(path, 'r')
  const tokens = Math.floor((await file.stat()).size / size)
  const blocks = Math.floor((tokens - 1) / length)
  if (blocks < 1) {
    await file.close()
    throw tokenFileShort(path, tokens, length)
  }
  const readBlock = async (block: number): Promise<Uint16Array | Uint32Array> => {
    const data = new Uint8Array((length + 1) * size)
    await file.read(data, 0, data.length, block * length * size)
    return size === 2 ? new Uint16Array(data.buffer) : new Uint32Array(data.buffer)
  }
  const order = epochOrder(blocks, seed, shuffle)
  return {
    count: Math.ceil(blocks / batch),
    fingerprint,
    batch: async (epoch, index) => {
      const numbers = [...order(epoch).subarray(index * batch, (index + 1) * batch)]
      const rows = await Promise.all(numbers.map(readBlock))
      const names = numbers.map(block => `${path}:block ${block}`)
      return fillBlocks(rows, names, { batch, length, bytes })
    },
    close: () => file.close(),
  }
}

function fillBlocks(
  rows: readonly (Uint16Array | Uint32Array)[],
  examples: readonly string[],
  { batch, length, bytes }: Required<Pick<TokenBlockOptions, 'batch' | 'length' | 'bytes'>>,
): TrainBatch {
  const ids = new BigInt64Array(batch * length)
  const labels = new BigInt64Array(batch * length).fill(-100n)
  const positions = new BigInt64Array(batch * length)
  const segments = new BigInt64Array(batch * length)
  let byteCount = 0
  rows.forEach((row, r) => {
    for (let i = 0, at = r * length; i < length; i++, at++) {
      ids[at] = BigInt(row[i])
      labels[at] = BigInt(row[i + 1])
      positions[at] = BigInt(i)
      segments[at] = 1n
      byteCount += bytes(row[i + 1])
    }
  })
  return {
    batch: { batch, length, ids, labels, positions, segments },
    examples,
    tokens: rows.length * length,
    bytes: byteCount,
  }
}

function tokenFileShort(path: string, tokens: number, length: number): AppError {
  return new AppError('token-file-short', {
    where: path,
    what: {
      en: `${tokens} tokens are fewer than one block of ${length} and the token after it`,
      ru: `токенов ${tokens}, это меньше одного блока из ${length} и токена после него`,
    },
    fix: { en: 'Add text or choose a shorter length', ru: 'Добавьте текста или выберите меньшую длину' },
  })
}
