// The formulas of AdamW, Lion and SGD as graphs over one stretch of a parameter.
import { add, input, mul, scalar, sign, sqrt, sub, div } from '../graph/build.js'
import type { Node } from '../graph/graph.js'
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
  const [p, m, v] = ['p', 'm', 'v'].map(array)
  const [keep, rate, growth, scale] = ['keep', 'rate', 'growth', 'scale'].map(number)
  const g = mul(array('g'), scale)
  const mNext = add(mul(m, scalar(beta1)), mul(g, scalar(1 - beta1)))
  const vNext = add(mul(v, scalar(beta2)), mul(mul(g, g), scalar(1 - beta2)))
  const denominator = add(mul(sqrt(vNext), growth), scalar(epsilon))
  return {
    family: 'elementwise',
    moments: ['m', 'v'],
    coefficients: ({ step, learningRate, gradientScale }, decay) => ({
      keep: 1 - learningRate * (decay ? weightDecay : 0),
      rate: learningRate / (1 - beta1 ** step),
      growth: 1 / Math.sqrt(1 - beta2 ** step),
      scale: gradientScale,
    }),
    graph: { outputs: { p_next: sub(mul(p, keep), div(mul(mNext, rate), denominator)), m_next: mNext, v_next: vNext } },
  }
}

// Chen et al. 2023, algorithm 2: p ← p·(1 − lr·wd) − lr·sign(β1·m + (1 − β1)·g); m ← β2·m + (1 − β2)·g
export function lion({ beta1 = 0.9, beta2 = 0.99, weightDecay = 0 }: LionSettings): ElementwiseRule {
  const [p, m] = ['p', 'm'].map(array)
  const [keep, rate, scale] = ['keep', 'rate', 'scale'].map(number)
  const g = mul(array('g'), scale)
  const direction = sign(add(mul(m, scalar(beta1)), mul(g, scalar(1 - beta1))))
  const mNext = add(mul(m, scalar(beta2)), mul(g, scalar(1 - beta2)))
  return {
    family: 'elementwise',
    moments: ['m'],
    coefficients: ({ learningRate, gradientScale }, decay) => ({
      keep: 1 - learningRate * (decay ? weightDecay : 0),
      rate: learningRate,
      scale: gradientScale,
    }),
    graph: { outputs: { p_next: sub(mul(p, keep), mul(direction, rate)), m_next: mNext } },
  }
}

// torch.optim.SGD: g ← g + wd·p; b ← μ·b + g (b starts at 0); p ← p − lr·b, or lr·(g + μ·b) with Nesterov's momentum
export function sgd({ momentum = 0, nesterov = false, weightDecay = 0 }: SgdSettings): ElementwiseRule {
  const [p, b] = ['p', 'b'].map(array)
  const [decay, rate, scale] = ['decay', 'rate', 'scale'].map(number)
  const g = add(mul(array('g'), scale), mul(p, decay))
  const bNext = add(mul(b, scalar(momentum)), g)
  const move = nesterov ? add(mul(bNext, scalar(momentum)), g) : bNext
  return {
    family: 'elementwise',
    moments: ['b'],
    coefficients: ({ learningRate, gradientScale }, decays) => ({
      decay: decays ? weightDecay : 0,
      rate: learningRate,
      scale: gradientScale,
    }),
    graph: { outputs: { p_next: sub(p, mul(move, rate)), b_next: bNext } },
  }
}

/** An array of any length. */
function array(name: string): Node {
  return input(name, [1])
}

/** One number of the step. */
function number(name: string): Node {
  return input(name, [])
}
