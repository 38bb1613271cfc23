// Text → words, numbers and punctuation with their places; hyphenated words stay whole.

/** A token; `[start, end)` in UTF-16 units of the text it was cut from. */
export interface Token {
  readonly kind: 'word' | 'number' | 'punct'
  readonly text: string
  readonly start: number
  readonly end: number
}

const tokenPattern =
  /[\p{L}\p{M}]+(?:[-‐‑'’][\p{L}\p{M}\d]+)*|\d+(?:[.,:]\d+)*(?:-\p{L}{1,3})?|\.{2,}|-{2,}|[^\s\p{L}\p{M}\d]/gu
const wordStart = /^[\p{L}\p{M}]/u

/** Tokens of `text` in order; what lies between them is white space. */
export function splitWords(text: string): Token[] {
  const tokens: Token[] = []
  tokenPattern.lastIndex = 0
  for (let match = tokenPattern.exec(text); match; match = tokenPattern.exec(text)) {
    const [found] = match
    tokens.push({ kind: kindOf(found), text: found, start: match.index, end: match.index + found.length })
  }
  return tokens
}

function kindOf(found: string): Token['kind'] {
  const code = found.charCodeAt(0)
  if (code >= 48 && code <= 57) return 'number'
  if (code >= 0x400 && code < 0x482) return 'word'
  if (code < 65 || (code >= 0x2010 && code < 0x2030)) return 'punct'
  return wordStart.test(found) ? 'word' : /^\d/u.test(found) ? 'number' : 'punct'
}

/** The key a word is looked up by: NFC, lower case, ё as е. */
export function wordKey(word: string): string {
  const lower = word.toLowerCase()
  const composed = /[\u0300-\u036f]/u.test(lower) ? lower.normalize('NFC') : lower
  return composed.includes('ё') ? composed.replaceAll('ё', 'е') : composed
}

/** True when the first letter is a capital one. */
export function isCapitalised(word: string): boolean {
  const code = word.charCodeAt(0)
  if (code >= 0x430 && code < 0x460) return false
  return (code >= 0x410 && code < 0x430) || /^\p{Lu}/u.test(word)
}

/** Gives `word` a capital first letter. */
export function capitalise(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}
