// Every committed reference of PyTorch against the engine: logits, loss, gradients, ten losses, greedy continuation.
import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createRuntime } from '../../src/runtime/registry.js'
import { findCases } from '../../tools/parity/cases.js'
import { checkCase } from '../../tools/parity/check.js'

const folder = dirname(fileURLToPath(import.meta.url))
const cases = await findCases(folder)
const runtime = await createRuntime()

test('the references are those that the page names', async () => {
  const page = await readFile(join(folder, 'README.md'), 'utf8')
  const rows = page.split('\n').filter(line => line.startsWith('| `'))
  const named = rows.flatMap(row => [...row.split('|')[1].matchAll(/`([^`]+)`/g)].map(([, name]) => name))
  expect(cases.map(path => basename(path))).toEqual(named.sort())
})

test.each(cases.map(path => basename(path)))('%s agrees with PyTorch', async name => {
  const { status, errors, greedy, note } = await checkCase(join(folder, name), runtime)
  expect({ status, greedy, note: status === 'passed' ? '' : note }).toEqual({
    status: 'passed',
    greedy: true,
    note: '',
  })
  expect(errors!.gradients).toBeLessThan(2e-5) // far below the tolerance: drift shows before it hurts
  expect(errors!.losses).toBeLessThan(3e-4) // of Gemma, where PyTorch in float32 is farther off; others stay below 1e-4
})
