import { mkdtemp, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { uniformAt } from '../../src/base/random.js'
import type { Parameter } from '../../src/model/step.js'
import { createRuntime } from '../../src/runtime/registry.js'
import { findCheckpoint, loadCheckpoint, saveCheckpoint } from '../../src/train/checkpoint.js'
import { createByteCode } from '../../src/train/byte-codes.js'
import { createOptimizer, type Optimizer } from '../../src/train/optimizer.js'
import type { OptimizerSettings } from '../../src/train/update-rules.js'
import { createBigramStep, createToySource, noRuntime } from './bigram.mjs'

const name = 'model.layers.0.mlp.up_proj.weight'

/** pᵢ = sin(i + 1)/2, as in the PyTorch runs below. */
function makeParameter(shape: readonly number[], of = name, decay = true): Parameter {
  const length = shape.reduce((product, size) => product * size, 1)
  const data = Float32Array.from({ length }, (_, i) => Math.sin(i + 1) / 2)
  return { name: of, shape, data, gradient: new Float32Array(length), decay }
}

/** gᵢ = t·cos(3i + t)·(.1, or .01 for every third) */
function setGradient({ gradient }: Parameter, t: number): void {
  for (let i = 0; i < gradient.length; i++) gradient[i] = t * Math.cos(3 * i + t) * (i % 3 ? 0.1 : 0.01)
}

// Parameters after three steps in float64 with PyTorch 2.15: torch.optim.Adafactor, SGD and Muon (adjust_lr_fn
// "match_rms_adamw", its cast to bfloat16 taken out); Lion by the algorithm of its paper.
const rows: { settings: OptimizerSettings; rate?: number; shape: number[]; expected: number[] }[] = [
  {
    settings: { kind: 'adafactor', weightDecay: 0.1 },
    shape: [3, 4],
    expected: [0.42033453, 0.407308981, 0.084308789, -0.3736126, -0.466057312, -0.117107383, 0.321452655, 0.508498513, 0.176500107, -0.26292504, -0.537631209, -0.216712706],
  },
  {
    settings: { kind: 'adafactor', clipThreshold: 1.2, beta2Decay: -0.5, minimumScale: 0.7 },
    rate: 0.9,
    shape: [4, 3],
    expected: [1.537235774, -0.277784518, 0.439657395, -0.607885859, -0.548809019, 0.20552088, 0.058127485, 0.974157745, -0.487710322, 0.756012037, -1.7103922, 1.134200498],
  },
  {
    settings: { kind: 'adafactor' },
    shape: [6],
    expected: [0.441673256, 0.437408143, 0.080706332, -0.379007293, -0.487351756, -0.125736361],
  },
  {
    settings: { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 0.1 },
    shape: [6],
    expected: [0.406975461, 0.412579852, 0.084858887, -0.364299379, -0.457732977, -0.129324208],
  },
  {
    settings: { kind: 'muon', weightDecay: 0.1 },
    shape: [3, 4],
    expected: [0.423054854, 0.435436486, 0.069933725, -0.36732328, -0.460221177, -0.118961629, 0.336726804, 0.505214937, 0.184270242, -0.287106129, -0.525146669, -0.233799669],
  },
  {
    settings: { kind: 'muon', weightDecay: 0.1 },
    shape: [4, 3],
    expected: [0.42196394, 0.419498099, 0.050589237, -0.377136207, -0.459947939, -0.118265121, 0.32406884, 0.493141103, 0.186627075, -0.264439786, -0.515542125, -0.25383354],
  },
  {
    settings: { kind: 'lion', weightDecay: 0.1 },
    shape: [6],
    expected: [0.464704713, 0.397614275, 0.119755637, -0.323502312, -0.521557355, -0.088371343],
  },
] // prettier-ignore

describe('three steps', () => {
  it.each(rows)(
    'of $settings on $shape are PyTorch’s within 2e-6',
    async ({ settings, rate = 0.05, shape, expected }) => {
      const parameter = makeParameter(shape)
      const optimizer = await createOptimizer(settings, [parameter], await createRuntime())
      for (let t = 1; t <= 3; t++) {
        setGradient(parameter, t)
        // gradients twice as large and a scale of a half are the same
        parameter.gradient.forEach((g, i, all) => (all[i] = 2 * g))
        await optimizer.step(rate, 0.5)
      }
      await optimizer.close()
      const scale = Math.max(...expected.map(Math.abs))
      const worst = Math.max(...expected.map((x, i) => Math.abs(parameter.data[i] - x) / scale))
      expect(worst).toBeLessThan(2e-6)
    },
  )

  it('Adafactor leaves rows without a gradient where they are', async () => {
    const runtime = await createRuntime()
    const [whole, alone] = [makeParameter([3, 4]), makeParameter([1, 4])]
    const before = whole.data.slice()
    const optimizer = await createOptimizer({ kind: 'adafactor' }, [whole], runtime)
    for (let t = 1; t <= 2; t++) {
      setGradient(alone, t)
      whole.gradient.set(alone.gradient, 4)
      await optimizer.step(0.01)
    }
    expect(whole.data.subarray(0, 4)).toEqual(before.subarray(0, 4))
    expect(whole.data.subarray(8)).toEqual(before.subarray(8))
    expect(whole.data.subarray(4, 8)).not.toEqual(before.subarray(4, 8))
    expect(whole.data.every(Number.isFinite)).toBe(true)
    await optimizer.close()
  })

  it('Muon leaves embeddings, heads and norms to AdamW', async () => {
    const make = () => [makeParameter([4, 6], 'model.embed_tokens.weight'), makeParameter([6], 'model.layers.0.norm.weight', false)] // prettier-ignore
    const [mine, theirs] = [make(), make()]
    const runtime = await createRuntime()
    const both = [
      await createOptimizer({ kind: 'muon', weightDecay: 0.1, beta2: 0.98 }, mine, runtime),
      await createOptimizer({ kind: 'adamw', weightDecay: 0.1, beta2: 0.98 }, theirs, runtime),
    ]
    ;[...mine, ...theirs].forEach(parameter => setGradient(parameter, 1))
    for (const optimizer of both) await optimizer.step(0.01)
    expect(mine.map(({ data }) => data)).toEqual(theirs.map(({ data }) => data))
  })
})

const kinds: OptimizerSettings[] = [
  { kind: 'adamw-8bit', weightDecay: 0.1 },
  { kind: 'lion', weightDecay: 0.1 },
  { kind: 'adafactor', weightDecay: 0.1 },
  { kind: 'muon', weightDecay: 0.1 },
  { kind: 'sgd', momentum: 0.9, nesterov: true },
]

describe('a checkpoint', () => {
  it.each(kinds)('of $kind goes on bit for bit', async settings => {
    const runtime = await createRuntime()
    const folder = await mkdtemp(join(tmpdir(), 'rules-'))
    const identity = { kind: settings.kind }
    const make = async () => {
      const parameters = [makeParameter([70, 100]), makeParameter([40], 'model.norm.weight', false)]
      return { parameters, optimizer: await createOptimizer(settings, parameters, runtime) }
    }
    const step = async ({ parameters, optimizer }: { parameters: Parameter[]; optimizer: Optimizer }, t: number) => {
      parameters.forEach(parameter => setGradient(parameter, t))
      await optimizer.step(0.01)
    }
    const [whole, first, second] = [await make(), await make(), await make()]
    for (let t = 1; t <= 5; t++) await step(whole, t)
    for (let t = 1; t <= 2; t++) await step(first, t)
    await saveCheckpoint(folder, { step: 2, epoch: 0, position: 0, identity }, first.optimizer, 1)
    await loadCheckpoint((await findCheckpoint(folder))!, identity, second.optimizer)
    for (let t = 3; t <= 5; t++) await step(second, t)
    expect(second.parameters.map(({ data }) => data)).toEqual(whole.parameters.map(({ data }) => data))
    expect(second.optimizer.state()).toEqual(whole.optimizer.state())
    for (const { optimizer } of [whole, first, second]) await optimizer.close()
  })
})

describe('AdamW with moments of one byte', () => {
  it('codes every number from -1 to 1 as the nearest of 256 values', () => {
    for (const code of [createByteCode(true), createByteCode(false)]) {
      expect(new Set(code.values).size).toBe(256)
      const own = new Uint8Array(256)
      code.encode(code.values, own)
      expect([...own]).toEqual([...own.keys()])
      const numbers = Float32Array.from({ length: 3000 }, (_, i) => (2 * uniformAt(1, 1, i) - 1) * 10 ** (-8 * uniformAt(1, 2, i))) // prettier-ignore
      const codes = new Uint8Array(numbers.length)
      code.encode(numbers, codes)
      numbers.forEach((x, i) => {
        const nearest = Math.min(...code.values.map(value => Math.abs(value - x)))
        expect(Math.abs(code.values[codes[i]] - x)).toBeLessThanOrEqual(nearest * 1.000001)
      })
    }
  })

  it('has the values of the code book in bitsandbytes', () => {
    const { values } = createByteCode(true)
    const some = [0, 1, 127, 128, 129, 254, 255].map(i => values[i])
    const expected = [-0.99296875, -0.97890625, 0, 5.5e-7, 3.25e-6, 0.99296875, 1]
    some.forEach((x, i) => expect(Math.abs(x - expected[i])).toBeLessThan(1e-7 * Math.abs(expected[i]) + 1e-12))
  })

  it('makes the loss of the toy language fall by at least 98 % of what AdamW does', async () => {
    const source = createToySource(64, 7, { batch: 8 })
    const losses: number[] = []
    for (const kind of ['adamw', 'adamw-8bit'] as const) {
      const step = createBigramStep(64)
      const optimizer = await createOptimizer(
        { kind },
        step.parameters,
        kind === 'adamw' ? await createRuntime() : noRuntime,
      )
      let last = 0
      for (let t = 0; t < 60; t++) {
        const { batch } = await source.batch(0, t % 7)
        const { lossSum, tokens } = await step.run(batch, 1 / 64)
        last = lossSum / tokens
        await optimizer.step(0.05)
      }
      losses.push(last)
    }
    const falls = losses.map(loss => Math.log(64) - loss)
    expect(falls[0]).toBeGreaterThan(3)
    expect(falls[1] / falls[0]).toBeGreaterThan(0.98)
  })

  it('keeps about two bytes a number in memory and on disk', async () => {
    const parameter = makeParameter([100, 1000])
    const optimizer = await createOptimizer({ kind: 'adamw-8bit' }, [parameter], noRuntime)
    const folder = await mkdtemp(join(tmpdir(), 'codes-'))
    const path = await saveCheckpoint(folder, { step: 1, epoch: 0, position: 0, identity: {} }, optimizer, 1)
    const files = ['optimizer.safetensors', 'optimizer-codes.bin'].map(
      async file => (await stat(join(path, file))).size,
    )
    const onDisk = (await Promise.all(files)).reduce((a, b) => a + b)
    expect(onDisk / 100_000).toBeLessThan(2.05)
    const bytes = [...optimizer.state().moments.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
    expect(bytes / 100_000).toBeLessThan(2.04)
  })
})
