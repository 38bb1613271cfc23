// A value to the same value that cannot be computed before others are: how the order of a graph's parts is fixed.
import { add, mul, reshape, scalar, slice, stopGradient } from './build.js'
import type { Node } from './graph.js'

/**
 * x + 0·(one number of each of `values`), all float32. A runtime may neither run what uses it before them, nor take it for x.
 * The numbers are those of x, but NaN where a value that is waited for is not finite.
 */
export function waitFor(x: Node, values: readonly Node[]): Node {
  return values.reduce((sum, value) => add(sum, mul(slice(reshape(stopGradient(value), [-1]), 0, 0, 1), scalar(0))), x)
}
