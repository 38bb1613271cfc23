// A small GPT-2-style tokenizer.json made from given lines: 256 bytes, merges of the most frequent byte pairs, one special token.
import { byteCharacters, nextGpt2Word } from '../../src/tokenizer/byte-level.js'
import type { TokenizerJson } from '../../src/tokenizer/tokenizer-json.js'

export function gpt2Style(lines: readonly string[], merges: number): TokenizerJson {
  let words = lines.flatMap(line => {
    const found: string[][] = []
    for (let at = 0; at < line.length;) {
      const end = nextGpt2Word(line, at, line.length)
      found.push([...Buffer.from(line.slice(at, end))].map(byte => byteCharacters[byte]))
      at = end
    }
    return found
  })
  const rules: [string, string][] = []
  const vocab = new Map(byteCharacters.map((character, id) => [character, id]))
  for (let k = 0; k < merges; k++) {
    const counts = new Map<string, number>()
    for (const word of words)
      word
        .slice(1)
        .forEach((right, i) => counts.set(`${word[i]} ${right}`, (counts.get(`${word[i]} ${right}`) ?? 0) + 1))
    const [best] = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    if (!best) break
    const [left, right] = best[0].split(' ')
    rules.push([left, right])
    if (!vocab.has(left + right)) vocab.set(left + right, vocab.size)
    words = words.map(word => mergeOne(word, left, right))
  }
  const id = vocab.size
  return {
    addedTokens: [
      {
        id,
        content: '<|endoftext|>',
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: true,
        special: true,
      },
    ],
    normalizer: null,
    preTokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    postProcessor: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      vocab: vocab.set('<|endoftext|>', id),
      merges: rules,
      unkToken: undefined,
      fuseUnk: false,
      byteFallback: false,
      ignoreMerges: false,
    },
    other: {},
    otherModel: {},
  }
}

function mergeOne(word: readonly string[], left: string, right: string): string[] {
  const merged: string[] = []
  for (let i = 0; i < word.length; i++) {
    const both = word[i] === left && word[i + 1] === right
    merged.push(both ? left + right : word[i])
    if (both) i++
  }
  return merged
}
