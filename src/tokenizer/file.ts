// A tokenizer together with the file contents it was made of, so that it can be saved and changed.
import type { SentencePieceModel } from '../formats/sentencepiece.js'
import type { Tokenizer } from './tokenizer.js'
import type { TokenizerJson } from './tokenizer-json.js'

/** tokenizer_config.json as it lies on disk; keys we do not know survive. */
export type TokenizerConfig = Readonly<Record<string, unknown>>

type TokenizerFile =
  | { readonly kind: 'sentencepiece'; readonly model: SentencePieceModel; readonly config: TokenizerConfig }
  | { readonly kind: 'huggingface'; readonly json: TokenizerJson; readonly config: TokenizerConfig }

export interface FileTokenizer extends Tokenizer {
  readonly file: TokenizerFile
}
