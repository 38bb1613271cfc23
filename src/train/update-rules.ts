// The formulas of the optimizers, each once as a graph for the runtime and once as a loop for small arrays.
import { add, input, mul, scalar, sqrt, sub, div } from '../graph/build.js'
import type { Graph } from '../graph/graph.js'

interface AdamWSettings {
  readonly kind: 'adamw'
  /** Default .9. */
  readonly beta1?: number
  /** Default .999. */
  readonly beta2?: number
  /** Default 1e-8. */
  readonly epsilon?: number
  /** Decoupled decay of parameters marked `decay`. Default 0. */
  readonly weightDecay?: number
}

interface SgdSettings {
  readonly kind: 'sgd'
  /** Default 0. */
  readonly momentum?: number
  /** L2 penalty, added to the gradient as PyTorch does. Default 0. */
  readonly weightDecay?: number
}

export type OptimizerSettings = AdamWSettings | SgdSettings
export type OptimizerName = OptimizerSettings['kind']

export interface UpdateRule {
  /** Names of the arrays kept beside each parameter. */
  readonly moments: readonly string[]
  /** Names of the numbers that change from step to step. */
  readonly scalars: readonly string[]
  /** Their values, in that order. @param step updates including this one, from 1 */
  coefficients(step: number, learningRate: number, gradientScale: number, decay: boolean): readonly number[]
  /** Inputs p, g, moments [n] and scalars []; outputs the same names with `_next`. */
  graph(n: number): Graph
  plain(
    p: Float32Array,
    g: Float32Array,
    moments: readonly Float32Array[],
    range: { readonly start: number; readonly end: number },
    coefficients: readonly number[],
  ): void
}

/** Every optimizer of the product. */
export const updateRules: {
  readonly [N in OptimizerName]: (settings: Extract<OptimizerSettings, { kind: N }>) => UpdateRule
} = {
  adamw,
  sgd,
}

// torch.optim.AdamW: p ← p·(1 − lr·wd); m ← β1·m + (1 − β1)·g; v ← β2·v + (1 − β2)·g²;
// p ← p − lr/(1 − β1ᵗ) · m / (√v / √(1 − β2ᵗ) + ε)
function adamw({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 }: AdamWSettings): UpdateRule {
  return {
    moments: ['m', 'v'],
    scalars: ['keep', 'rate', 'root', 'scale'],
    coefficients: (step, learningRate, gradientScale, decay) => [
      1 - learningRate * (decay ? weightDecay : 0),
      learningRate / (1 - beta1 ** step),
      Math.sqrt(1 - beta2 ** step),
      gradientScale,
    ],
    graph(n) {
      const [p, m, v] = ['p', 'm', 'v'].map(name => input(name, [n]))
      const [keep, rate, root, scale] = ['keep', 'rate', 'root', 'scale'].map(name => input(name, []))
      const g = mul(input('g', [n]), scale)
      const mNext = add(mul(m, scalar(beta1)), mul(g, scalar(1 - beta1)))
      const vNext = add(mul(v, scalar(beta2)), mul(mul(g, g), scalar(1 - beta2)))
      const denominator = add(div(sqrt(vNext), root), scalar(epsilon))
      return {
        outputs: { p_next: sub(mul(p, keep), div(mul(mNext, rate), denominator)), m_next: mNext, v_next: vNext },
      }
    },
    plain(p, g, [m, v], { start, end }, [keep, rate, root, scale]) {
      for (let i = start; i < end; i++) {
        const gradient = g[i] * scale
        const mNext = m[i] * beta1 + gradient * (1 - beta1)
        const vNext = v[i] * beta2 + gradient * gradient * (1 - beta2)
        m[i] = mNext
        v[i] = vNext
        p[i] = p[i] * keep - (rate * mNext) / (Math.sqrt(vNext) / root + epsilon)
      }
    },
  }
}

// torch.optim.SGD: g ← g + wd·p; b ← μ·b + g (b starts at 0); p ← p − lr·b
function sgd({ momentum = 0, weightDecay = 0 }: SgdSettings): UpdateRule {
  return {
    moments: ['b'],
    scalars: ['decay', 'rate', 'scale'],
    coefficients: (_step, learningRate, gradientScale, decay) => [decay ? weightDecay : 0, learningRate, gradientScale],
    graph(n) {
      const [p, b] = ['p', 'b'].map(name => input(name, [n]))
      const [decay, rate, scale] = ['decay', 'rate', 'scale'].map(name => input(name, []))
      const g = add(mul(input('g', [n]), scale), mul(p, decay))
      const bNext = add(mul(b, scalar(momentum)), g)
      return { outputs: { p_next: sub(p, mul(bNext, rate)), b_next: bNext } }
    },
    plain(p, g, [b], { start, end }, [decay, rate, scale]) {
      for (let i = start; i < end; i++) {
        const next = b[i] * momentum + (g[i] * scale + p[i] * decay)
        b[i] = next
        p[i] -= rate * next
      }
    },
  }
}
