import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { bitsPerByte } from '../../src/train/bits-per-byte.js'
import { openTokenBlocks, type TokenBlockOptions } from '../../src/train/token-blocks.js'

async function blocksOf(ids: Uint16Array | Uint32Array, options: TokenBlockOptions) {
  const path = join(await mkdtemp(join(tmpdir(), 'tokens-')), 'tokens.bin')
  await writeFile(path, new Uint8Array(ids.buffer))
  return openTokenBlocks(path, options)
}

describe('blocks of a token file', () => {
  for (const width of ['uint16', 'uint32'] as const) {
    it(`${width}: every token but the first is predicted once from the one before it, the tail is left out`, async () => {
      const ids = Array.from({ length: 32 }, (_, i) => 1000 + i)
      const file = width === 'uint16' ? Uint16Array.from(ids) : Uint32Array.from(ids)
      const source = await blocksOf(file, { batch: 2, length: 5, width, shuffle: false, bytes: id => id - 1000 })
      const inputs: number[] = []
      for (let index = 0; index < source.count; index++) {
        const { batch, tokens, bytes } = await source.batch(0, index)
        batch.labels.forEach((label, i) => {
          if (label < 0n) return
          inputs.push(Number(batch.ids[i]))
          expect(label).toBe(batch.ids[i] + 1n)
          expect(batch.positions[i]).toBe(BigInt(i % 5))
          expect(batch.segments[i]).toBe(1n)
        })
        expect(tokens).toBe(batch.labels.filter(label => label >= 0n).length)
        expect(bytes).toBe(batch.labels.reduce((sum, label) => sum + (label >= 0n ? Number(label) - 1000 : 0), 0))
      }
      expect(inputs).toEqual(ids.slice(0, 30))
      await source.close()
    })
  }

  it('the order changes with the epoch and not with the call', async () => {
    const source = await blocksOf(
      Uint16Array.from({ length: 101 }, (_, i) => i),
      { batch: 1, length: 4, seed: 1 },
    )
    const first = async (epoch: number): Promise<string> => {
      const all = []
      for (let index = 0; index < source.count; index++) all.push((await source.batch(epoch, index)).batch.ids[0])
      return all.join()
    }
    const order = await first(0)
    expect(await first(1)).not.toBe(order)
    expect(await first(0)).toBe(order)
    expect(order.split(',').map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 25 }, (_, i) => 4 * i)) // prettier-ignore
    await source.close()
  })

  it('a file without one whole block is refused', async () => {
    const error: unknown = await blocksOf(new Uint16Array(5), { batch: 1, length: 5 }).catch(
      (thrown: unknown) => thrown,
    )
    expect((error as Error).message.replace(/^.*tokens\.bin/u, 'tokens.bin')).toMatchInlineSnapshot(
      `"tokens.bin: 5 tokens are fewer than one block of 5 and the token after it. Add text or choose a shorter length."`,
    )
  })
})

it('bits per byte divide by the bytes of the text, so that a letter split over two tokens changes nothing', () => {
  const loss = 2 * Math.LN2
  expect(bitsPerByte(loss, Buffer.byteLength('ж'))).toBeCloseTo(1, 12)
  expect(bitsPerByte(loss / 2, 1)! + bitsPerByte(loss / 2, 1)!).toBeCloseTo(2, 12)
  expect(bitsPerByte(loss, 0)).toBeUndefined()
})
