import { readdirSync } from 'node:fs'
import { expect, it } from 'vitest'
import { input, mul } from '../../src/graph/build.js'
import { openEngine } from '../../src/project/engine.js'
import { createRuntime } from '../../src/runtime/registry.js'
import type { CompileOptions, Runtime } from '../../src/runtime/runtime.js'

/** Threads that compiling one more program adds to this process. */
async function threadsAdded(runtime: Runtime, options?: CompileOptions): Promise<number> {
  const count = (): number => readdirSync('/proc/self/task').length
  const x = input('x', [2])
  const before = count()
  const program = await runtime.compile({ outputs: { y: mul(x, x) } }, options)
  const added = count() - before
  await program.close()
  return added
}

it.skipIf(process.platform !== 'linux')(
  'a runtime works with as many threads as it was given, a program with its own number',
  async () => {
    const [one, four] = [await createRuntime({ threads: 1 }), await createRuntime({ threads: 4 })]
    await threadsAdded(one) // what the library starts once
    expect(await threadsAdded(one)).toBe(0)
    expect(await threadsAdded(four)).toBe(3)
    expect(await threadsAdded(four, { threads: undefined })).toBe(3)
    expect(await threadsAdded(four, { threads: 2 })).toBe(1)
    const { runtime } = await openEngine({ name: 'onnxruntime-cpu', threads: 3 }, () => expect.unreachable())
    expect(await threadsAdded(runtime)).toBe(2)
  },
)
