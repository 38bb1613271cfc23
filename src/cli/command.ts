// The shape of one command; the parser, the help and the docs page all come from the table of these.
import type { Lang, Text } from '../base/errors.js'
import type { WorkOptions } from '../base/progress.js'

export interface OptionSpec {
  /** As commander writes it: `--focus <name>`, `-q, --quiet`. */
  readonly flags: string
  readonly summary: Text
  /** May be given several times; values are collected in a list. */
  readonly repeat?: boolean
}

export interface CommandSpec {
  /** Arguments as commander writes them: `<file...>`, `[name]`. */
  readonly usage: string
  readonly summary: Text
  readonly options: readonly OptionSpec[]
  /** Sub-commands instead of `run`, each with a total spec of its own. */
  readonly commands?: Readonly<Record<string, CommandSpec>>
  readonly run?: (call: Call) => Promise<void>
}

/** What a command gets: its words, and where to speak. */
export interface Call extends WorkOptions {
  readonly args: readonly string[]
  readonly options: Readonly<Record<string, unknown>>
  /** The project folder: `--project`, else the current one. */
  readonly folder: string
  readonly lang: Lang
  readonly output: Output
  readonly signal: AbortSignal
}

/** The only way commands speak; with `--json` each line is an event, with `--quiet` only results are written. */
export interface Output {
  readonly json: boolean
  /** Tells the user something, in their language. */
  say(text: Text): void
  /** A result: text for people, data for `--json`. */
  result(text: Text, data: unknown): void
  warn(text: Text): void
  /** Writes raw text as it comes (chat). */
  write(text: string): void
}
