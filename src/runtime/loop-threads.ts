// Loops over shared arrays to runs on several threads: this one takes its share, then waits for the others.
import { Worker } from 'node:worker_threads'
import { AppError, asError } from '../base/errors.js'
import { programPath } from '../base/package.js'
import { shareLoops, takeChunks, type LoopSet, type SharedLoops } from './loop-work.js'
import type { ThreadRun } from './loop-thread.js'

export interface LoopThreads {
  /** Threads that take part now, this one included: those that have started and not ended. */
  count(): number
  /**
   * Runs a set, after the runs before it; the same numbers on any number of threads.
   * @param numbers for each of its works, what the function takes after the arrays
   * @param alone on this thread only
   * @returns what the function returned for each chunk, in the order of works and of chunks; overwritten by the next run
   * @throws AppError `runtime-run` when a thread ended meanwhile: some chunks are done, some are not
   */
  run(set: number, numbers: readonly (readonly number[])[], alone?: boolean): Promise<Float64Array>
  /** Ends the other threads. */
  close(): Promise<void>
}

/**
 * Threads that cannot be started are done without, and nobody waits for one that is still starting. They do not keep the
 * process alive.
 * @param threads this one included
 */
export function openLoopThreads(sets: readonly LoopSet[], threads: number): LoopThreads {
  const shared = sets.map(shareLoops)
  const others = Array.from({ length: threads - 1 }, () => startThread(shared) ?? []).flat()
  const ready = (): Thread[] => others.filter(other => other.isReady())
  const runNow = async (set: number, numbers: ThreadRun['numbers'], alone: boolean): Promise<Float64Array> => {
    Atomics.store(shared[set].next, 0, 0)
    const running = (alone ? [] : ready()).map(other => other.run({ set, numbers }))
    takeChunks(shared[set], numbers)
    const failed = (await Promise.all(running)).find(failure => failure !== undefined)
    if (failed) throw threadEnded(failed)
    return shared[set].results
  }
  let queue: Promise<unknown> = Promise.resolve()
  return {
    count: () => 1 + ready().length,
    run(set, numbers, alone = false) {
      const turn = queue.then(() => runNow(set, numbers, alone))
      queue = turn.catch(() => undefined)
      return turn
    },
    async close() {
      await queue
      await Promise.all(others.map(other => other.close()))
    },
  }
}

/** Another thread. */
interface Thread {
  /** Whether it has started and not ended. */
  isReady(): boolean
  /** @returns when its share is done; why, when it never will be */
  run(run: ThreadRun): Promise<Error | undefined>
  close(): Promise<unknown>
}

function startThread(sets: readonly SharedLoops[]): Thread | undefined {
  let worker: Worker
  try {
    worker = new Worker(programPath(new URL('./loop-thread.js', import.meta.url)), { workerData: sets, execArgv: [] })
  } catch {
    return undefined // not allowed here
  }
  worker.unref()
  let isReady = false
  let finish: ((failure?: Error) => void) | undefined
  const settle = (failure?: Error): void => {
    finish?.(failure)
    finish = undefined
  }
  const end = (failure: Error): void => {
    isReady = false
    settle(failure)
  }
  worker.on('message', (message: 'ready' | 'done') => (message === 'ready' ? void (isReady = true) : settle()))
  worker.on('error', (thrown: unknown) => end(asError(thrown)))
  worker.on('exit', code => end(new Error(`exit code ${code}`)))
  return {
    isReady: () => isReady,
    run(run) {
      worker.ref() // nothing else may keep the process alive while it is waited for
      worker.postMessage(run)
      return new Promise<Error | undefined>(resolve => (finish = resolve)).finally(() => worker.unref())
    },
    close: () => worker.terminate(),
  }
}

function threadEnded(cause: Error): AppError {
  return new AppError('runtime-run', {
    kind: 'environment',
    what: {
      en: `a thread that updates parameters ended (${cause.message})`,
      ru: `поток, который обновляет параметры, завершился (${cause.message})`,
    },
    cause,
  })
}
