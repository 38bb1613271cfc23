import { describe, expect, it } from 'vitest'
import { uniformAt } from '../../src/base/random.js'
import type { Parameter } from '../../src/model/step.js'
import { createRuntime } from '../../src/runtime/registry.js'
import { clipFactor, createOptimizer } from '../../src/train/optimizer.js'
import type { OptimizerSettings } from '../../src/train/update-rules.js'
import { noRuntime } from './bigram.mjs'

function makeParameter(name: string, length: number, decay = true): Parameter {
  const data = Float32Array.from({ length }, (_, i) => uniformAt(1, length, i) * 2 - 1)
  return { name, shape: [length], data, gradient: new Float32Array(length), decay }
}

function setGradient({ gradient }: Parameter, step: number): void {
  for (let i = 0; i < gradient.length; i++) gradient[i] = (uniformAt(2, step, i) - 0.5) * 10 ** ((i % 7) - 4)
}

type Elementwise = Extract<OptimizerSettings, { kind: 'adamw' | 'sgd' | 'lion' }>

/** PyTorch's single-tensor formulas in float64, from the gradients of every step. */
function reference(
  start: Float32Array,
  gradients: Float32Array[],
  rate: number,
  settings: Elementwise,
  decay: boolean,
): Float64Array {
  const p = Float64Array.from(start)
  const [m, v] = [new Float64Array(p.length), new Float64Array(p.length)]
  const wd = decay ? (settings.weightDecay ?? 0) : 0
  gradients.forEach((gradient, t) => {
    for (let i = 0; i < p.length; i++) {
      const g = gradient[i]
      if (settings.kind === 'sgd') {
        const { momentum = 0, nesterov = false } = settings
        const pulled = g + wd * p[i]
        m[i] = momentum * m[i] + pulled
        p[i] -= rate * (nesterov ? pulled + momentum * m[i] : m[i])
        continue
      }
      if (settings.kind === 'lion') {
        p[i] -= rate * (Math.sign(0.9 * m[i] + 0.1 * g) + wd * p[i])
        m[i] = 0.99 * m[i] + 0.01 * g
        continue
      }
      const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = settings
      p[i] *= 1 - rate * wd
      m[i] += (1 - beta1) * (g - m[i])
      v[i] = beta2 * v[i] + (1 - beta2) * g * g
      const denominator = Math.sqrt(v[i]) / Math.sqrt(1 - beta2 ** (t + 1)) + epsilon
      p[i] -= ((rate / (1 - beta1 ** (t + 1))) * m[i]) / denominator
    }
  })
  return p
}

const settingsRows: Elementwise[] = [
  { kind: 'adamw', weightDecay: 0.03 },
  { kind: 'adamw', beta1: 0.8, beta2: 0.95, epsilon: 1e-6 },
  { kind: 'sgd', momentum: 0.9, weightDecay: 0.01 },
  { kind: 'sgd', momentum: 0.8, nesterov: true },
  { kind: 'sgd' },
  { kind: 'lion', weightDecay: 0.1 },
]

