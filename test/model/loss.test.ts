import { describe, expect, test } from 'vitest'
import * as g from '../../src/graph/build.js'
import type { Node } from '../../src/graph/graph.js'
import { topologicalOrder } from '../../src/graph/order.js'
import { lossGradients, plainLoss, rowsAtOnce, type LossInputs, type LossSettings } from '../../src/model/loss.js'
import { createTrainingStep } from '../../src/model/train-step.js'
import { findOpenvinoLibraries } from '../../src/runtime/openvino-libraries.js'
import { createRuntime } from '../../src/runtime/registry.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { evaluate } from '../graph/evaluate.js'
import { relativeDifference, someIds, tinyAdapter, tinyBatch, tinyModel, tinyRuntime } from './tiny.js'

const runtime: Runtime = await tinyRuntime()

/** Seven rows of states [7, 3] through a head [5, 3]; row 2 does not count. Values come from a formula. */
const [count, width, vocabulary] = [7, 3, 5]
const labels = [4, 0, -100, 3, 1, 1, 2]
const feeds = {
  states: Float64Array.from({ length: count * width }, (_, i) => 2 * Math.sin(1 + i)),
  head: Float64Array.from({ length: vocabulary * width }, (_, i) => 1.5 * Math.cos(2 + 3 * i)),
  scale: Float64Array.of(0.25),
}

function headOf(): { inputs: LossInputs; states: Node; head: Node } {
  const [states, head] = [g.input('states', [count, width]), g.input('head', [vocabulary, width])]
  const logits = (x: Node): Node => g.matmul(x, head, { transposeB: true })
  return { inputs: { states, labels: g.int64s(labels), logits }, states, head }
}

function lossAndGradients(settings: LossSettings, rows: number) {
  const { inputs, head } = headOf()
  const found = lossGradients(inputs, [head], g.input('scale', []), rows, settings)
  return evaluate([found.lossSum, found.states, found.head[0]!], feeds).map(({ data }) => data)
}

/** The formula of PyTorch's documentation, row by row. */
function expectedLoss({ labelSmoothing = 0, zLoss = 0 }: LossSettings, states: Float64Array): number {
  let sum = 0
  labels.forEach((label, row) => {
    if (label === -100) return
    const z = Array.from({ length: vocabulary }, (_, v) =>
      [0, 1, 2].reduce((dot, c) => dot + states[row * width + c] * feeds.head[v * width + c], 0),
    )
    const normaliser = Math.log(z.reduce((total, x) => total + Math.exp(x), 0))
    const share = (v: number): number => (v === label ? 1 - labelSmoothing : 0) + labelSmoothing / vocabulary
    z.forEach((x, v) => (sum += share(v) * (normaliser - x)))
    sum += zLoss * normaliser ** 2
  })
  return sum
}

/** Numbers that float32 holds exactly, as the graph stores them so. */
const settings: Readonly<Record<string, LossSettings>> = {
  plain: {},
  'label smoothing': { labelSmoothing: 0.125 },
  'z-loss': { zLoss: 0.03125 },
  both: { labelSmoothing: 0.25, zLoss: 0.5 },
}

describe.each(Object.entries(settings))('%s', (_, chosen) => {
  test('the loss is the sum of its formula', () => {
    expect(lossAndGradients(chosen, count)[0][0]).toBeCloseTo(expectedLoss(chosen, feeds.states), 10)
  })

  test('gradients agree with central differences', () => {
    const [, slopes] = lossAndGradients(chosen, count)
    slopes.forEach((slope, i) => {
      const at = (by: number): number =>
        expectedLoss(chosen, feeds.states.map((x, j) => (i === j ? x + by : x))) // prettier-ignore
      expect(slope).toBeCloseTo((0.25 * (at(1e-5) - at(-1e-5))) / 2e-5, 7)
    })
  })

  test.each([1, 2, 3, 6])('pieces of %i rows give what all rows at once give', rows => {
    const [whole, pieces] = [lossAndGradients(chosen, count), lossAndGradients(chosen, rows)]
    pieces.forEach((data, i) => expect(relativeDifference(whole[i], data)).toBeLessThan(1e-12))
  })

  test.each([
    [2, count],
    [5, count],
    [9, count],
    [3, 3],
  ])('%i stretches of the vocabulary, %i rows at once, give what all of it gives', (lossStretches, rows) => {
    const whole = lossAndGradients(chosen, count)
    const stretches = lossAndGradients({ ...chosen, lossStretches }, rows)
    stretches.forEach((data, i) => expect(relativeDifference(whole[i], data)).toBeLessThan(1e-12))
  })
})

test('what is read of the logits of a stretch is read before the next ones are computed', () => {
  const { inputs, head } = headOf()
  const found = lossGradients(inputs, [head], g.input('scale', []), count, { lossStretches: 2 })
  const order = topologicalOrder([found.lossSum, found.head[0]!])
  const second = order.filter(({ op, shape }) => op === 'MatMul' && shape.join() === `${count},2`)
  expect(second).toHaveLength(1)
  const before = topologicalOrder(second).filter(({ op }) => op === 'CrossEntropy')
  expect(before.map(({ output }) => output).sort()).toEqual([0, 2])
  expect(order.some(({ shape }) => shape.join() === `${count},${vocabulary}`)).toBe(false)
})

