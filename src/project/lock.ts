// One command at a time changes a project: a lock file that names the process at work.
import { open, readFile, rm } from 'node:fs/promises'
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

async function takeLock(path: string): Promise<void> {
  if (await createLock(path)) return
  const [owner, starter] = (await readFile(path, 'utf8').catch(() => '')).split(' ').map(Number)
  if (starter !== undefined && !isAlive(starter)) await waitForEnd(owner)
  if (isWorking(path, owner)) throw projectBusy(path, owner)
  await rm(path, { force: true })
  if (!(await createLock(path))) throw projectBusy(path, owner)
}

async function createLock(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx')
    // a process that trains ends with the one that started it, soon after
    await file.writeFile(process.send ? `${process.pid} ${process.ppid}` : String(process.pid))
    await file.close()
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
  for (let i = 0; i < 200 && isAlive(owner); i++) await new Promise(resolve => setTimeout(resolve, 50))
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
