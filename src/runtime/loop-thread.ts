// A thread of its own that takes chunks of loops whenever it is told to; started by loop-threads.ts.
import { parentPort, workerData } from 'node:worker_threads'
import { takeChunks, type SharedLoops } from './loop-work.js'

/** A run of one set of loops. */
export interface ThreadRun {
  readonly set: number
  readonly numbers: readonly (readonly number[])[]
}

const sets = workerData as readonly SharedLoops[]

parentPort!.on('message', ({ set, numbers }: ThreadRun) => {
  takeChunks(sets[set], numbers)
  parentPort!.postMessage('done')
})
parentPort!.postMessage('ready')
