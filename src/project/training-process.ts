// Trains in a process of its own, so that native code which crashes ends in a message, and Ctrl-C is heard while it computes.
import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { AppError, stepNumber, type Text } from '../base/errors.js'
import { programPath } from '../base/package.js'
import { isNativeCrash } from '../runtime/child-run.js'
import { paths, type Project } from './project.js'
import { leaveRunEngine } from './run-engine.js'
import type { Trained, TrainProjectOptions } from './train.js'
import { unpackError, type TrainingOrder, type TrainingReply } from './training-messages.js'

/** How the process ended that sent neither a result nor a failure. */
interface Death {
  /** A signal, or a code of Windows. */
  readonly cause: string
  /** Native code did something wrong; else somebody or the system ended the process. */
  readonly crashed: boolean
  /** Steps taken, where it had come so far. */
  readonly steps: number
}

/**
 * As `trainProject`, in a process of its own. When an engine other than the reference crashes it, training goes on from
 * the last checkpoint on the reference, with a warning. Ends the process when this one exits.
 * @throws AppError `training-crashed`, `training-killed` (environment), `interrupted`, and what `trainProject` throws
 */
export async function trainInProcess(project: Project, options: TrainProjectOptions = {}): Promise<Trained> {
  const outcome = await superviseOnce(project, options)
  if (!isDeath(outcome)) return outcome
  if (!outcome.crashed) throw ended(outcome, options)
  const folder = join(project.folder, paths.runs, options.run ?? 'main')
  const left = await leaveRunEngine(folder, crashWords(outcome))
  if (left === undefined || options.signal?.aborted) throw crashed(outcome)
  options.onWarning?.(goingOn(left, outcome))
  const second = await superviseOnce(project, { ...options, fresh: false })
  if (!isDeath(second)) return second
  throw second.crashed ? crashed(second) : ended(second, options)
}

function isDeath(outcome: Trained | Death): outcome is Death {
  return 'crashed' in outcome
}

async function superviseOnce(project: Project, options: TrainProjectOptions): Promise<Trained | Death> {
  const { run, fresh = false, signal } = options
  // What native code writes to its standard output must not mix with results.
  const child = fork(programPath(new URL('./training-child.js', import.meta.url)), [], {
    stdio: ['ignore', 2, 'inherit', 'ipc'],
  })
  const order = (message: TrainingOrder): void => void (child.connected && child.send(message, () => undefined))
  const stop = (): void => order({ kind: 'stop' })
  const kill = (): void => void child.kill('SIGKILL')
  process.on('exit', kill)
  signal?.addEventListener('abort', stop)
  try {
    order({ kind: 'start', folder: project.folder, plan: project.plan, run, fresh })
    if (signal?.aborted) stop()
    return await follow(child, options)
  } finally {
    signal?.removeEventListener('abort', stop)
    process.off('exit', kill)
  }
}

/** Passes on what the process tells until it ends. */
function follow(child: ChildProcess, options: TrainProjectOptions): Promise<Trained | Death> {
  let steps = 0
  let ending: { readonly trained: Trained } | { readonly failure: Error } | undefined
  child.on('message', (message: TrainingReply) => {
    if (message.kind === 'progress') {
      if (message.progress.stage === 'train') steps = message.progress.done
      options.onProgress?.(message.progress)
    } else if (message.kind === 'warning') options.onWarning?.(message.text)
    else if (message.kind === 'notice') options.onNotice?.(message.text)
    else if (message.kind === 'stage') options.onStage?.(message.outcome)
    else if (message.kind === 'trained') ending = { trained: message.trained }
    else ending = { failure: unpackError(message.failure) }
  })
  return new Promise((resolve, reject) => {
    let end: { readonly code: number | null; readonly signal: string | null } | undefined
    // Its last message may come after the news of its end.
    const settle = (): void => {
      if (!end || child.connected) return
      if (ending && 'trained' in ending) resolve(ending.trained)
      else if (ending) reject(ending.failure)
      else resolve({ ...causeOf(end.code, end.signal), steps })
    }
    child.on('error', reject)
    child.on('disconnect', settle)
    child.on('exit', (code, signal) => {
      end = { code, signal }
      settle()
    })
  })
}

const crashSignals: readonly string[] = ['SIGSEGV', 'SIGFPE', 'SIGABRT', 'SIGILL', 'SIGBUS', 'SIGTRAP', 'SIGSYS']

/** Windows has no signals: a crash ends the process with an NTSTATUS such as 0xc0000005. */
function causeOf(code: number | null, signal: string | null): Omit<Death, 'steps'> {
  if (signal !== null) return { cause: signal, crashed: crashSignals.includes(signal) }
  const crashed = isNativeCrash(code)
  return { cause: crashed ? `0x${(code! >>> 0).toString(16)}` : `exit code ${code}`, crashed }
}

function crashWords({ cause, steps }: Death): Text {
  return {
    en: `it ended the process at step ${steps + 1} (${cause})`,
    ru: `он аварийно завершил процесс на шаге ${steps + 1} (${cause})`,
  }
}

function goingOn(engine: string, death: Death): Text {
  const { en, ru } = crashWords(death)
  return {
    en: `${engine} failed: ${en}; going on from the last checkpoint with the reference engine, which is slower`,
    ru: `${engine}: ${ru}; продолжаем с последней контрольной точки на эталонном движке, это медленнее`,
  }
}

function crashed({ cause, steps }: Death): AppError {
  return new AppError('training-crashed', {
    where: stepNumber(steps + 1),
    kind: 'environment',
    what: {
      en: `the native code that trains crashed (${cause}); checkpoints made before stay whole`,
      ru: `машинный код, который обучает, аварийно завершился (${cause}); прежние контрольные точки целы`,
    },
    fix: {
      en: 'Run the same command to go on from the last one; if it crashes again at this step, make batch or length smaller in a new run and report it',
      ru: 'Повторите ту же команду, чтобы продолжить с последней; если снова на этом шаге, уменьшите batch или length в новом прогоне и сообщите об этом',
    },
  })
}

/** Ctrl-C reaches every process of a terminal, also one that has just been started and cannot hear it yet. */
function ended(death: Death, { signal }: TrainProjectOptions): AppError {
  return signal?.aborted || death.cause === 'SIGINT' || death.cause === 'SIGTERM' ? stopped(death) : killed(death)
}

function stopped({ steps }: Death): AppError {
  return new AppError('interrupted', {
    kind: 'interrupted',
    what:
      steps === 0
        ? { en: 'training was stopped before its first step', ru: 'обучение остановлено до первого шага' }
        : {
            en: `training was stopped at once, at step ${steps + 1}; checkpoints made before stay whole`,
            ru: `обучение остановлено сразу, на шаге ${steps + 1}; прежние контрольные точки целы`,
          },
    fix: { en: 'Run the same command again to go on', ru: 'Повторите ту же команду, чтобы продолжить' },
  })
}

function killed({ cause, steps }: Death): AppError {
  return new AppError('training-killed', {
    where: stepNumber(steps + 1),
    kind: 'environment',
    what: {
      en: `the process that trains was ended from outside (${cause}), as systems do when memory runs out`,
      ru: `процесс обучения завершён извне (${cause}): так бывает, когда кончается память`,
    },
    fix: {
      en: 'Close other programs; the same command goes on from the last checkpoint',
      ru: 'Закройте другие программы; та же команда продолжит с последней контрольной точки',
    },
  })
}
