// Muon (Jordan 2024): matrices inside the blocks move by their orthogonalised momentum, everything else by AdamW.
import { add, div, input, matmul, mul, reduceSum, scalar, sqrt } from '../graph/build.js'
import type { Graph } from '../graph/graph.js'
import type { Parameter } from '../model/step.js'
import { adamw, type AdamWSettings } from './elementwise-rules.js'
import type { RuleChoice, TensorRule } from './update-rule.js'

/** Betas and epsilon are those of AdamW for the other parameters; all share the learning rate. */
export interface MuonSettings extends AdamWSettings {
  /** Default .95. */
  readonly momentum?: number
}

/** Coefficients of the quintic iteration that draws all singular values towards one, from Jordan's reference code. */
const quintic = [3.4445, -4.775, 2.0315] as const
const iterations = 5

export function muon(settings: MuonSettings): RuleChoice {
  const inner = orthogonalRule(settings)
  const rest = adamw(settings)
  return parameter => (isInnerMatrix(parameter) ? inner : rest)
}

/** Whether a tensor is a matrix of a numbered block: embeddings and heads map ids, not activations, and stay with AdamW. */
function isInnerMatrix({ name, shape }: Pick<Parameter, 'name' | 'shape'>): boolean {
  return shape.length === 2 && /(?:^|\.)\d+\./u.test(name)
}

// m ← μ·m + g; u = g + μ·m; p ← p·(1 − lr·wd) − lr·0.2·√max(rows, columns)·orthogonal(u), which is torch.optim.Muon with
// adjust_lr_fn "match_rms_adamw" (Liu et al. 2025: updates of AdamW's size); its m is (1 − μ) times ours, u alike
function orthogonalRule({ momentum = 0.95, weightDecay = 0 }: MuonSettings): TensorRule {
  const scratch = new Map<number, { u: Float32Array; x: Float32Array }>()
  return {
    family: 'tensor',
    createState: ({ data }) => ({ muon: new Float32Array(data.length) }),
    graph: orthogonalGraph,
    async update({ data: p, gradient: g, shape, decay }, { muon: m }, { learningRate, gradientScale }, program) {
      const { u, x } = scratch.get(p.length) ?? { u: ownArray(p.length), x: ownArray(p.length) }
      scratch.set(p.length, { u, x })
      for (let i = 0; i < p.length; i++) {
        const gradient = gradientScale * g[i]
        m[i] = momentum * m[i] + gradient
        u[i] = gradient + momentum * m[i]
      }
      await program!.run({ u: { dtype: 'float32', shape, data: u } }, { x: { dtype: 'float32', shape, data: x } })
      const keep = decay ? 1 - learningRate * weightDecay : 1
      const rate = learningRate * 0.2 * Math.sqrt(Math.max(...shape))
      for (let i = 0; i < p.length; i++) p[i] = keep * p[i] - rate * x[i]
    },
  }
}

/** V8 keeps arrays of 64 bytes or less where the garbage collector moves them. */
function ownArray(length: number): Float32Array {
  return new Float32Array(new ArrayBuffer(Math.max(128, 4 * length)), 0, length)
}

/** Input u [r, c], output x [r, c]: u with its singular values drawn to about one. */
function orthogonalGraph(shape: readonly number[]): Graph {
  const [rows, columns] = shape
  const u = input('u', shape)
  const [a, b, c] = quintic.map(scalar)
  let x = div(u, add(sqrt(reduceSum(mul(u, u))), scalar(1e-7)))
  for (let i = 0; i < iterations; i++) {
    // s is the smaller of x·xᵀ and xᵀ·x; x ← a·x + (b·s + c·s²)·x on that side
    const wide = rows <= columns
    const s = wide ? matmul(x, x, { transposeB: true }) : matmul(x, x, { transposeA: true })
    const polynomial = add(mul(b, s), mul(c, matmul(s, s)))
    x = add(mul(a, x), wide ? matmul(polynomial, x) : matmul(x, polynomial))
  }
  return { outputs: { x } }
}
