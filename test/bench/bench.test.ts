// The benchmark command at toy sizes: the form of its results and of its page. No time is asserted.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SaxesParser } from 'saxes'
import { describe, expect, it } from 'vitest'
import type { Benchmark, Size } from '../../bench/case.js'
import { benchmarks } from '../../bench/cases.js'
import { drawChart } from '../../bench/chart.js'
import { faster, shareOfPeak, smaller } from '../../bench/goals.js'
import { median } from '../../bench/measure.js'
import { gpt2Base, randomTokens, trainingFlops } from '../../bench/models.js'
import { writePage } from '../../bench/page.js'
import { createReader, skippedSide, summarizeSide, type Result } from '../../bench/result.js'
import { lora } from '../../bench/training-sides.js'
import { packageRoot } from '../../src/base/package.js'

const machine = { processor: 'P', cores: 2, memoryGb: 8, platform: 'linux-x64', node: '20.0.0', extensions: 'avx2' }
const side = (name: string, kind: 'ours' | 'peer') => ({ name, kind, needs: [], work: { program: 'rewriting', repeats: 1 } }) as const // prettier-ignore

function resultOf(benchmark: string, sides: Result['sides']): Result {
  return { benchmark, date: '2026-01-02', size: 'full', rounds: 2, wallSeconds: 3, machine, sides }
}

function runsOf(name: string, kind: 'ours' | 'peer', runs: readonly Record<string, number>[]) {
  return summarizeSide(side(name, kind), runs.map(figures => ({ figures, about: {} }))) // prettier-ignore
}

describe('npm run bench', () => {
  const out = mkdtempSync(join(tmpdir(), 'dvoynik-bench-test-'))
  const env = {
    ...process.env,
    DVOYNIK_PYTHON: join(out, 'no-python'),
    DVOYNIK_BENCH_PEERS: '',
    DVOYNIK_OPENVINO_LIBS: '',
    DVOYNIK_DATA: out,
  }
  const bench = (...args: string[]): string =>
    execFileSync(process.execPath, [join(packageRoot, 'dist', 'bench', 'run.js'), ...args], {
      env,
      encoding: 'utf8',
      stdio: 'pipe',
    })

  it('runs ours in processes of their own and leaves absent rivals out by name', () => {
    bench('lora-step', '--quick', '--rounds', '2', '--out', out)
    const result = JSON.parse(readFileSync(join(out, 'lora-step.json'), 'utf8')) as Result
    expect(result).toMatchObject({ benchmark: 'lora-step', size: 'quick', rounds: 2 })
    const [ours] = result.sides.filter(({ name }) => name === 'ONNX Runtime f32')
    expect(ours.runs).toHaveLength(2)
    for (const figure of ['stepSeconds', 'updateSeconds', 'tokensPerSecond', 'peakBytes', 'ownBytes', 'lossNats'])
      expect(ours.median[figure], figure).toBeGreaterThan(0)
    expect(ours.median['lossNats']).toBeCloseTo(Math.log(512), 0)
    const codes = result.sides.find(({ name }) => name === 'ONNX Runtime f32, 8-bit base')!
    expect(codes.median['lossNats']).toBeCloseTo(Math.log(512), 0)
    expect(result.sides.filter(({ kind }) => kind === 'peer').map(({ name, skipped }) => [name, skipped])).toEqual([
      ['PEFT fp32', 'not installed: torch, transformers, peft'],
      ['PEFT autocast bf16', 'not installed: torch, transformers, peft'],
      ['PEFT pure bf16', 'not installed: torch, transformers, peft'],
    ])
    const page = readFileSync(join(out, 'benchmarks.md'), 'utf8')
    expect(page).toContain('the times mean nothing')
    expect(page).toContain('PEFT fp32: not installed: torch, transformers, peft.')
    expect(page).toMatch(/\| \*\*ONNX Runtime f32\*\* \| [\d.]+ \([\d.]+–[\d.]+\)/u)
    expect(page + JSON.stringify(result)).not.toContain(packageRoot)
  }, 60_000)

  it('lists every case', () => {
    expect(bench('--list').trim().split('\n')).toHaveLength(benchmarks.length)
  })

  it('refuses rounds that are no number', () => {
    expect(() => bench('rewriting', '--quick', '--out', out, '--rounds', 'two')).toThrow(
      /expected a positive whole number, received "two"/u,
    )
  })

  it('refuses a case that does not exist', () => {
    expect(() => bench('full-stop')).toThrow(/there is no case "full-stop"; known: matrix-peak, full-step/u)
  })
})

