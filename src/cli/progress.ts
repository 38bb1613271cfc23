// Draws progress: a bar on a terminal, a plain line every few seconds elsewhere, JSON events with --json, nothing with --quiet.
import { SingleBar } from 'cli-progress'
import type { Lang, Text } from '../base/errors.js'
import type { OnProgress, Progress } from '../base/progress.js'
import { stageWords, wordFor } from '../project/words.js'
import { amount } from './outcome.js'

export interface ProgressOptions {
  readonly lang: Lang
  readonly json: boolean
  readonly quiet: boolean
  readonly stream: NodeJS.WriteStream
  readonly stdout: NodeJS.WritableStream
  readonly now?: () => number
}

export interface ProgressView {
  readonly onProgress: OnProgress
  /** Ends the current bar or line, so that other text can follow. */
  stop(): void
}

const plainIntervalMs = 5000
/** Work shorter than this leaves no plain line. */
const quickMs = 2000

export function createProgressView(options: ProgressOptions): ProgressView {
  if (options.quiet) return { onProgress: () => undefined, stop: () => undefined }
  if (options.json) {
    const write = (progress: Progress): void =>
      void options.stdout.write(JSON.stringify({ event: 'progress', ...progress }) + '\n')
    return { onProgress: write, stop: () => undefined }
  }
  return options.stream.isTTY ? createBar(options) : createPlainLines(options)
}

function createBar({ lang, stream }: ProgressOptions): ProgressView {
  let bar: SingleBar | undefined
  let stage = ''
  let value = 0
  const stop = (): void => {
    bar?.stop()
    bar = undefined
    stage = ''
  }
  const start = (progress: Progress): SingleBar => {
    stop()
    stage = progress.stage
    value = progress.done
    const format = '{title} {bar} {value}/{total} {eta_formatted} {note}'
    const created = new SingleBar({ format, stream, hideCursor: true, barsize: 24, etaBuffer: 20, linewrap: false })
    created.start(progress.total ?? 1, progress.done, { title: title(progress.stage, lang), note: '' })
    return created
  }
  const onProgress: OnProgress = progress => {
    if (progress.stage !== stage || !bar) bar = start(progress)
    if (progress.total !== undefined) bar.setTotal(progress.total)
    const note = translateNote(progress.note ?? '', lang)
    // Work beside what is counted, such as evaluation, must not slow down the time left.
    if (progress.done === value) bar.update({ note })
    else bar.update(progress.done, { note })
    value = progress.done
    if (progress.total !== undefined && progress.done >= progress.total) stop()
  }
  return { onProgress, stop }
}

function createPlainLines({ lang, stream, now = Date.now }: ProgressOptions): ProgressView {
  let stage = ''
  let started = 0
  let last = 0
  let first = 0
  let counted = 0
  const onProgress: OnProgress = progress => {
    const time = now()
    if (progress.stage !== stage) [stage, started, last, first] = [progress.stage, time, time, progress.done]
    if (progress.done === first) counted = time
    const finished = progress.total !== undefined && progress.done >= progress.total
    if (finished ? time - started < quickMs : time - last < plainIntervalMs) return
    last = time
    stream.write(plainLine(progress, first, time - counted, lang) + '\n')
    if (finished) stage = ''
  }
  return { onProgress, stop: () => undefined }
}

/**
 * One line: what, how far, rate, time left. Resumed work does not begin at 0: the rate counts from `first`, and from when
 * that was last told, so that what comes before the first step (loading, evaluation) is no part of it.
 */
function plainLine(progress: Progress, first: number, elapsedMs: number, lang: Lang): string {
  const { done, total, unit, note } = progress
  const seconds = elapsedMs / 1000
  const rate = seconds > 0.5 && done > first ? (done - first) / seconds : undefined
  const share = total === undefined ? String(done) : `${done}/${total}`
  const parts = [`${title(progress.stage, lang)}: ${amount(share, unit, lang)}`]
  if (rate !== undefined) parts.push(`${rate.toFixed(rate < 10 ? 1 : 0)}/${{ en: 's', ru: 'с' }[lang]}`)
  if (rate !== undefined && total !== undefined && done < total) parts.push(timeLeft((total - done) / rate)[lang])
  if (note) parts.push(translateNote(note, lang))
  return parts.join(', ')
}

function timeLeft(seconds: number): Text {
  const text =
    seconds < 90
      ? [`${Math.ceil(seconds)} s`, `${Math.ceil(seconds)} с`]
      : [`${Math.ceil(seconds / 60)} min`, `${Math.ceil(seconds / 60)} мин`]
  return { en: `${text[0]} left`, ru: `осталось ${text[1]}` }
}

function title(stage: string, lang: Lang): string {
  return wordFor(stageWords, stage)[lang]
}

/** Notes are written by stages that know one language; here their few words are exchanged, and time left is shown once. */
function translateNote(note: string, lang: Lang): string {
  const rest = note.replace(/, \d+ (?:s|min)$/u, '')
  return lang === 'en' ? rest : noteWords.reduce((text, [pattern, word]) => text.replace(pattern, word), rest)
}

const noteWords: readonly (readonly [RegExp, string])[] = [
  [/^loading$/u, 'загрузка'],
  [/^evaluating (?=\d)/u, 'оценка '],
  [/\bloss (?=\d)/u, 'потери '],
  [/(?<=\d )tok\/s/u, 'ток/с'],
  [/(?<=\d )words$/u, 'слов'],
  [/(?<=\d )MB\/s$/u, 'МБ/с'],
]
