import { describe, expect, test } from 'vitest'
import type { MemoryNeed } from '../../src/model/memory.js'
import type { ModelConfig } from '../../src/model/model-config.js'
import { availableBytes, checkLeast, checkMemory, memoryNotice } from '../../src/project/memory-check.js'
import { createPlan } from '../../src/project/plan.js'

const need: MemoryNeed = {
  ...{ weights: 5e8, gradients: 5e8, optimizerState: 1e9, activations: 3e8, program: 5e7 },
  total: 2.35e9,
}

/** A machine whose files hold these texts. */
const machine = (files: Readonly<Record<string, string>>) =>
  availableBytes({ read: path => files[path], free: () => 7e9 })

describe('what can still be had', () => {
  const meminfo = 'MemTotal:       24105000 kB\nMemFree:          100000 kB\nMemAvailable:   16000000 kB\n'
  test('is what Linux calls available, not what is unused', () => {
    expect(machine({ '/proc/meminfo': meminfo })).toBe(16000000 * 1024)
  })
  test('ends at the limit of a container, of either version', () => {
    const two = { '/sys/fs/cgroup/memory.max': '4000000000\n', '/sys/fs/cgroup/memory.current': '1000000000\n' }
    const one = {
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '3000000000\n',
      '/sys/fs/cgroup/memory/memory.usage_in_bytes': '1000000000\n',
    }
    expect(machine({ '/proc/meminfo': meminfo, ...two })).toBe(3e9)
    expect(machine({ '/proc/meminfo': meminfo, ...one })).toBe(2e9)
    expect(machine({ '/proc/meminfo': meminfo, ...two, '/sys/fs/cgroup/memory.max': 'max\n' })).toBe(16000000 * 1024)
  })
  test('is the free memory where there is no Linux', () => {
    expect(machine({})).toBe(7e9)
  })
})

test('a run that fits is told, one that does not is refused with the ways out of this plan', () => {
  const { train } = createPlan('a')
  expect(memoryNotice(need, 8e9)).toMatchInlineSnapshot(`
    {
      "en": "Training will need about 2.35 GB of memory (weights 0.50, gradients 0.50, optimizer 1.00, activations 0.30, program 0.05); 8.00 GB are free.",
      "ru": "Обучению нужно около 2.35 ГБ памяти (веса 0.50, градиенты 0.50, оптимизатор 1.00, активации 0.30, программа 0.05); свободно 8.00 ГБ.",
    }
  `)
  expect(() => checkMemory(need, 2e9, 5e8, train)).not.toThrow()
  expect(() => checkMemory(need, 1e9, 5e8, train)).toThrowErrorMatchingInlineSnapshot(
    `[AppError: train: training needs about 2.35 GB of memory (weights 0.50, gradients 0.50, optimizer 1.00, activations 0.30, program 0.05), 1.50 GB can be had. Close other programs, or change the plan: "checkpointing": true; a batch below 4 with more "accumulate"; optimizer adamw-8bit; a length below 256; a smaller base model.]`,
  )
  const full = { ...train, method: { kind: 'full' as const, freeze: [] }, checkpointing: true, batch: 1 }
  expect(() => checkMemory(need, 1e9, 5e8, full)).toThrowErrorMatchingInlineSnapshot(
    `[AppError: train: training needs about 2.35 GB of memory (weights 0.50, gradients 0.50, optimizer 1.00, activations 0.30, program 0.05), 1.50 GB can be had. Close other programs, or change the plan: "clip": null, for fewer gradients at a time; method lora; optimizer adamw-8bit; a length below 256; a smaller base model.]`,
  )
})

test('rows that cannot fit whatever is done are refused before anything is built', () => {
  const { train } = createPlan('a')
  const config = { layers: 6, width: 256 } as ModelConfig
  const ask = (batch: number) => (): void => checkLeast(config, { batch, length: 256 }, { ...train, batch }, 16e9)
  expect(ask(4000)).not.toThrow()
  expect(ask(100000)).toThrowErrorMatchingInlineSnapshot(
    `[AppError: train: rows of 100000 × 256 tokens need more than 91.8 GB of memory between the blocks alone, 16.0 GB can be had. Close other programs, or change the plan: "checkpointing": true; a batch below 100000 with more "accumulate"; a length below 256; a smaller base model.]`,
  )
})
