// Characters of a vocabulary to symbols: ids of one-character tokens, and numbers above the vocabulary for other characters that occur in tokens.

export interface CharacterSymbols {
  /** Symbol of a code point, or -1. Symbols from `size` up stand for no token. */
  of(codePoint: number): number
}

export function createCharacterSymbols(symbols: ReadonlyMap<number, number>): CharacterSymbols {
  const basic = new Int32Array(0x10000).fill(-1)
  const astral = new Map<number, number>()
  for (const [codePoint, symbol] of symbols) {
    if (codePoint < 0x10000) basic[codePoint] = symbol
    else astral.set(codePoint, symbol)
  }
  return { of: codePoint => (codePoint < 0x10000 ? basic[codePoint] : (astral.get(codePoint) ?? -1)) }
}

/** The code point at a UTF-16 unit; half a surrogate pair counts as U+FFFD, as its UTF-8 form does. */
export function codePointAt(text: string, at: number): number {
  const unit = text.charCodeAt(at)
  if (unit < 0xd800 || unit > 0xdfff) return unit
  if (unit > 0xdbff) return 0xfffd
  const low = text.charCodeAt(at + 1)
  return low >= 0xdc00 && low <= 0xdfff ? 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00) : 0xfffd
}
