// Where commands speak: plain text for people, JSON lines for programs, nothing but results with --quiet.
import pc from 'picocolors'
import type { Lang, Text } from '../base/errors.js'
import type { Output } from './command.js'

export interface OutputOptions {
  readonly lang: Lang
  readonly json: boolean
  readonly quiet: boolean
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  /** Called before anything is written, e.g. to end a progress bar that stands on the line. */
  readonly before?: () => void
}

export function createOutput({ lang, json, quiet, stdout, stderr, before }: OutputOptions): Output {
  const event = (data: unknown): void => void stdout.write(JSON.stringify(data) + '\n')
  const line = (stream: NodeJS.WritableStream, text: string): void => {
    before?.()
    stream.write(text + '\n')
  }
  return {
    json,
    say(text) {
      if (json) event({ event: 'message', text: text[lang] })
      else if (!quiet) line(stdout, text[lang])
    },
    result(text, data) {
      if (json) event({ event: 'result', data })
      else line(stdout, text[lang])
    },
    warn(text) {
      if (json) event({ event: 'warning', text: text[lang] })
      else line(stderr, paint(stderr).yellow(warningLabel[lang]) + text[lang])
    },
    write(text) {
      stdout.write(text)
    },
  }
}

/** Colours for a terminal that wants them; NO_COLOR is honoured. */
export function paint(stream: NodeJS.WritableStream): ReturnType<typeof pc.createColors> {
  return pc.createColors(pc.isColorSupported && (stream as { isTTY?: boolean }).isTTY === true)
}

const warningLabel: Text = { en: 'Warning: ', ru: 'Внимание: ' }
