// Document → capitalised words that may be names, in groups of one to four, and how often each form stands with a small letter.
import type { Document } from '../sources/document.js'
import { splitSentences } from '../language/sentences.js'
import { isCapitalised, splitWords, wordKey, type Token } from '../language/words.js'

/** A run of capitalised words with nothing but single spaces between them. */
export interface NameGroup {
  readonly words: readonly string[]
  /** A title before the group, as written. */
  readonly title?: string
  /** The group opens its sentence, so its first capital letter proves nothing. */
  readonly initial: boolean
  readonly before?: Token
  readonly after?: Token
  /** The sentence's tokens, and where among them the group begins. */
  readonly sentence: readonly Token[]
  readonly at: number
}

export interface FormCount {
  /** Spelling as written most often. */
  readonly text: string
  /** Capitalised inside a sentence. */
  inside: number
  /** Capitalised where any word would be. */
  initial: number
  /** With a small first letter. */
  small: number
}

export interface Capitals {
  readonly groups: readonly NameGroup[]
  /** By word key. */
  readonly forms: ReadonlyMap<string, FormCount>
}

export function collectCapitals(document: Document, isTitle: (word: string) => boolean): Capitals {
  const groups: NameGroup[] = []
  const forms = new Map<string, FormCount>()
  for (const { kind, text } of document.blocks) {
    if (kind === 'title' || kind === 'heading') continue
    for (const { start, end } of splitSentences(text)) collectSentence(text.slice(start, end), groups, forms, isTitle)
  }
  return { groups, forms }
}

const maxGroup = 4

function collectSentence(
  sentence: string,
  groups: NameGroup[],
  forms: Map<string, FormCount>,
  isTitle: (word: string) => boolean,
): void {
  const tokens = splitWords(sentence)
  for (let i = 0; i < tokens.length; i++) {
    if (tokens[i].kind !== 'word') continue
    if (!isNameLike(tokens[i].text)) {
      countForm(forms, tokens[i].text, 'small')
      continue
    }
    const initial = opensSpeech(tokens, i)
    let n = 1
    while (n < maxGroup && i + n < tokens.length && joins(sentence, tokens[i + n - 1], tokens[i + n])) n++
    tokens.slice(i, i + n).forEach(({ text }, k) => countForm(forms, text, initial && k === 0 ? 'initial' : 'inside'))
    const before = tokens[i - 1] as Token | undefined
    const title = before && isTitle(before.text) ? before.text : undefined
    const words = tokens.slice(i, i + n).map(({ text }) => text)
    groups.push({ words, initial, before, after: tokens[i + n], sentence: tokens, at: i, ...(title && { title }) })
    i += n - 1
  }
}

function joins(sentence: string, left: Token, right: Token): boolean {
  return right.kind === 'word' && right.start - left.end === 1 && sentence[left.end] === ' ' && isNameLike(right.text)
}

/** A capital letter and small ones after it; single letters and shouted words are no names. */
function isNameLike(word: string): boolean {
  return (
    word.length > 1 && isCapitalised(word) && /^\p{Lu}[\p{Ll}\p{M}]/u.test(word) && /^\p{Script=Cyrillic}/u.test(word)
  )
}

/** Start of the sentence, of speech after a dash or colon, or of a quotation. */
function opensSpeech(tokens: readonly Token[], i: number): boolean {
  for (let j = i - 1; j >= 0; j--) {
    if (tokens[j].kind !== 'punct') return false
    if (/^[-–—«"„“(:]+$/u.test(tokens[j].text) || /^[.!?…]+$/u.test(tokens[j].text)) return true
    if (tokens[j].text === ',') return false
  }
  return true
}

function countForm(forms: Map<string, FormCount>, text: string, where: 'inside' | 'initial' | 'small'): void {
  const key = wordKey(text)
  const count = forms.get(key) ?? { text, inside: 0, initial: 0, small: 0 }
  count[where]++
  if (!forms.has(key)) forms.set(key, count)
}
