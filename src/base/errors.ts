// Turns a failure into a message that says what happened, where, and what to do, in English and Russian.

export type Lang = 'en' | 'ru'

/** A sentence for the user in both languages of the product. */
export interface Text {
  readonly en: string
  readonly ru: string
}

/** Who can mend it: the user's input, the way a command was called, the machine, or nobody because the user stopped it. */
export type ErrorKind = 'user' | 'usage' | 'environment' | 'interrupted'

export const exitCodes: { readonly [K in ErrorKind]: number } = { user: 1, usage: 2, environment: 3, interrupted: 130 }

export interface ErrorDetails {
  /** What happened, with the value received. No final full stop is needed. */
  readonly what: Text
  /** File, file:line, key or row; a text where words stand in it. */
  readonly where?: string | Text
  /** What the user should do. */
  readonly fix?: Text
  readonly kind?: ErrorKind
  readonly cause?: unknown
}

/** The one error class of the product. `code` is stable and kebab-case; tests and callers compare it. */
export class AppError extends Error {
  readonly kind: ErrorKind
  readonly where: string | undefined

  constructor(
    readonly code: string,
    private readonly details: ErrorDetails,
  ) {
    super(renderError(details, 'en'), details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'AppError'
    this.kind = details.kind ?? 'user'
    this.where = renderPlace(details.where, 'en')
  }

  /** The whole message in one language: `where: what. fix` */
  render(lang: Lang): string {
    return renderError(this.details, lang)
  }
}

function renderError({ what, where, fix }: ErrorDetails, lang: Lang): string {
  const place = where === undefined ? '' : `${renderPlace(where, lang)}: `
  return place + endSentence(what[lang]) + (fix === undefined ? '' : ' ' + endSentence(fix[lang]))
}

function renderPlace(where: ErrorDetails['where'], lang: Lang): string | undefined {
  return typeof where === 'object' ? where[lang] : where
}

/** A key of a file as a place, `plan.json, key train.batch`. */
export function keyOf(file: string, key: string): Text {
  return { en: `${file}, key ${key}`, ru: `${file}, ключ ${key}` }
}

/** A setting by its name as a place. */
export function settingCalled(name: string): Text {
  return { en: `setting ${name}`, ru: `настройка ${name}` }
}

/** A training step, from 1, as a place. */
export function stepNumber(step: number): Text {
  return { en: `step ${step}`, ru: `шаг ${step}` }
}

function endSentence(text: string): string {
  return /[.!?…:]$/u.test(text) ? text : text + '.'
}

/** Throws away the type of a caught value: an Error stays, anything else is wrapped. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
