// Muon (Jordan 2024) for the matrices inside the blocks, with another optimizer for embeddings and norms.
import { add, input, matmul, mul, reduceSum, scalar, sqrt, div } from '../../src/graph/build.js'
import type { Graph } from '../../src/graph/graph.js'
import type { Parameter } from '../../src/model/step.js'
import type { Program, Runtime } from '../../src/runtime/runtime.js'
import type { Optimizer } from '../../src/train/optimizer.js'

export interface MuonSettings {
  readonly momentum: number
  readonly weightDecay: number
}

interface MuonSlot {
  readonly parameter: Parameter
  readonly momentum: Float32Array
  readonly update: Float32Array
  readonly program: Program
}

/** Coefficients of the quintic iteration that draws all singular values towards one, from Jordan's reference code. */
const quintic = [3.4445, -4.775, 2.0315] as const
const iterations = 5

/** Whether a tensor is a matrix that maps activations to activations. */
export function isInnerMatrix({ name, shape }: Pick<Parameter, 'name' | 'shape'>): boolean {
  return shape.length === 2 && name.includes('.layers.')
}

/**
 * @param parameters of the model, in its order
 * @param rest optimizer of all parameters that are not inner matrices; it takes the same learning rate
 */
export async function createMuon(
  { momentum, weightDecay }: MuonSettings,
  parameters: readonly Parameter[],
  rest: Optimizer,
  runtime: Runtime,
): Promise<Optimizer> {
  const programs = new Map<string, Program>()
  const slots: MuonSlot[] = []
  for (const parameter of parameters.filter(isInnerMatrix)) {
    const key = parameter.shape.join('x')
    const program = programs.get(key) ?? (await runtime.compile(orthogonalGraph(parameter.shape)))
    programs.set(key, program)
    const size = parameter.data.length
    slots.push({ parameter, program, momentum: new Float32Array(size), update: new Float32Array(size) })
  }
  const moments = (): Map<string, Float32Array> =>
    new Map(slots.map(slot => [`muon.${slot.parameter.name}`, slot.momentum]))
  return {
    settings: rest.settings,
    parameters,
    async step(learningRate, gradientScale = 1) {
      await rest.step(learningRate, gradientScale)
      for (const slot of slots) await stepMatrix(slot, { momentum, weightDecay, learningRate, gradientScale })
    },
    state: () => ({ step: rest.state().step, moments: new Map([...rest.state().moments, ...moments()]) }),
    load({ step, moments: saved }) {
      const others = new Map([...saved].filter(([name]) => rest.state().moments.has(name)))
      rest.load({ step, moments: others })
      // A run that Adam began has no momentum of this kind: it starts from zero.
      for (const [name, values] of moments()) {
        const found = saved.get(name)
        if (found) values.set(found)
      }
    },
    async close() {
      await rest.close()
      for (const program of programs.values()) await program.close()
    },
  }
}

interface MatrixStep extends MuonSettings {
  readonly learningRate: number
  readonly gradientScale: number
}

// m ← μ·m + g; u = g + μ·m; p ← p·(1 − lr·wd) − lr·0.2·√max(rows, columns)·orthogonal(u); the factor is that of
// Liu et al. 2025 and gives updates the size of Adam's, so that both share a rate
async function stepMatrix({ parameter, momentum: m, update, program }: MuonSlot, settings: MatrixStep): Promise<void> {
  const { momentum, weightDecay, learningRate, gradientScale } = settings
  const { data: p, gradient: g, shape } = parameter
  for (let i = 0; i < m.length; i++) {
    const gradient = gradientScale * g[i]
    m[i] = momentum * m[i] + gradient
    update[i] = gradient + momentum * m[i]
  }
  const tensor = { dtype: 'float32', shape, data: update } as const
  const result = { dtype: 'float32', shape, data: new Float32Array(update.length) } as const
  await program.run({ u: tensor }, { x: result })
  const keep = 1 - learningRate * weightDecay
  const rate = learningRate * 0.2 * Math.sqrt(Math.max(...shape))
  for (let i = 0; i < p.length; i++) p[i] = keep * p[i] - rate * result.data[i]
}

/** Input u [r, c], output x [r, c]: u with its singular values drawn to about one. */
export function orthogonalGraph(shape: readonly number[]): Graph {
  const [rows, columns] = shape
  const u = input('u', shape)
  const [a, b, c] = quintic.map(scalar)
  let x = div(u, add(sqrt(reduceSum(mul(u, u))), scalar(1e-7)))
  for (let i = 0; i < iterations; i++) {
    // The smaller of x·xᵀ and xᵀ·x; x ← a·x + (b·s + c·s²)·x on that side
    const wide = rows <= columns
    const s = wide ? matmul(x, x, { transposeB: true }) : matmul(x, x, { transposeA: true })
    const polynomial = add(mul(b, s), mul(c, matmul(s, s)))
    x = add(mul(a, x), wide ? matmul(polynomial, x) : matmul(x, polynomial))
  }
  return { outputs: { x } }
}
