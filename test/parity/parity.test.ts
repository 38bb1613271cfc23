// Every committed reference of PyTorch against the engine: logits, loss, gradients, ten losses, greedy continuation.
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createRuntime } from '../../src/runtime/registry.js'
import { findCases } from '../../tools/parity/cases.js'
import { checkCase } from '../../tools/parity/check.js'

const folder = dirname(fileURLToPath(import.meta.url))
const cases = await findCases(folder)
const runtime = await createRuntime()

test('the references named in the page are all here', () => {
  expect(cases.map(path => basename(path))).toEqual([
    'gpt2',
    'gpt2-untied',
    'llama',
    'llama-gqa-tied',
    'llama-rope-linear',
    'llama-rope3',
    'lora-embedding',
    'lora-gpt2',
    'lora-gpt2-all',
    'lora-head',
    'lora-llama',
    'lora-rows-tied',
    'lora-rows-untied',
    'mistral',
    'qwen2',
    'qwen3',
  ])
})

test.each(cases.map(path => basename(path)))('%s agrees with PyTorch', async name => {
  const { status, errors, greedy, note } = await checkCase(join(folder, name), runtime)
  expect({ status, greedy, note: status === 'passed' ? '' : note }).toEqual({
    status: 'passed',
    greedy: true,
    note: '',
  })
  expect(errors!.gradients).toBeLessThan(2e-5) // far below the tolerance: drift shows before it hurts
  expect(errors!.losses).toBeLessThan(1e-4)
})
