import { describe, expect, it } from 'vitest'
import { normalAt } from '../../src/base/random.js'
import { createOnnxRuntime } from '../../src/runtime/onnxruntime.js'
import { createOptimizer } from '../../src/train/optimizer.js'
import { createMuon, isInnerMatrix, orthogonalGraph } from '../../tools/pocket/muon.js'

const draw = (size: number, stream: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => normalAt(5, stream, i))

function makeParameter(name: string, shape: readonly number[], stream: number) {
  const size = shape.reduce((product, n) => product * n, 1)
  return { name, shape, data: draw(size, stream), gradient: draw(size, stream + 1), decay: shape.length > 1 }
}

describe('Muon', () => {
  it.each([[[6, 6]], [[4, 9]], [[9, 4]]])('draws the singular values of a %j matrix towards one', async shape => {
    const runtime = await createOnnxRuntime()
    const program = await runtime.compile(orthogonalGraph(shape))
    const [rows, columns] = shape
    const size = rows * columns
    const x = { dtype: 'float32', shape, data: new Float32Array(size) } as const
    const u = { dtype: 'float32', shape, data: draw(size, 1) } as const
    await program.run({ u }, { x })
    await program.close()
    // The squares of the singular values sum to the squared norm; the quintic leaves each within about 0.7 and 1.2.
    const squares = x.data.reduce((sum, value) => sum + value * value, 0) / Math.min(rows, columns)
    expect(squares).toBeGreaterThan(0.5)
    expect(squares).toBeLessThan(1.45)
    // It points where the gradient points.
    expect(x.data.reduce((sum, value, i) => sum + value * u.data[i], 0)).toBeGreaterThan(0)
  })

  it('moves inner matrices itself and leaves the rest to the other optimizer', async () => {
    const runtime = await createOnnxRuntime()
    const parameters = [
      makeParameter('model.embed_tokens.weight', [5, 4], 1),
      makeParameter('model.layers.0.mlp.up_proj.weight', [6, 4], 3),
      makeParameter('model.norm.weight', [4], 5),
    ]
    const before = parameters.map(({ data }) => data.slice())
    const rest = await createOptimizer(
      { kind: 'sgd' },
      parameters.filter(one => !isInnerMatrix(one)),
      runtime,
    )
    const muon = await createMuon({ momentum: 0.9, weightDecay: 0 }, parameters, rest, runtime)
    await muon.step(0.01)
    // A first step of Muon has an update of about 0.2·√6 in each singular direction, whatever the gradient's size.
    const moved = parameters[1].data.map((value, i) => value - before[1][i])
    const norm = Math.sqrt(moved.reduce((sum, value) => sum + value * value, 0) / 4)
    expect(norm / (0.01 * 0.2 * Math.sqrt(6))).toBeGreaterThan(0.7)
    expect(norm / (0.01 * 0.2 * Math.sqrt(6))).toBeLessThan(1.25)
    expect(parameters[0].data[0]).toBeCloseTo(before[0][0] - 0.01 * parameters[0].gradient[0], 6)
    await muon.close()
  })

  it('goes on from its state as if it had not stopped', async () => {
    const runtime = await createOnnxRuntime()
    const run = async (breakAfter: number): Promise<Float32Array> => {
      const parameters = [
        makeParameter('model.layers.0.mlp.up_proj.weight', [6, 4], 3),
        makeParameter('model.norm.weight', [4], 5),
      ]
      const make = async () => {
        const rest = await createOptimizer({ kind: 'adamw' }, parameters.slice(1), runtime)
        return createMuon({ momentum: 0.9, weightDecay: 0.1 }, parameters, rest, runtime)
      }
      let muon = await make()
      for (let i = 0; i < 4; i++) {
        if (i === breakAfter) {
          const { step, moments } = muon.state()
          const copy = new Map([...moments].map(([name, values]) => [name, values.slice()]))
          muon = await make()
          muon.load({ step, moments: copy })
        }
        await muon.step(0.01)
      }
      return parameters[0].data
    }
    expect(await run(2)).toEqual(await run(-1))
  })
})
