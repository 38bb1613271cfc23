// Hand-tagged lines → how many letters and lines `splitSpeech` gets right.
import { splitSpeech } from '../src/dialogue/speech.js'

interface TaggedLine {
  readonly text: string
  /** For each UTF-16 unit: inside direct speech. */
  readonly speech: readonly boolean[]
  /** Every tag is closed by its own name on the same line. */
  readonly wellFormed: boolean
}

/** The innermost `said` or `author_comment` decides; `said` of type indirect or free-indirect is no direct speech. */
export function readTagged(line: string): TaggedLine {
  const open: { name: string; speech: boolean }[] = []
  const speech: boolean[] = []
  let text = ''
  let wellFormed = true
  for (const [part, closing, name, rest] of line.matchAll(/<(\/?)([a-z_]+)([^<>]*)>|[^<]+|</gu)) {
    if (name === undefined) {
      const inside = open.findLast(tag => tag.name === 'said' || tag.name === 'author_comment')?.speech ?? false
      text += part
      for (let i = 0; i < part.length; i++) speech.push(inside)
    } else if (closing === '') {
      open.push({ name, speech: name === 'said' && !/type="(?:free-)?indirect"/u.test(rest) })
    } else {
      const at = open.findLastIndex(tag => tag.name === name)
      wellFormed &&= at === open.length - 1 && at >= 0
      if (at >= 0) open.splice(at)
    }
  }
  return { text, speech, wellFormed: wellFormed && open.length === 0 }
}

interface SpeechScore {
  lines: number
  exact: number
  right: number
  found: number
  tagged: number
}

interface Miss {
  readonly text: string
  readonly wanted: string
  readonly got: string
}

export function scoreSpeech(lines: readonly TaggedLine[]): { score: SpeechScore; misses: Miss[] } {
  const score: SpeechScore = { lines: 0, exact: 0, right: 0, found: 0, tagged: 0 }
  const misses: Miss[] = []
  for (const { text, speech } of lines) {
    const segments = splitSpeech(text)
    const got = Array.from({ length: text.length }, () => false)
    for (const { kind, start, end } of segments) if (kind === 'speech') got.fill(true, start, end)
    const letters = [...text.matchAll(/\p{L}/gu)].map(match => match.index)
    score.right += letters.filter(i => got[i] && speech[i]).length
    score.found += letters.filter(i => got[i]).length
    score.tagged += letters.filter(i => speech[i]).length
    const exact = letters.every(i => got[i] === speech[i])
    score.lines++
    if (exact) score.exact++
    else misses.push({ text, wanted: mark(text, speech), got: mark(text, got) })
  }
  return { score, misses }
}

function mark(text: string, inside: readonly boolean[]): string {
  let out = ''
  for (let i = 0; i < text.length; i++) {
    if (inside[i] && !inside[i - 1]) out += '['
    out += text[i]
    if (inside[i] && !inside[i + 1]) out += ']'
  }
  return out
}
