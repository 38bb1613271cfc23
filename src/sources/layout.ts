// Decides from statistics of its lines how a plain text marks paragraphs.
import type { Line } from './lines.js'

/**
 * `lines`: one paragraph a line. The others are hard-wrapped: `indented` paragraphs begin with an indentation,
 * `spaced` ones are separated by blank lines, `ragged` ones by nothing but a line that ends early.
 */
type LayoutKind = 'lines' | 'indented' | 'spaced' | 'ragged'

export interface Layout {
  readonly kind: LayoutKind
  /** Columns of the right margin where text is hard-wrapped. */
  readonly width: number
  /** Indentation of a continuation line, in columns. */
  readonly indent: number
  /** Usual indentation of a paragraph's first line where `kind` is `indented`. */
  readonly firstIndent: number
}

const maxWrappedWidth = 160
const minContinued = 0.2 // of neighbouring lines: the second begins with a small letter; 0.45 and more in wrapped prose
const minFirstShare = 0.04

/** Lines between which there is no blank line, as pairs. */
function neighbours(lines: readonly Line[]): [Line, Line][] {
  return lines
    .slice(1)
    .flatMap((line, i) => (line.content && lines[i].content ? [[lines[i], line] as [Line, Line]] : []))
}

export function decideLayout(lines: readonly Line[]): Layout {
  const filled = lines.filter(line => line.content)
  const width = quantile(
    filled.map(line => line.indent + line.content.length),
    0.98,
  )
  const pairs = neighbours(lines)
  const continued = pairs.filter(([, line]) => startsSmall(line))
  const share = pairs.length === 0 ? 0 : continued.length / pairs.length
  const plain = { width, indent: 0, firstIndent: 0 }
  if (width > maxWrappedWidth || share < minContinued || continued.length < 2) return { kind: 'lines', ...plain }
  const indent = mode(continued.map(([, line]) => line.indent))
  const first = filled.filter(line => line.indent > indent + 1 && !startsSmall(line))
  if (first.length / filled.length >= minFirstShare && first.length >= 2) {
    return { kind: 'indented', width, indent, firstIndent: mode(first.map(line => line.indent)) }
  }
  const blanks = lines.filter((line, i) => !line.content && lines[i + 1]?.content).length
  return { kind: blanks * 25 >= filled.length ? 'spaced' : 'ragged', width, indent, firstIndent: indent }
}

/** Whether a line continues the sentence of the line before: it begins with a small letter. */
export function startsSmall({ content }: Line): boolean {
  return /^[«"„“(]?\p{Ll}/u.test(content)
}

/** Whether the first word of `next` would have fitted on `line`: then the break there was meant. */
export function endsEarly(line: Line, next: Line, width: number): boolean {
  const word = /^([—–-]+\s+)?\S+/u.exec(next.content)?.[0] ?? ''
  return line.indent + line.content.length + 1 + word.length <= width - 2
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

function mode(values: readonly number[]): number {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best), [0, 0])[0]
}
