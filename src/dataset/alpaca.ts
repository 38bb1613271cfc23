// Examples → Alpaca rows with the limits of the original: short prompts, long replies in chunks, no duplicates, no banned words.
import type { Drop } from '../base/report.js'
import { splitSentences } from '../language/sentences.js'
import { wordKey } from '../language/words.js'
import type { Example, ExampleTurn } from './example.js'

/** One row: what happened before, what was said, what the character answers. */
export interface AlpacaRow {
  readonly context: string
  readonly input: string
  readonly output: string
}

/** Context and input together stay under this many UTF-16 units. */
const promptLimit = 200
/** A longer reply is cut at sentence ends. */
const outputLimit = 1000

type RowDrop = Drop<'prompt-too-long' | 'duplicate' | 'blacklist' | 'empty'>

/** One row per learnt reply, or several for a long one. Rows kept and dropped together are all rows made. */
export function rowsOf(
  examples: readonly Example[],
  blacklist: readonly string[],
): { rows: AlpacaRow[]; drops: RowDrop[] } {
  const banned = new Set(blacklist.map(wordKey))
  const seen = new Set<string>()
  const rows: AlpacaRow[] = []
  const drops: RowDrop[] = []
  for (const example of examples) {
    for (const row of exampleRows(example.turns)) {
      const reason = rowReason(row, seen, banned)
      if (reason === undefined) rows.push(row)
      else drops.push({ stage: 'alpaca', reason, text: writeRow(row), where: `${example.source.file} ${example.id}` })
      seen.add(writeRow(row))
    }
  }
  return { rows, drops }
}

function rowReason(
  row: AlpacaRow,
  seen: ReadonlySet<string>,
  banned: ReadonlySet<string>,
): RowDrop['reason'] | undefined {
  const text = `${row.context} ${row.input} ${row.output}`
  if (!/[\p{L}\p{N}]/u.test(row.output)) return 'empty'
  if (row.context.length + row.input.length >= promptLimit) return 'prompt-too-long'
  if ((text.match(/[\p{L}\p{M}\p{N}-]+/gu) ?? []).some(word => banned.has(wordKey(word)))) return 'blacklist'
  return seen.has(writeRow(row)) ? 'duplicate' : undefined
}

function exampleRows(turns: readonly ExampleTurn[]): AlpacaRow[] {
  return turns.flatMap((turn, i) => {
    if (!turn.learn || turn.role === 'narration') return []
    const asked = turns[i - 1]?.role === 'other' ? turns[i - 1] : undefined
    const input = asked === undefined ? '' : lastSentences(withRemark(asked), promptLimit - 1)
    const context = gatherContext(turns.slice(0, asked === undefined ? i : i - 1), promptLimit - 1 - input.length)
    return chunkReply({ context, input, output: withRemark(turn) })
  })
}

const withRemark = ({ text, remark }: ExampleTurn) => (remark === undefined ? text : `${text} (${remark})`)

/** The latest earlier turns that fit whole, or the last sentences of the latest. */
function gatherContext(turns: readonly ExampleTurn[], room: number): string {
  const lines: string[] = []
  let left = room
  for (const turn of turns.toReversed()) {
    const line = withRemark(turn)
    if (line === '') continue
    if (line.length + 1 > left) break
    lines.unshift(line)
    left -= line.length + 1
  }
  const latest = turns.findLast(turn => turn.text !== '')
  if (lines.length > 0 || latest === undefined) return lines.join(' ')
  const tail = lastSentences(withRemark(latest), room)
  return tail.length <= room ? tail : ''
}

/** The whole sentences at the end of a text that fit; the text itself when not even one does. */
function lastSentences(text: string, room: number): string {
  if (text.length <= room) return text
  const start = splitSentences(text).find(sentence => text.length - sentence.start <= room)?.start
  return start === undefined ? text : text.slice(start).trim()
}

/** A long reply goes on in further rows, each asked by the end of the one before. */
function chunkReply(row: AlpacaRow): AlpacaRow[] {
  if (row.output.length <= outputLimit) return [row]
  const chunks: string[] = ['']
  for (const { start, end } of splitSentences(row.output)) {
    const sentence = row.output.slice(start, end)
    const joined = chunks.at(-1) === '' ? sentence : `${chunks.at(-1)} ${sentence}`
    if (joined.length <= outputLimit || chunks.at(-1) === '') chunks[chunks.length - 1] = joined
    else chunks.push(sentence)
  }
  return chunks.map((output, i) =>
    i === 0 ? { ...row, output } : { context: '', input: lastSentences(chunks[i - 1], promptLimit - 1), output },
  )
}

export function writeRow({ context, input, output }: AlpacaRow): string {
  return JSON.stringify({ context, input, output })
}

/** Rows of other tools name the context `instruction`. */
export function turnsOfRow(row: Record<string, unknown>): ExampleTurn[] {
  const field = (name: string) => (typeof row[name] === 'string' ? row[name] : '')
  const context = field('context') || field('instruction')
  const input = field('input')
  return [
    ...(context === '' ? [] : [{ speaker: 'narrator', role: 'narration', text: context, learn: false } as const]),
    ...(input === '' ? [] : [{ speaker: 'unknown', role: 'other', text: input, learn: false } as const]),
    { speaker: 'char', role: 'own', text: field('output'), learn: true } as const,
  ]
}
