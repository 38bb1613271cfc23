// Turns prompts into continuations by a model in memory.
import { createDecoder } from '../../src/model/decoder.js'
import type { Model } from '../../src/model/weights.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.js'
import { generateTokens, type GenerateOptions } from '../../src/generate/generate.js'

export interface Speaker {
  readonly model: Model
  readonly tokenizer: Tokenizer
  readonly runtime: Runtime
}

/** The end-of-text token ends a text. Equal weights and options give equal texts. */
export async function sampleTexts(
  { model, tokenizer, runtime }: Speaker,
  prompts: readonly string[],
  options: GenerateOptions = {},
): Promise<{ prompt: string; text: string }[]> {
  const decoder = await createDecoder(model, { runtime })
  const { eos } = tokenizer.special
  const samples: { prompt: string; text: string }[] = []
  for (const prompt of prompts) {
    decoder.truncate(0)
    const ids = [...tokenizer.encode(prompt, { allow: 'none' }).ids]
    const made: number[] = []
    for await (const id of generateTokens(decoder, ids, { stopIds: eos === undefined ? [] : [eos], ...options }))
      made.push(id)
    // Decoded together, so that the first-space rule acts on the prompt.
    samples.push({ prompt, text: tokenizer.decode([...ids, ...made]).slice(tokenizer.decode(ids).length) })
  }
  await decoder.close()
  return samples
}
