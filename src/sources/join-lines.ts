// Joins the lines of one hard-wrapped paragraph; a hyphen at a line's end goes only where the book itself decides it.
import type { Line } from './lines.js'

/** What became of the hyphens at line ends. */
interface HyphenCounts {
  removed: number
  kept: number
}

interface Joiner {
  readonly counts: HyphenCounts
  join(lines: readonly Line[]): string
}

const brokenEnd = /(\p{L}+)-$/u
const wordStart = /^\p{Ll}+/u
/** Parts that Russian writes with a hyphen. */
const hyphenTail = /^(то|нибудь|либо|ка|таки|де|с|тка)$/u
const hyphenHead = /^(кое|кой|по|во|в|из)$/iu

/** Makes a joiner that knows the words of the whole text, so that it can tell «кото-рый» from «кто-нибудь». */
export function makeJoiner(text: string, lines: readonly Line[]): Joiner {
  const broken = lines.filter(({ content }) => brokenEnd.test(content))
  const words = broken.length === 0 ? new Set<string>() : collectWords(text)
  const habit = broken.length >= 5 && broken.length > lines.length * 0.03
  const counts: HyphenCounts = { removed: 0, kept: 0 }
  return { counts, join: parts => parts.reduce((whole, { content }) => (whole ? glue(whole, content) : content), '') }

  function glue(whole: string, next: string): string {
    if (whole.endsWith('\u00ad')) return whole.slice(0, -1) + next
    const head = brokenEnd.exec(whole)?.[1]
    const tail = wordStart.exec(next)?.[0]
    if (!head || !tail) return `${whole} ${next}`
    const remove = isOneWord(head, tail, words, habit)
    counts[remove ? 'removed' : 'kept']++
    return (remove ? whole.slice(0, -1) : whole) + next
  }
}

function isOneWord(head: string, tail: string, words: ReadonlySet<string>, habit: boolean): boolean {
  if (hyphenTail.test(tail) || words.has(`${head}-${tail}`.toLowerCase())) return false
  if (words.has((head + tail).toLowerCase())) return true
  return habit && !hyphenHead.test(head)
}

function collectWords(text: string): Set<string> {
  return new Set(Array.from(text.matchAll(/\p{L}+(?:-\p{L}+)*/gu), ([word]) => word.toLowerCase()))
}
