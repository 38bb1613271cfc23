import { afterAll, beforeAll, expect, it, test } from 'vitest'
import * as g from '../../src/graph/build.js'
import { gradients } from '../../src/graph/gradient.js'
import type { Node } from '../../src/graph/graph.js'
import { topologicalOrder } from '../../src/graph/order.js'
import type { HostTensor } from '../../src/graph/tensor.js'
import { allocate } from '../../src/runtime/buffers.js'
import { createRuntime } from '../../src/runtime/registry.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { draw } from '../graph/drawn.js'
import { evaluate, fromHost } from '../graph/evaluate.js'
import { samples } from '../graph/samples.js'
import { describeRuntimes } from './available.js'

const rows = Object.entries(samples).flatMap(([op, list]) =>
  list.map((sample, i) => ({ op, title: `${op} ${i}: ${JSON.stringify(sample.shapes)}`, sample })),
)

describeRuntimes('gives the float64 values of every operation and its gradient', name => {
  let runtime: Runtime
  let worst = 0
  beforeAll(async () => {
    runtime = await createRuntime({ name })
  })
  afterAll(() => expect(worst).toBeGreaterThan(0)) // float32 must differ a little, or nothing was compared

  test.each(rows)('$title', async ({ op, sample }) => {
    const { inputs, outputs, loss, feeds } = draw(sample)
    const slopes = loss === undefined ? [] : gradients(loss, inputs)
    const nodes = [...outputs.flatMap(y => g.outputsOf(y)), ...slopes]
    const expected = evaluate(nodes, feeds)
    const found = await runOnce(runtime, nodes, feeds)
    nodes.forEach((node, i) => {
      const scale = Math.max(1e-3, ...expected[i].data.map(Math.abs))
      expected[i].data.forEach((x, j) => {
        const error = Math.abs(fromHost(found[i]).data[j] - x) / scale
        worst = Math.max(worst, error)
        expect(error, `${node.op} output ${i} element ${j}`).toBeLessThan(tolerance(name, op))
      })
    })
  })

  it('adds up thousands of rows with the same id, whatever the threads do', async () => {
    const [ids, updates] = [g.input('ids', [4096], 'int64'), g.input('updates', [4096, 64])]
    const program = await runtime.compile({ outputs: { sum: g.scatterAddRows([3, 64], ids, updates) } }, { threads: 4 })
    const sum = allocate({ dtype: 'float32', shape: [3, 64] })
    const ones = allocate(updates)
    ones.data.fill(1 as never)
    for (let round = 0; round < 20; round++) {
      await program.run({ ids: allocate(ids), updates: ones }, { sum })
      expect([...sum.data.subarray(0, 64)]).toEqual(new Array(64).fill(4096))
    }
    await program.close()
  })

  // OpenVINO's compiler takes time that grows faster than the graph: minutes for 5,000 operations in a row
  const length = name === 'openvino' ? 300 : 5000

  it(`runs and differentiates a chain of ${length} operations`, async () => {
    const x = g.input('x0', [4])
    let y = x
    for (let i = 0; i < length; i++) y = g.add(g.mul(y, g.scalar(0.999)), g.scalar(0.001))
    const [dx] = gradients(g.reduceSum(y), [x])
    const [value, slope] = await runOnce(runtime, [y, dx], { x0: Float64Array.of(1, 1, 1, 1) })
    expect(value.data[0]).toBeCloseTo(1, 4)
    expect(Number(slope.data[0]) / 0.999 ** length).toBeCloseTo(1, 3)
  })
})

/** WebGPU lets sine and cosine be wrong by 2^-11 between -π and π; rotations are tables made here, not in the graph. */
function tolerance(name: string, op: string): number {
  return name === 'onnxruntime-webgpu' && (op === 'Sin' || op === 'Cos') ? 2 ** -11 : 5e-6
}

async function runOnce(
  runtime: Runtime,
  nodes: readonly Node[],
  feeds: Readonly<Record<string, Float64Array>>,
): Promise<readonly HostTensor[]> {
  const outputs = Object.fromEntries(nodes.map((node, i) => [`y${i}`, node]))
  const program = await runtime.compile({ outputs }, { threads: 2 })
  const results = Object.fromEntries(nodes.map((node, i) => [`y${i}`, allocate(node)]))
  await program.run(hostFeeds(nodes, feeds), results)
  await program.close()
  return nodes.map((_, i) => results[`y${i}`])
}

function hostFeeds(nodes: readonly Node[], feeds: Readonly<Record<string, Float64Array>>): Record<string, HostTensor> {
  const inputs = topologicalOrder(nodes).filter(({ op }) => op === 'Input')
  return Object.fromEntries(
    inputs.map(({ attributes, shape }) => {
      const name = attributes.name as string
      return [name, { dtype: 'float32', shape, data: Float32Array.from(feeds[name]) }]
    }),
  )
}
