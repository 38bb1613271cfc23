// Text of a book → text without the marks of our formats and of chat templates, so that no reader takes a word for a mark.

// <char>, </s>, <|im_start|>, <<SYS>>, [INST]: what tokenizers and templates treat as tokens.
const templateTokens = /<<\/?[A-Z]+>>|<\|[^|<>\n]{0,60}\|>|<\/?[\p{L}_][\p{L}\p{N}_:-]{0,60}>|\[\/?INST\]/gu

/** Template tokens get look-alike brackets, `@` and `|` their full-width twins, line breaks become spaces. */
export function escapeText(text: string): string {
  return text
    .replace(templateTokens, token => token.replace(/[<[]/gu, '‹').replace(/[>\]]/gu, '›').replaceAll('|', '¦'))
    .replace(/\s*\n\s*/gu, ' ')
    .replaceAll('@', '＠')
    .replaceAll('|', '｜')
    .trim()
}

/** How many of these texts hold something that `escapeText` changes. */
export function countEscaped(texts: readonly string[]): number {
  return texts.filter(text => escapeText(text) !== text).length
}
