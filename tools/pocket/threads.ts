// Makes a runtime use as many threads as it is told in every program it compiles.
import type { Runtime } from '../../src/runtime/runtime.js'

/** On a shared machine two threads that wait for each other are slower than one. */
export function limitThreads(runtime: Runtime, threads: number): Runtime {
  return {
    name: runtime.name,
    version: runtime.version,
    compile: (graph, options) => runtime.compile(graph, { ...options, threads }),
  }
}