describe('the update', () => {
  for (const settings of settingsRows) {
    it(`${JSON.stringify(settings)} equals PyTorch's formula in float64 within 1e-6`, async () => {
      const runtime = await createRuntime()
      // 300001 is many stretches of the loop and a rest
      const parameters = [
        makeParameter('large', 300_001),
        makeParameter('small', 37),
        makeParameter('bias', 5000, false),
      ]
      const starts = parameters.map(({ data }) => data.slice())
      const gradients: Float32Array[][] = parameters.map(() => [])
      const optimizer = await createOptimizer(settings, parameters, runtime)
      for (let step = 1; step <= 5; step++) {
        parameters.forEach((parameter, i) => {
          setGradient(parameter, step)
          gradients[i].push(parameter.gradient.slice())
        })
        await optimizer.step(1e-3)
      }
      await optimizer.close()
      parameters.forEach(({ data, decay }, k) => {
        const expected = reference(starts[k], gradients[k], 1e-3, settings, decay)
        const scale = Math.max(...Array.from(expected.subarray(0, 5000), Math.abs))
        let worst = 0
        let flips = 0 // Lion's sign of what float32 rounds across 0
        for (let i = 0; i < data.length; i++) {
          const off = Math.abs(data[i] - expected[i])
          if (settings.kind === 'lion' && off > 0.9e-3) flips++
          else worst = Math.max(worst, off / scale)
        }
        expect(worst).toBeLessThan(1e-6)
        expect(flips).toBeLessThanOrEqual(data.length / 50_000)
      })
    })
  }

  it('AdamW moves one number as torch.optim.AdamW does', async () => {
    // p = 1, g = .5 then -.25, lr = .1, weight_decay = .01, by the formula:
    // step 1: p = 1·.999 − .1·.05/.1 /(√.00025/√.001 + 1e-8) = .999 − .1 = .899
    // step 2: m = .9·.05 − .025 = .02; v = .00024975 + .0000625 = .00031225; bc1 = .19; √bc2 = √.001999
    const p: Parameter = {
      name: 'p',
      shape: [1],
      data: Float32Array.of(1),
      gradient: Float32Array.of(0.5),
      decay: true,
    }
    const optimizer = await createOptimizer({ kind: 'adamw', weightDecay: 0.01 }, [p], noRuntime)
    await optimizer.step(0.1)
    expect(p.data[0]).toBeCloseTo(0.899, 6)
    p.gradient[0] = -0.25
    await optimizer.step(0.1)
    const second = 0.899 * 0.999 - ((0.1 / 0.19) * 0.02) / (Math.sqrt(0.00031225) / Math.sqrt(0.001999) + 1e-8)
    expect(p.data[0]).toBeCloseTo(second, 6)
  })

  it('a gradient scale acts as scaled gradients do', async () => {
    const [a, b] = [makeParameter('x', 9000), makeParameter('x', 9000)]
    setGradient(a, 1)
    for (let i = 0; i < 9000; i++) b.gradient[i] = a.gradient[i] * 0.25
    const runtime = await createRuntime()
    for (const [p, scale] of [[a, 0.25], [b, 1]] as const) await (await createOptimizer({ kind: 'adamw' }, [p], runtime)).step(1e-2, scale) // prettier-ignore
    expect(a.data).toEqual(b.data)
  })

  it('moments saved and loaded go on bit for bit', async () => {
    const runtime = await createRuntime()
    const [a, b] = [makeParameter('x', 9000), makeParameter('x', 9000)]
    const first = await createOptimizer({ kind: 'adamw', weightDecay: 0.1 }, [a], runtime)
    setGradient(a, 1)
    await first.step(1e-2)
    const second = await createOptimizer({ kind: 'adamw', weightDecay: 0.1 }, [b], runtime)
    b.data.set(a.data)
    second.load(first.state())
    setGradient(a, 2)
    setGradient(b, 2)
    await first.step(1e-2)
    await second.step(1e-2)
    expect(b.data).toEqual(a.data)
    expect(second.state()).toEqual(first.state())
  })

  it('an unknown optimizer is refused by name', async () => {
    const build = createOptimizer({ kind: 'adam' } as never, [], noRuntime)
    await expect(build).rejects.toThrowErrorMatchingInlineSnapshot(
      `[AppError: setting optimizer: there is no optimizer "adam". Did you mean "adamw"? Known: adamw, adamw-8bit, lion, adafactor, sgd, muon.]`,
    )
  })

  it('a setting that the optimizer does not know, or out of range, is refused by name', async () => {
    const build = (settings: object) => createOptimizer({ kind: 'lion', ...settings }, [], noRuntime)
    await expect(build({ wightDecay: 0.1 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[AppError: optimizer settings: there is no setting "wightDecay". Did you mean "weightDecay"?]`,
    )
    await expect(build({ momentum: 0.9 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[AppError: optimizer settings: there is no setting "momentum". Known: beta1, beta2, weightDecay.]`,
    )
    await expect(build({ beta1: 1 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[AppError: setting beta1: received 1. Allowed: 0 ≤ β < 1.]`,
    )
  })

  it('state of another model is refused', async () => {
    const optimizer = await createOptimizer({ kind: 'sgd' }, [makeParameter('x', 4)], noRuntime)
    expect(() =>
      optimizer.load({ step: 1, moments: new Map([['b.y', new Float32Array(4)]]) }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[AppError: the saved optimizer state does not fit this model (moment b.x). Continue with the model and method the run was started with.]`,
    )
  })
})

describe('clipping', () => {
  it('the norm is that of all gradients together', async () => {
    const parameters = [makeParameter('a', 7), makeParameter('b', 2)]
    parameters[0].gradient.fill(2)
    parameters[1].gradient.fill(-3)
    const optimizer = await createOptimizer({ kind: 'adamw' }, parameters, noRuntime)
    expect(await optimizer.gradientNorm()).toBeCloseTo(Math.sqrt(7 * 4 + 2 * 9), 12)
  })

  it("the factor is PyTorch's: max / (norm + 1e-6), never above 1", () => {
    expect(clipFactor(5, 1)).toBe(1 / 5.000001)
    expect(clipFactor(0.5, 1)).toBe(1)
    expect(clipFactor(0, 1)).toBe(1)
  })
})
