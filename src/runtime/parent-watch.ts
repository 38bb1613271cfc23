// Ends a child process with the one that started it, also while native code keeps it from hearing any event.
import { Worker } from 'node:worker_threads'

const watch = `
const parent = process.ppid
setInterval(() => {
  try {
    process.kill(parent, 0)
    if (process.ppid === parent) return
  } catch (error) {
    if (error.code === 'EPERM') return
  }
  process.kill(process.pid, 'SIGKILL')
}, 300)`

/** A thread of its own looks three times a second whether the parent still lives; it does not keep the process alive. */
export function endWithParent(): void {
  new Worker(watch, { eval: true }).unref()
}
