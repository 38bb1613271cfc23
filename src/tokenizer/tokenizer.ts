// What every tokenizer of the product can do, whatever file it came from.

export interface Tokenizer {
  /** Number of tokens, added ones included. */
  readonly size: number
  /** Special ids of the tokenizer; undefined where it has none. */
  readonly special: { readonly bos?: number; readonly eos?: number; readonly unk?: number; readonly pad?: number }
  token(id: number): string
  id(token: string): number | undefined
  /** Raw bytes of a token: losses are compared in bits per byte. */
  bytes(id: number): Uint8Array
  encode(text: string, options?: EncodeOptions): Encoding
  decode(ids: ArrayLike<number>, options?: { readonly skipSpecial?: boolean }): string
  /** Streaming decode for chat: holds back incomplete UTF-8 and keeps the first-space rule. */
  decoder(): StreamDecoder
  /** Segments a vocabulary string: no normaliser, no dummy prefix. */
  pieceIds(piece: string): Uint32Array
}

export interface EncodeOptions {
  /** Whether bos/eos are added as the tokenizer's own configuration says. Default false. */
  readonly addSpecial?: boolean
  /** Which added or user-defined tokens may be made from the text. Text of users and novels takes `none`. Default `all`. */
  readonly allow?: 'all' | 'none' | ReadonlySet<string>
  readonly offsets?: boolean
}

export interface Encoding {
  readonly ids: Uint32Array
  /** Two per id: `[start, end)` in UTF-16 units of the text. */
  readonly offsets?: Uint32Array
}

export interface StreamDecoder {
  push(id: number): string
  end(): string
}

export type RowInit =
  { readonly kind: 'mean' } | { readonly kind: 'subtokens'; readonly ids: Uint32Array } | { readonly kind: 'zero' }

/** How the rows of an embedding follow a change of vocabulary: `from[newId]` is the old row kept, or -1, and then `init` says how to fill it. */
export interface IdMap {
  readonly oldTokens: number
  readonly oldRows: number
  readonly newTokens: number
  readonly newRows: number
  readonly from: Int32Array
  readonly init: ReadonlyMap<number, RowInit>
}
