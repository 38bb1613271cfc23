// What the kernel says of processors, and what is made of it.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { hasBf16 } from '../../src/runtime/processor.js'

const rows: readonly [string, string, boolean][] = [
  ['AVX-512', 'model name\t: A\nflags\t\t: fpu sse2 avx512f avx512_bf16 amx_tile\n', true],
  ['AMX alone', 'flags\t\t: fpu amx_bf16\n', true],
  ['Arm', 'Features\t: fp asimd i8mm bf16 dgh\n', true],
  ['AVX-512 of before', 'flags\t\t: fpu avx512f avx512_vnni\n', false],
  ['another line that says so', 'bugs\t\t: avx512_bf16\nflags\t\t: fpu\n', false],
]

it.each(rows)('%s', async (_, text, expected) => {
  const path = join(mkdtempSync(join(tmpdir(), 'dvoynik-cpu-')), 'cpuinfo')
  writeFileSync(path, text)
  expect(await hasBf16(path)).toBe(expected)
})

it('a system without that file has none', async () => {
  expect(await hasBf16('/nowhere/cpuinfo')).toBe(false)
})
