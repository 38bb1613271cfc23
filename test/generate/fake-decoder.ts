// A decoder for tests whose logits are a pure function of the tokens before; it notes what it was asked.
import type { Decoder } from '../../src/model/step.js'

export interface FakeDecoder extends Decoder {
  /** Tokens in the cache. */
  readonly cache: number[]
  /** Every list of tokens appended. */
  readonly appended: number[][]
}

export function createFakeDecoder(
  size: number,
  capacity: number,
  logitsOf: (cache: readonly number[]) => (id: number) => number,
): FakeDecoder {
  const cache: number[] = []
  const appended: number[][] = []
  const buffer = new Float32Array(size)
  return {
    cache,
    appended,
    capacity,
    get length() {
      return cache.length
    },
    append(ids) {
      if (cache.length + ids.length > capacity) return Promise.reject(new Error('beyond capacity'))
      cache.push(...Array.from(ids))
      appended.push(Array.from(ids))
      const logit = logitsOf(cache)
      for (let id = 0; id < size; id++) buffer[id] = logit(id)
      return Promise.resolve(buffer)
    },
    truncate: length => void (cache.length = Math.min(cache.length, length)),
    close: () => Promise.resolve(),
  }
}

/** Says the given token ids one after the other, counted from the last `after` token in the cache, then the last of them for ever. */
export function saying(script: readonly number[], start: number): (cache: readonly number[]) => (id: number) => number {
  return cache => {
    const wanted = script[Math.min(cache.length - start, script.length - 1)]
    return id => (id === wanted ? 10 : 0)
  }
}
