// One command at a time changes a project: a lock file that names the process at work.
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isAlive } from '../base/alive.js'
import { AppError } from '../base/errors.js'

const lockFile = '.lock'
const held = new Set<string>()

/**
 * Works while nobody else changes the project. The lock of a process that has died is taken over.
 * @throws AppError `project-busy` naming the process that works
 */
export async function withProjectLock<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const path = join(folder, lockFile)
  await takeLock(path)
  held.add(path)
  try {
    return await work()
  } finally {
    held.delete(path)
    await rm(path, { force: true })
  }
}

/** Several may come to the lock of a dead process at once; one of them takes it away, then each tries again. */
async function takeLock(path: string): Promise<void> {
  while (!(await createLock(path))) {
    const words = await readLock(path)
    const [owner, starter] = words.split(' ').map(Number)
    if (starter !== undefined && !isAlive(starter)) await waitForEnd(owner)
    if (isWorking(path, owner)) throw projectBusy(path, owner)
    await removeLock(path, words)
  }
}

/** Its words come a moment after the file; one that stays empty was left by a process that died in between. */
async function readLock(path: string): Promise<string> {
  for (let i = 0; i < 10; i++) {
    const words = await readFile(path, 'utf8').catch(() => '')
    if (words !== '') return words
    await pause()
  }
  return ''
}

/** Removes the lock that was read, and no other that came since; one at a time does so, or two could hold it. */
async function removeLock(path: string, words: string): Promise<void> {
  const turn = `${path}.turn`
  if (!(await createFile(turn, String(process.pid)))) {
    const { mtimeMs } = await stat(turn).catch(() => ({ mtimeMs: Infinity }))
    if (Date.now() - mtimeMs > 10_000) await rm(turn, { force: true }) // whoever took it has died
    return pause()
  }
  try {
    const now = await readFile(path, 'utf8').catch(() => undefined)
    if (now === words) await rm(path, { force: true })
  } finally {
    await rm(turn, { force: true })
  }
}

function createLock(path: string): Promise<boolean> {
  // a process that trains ends with the one that started it, soon after
  return createFile(path, process.send ? `${process.pid} ${process.ppid}` : String(process.pid))
}

/** False where it is there already. */
async function createFile(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: 'wx' })
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw cause
  }
}

/** In a container every first process has the same number, so our own number counts only when we hold the lock. */
function isWorking(path: string, owner: number): boolean {
  return owner === process.pid ? held.has(path) : isAlive(owner)
}

/** Waits for a process whose starter was killed; after ten seconds it is taken for one that works on. */
async function waitForEnd(owner: number): Promise<void> {
  for (let i = 0; i < 200 && isAlive(owner); i++) await pause()
}

function pause(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 50))
}

function projectBusy(path: string, owner: number): AppError {
  return new AppError('project-busy', {
    where: path,
    what: {
      en: `another command (process ${owner}) is changing this project`,
      ru: `проект сейчас меняет другая команда (процесс ${owner})`,
    },
    fix: {
      en: 'Wait until it ends; if no such command runs, delete this file',
      ru: 'Дождитесь её конца; если такой команды нет, удалите этот файл',
    },
  })
}
