// The formulas of AdamW, Lion and SGD, each once as a graph for the runtime and once as a loop for small arrays.
import { add, input, mul, scalar, sign, sqrt, sub, div } from '../graph/build.js'
import type { ElementwiseRule } from './update-rule.js'

export interface AdamWSettings {
  /** Default .9. */
  readonly beta1?: number
  /** Default .999. */
  readonly beta2?: number
  /** Default 1e-8. */
  readonly epsilon?: number
  /** Decoupled decay of parameters marked `decay`. Default 0. */
  readonly weightDecay?: number
}

export interface LionSettings {
  /** Default .9. */
  readonly beta1?: number
  /** Default .99. */
  readonly beta2?: number
  /** Decoupled decay of parameters marked `decay`. Default 0. */
  readonly weightDecay?: number
}

export interface SgdSettings {
  /** Default 0. */
  readonly momentum?: number
  /** Step from where the momentum leads. Default false. */
  readonly nesterov?: boolean
  /** L2 penalty, added to the gradient as PyTorch does. Default 0. */
  readonly weightDecay?: number
}

// torch.optim.AdamW: p ← p·(1 − lr·wd); m ← β1·m + (1 − β1)·g; v ← β2·v + (1 − β2)·g²;
// p ← p − lr/(1 − β1ᵗ) · m / (√v / √(1 − β2ᵗ) + ε)
export function adamw({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 }: AdamWSettings): ElementwiseRule {
  return {
    family: 'elementwise',
    moments: ['m', 'v'],
    scalars: ['keep', 'rate', 'root', 'scale'],
    coefficients: ({ step, learningRate, gradientScale }, decay) => [
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

// Chen et al. 2023, algorithm 2: p ← p·(1 − lr·wd) − lr·sign(β1·m + (1 − β1)·g); m ← β2·m + (1 − β2)·g. What the sign is
// of equals β1/β2·m + (1 − β1/β2)·g with the new m: so the old one is read once and can be overwritten.
export function lion({ beta1 = 0.9, beta2 = 0.99, weightDecay = 0 }: LionSettings): ElementwiseRule {
  const share = beta1 / beta2
  return {
    family: 'elementwise',
    moments: ['m'],
    scalars: ['keep', 'rate', 'scale'],
    coefficients: ({ learningRate, gradientScale }, decay) => [
      1 - learningRate * (decay ? weightDecay : 0),
      learningRate,
      gradientScale,
    ],
    graph(n) {
      const [p, m] = ['p', 'm'].map(name => input(name, [n]))
      const [keep, rate, scale] = ['keep', 'rate', 'scale'].map(name => input(name, []))
      const g = mul(input('g', [n]), scale)
      const mNext = add(mul(m, scalar(beta2)), mul(g, scalar(1 - beta2)))
      const direction = sign(add(mul(mNext, scalar(share)), mul(g, scalar(1 - share))))
      return { outputs: { p_next: sub(mul(p, keep), mul(direction, rate)), m_next: mNext } }
    },
    plain(p, g, [m], { start, end }, [keep, rate, scale]) {
      for (let i = start; i < end; i++) {
        const gradient = g[i] * scale
        const mNext = m[i] * beta2 + gradient * (1 - beta2)
        m[i] = mNext
        p[i] = p[i] * keep - rate * Math.sign(mNext * share + gradient * (1 - share))
      }
    },
  }
}

// torch.optim.SGD: g ← g + wd·p; b ← μ·b + g (b starts at 0); p ← p − lr·b, or lr·(g + μ·b) with Nesterov's momentum
export function sgd({ momentum = 0, nesterov = false, weightDecay = 0 }: SgdSettings): ElementwiseRule {
  return {
    family: 'elementwise',
    moments: ['b'],
    scalars: ['decay', 'rate', 'scale'],
    coefficients: ({ learningRate, gradientScale }, decay) => [decay ? weightDecay : 0, learningRate, gradientScale],
    graph(n) {
      const [p, b] = ['p', 'b'].map(name => input(name, [n]))
      const [decay, rate, scale] = ['decay', 'rate', 'scale'].map(name => input(name, []))
      const g = add(mul(input('g', [n]), scale), mul(p, decay))
      const bNext = add(mul(b, scalar(momentum)), g)
      const move = nesterov ? add(mul(bNext, scalar(momentum)), g) : bNext
      return { outputs: { p_next: sub(p, mul(move, rate)), b_next: bNext } }
    },
    plain(p, g, [b], { start, end }, [decay, rate, scale]) {
      for (let i = start; i < end; i++) {
        const gradient = g[i] * scale + p[i] * decay
        const next = b[i] * momentum + gradient
        b[i] = next
        p[i] -= rate * (nesterov ? next * momentum + gradient : next)
      }
    },
  }
}
