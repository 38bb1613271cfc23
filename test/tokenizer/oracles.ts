// Other people's tokenizers behind one face, to compare ids with.
import { createRequire } from 'node:module'
import * as sctg from '@sctg/sentencepiece-js'
import type { Tokenizer as HuggingFace } from 'tokenizers'

const need = createRequire(import.meta.url)

export interface Oracle {
  encode(text: string): Promise<number[]>
  decode(ids: readonly number[]): Promise<string>
}

/** Hugging Face `tokenizers` over the text of a tokenizer.json. */
export function huggingFaceOracle(json: string): Oracle {
  const { Tokenizer } = need('tokenizers') as { Tokenizer: typeof HuggingFace }
  const tokenizer = Tokenizer.fromString(json)
  return {
    encode: async text => (await tokenizer.encode(text, null, { addSpecialTokens: false })).getIds(),
    decode: ids => tokenizer.decode([...ids], true),
  }
}

/** C++ SentencePiece as wasm over the bytes of a `.model`. */
export async function sentencePieceOracle(model: Uint8Array): Promise<Oracle> {
  const processor = new sctg.SentencePieceProcessor()
  await processor.loadFromB64StringModel(Buffer.from(model).toString('base64'))
  return {
    encode: text => Promise.resolve([...processor.encodeIds(text)]),
    decode: ids => Promise.resolve(String(processor.decodeIds(Int32Array.from(ids)))),
  }
}

/** The published LLaMA tokenizer.model. */
export const llamaModel = (): Uint8Array => Buffer.from(sctg.llama_3_1_tokeniser_b64, 'base64')
