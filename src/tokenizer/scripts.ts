// Which characters may share a trained piece: one Unicode script, digits alone, as SentencePiece has it.

/** A script number for comparison only; 0 is for characters that take any company (the space mark). */
export type ScriptOf = (codePoint: number) => number

const inherited = 1
const common = 2
const han = 3
const named = [
  'Cyrillic', 'Latin', 'Greek', 'Arabic', 'Hebrew', 'Armenian', 'Georgian', 'Devanagari', 'Bengali', 'Gurmukhi',
  'Gujarati', 'Oriya', 'Tamil', 'Telugu', 'Kannada', 'Malayalam', 'Sinhala', 'Thai', 'Lao', 'Tibetan', 'Myanmar',
  'Hangul', 'Ethiopic', 'Khmer', 'Mongolian', 'Cherokee', 'Bopomofo', 'Yi', 'Gothic', 'Glagolitic', 'Coptic', 'Syriac',
  'Thaana', 'Canadian_Aboriginal', 'Ogham', 'Runic', 'Old_Italic', 'Deseret', 'Braille', 'Tifinagh', 'Nko',
] as const // prettier-ignore
const patterns = named.map(name => new RegExp(`\\p{Script=${name}}`, 'u'))

/** Hiragana, Katakana and U+30FC count as Han; Inherited characters get the number 1 and take the script before them. */
export function createScriptOf(): ScriptOf {
  const known = new Map<number, number>([[0x2581, 0]])
  return codePoint => {
    let script = known.get(codePoint)
    if (script === undefined) known.set(codePoint, (script = findScript(codePoint)))
    return script
  }
}

function findScript(codePoint: number): number {
  const character = String.fromCodePoint(codePoint)
  if (codePoint === 0x30fc || /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(character)) return han
  if (/\p{Script=Inherited}/u.test(character)) return inherited
  if (/\p{Script=Common}/u.test(character)) return common
  const found = patterns.findIndex(pattern => pattern.test(character))
  // Rare scripts share one number: a piece that mixes two of them is possible and harmless.
  return found < 0 ? 4 : 5 + found
}

/** 0-9 and their full-width forms. */
export function isDigit(codePoint: number): boolean {
  return (codePoint >= 0x30 && codePoint <= 0x39) || (codePoint >= 0xff10 && codePoint <= 0xff19)
}

export { inherited as inheritedScript }
