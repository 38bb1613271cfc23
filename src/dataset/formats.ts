// Examples → the text of one file, and back: TiMe's two forms, Alpaca rows, OpenAI-style messages.
import { AppError } from '../base/errors.js'
import { sha256 } from '../base/hash.js'
import { checkReport, countReasons, type Drop, type StageReport } from '../base/report.js'
import { rowsOf, turnsOfRow, writeRow } from './alpaca.js'
import { countEscaped, escapeText } from './escape.js'
import type { Example, ExampleTurn } from './example.js'

export type FormatName = 'time' | 'timeRaw' | 'alpaca' | 'messages'

/** Why a format leaves out a turn, a row or an example. */
type FormatDropReason = 'empty' | 'prompt-too-long' | 'duplicate' | 'blacklist'

interface Written {
  readonly text: string
  readonly report: StageReport
  readonly drops: readonly Drop<FormatDropReason>[]
}

export interface FormatOptions {
  /** Words no Alpaca row may contain. */
  readonly blacklist?: readonly string[]
}

export interface Format {
  readonly extension: 'txt' | 'jsonl'
  write(examples: readonly Example[], options?: FormatOptions): Written
  /**
   * Reads the file's text; `file` names it in the source of the examples.
   * @throws AppError `bad-row` naming file and line
   */
  read(text: string, file: string): Example[]
}

/** Every format writes what it reads byte for byte. */
export const formats: { readonly [Name in FormatName]: Format } = {
  // <char>reply (remark), narration on lines of its own, a blank line between examples
  time: {
    extension: 'txt',
    write: examples => writeLines('time', examples, turn => `<char>${joinRemark(turn)}`),
    read: (text, file) =>
      readLines(text, file, line => (line.startsWith('<char>') ? line.slice(6) : undefined), splitRemark),
  },
  // @reply|remark
  timeRaw: {
    extension: 'txt',
    write: examples =>
      writeLines('timeRaw', examples, ({ text, remark }) => (remark === undefined ? `@${text}` : `@${text}|${remark}`)),
    read: (text, file) => readLines(text, file, line => (line.startsWith('@') ? line.slice(1) : undefined), splitBar),
  },
  // {"context", "input", "output"}, one row per learnt reply
  alpaca: {
    extension: 'jsonl',
    write: (examples, options = {}) => {
      const { rows, drops } = rowsOf(examples.map(escapeExample), options.blacklist ?? [])
      return finish('alpaca', 'rows', rows.map(writeRow), drops, examples)
    },
    read: (text, file) => readJsonLines(text, file).map(row => exampleOf(turnsOfRow(row), file)),
  },
  // {"messages": [{role, content, name, weight}]}; own replies are the assistant's
  messages: {
    extension: 'jsonl',
    write: examples => {
      const { kept, drops } = dropEmpty('messages', examples)
      return finish('messages', 'examples', kept.map(writeMessages), drops, examples)
    },
    read: (text, file) => readJsonLines(text, file).map((row, i) => readMessages(row, file, i + 1)),
  },
}

function escapeExample(example: Example): Example {
  const turns = example.turns.map(turn => ({
    ...turn,
    speaker: escapeText(turn.speaker),
    text: escapeText(turn.text),
    ...(turn.remark !== undefined && { remark: escapeText(turn.remark) }),
  }))
  return { ...example, ...(example.system !== undefined && { system: escapeText(example.system) }), turns }
}

function dropEmpty(stage: string, examples: readonly Example[]) {
  const drops: Drop<FormatDropReason>[] = []
  const kept = examples.map(escapeExample).flatMap(example => {
    const turns = example.turns.filter(turn => turn.text !== '')
    if (turns.length > 0) return [{ ...example, turns }]
    drops.push({ stage, reason: 'empty', text: '', where: `${example.source.file} ${example.id}` })
    return []
  })
  return { kept, drops }
}

function finish(
  stage: string,
  unit: string,
  lines: readonly string[],
  drops: readonly Drop<FormatDropReason>[],
  examples: readonly Example[],
): Written {
  const texts = examples.flatMap(example => example.turns.flatMap(turn => [turn.text, turn.remark ?? '']))
  const report = checkReport({
    stage,
    unit,
    input: lines.length + drops.length,
    kept: lines.length,
    dropped: countReasons(drops),
    counts: { escaped: countEscaped(texts) },
    seconds: 0,
  })
  return { text: lines.map(line => line + '\n').join(''), report, drops }
}

function writeLines(stage: string, examples: readonly Example[], reply: (turn: ExampleTurn) => string): Written {
  const { kept, drops } = dropEmpty(stage, examples)
  const pages = kept.map(({ turns }) =>
    turns.map(turn => (turn.role === 'narration' ? turn.text : reply(turn))).join('\n'),
  )
  const written = finish(stage, 'examples', pages, drops, examples)
  return { ...written, text: pages.map(page => page + '\n').join('\n') }
}

