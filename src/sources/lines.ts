// Splits decoded text into lines that know their place, indentation and content.

export interface Line {
  /** 1-based. */
  readonly number: number
  /** `[start, end)` of the content in the text, spaces at both ends excluded; start = end for a blank line. */
  readonly start: number
  readonly end: number
  /** Columns before the content; a tab goes to the next multiple of 8. */
  readonly indent: number
  readonly content: string
}

const lineBreak = /\r\n|[\n\r\v\u0085\u2028\u2029]/gu

/** Lines of a text with any line ends; a form feed counts as a space at the beginning of its line. */
export function splitLines(text: string): Line[] {
  const lines: Line[] = []
  let from = 0
  for (const { index, 0: sign } of text.matchAll(lineBreak)) {
    lines.push(makeLine(text, from, index, lines.length + 1))
    from = index + sign.length
  }
  if (from < text.length) lines.push(makeLine(text, from, text.length, lines.length + 1))
  return lines
}

function makeLine(text: string, from: number, to: number, number: number): Line {
  const raw = text.slice(from, to)
  const content = raw.trim()
  const lead = content === '' ? 0 : raw.length - raw.trimStart().length
  const start = from + lead
  return { number, start, end: start + content.length, indent: measureIndent(raw.slice(0, lead)), content }
}

function measureIndent(lead: string): number {
  let columns = 0
  for (const sign of lead) {
    if (sign === '\t') columns += 8 - (columns % 8)
    else if (sign !== '\f' && sign !== '\ufeff') columns++
  }
  return columns
}
