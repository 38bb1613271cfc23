// ONNX Runtime keeps an id of the machine and a list of sessions for its makers unless it is told not to.
import { execFile } from 'node:child_process'
import { mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const opened = `
  import { createRuntime } from ${JSON.stringify(new URL('../../dist/src/runtime/registry.js', import.meta.url).href)}
  await createRuntime()
`

it('the reference engine leaves nothing in the home of its user', async () => {
  const home = await mkdtemp(join(tmpdir(), 'home-'))
  // where it finds itself under test, by CI and such names, it is silent by itself
  const { PATH = '' } = process.env
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', opened], { env: { PATH, HOME: home } })
  expect(await readdir(home, { recursive: true })).toEqual([])
})