test('the numbers are those of torch.nn.functional.cross_entropy with label_smoothing=0.125', () => {
  expect(lossAndGradients({ labelSmoothing: 0.125 }, count)[0][0]).toBeCloseTo(8.9060472625, 8)
  expect(lossAndGradients({}, count)[0][0]).toBeCloseTo(8.7807900608, 8)
})

test('no logits of more rows than asked for exist, forward or backward', () => {
  const { inputs, head } = headOf()
  const found = lossGradients(inputs, [head], g.input('scale', []), 2, {})
  const nodes = topologicalOrder([found.states, found.lossSum, plainLoss(inputs, 2)])
  const rows = nodes.filter(({ shape }) => shape.length === 2 && shape[1] === vocabulary).map(({ shape }) => shape[0])
  expect(Math.max(...rows)).toBe(2)
})

test('a frozen head is cut into pieces that fit, a trained one only where that saves memory', () => {
  const gpt2 = { width: 768, vocabulary: 50257 }
  const rows = (count: number, trained: boolean) => rowsAtOnce({}, { count, ...gpt2, trained })
  expect([rows(64, false), rows(512, false)]).toEqual([64, 333])
  expect([rows(512, true), rows(2048, true), rows(4096, true)]).toEqual([512, 2048, 768])
  expect(rowsAtOnce({}, { count: 512, width: 1024, vocabulary: 250880, trained: false })).toBe(66)
  expect(rowsAtOnce({ lossRows: 7 }, { count: 512, ...gpt2, trained: true })).toBe(7)
})

describe('a training step in pieces of rows is the step over all rows', () => {
  const batch = tinyBatch([[{ segment: 1, ids: someIds(9) }], [{ segment: 1, ids: someIds(9, 2) }]])
  const gradientsOf = async (family: string, lora: boolean, pieces: LossSettings, on = runtime) => {
    const model = tinyModel(family)
    const adapter = lora ? tinyAdapter(model, { newTokenRows: [5, 28] }) : undefined
    const step = await createTrainingStep(model, adapter?.method ?? { kind: 'full' }, {
      ...{ batch: 2, length: 9, runtime: on, adapter, ...pieces },
    })
    const { lossSum } = await step.run(batch, 0.1)
    const evaluated = await step.evaluate(batch)
    await step.close()
    expect(relativeDifference([lossSum], [evaluated.lossSum])).toBeLessThan(on.computesHalf ? 1e-2 : 1e-6)
    return [['loss', [lossSum]] as const, ...step.parameters.map(({ name, gradient }) => [name, gradient] as const)]
  }
  test.each([
    ['gpt2', false],
    ['llama', false],
    ['llama-tied', true],
    ['llama', true],
  ] as const)('%s, LoRA %s', async (family, lora) => {
    const whole = await gradientsOf(family, lora, { lossRows: 18 })
    for (const cut of [{ lossRows: 4 }, { lossStretches: 3 }, { lossRows: 9, lossStretches: 2 }]) {
      const pieces = await gradientsOf(family, lora, cut)
      whole.forEach(([name, data], i) => expect([name, relativeDifference(data, pieces[i][1]) < 1e-5]).toEqual([name, true])) // prettier-ignore
    }
  })

  test.skipIf(!findOpenvinoLibraries()).each([
    ['gpt2', 'f32', 2e-5],
    ['llama', 'f32', 2e-5],
    ['gpt2', 'bf16', 0.1],
    ['llama', 'bf16', 0.1],
  ] as const)('%s on OpenVINO in %s, in stretches of the vocabulary', async (family, precision, bound) => {
    const openvino = await createRuntime({ name: 'openvino', precision, threads: 1 })
    const whole = await gradientsOf(family, false, { lossRows: 18 })
    const pieces = await gradientsOf(family, false, { lossStretches: 3 }, openvino)
    whole.forEach(([name, data], i) => expect([name, relativeDifference(data, pieces[i][1]) < bound]).toEqual([name, true])) // prettier-ignore
  })
})

test('the loss of a run has smoothing and z-loss in it, that of evaluation has not', async () => {
  const batch = tinyBatch([[{ segment: 1, ids: someIds(9) }]])
  const lossesOf = async (chosen: LossSettings) => {
    const step = await createTrainingStep(tinyModel('gpt2'), { kind: 'full' }, { batch: 1, length: 9, runtime, ...chosen }) // prettier-ignore
    const [run, evaluated] = [await step.run(batch, 1), await step.evaluate(batch)]
    await step.close()
    return [run.lossSum, evaluated.lossSum]
  }
  const [plain, plainEvaluated] = await lossesOf({})
  const [smooth, smoothEvaluated] = await lossesOf({ labelSmoothing: 0.2, zLoss: 0.1 })
  expect(smooth - plain).toBeGreaterThan(0.1)
  expect(smoothEvaluated).toBe(plainEvaluated)
})

test('settings out of range are refused with the value received', async () => {
  const ask = (chosen: LossSettings) =>
    createTrainingStep(tinyModel('gpt2'), { kind: 'full' }, { batch: 1, length: 9, runtime, ...chosen })
  await expect(ask({ labelSmoothing: 1 })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: labelSmoothing: expected a share from 0 up to 1, received 1. Correct the value.]`,
  )
  await expect(ask({ zLoss: -1 })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: zLoss: expected a number from 0, received -1. Correct the value.]`,
  )
  await expect(ask({ lossRows: 0 })).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: lossRows: expected a positive whole number, received 0. Correct the value.]`,
  )
})