type Reply = Pick<ExampleTurn, 'text' | 'remark'>

/** These forms do not name the speaker: every reply is read as the character's. */
function readLines(
  text: string,
  file: string,
  replyOf: (line: string) => string | undefined,
  split: (reply: string) => Reply,
): Example[] {
  const pages = text
    .replace(/\r\n/gu, '\n')
    .split(/\n{2,}/u)
    .filter(page => page.trim() !== '')
  return pages.map(page => {
    const lines = page.split('\n').filter(line => line.trim() !== '')
    const turns = lines.map((line): ExampleTurn => {
      const reply = replyOf(line)
      if (reply === undefined) return { speaker: 'narrator', role: 'narration', text: line, learn: true }
      return { speaker: 'char', role: 'own', ...split(reply), learn: true }
    })
    return exampleOf(turns, file)
  })
}

const joinRemark = ({ text, remark }: Reply) => (remark === undefined ? text : `${text} (${remark})`)

/** The last parenthesis of the reply that closes at its end, nested ones counted. */
function splitRemark(reply: string): Reply {
  if (!reply.endsWith(')')) return { text: reply }
  let depth = 0
  for (let at = reply.length - 1; at > 0; at--) {
    if (reply[at] === ')') depth++
    if (reply[at] === '(') depth--
    if (depth === 0) {
      const [text, remark] = [reply.slice(0, at - 1), reply.slice(at + 1, -1)]
      const fits = reply[at - 1] === ' ' && isTrimmed(text) && isTrimmed(remark)
      return fits ? { text, remark } : { text: reply }
    }
  }
  return { text: reply }
}

const isTrimmed = (text: string) => text !== '' && text === text.trim()

function splitBar(reply: string): Reply {
  const bar = reply.indexOf('|')
  return bar < 0 ? { text: reply } : { text: reply.slice(0, bar), remark: reply.slice(bar + 1) }
}

interface Message {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
  readonly name?: string
  /** 1 where the loss counts the message, 0 where not; absent: 1 for the assistant, 0 for all others. */
  readonly weight?: 0 | 1
}

function writeMessages({ system, turns }: Example): string {
  const messages = turns.map((turn): Message => {
    const role = turn.role === 'own' ? 'assistant' : 'user'
    const usual = role === 'assistant'
    return {
      role,
      content: joinRemark(turn),
      name: turn.speaker,
      ...(turn.learn !== usual && { weight: turn.learn ? 1 : 0 }),
    }
  })
  return JSON.stringify({
    messages: system === undefined ? messages : [{ role: 'system', content: system }, ...messages],
  })
}

function readMessages(row: Record<string, unknown>, file: string, line: number): Example {
  const messages = row['messages']
  if (!Array.isArray(messages)) throw badRow(file, line, 'no list "messages"', 'нет списка "messages"')
  const all = messages as Partial<Message>[]
  const turns = all
    .filter(message => message.role !== 'system')
    .map((message): ExampleTurn => {
      if (typeof message.content !== 'string')
        throw badRow(file, line, 'a message without content', 'сообщение без content')
      const own = message.role === 'assistant'
      const speaker = message.name ?? (own ? 'char' : 'unknown')
      const role = own ? 'own' : speaker === 'narrator' ? 'narration' : 'other'
      const learn = message.weight === undefined ? own : message.weight > 0
      return role === 'narration'
        ? { speaker, role, text: message.content, learn }
        : { speaker, role, ...splitRemark(message.content), learn }
    })
  const system = all.find(message => message.role === 'system')?.content
  return exampleOf(turns, file, system)
}

/** @throws AppError `bad-row` */
function readJsonLines(text: string, file: string): Record<string, unknown>[] {
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return []
    try {
      const row: unknown = JSON.parse(line)
      if (row !== null && typeof row === 'object' && !Array.isArray(row)) return [row as Record<string, unknown>]
    } catch (cause) {
      throw badRow(file, i + 1, `not JSON (${(cause as Error).message})`, `это не JSON (${(cause as Error).message})`)
    }
    throw badRow(file, i + 1, 'not an object', 'это не объект')
  })
}

function badRow(file: string, line: number, en: string, ru: string): AppError {
  return new AppError('bad-row', {
    where: `${file}:${line}`,
    what: { en, ru },
    fix: { en: 'Correct the row or delete it', ru: 'Исправьте строку или удалите её' },
  })
}

function exampleOf(turns: readonly ExampleTurn[], file: string, system?: string): Example {
  const id = sha256(JSON.stringify([system ?? '', turns])).slice(0, 16)
  return { id, copy: 'original', ...(system !== undefined && { system }), turns, source: { file }, split: 'train' }
}
