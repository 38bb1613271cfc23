// Lets go of memory that nobody uses any more, at once.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Two whole collections, some 0.1 s, so that what the process holds can be measured, and is not held through a long run. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  collect()
  collect() // arrays that the first found are freed by a thread, which the second waits for
}
