// The runtimes that one suite runs on; those that do not start on this machine are skipped by name.
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import { asError } from '../../src/base/errors.js'
import { createRuntime, runtimeNames } from '../../src/runtime/registry.js'

process.env.DVOYNIK_CACHE ??= join(tmpdir(), 'dvoynik-test-cache')

/** Why a runtime cannot be tested here. */
async function missing(name: string): Promise<string | undefined> {
  return createRuntime({ name }).then(
    () => undefined,
    (thrown: unknown) => asError(thrown).message,
  )
}

const reasons = new Map(await Promise.all(runtimeNames.map(async name => [name, await missing(name)] as const)))

/** One suite for every runtime. */
export function describeRuntimes(title: string, suite: (name: string) => void): void {
  for (const [name, reason] of reasons)
    describe.skipIf(reason)(`${name} ${title}${reason ? ` (skipped: ${reason})` : ''}`, () => suite(name))
}
