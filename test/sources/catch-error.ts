// Runs something that must throw an AppError and gives that error.
import { AppError } from '../../src/base/errors.js'

export function catchError(run: () => unknown): AppError {
  try {
    run()
  } catch (thrown) {
    if (thrown instanceof AppError) return thrown
    throw thrown
  }
  throw new Error('nothing was thrown')
}
