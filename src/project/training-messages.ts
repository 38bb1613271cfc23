// What goes between the program a user started and the process that trains for it, over Node's channel of JSON messages.
import { AppError, asError, type ErrorKind, type Text } from '../base/errors.js'
import type { Progress } from '../base/progress.js'
import type { Plan } from './plan.js'
import type { StageOutcome } from './stage.js'
import type { Trained } from './train.js'

/** To the process that trains. */
export type TrainingOrder =
  | {
      readonly kind: 'start'
      readonly folder: string
      readonly plan: Plan
      readonly run: string | undefined
      readonly fresh: boolean
    }
  | { readonly kind: 'stop' }

/** From the process that trains. */
export type TrainingReply =
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'warning'; readonly text: Text }
  | { readonly kind: 'notice'; readonly text: Text }
  | { readonly kind: 'stage'; readonly outcome: StageOutcome }
  | { readonly kind: 'trained'; readonly trained: Trained }
  | { readonly kind: 'failed'; readonly failure: SentError }

/** An error as plain data: one of ours with both languages, or any other with what Node says of it. */
interface SentError {
  readonly own?: { readonly code: string; readonly kind: ErrorKind; readonly text: Text }
  readonly message: string
  readonly stack: string | undefined
  readonly code: string | undefined
  readonly path: string | undefined
}

export function packError(thrown: unknown): SentError {
  const error = asError(thrown) as NodeJS.ErrnoException
  const own = error instanceof AppError ? { code: error.code, kind: error.kind, text: { en: error.render('en'), ru: error.render('ru') } } : undefined // prettier-ignore
  return { own, message: error.message, stack: error.stack, code: error.code, path: error.path }
}

/** The error again: ours as AppError with the same message and kind, any other with its message, code and path. */
export function unpackError({ own, message, stack, code, path }: SentError): Error {
  const error = own ? new AppError(own.code, { what: own.text, kind: own.kind }) : Object.assign(new Error(message), { code, path }) // prettier-ignore
  if (stack !== undefined) error.stack = stack
  return error
}
