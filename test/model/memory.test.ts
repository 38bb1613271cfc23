import { expect, test } from 'vitest'
import * as g from '../../src/graph/build.js'
import type { Graph, Node } from '../../src/graph/graph.js'
import { peakBytes } from '../../src/graph/liveness.js'
import { predictCheck, predictMemory } from '../../src/model/memory.js'
import type { Method } from '../../src/model/method.js'
import { createTrainingStep } from '../../src/model/train-step.js'
import { createModel } from '../../src/model/weights.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { tinyRuntime } from './tiny.js'

const shape = { batch: 2, length: 64 }
const lora = { kind: 'lora', rank: 2, alpha: 4, targets: 'all-linear' } as const

/** Deep enough for its blocks to take more than its logits. */
const deepModel = createModel(
  { model_type: 'gpt2', vocab_size: 5000, n_embd: 32, n_layer: 12, n_head: 4, n_positions: 64 },
  1,
)

/** The graph of a step as a runtime is given it. */
async function stepGraph(method: Method, settings: object = {}): Promise<Graph> {
  let compiled: Graph | undefined
  const never = (): Promise<never> => Promise.reject(new Error('not compiled'))
  const runtime: Runtime = {
    ...(await tinyRuntime()),
    recomputes: false,
    compile(graph) {
      compiled = graph
      return Promise.resolve({ run: never, close: () => Promise.resolve() })
    },
  }
  await createTrainingStep(deepModel, method, { ...shape, ...settings, runtime })
  return compiled!
}

test('values that live at one time are added up', () => {
  const x = g.input('x', [100])
  const long = g.exp(x) // kept until the end
  const y = g.add(g.exp(g.sin(g.mul(long, x))), long)
  expect(peakBytes({ outputs: { y: g.reduceSum(y) } })).toBe(3 * 400)
  expect(peakBytes({ outputs: { y: g.exp(g.sin(x)) } })).toBe(400)
  expect(peakBytes({ outputs: { y: g.exp(x) } })).toBe(0)
})

test('a function or a softmax takes the place of what it reads where nobody else does later, arithmetic never', () => {
  const x = g.input('x', [100])
  const peak = (last: (z: Node) => Node): number => peakBytes({ outputs: { y: g.reduceSum(last(g.exp(x))) } })
  expect(peak(g.tanh)).toBe(400)
  expect(peak(z => g.softmax(z))).toBe(400)
  expect(peak(g.neg)).toBe(800)
  expect(peak(z => g.mul(g.tanh(z), z))).toBe(1200)
})

test('another shape of a value takes no memory and keeps none', () => {
  const x = g.input('x', [100])
  const column = g.reshape(g.exp(x), [100, 1])
  const y = g.sin(g.reshape(g.transpose(column, [1, 0]), [100]))
  expect(peakBytes({ outputs: { y: g.reduceSum(g.sqrt(y)) } })).toBe(800)
})

test('a choice between two sides takes each of them once more while it runs', () => {
  const x = g.input('x', [100])
  const chosen = g.where(g.greater(x, g.scalar(0)), x, g.scalar(0))
  expect(peakBytes({ outputs: { y: g.reduceSum(chosen) } })).toBe(100 + 3 * 400)
})

test('checkpointing, shorter blocks and pieces of logits lower the activations', async () => {
  const activations = async (settings: object): Promise<number> => peakBytes(await stepGraph(lora, settings))
  const whole = await activations({})
  expect(await activations({ length: 32 })).toBeLessThan(0.6 * whole)
  const pieces = await activations({ lossRows: 16 })
  expect(pieces).toBeLessThan(0.85 * whole)
  expect(await activations({ lossRows: 16, checkpointing: true })).toBeLessThan(0.7 * pieces)
})

test('what a process needs is what it holds, what each trained number takes, values and compiled nodes', async () => {
  const graph = await stepGraph({ kind: 'full' })
  const held = {
    engine: 'onnxruntime',
    resident: 3e8,
    weights: 1e8,
    trained: 1000,
    stateBytes: 8,
    accumulate: 1,
  } as const
  const step = { graphs: [graph], gradientBytes: 4000 }
  const { total, ...parts } = predictMemory(step, held)
  expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).toBe(total)
  expect(parts).toMatchObject({ weights: 1e8, gradients: 4000, optimizerState: 8000 })
  const holes = parts.activations / peakBytes(graph)
  expect(holes).toBeGreaterThanOrEqual(1)
  expect(holes).toBeLessThan(1.5)
  expect(parts.program).toBeGreaterThan(2e8)
  expect(predictMemory(step, { ...held, accumulate: 2 }).gradients).toBe(8000)
})

test('a self-check needs the values of the reference and gradients of both, and nothing of the optimizer yet', async () => {
  const step = { graphs: [await stepGraph({ kind: 'full' })], gradientBytes: 4000 }
  const held = { resident: 3e8, weights: 1e8, trained: 1000, stateBytes: 8, accumulate: 2 }
  const { total, ...parts } = predictCheck(step, { ...held, engine: 'openvino-bf16' })
  expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).toBe(total)
  expect(parts).toMatchObject({ gradients: 12000, optimizerState: 0 })
  expect(parts.activations).toBe(predictMemory(step, { ...held, engine: 'onnxruntime' }).activations)
})

test('values take the memory of the largest program, in bfloat16 some of them less, and those kept between programs their own', async () => {
  const graphs = [await stepGraph(lora), await stepGraph(lora, { length: 32 })]
  const held = { resident: 3e8, weights: 1e8, trained: 1000, stateBytes: 8, accumulate: 1 }
  const [onnxruntime, openvino, narrow] = (['onnxruntime', 'openvino', 'openvino-bf16'] as const).map(
    engine => predictMemory({ graphs, gradientBytes: 4000 }, { ...held, engine }).activations,
  )
  expect(onnxruntime / peakBytes(graphs[0])).toBeCloseTo(1.2)
  expect(openvino / peakBytes(graphs[0])).toBeGreaterThan(1)
  expect(narrow).toBeLessThan(openvino)
  expect(narrow).toBeGreaterThan(openvino / 2)
  const kept = predictMemory({ graphs, gradientBytes: 4000, between: 1e6 }, { ...held, engine: 'openvino' })
  expect(kept.activations).toBe(openvino + 1e6)
})
