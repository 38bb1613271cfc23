// Text → words, numbers and punctuation with their places; hyphenated words stay whole.

/** A token; `[start, end)` in UTF-16 units of the text it was cut from. */
export interface Token {
  readonly kind: 'word' | 'number' | 'punct'
  readonly text: string
  readonly start: number
  readonly end: number
}

const tokenPattern =
  /(?<word>[\p{L}\p{M}]+(?:[-‐‑'’][\p{L}\p{M}\d]+)*)|(?<number>\d+(?:[.,:]\d+)*(?:-[\p{L}]{1,3})?)|(?<punct>\.{2,}|…|-{2,}|[^\s\p{L}\p{M}\d])/gu

/** Tokens of `text` in order; what lies between them is white space. */
export function splitWords(text: string): Token[] {
  const tokens: Token[] = []
  for (const match of text.matchAll(tokenPattern)) {
    const start = match.index
    const groups = match.groups as Record<string, string | undefined>
    const kind = groups['word'] !== undefined ? 'word' : groups['number'] !== undefined ? 'number' : 'punct'
    tokens.push({ kind, text: match[0], start, end: start + match[0].length })
  }
  return tokens
}

/** The key a word is looked up by: NFC, lower case, ё as е. */
export function wordKey(word: string): string {
  return word.normalize('NFC').toLowerCase().replaceAll('ё', 'е')
}

/** True when the first letter is a capital one. */
export function isCapitalised(word: string): boolean {
  const first = word.codePointAt(0)
  return first !== undefined && /^\p{Lu}/u.test(word)
}

/** Gives `word` a capital first letter. */
export function capitalise(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}
