// Turns the typography of old text files (two hyphens for a dash, straight quotes, footnote marks) into that of Russian books.

interface TypographyRule {
  readonly name: string
  readonly apply: (text: string) => string
}

/** How a book writes three dots; the corpus alternates, so that the model knows both. */
export type Ellipsis = 'sign' | 'dots'

const opensQuote = /(?<=^|[\s(«—-])"(?=\S)/gu

/** Applied in this order to one paragraph without line breaks. */
const rules: readonly TypographyRule[] = [
  { name: 'plain-spaces', apply: text => text.replace(/[\s\u00a0\u200b\ufeff]+/gu, ' ').trim() },
  { name: 'no-inline-notes', apply: text => text.replace(/\s*\{[^{}]*\}/gu, '') },
  {
    name: 'no-footnote-marks',
    apply: text => text.replace(/\s*(?:\[\d+\]|\(\*+\)|(?<=[\p{L}.,:;!?»"])\*+(?!\p{L}))/gu, ''),
  },
  {
    name: 'no-emphasis-marks',
    apply: text => text.replace(/_/gu, '').replace(/(?<![\p{L}\d])\*(?=\S)([^*]*?\S)\*(?![\p{L}\d])/gu, '$1'),
  },
  { name: 'dialogue-dash', apply: text => text.replace(/^(?:[-–—]+\s*)+(?=[^-–—\s])/u, '— ') },
  { name: 'inner-dash', apply: text => text.replace(/(?<=\S) (?:-{1,3}|–) (?=\S)/gu, ' — ') },
  { name: 'glued-dash', apply: text => text.replace(/\s*-{2,}\s*/gu, ' — ').replace(/(?<=[,.!?…])- (?=\S)/gu, ' — ') },
  { name: 'final-dash', apply: text => text.replace(/ ?[-–]+$/u, ' —') },
  { name: 'paired-quotes', apply: pairQuotes },
  { name: 'no-space-before-sign', apply: text => text.replace(/(?<=[\p{L}\d»)]) +(?=[,.;:!?](?:\s|$))/gu, '') },
  { name: 'start-space', apply: text => text.trim() },
]

/** One paragraph in the typography of the base model's training text. */
export function setTypography(text: string, ellipsis: Ellipsis): string {
  const set = rules.reduce((line, rule) => rule.apply(line), text)
  return ellipsis === 'sign' ? set.replace(/(?<!\.)\.\.\.(?!\.)/gu, '…') : set.replace(/…/gu, '...')
}

/** Names of the rules that change a paragraph, in their order. */
export function explainTypography(text: string): string[] {
  let line = text
  return rules.flatMap(({ name, apply }) => {
    const before = line
    line = apply(before)
    return line === before ? [] : [name]
  })
}

/** A quote after a space or an opening sign becomes «, any other »; „ and “ and ” count as straight. */
function pairQuotes(text: string): string {
  const plain = text.replace(/[„“”]/gu, '"')
  return plain.replace(opensQuote, '«').replace(/"/gu, '»')
}
