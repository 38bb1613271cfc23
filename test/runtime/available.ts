// The runtimes that one suite runs on; those whose libraries are not on this machine are skipped by name.
import { describe } from 'vitest'
import { findOpenvinoLibraries } from '../../src/runtime/openvino-libraries.js'
import { runtimeNames } from '../../src/runtime/registry.js'

/** Why a runtime cannot be tested here. */
function missing(name: string): string | undefined {
  if (name !== 'openvino' || findOpenvinoLibraries()) return undefined
  return 'its libraries are not here: dvoynik engine install openvino'
}

/** One suite for every runtime. */
export function describeRuntimes(title: string, suite: (name: string) => void): void {
  for (const name of runtimeNames) {
    const reason = missing(name)
    describe.skipIf(reason)(`${name} ${title}${reason ? ` (skipped, ${reason})` : ''}`, () => suite(name))
  }
}
