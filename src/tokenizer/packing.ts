// Many texts to one array of ids with the start of each, in 16 bits where the vocabulary fits.
import { IdList } from './id-list.js'
import type { EncodeOptions, Tokenizer } from './tokenizer.js'

export interface PackedIds {
  readonly ids: Uint16Array | Uint32Array
  /** Text i is `ids.subarray(starts[i], starts[i + 1])`; one start more than texts. */
  readonly starts: Uint32Array
}

/** Ids are Uint16 for at most 65536 tokens, else Uint32. Nothing is dropped. */
export function encodeBatch(tokenizer: Tokenizer, texts: Iterable<string>, options: EncodeOptions = {}): PackedIds {
  const all = new IdList(1 << 16)
  const starts = new IdList()
  starts.push(0)
  for (const text of texts) {
    const { ids } = tokenizer.encode(text, options)
    all.append(ids, 0, ids.length)
    starts.push(all.length)
  }
  const ids = all.toArray()
  return { ids: tokenizer.size <= 0x10000 ? Uint16Array.from(ids) : ids, starts: starts.toArray() }
}
