// One command at a time changes a project: a lock file that names the process at work.
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
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

/** Several may come to the lock of a dead process at once: whoever takes that very lock away tries first. */
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

/** Removes the lock that was read, and no other that came since: that one is put back. */
async function removeLock(path: string, words: string): Promise<void> {
  const aside = `${path}.${process.pid}`
  try {
    await rename(path, aside)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return
    throw cause
  }
  const taken = await readFile(aside, 'utf8')
  await (taken === words ? rm(aside, { force: true }) : rename(aside, path))
}

async function createLock(path: string): Promise<boolean> {
  try {
    // a process that trains ends with the one that started it, soon after
    const words = process.send ? `${process.pid} ${process.ppid}` : String(process.pid)
    await writeFile(path, words, { flag: 'wx' })
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