describe('results', () => {
  it('keep every run, its median and its spread', () => {
    const { runs, median: middle, least, most } = runsOf('a', 'ours', [{ x: 3 }, { x: 1 }, { x: 2, y: 5 }])
    expect(runs).toHaveLength(3)
    expect([middle, least, most]).toEqual([{ x: 2, y: 5 }, { x: 1, y: 5 }, { x: 3, y: 5 }]) // prettier-ignore
    expect(median([4, 1, 3, 2])).toBe(2.5)
  })

  it('give ratios in which larger is better for us, or none where a side did not run', () => {
    const sides = [runsOf('ours', 'ours', [{ stepSeconds: 2, peakBytes: 3 }]), runsOf('theirs', 'peer', [{ stepSeconds: 6, peakBytes: 4 }])] // prettier-ignore
    const read = createReader(
      new Map([['b', resultOf('b', [...sides, skippedSide(side('none', 'peer'), 'why')])]]),
      'b',
    )
    expect(faster('ours', 'theirs', 1).value(read)).toBe(3)
    expect(smaller('ours', 'theirs', 1).value(read)).toBe(0.75)
    expect(faster('ours', 'none', 1).value(read)).toBeUndefined()
  })

  it('hold a step against the peak that another benchmark measured', () => {
    const size = { config: gpt2Base('full'), batch: 1, length: 512 }
    const results = new Map([
      ['step', resultOf('step', [runsOf('ours', 'ours', [{ stepSeconds: 2 }])])],
      ['matrix-peak', resultOf('matrix-peak', [runsOf('PyTorch bf16', 'peer', [{ flopsPerSecond: 1e12 }])])],
    ])
    const share = shareOfPeak('ours', size, { kind: 'full' }).value(createReader(results, 'step'))
    expect(share).toBeCloseTo(trainingFlops(size, { kind: 'full' }) / 2e12)
  })
})

describe('arithmetic', () => {
  // GPT-2 124M: 12 layers of 12·768² weights in products, a head of 50257·768, 12·12·T²·768 for attention
  const [layers, head] = [12 * 12 * 768 ** 2, 50257 * 768]
  const size = { config: gpt2Base('full'), batch: 1, length: 512 }
  const attention = 12 * 12 * 512 ** 2 * 768

  it('counts six operations for a trained weight and token', () => {
    expect(trainingFlops(size, { kind: 'full' })).toBe(6 * 512 * (layers + head) + attention)
  })

  it('counts four for a frozen one, and LoRA beside it', () => {
    const adapter = 12 * 8 * (768 + 2304 + 768 + 768 + 2 * (768 + 3072))
    expect(trainingFlops(size, lora)).toBe(4 * 512 * (layers + head) + attention + 6 * 512 * adapter)
  })

  it('draws the tokens that bench/peers/random_tokens.py draws', () => {
    expect(randomTokens(50257, 4)).toEqual([17817, 44117, 33196, 41269])
  })
})

describe('the page', () => {
  it('says which goals are reached and which are missed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dvoynik-bench-page-'))
    const results = new Map([
      ['b', resultOf('b', [runsOf('ours', 'ours', [{ stepSeconds: 2 }, { stepSeconds: 4 }]), runsOf('theirs', 'peer', [{ stepSeconds: 6 }])])], // prettier-ignore
    ])
    const benchmark: Benchmark = {
      name: 'b',
      title: 'Work',
      measures: 'What is done.',
      rounds: 2,
      sides: () => [],
      columns: [{ figure: 'stepSeconds', title: 'step', unit: 's' }],
      goals: [faster('ours', 'theirs', 1.5), faster('ours', 'theirs', 2.5), faster('ours', 'absent', 1)],
      charts: () => [],
    }
    await writePage([benchmark], results, { page: join(folder, 'page.md'), images: join(folder, 'images') }, 'full')
    const lines = readFileSync(join(folder, 'page.md'), 'utf8').split('\n').filter(line => line.startsWith('|') || line.includes('goals are')) // prettier-ignore
    expect(lines.join('\n')).toMatchInlineSnapshot(`
      "1 of 2 measured goals are reached.
      | work | goal | must be | measured | |
      | --- | --- | --- | --- | --- |
      | Work | ours against theirs: times as fast | at least 1.50 × | 2.00 × | reached |
      | Work | ours against theirs: times as fast | at least 2.50 × | 2.00 × | **missed** |
      | Work | ours against absent: times as fast | at least 1.00 × | not measured |  |
      | side | step, s |
      | --- | ---: |
      | **ours** | 3.00 (2.00–4.00) |
      | theirs | 6.00 |"
    `)
  })

  const charted = benchmarks.flatMap(benchmark => benchmark.charts('quick').map(chart => [chart.file, benchmark, chart] as const)) // prettier-ignore
  it.each(charted)('%s is well-formed and shows every side', (_file, benchmark, chart) => {
    const size: Size = 'quick'
    const keys = chart.kind === 'bars' ? [chart.figure] : chart.points.map(({ x }) => `${chart.figure}@${x}`)
    const sides = benchmark.sides(size)
    const runs = sides.map(({ name, kind }, i) => runsOf(name, kind, [Object.fromEntries(keys.map((key, j) => [key, 1 + i + j]))])) // prettier-ignore
    const svg = drawChart(chart, resultOf(benchmark.name, runs))!
    expect(() => new SaxesParser().write(svg).close()).not.toThrow()
    for (const { name } of sides) expect(svg).toContain(`>${name}</text>`)
    expect(svg).not.toMatch(/NaN|undefined|Infinity/u)
  })
})
