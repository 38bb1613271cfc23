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

/** Where the work of a stage stands, in words. */
interface Place {
  /** Work of this stage was not told before. */
  readonly isNew: boolean
  readonly finished: boolean
  /** Since the stage was first told. */
  readonly elapsedMs: number
  readonly title: string
  /** How far, rate, time left, and the note. */
  readonly text: string
}

/**
 * Follows one stage after another. Resumed work does not begin at 0: the rate counts from the first number told, and from
 * when that was last told, so that what comes before the first step (loading, evaluation) is no part of it.
 */
function createFollower(lang: Lang, now: () => number): (progress: Progress) => Place {
  let stage: string | undefined
  let [started, counted, first] = [0, 0, 0]
  return progress => {
    const time = now()
    const isNew = progress.stage !== stage
    if (isNew) [stage, started, first] = [progress.stage, time, progress.done]
    if (progress.done === first) counted = time
    const finished = progress.total !== undefined && progress.done >= progress.total
    if (finished) stage = undefined
    const text = describe(progress, progress.done - first, (time - counted) / 1000, lang)
    return { isNew, finished, elapsedMs: time - started, title: wordFor(stageWords, progress.stage)[lang], text }
  }
}

function createBar({ lang, stream, now = Date.now }: ProgressOptions): ProgressView {
  const follow = createFollower(lang, now)
  let bar: SingleBar | undefined
  const stop = (): void => {
    bar?.stop()
    bar = undefined
  }
  const onProgress: OnProgress = progress => {
    const { isNew, finished, title, text } = follow(progress)
    if (isNew) stop()
    if (!bar) {
      bar = new SingleBar({ format: '{title} {bar} {text}', stream, hideCursor: true, barsize: 24, linewrap: false })
      bar.start(progress.total ?? 1, 0, { title, text })
    }
    bar.setTotal(progress.total ?? Math.max(1, progress.done))
    bar.update(progress.total === undefined ? 0 : progress.done, { title, text })
    if (finished) stop()
  }
  return { onProgress, stop }
}

function createPlainLines({ lang, stream, now = Date.now }: ProgressOptions): ProgressView {
  const follow = createFollower(lang, now)
  let saidMs = 0
  const onProgress: OnProgress = progress => {
    const { isNew, finished, elapsedMs, title, text } = follow(progress)
    if (isNew) saidMs = 0
    if (finished ? elapsedMs < quickMs : elapsedMs - saidMs < plainIntervalMs) return
    saidMs = elapsedMs
    stream.write(`${title}: ${text}\n`)
  }
  return { onProgress, stop: () => undefined }
}

function describe({ done, total, unit, note }: Progress, counted: number, seconds: number, lang: Lang): string {
  const rate = seconds > 0.5 && counted > 0 ? counted / seconds : undefined
  const share = total === undefined ? String(done) : `${done}/${total}`
  const parts = total === undefined && done === 0 ? [] : [amount(share, unit, lang)]
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
