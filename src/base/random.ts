// Counter-based random numbers: a value depends only on (seed, stream, counter), so resuming needs no generator state.

/** A 32-bit hash of three integers (murmur3 finaliser over mixed words). */
function mix(seed: number, stream: number, counter: number): number {
  let h = Math.imul(seed | 0, 0x9e3779b1) ^ Math.imul((stream | 0) + 0x7f4a7c15, 0x85ebca6b)
  h = scramble(h ^ Math.imul((counter | 0) + 0x165667b1, 0xc2b2ae35))
  return scramble(h + Math.imul(counter ^ stream, 0x27d4eb2f))
}

function scramble(x: number): number {
  let h = x | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** Uniform in [0, 1) with 32 bits, a pure function of its arguments. */
export function uniformAt(seed: number, stream: number, counter: number): number {
  return (mix(seed, stream, counter) >>> 0) / 4294967296
}

/** Standard normal (Box–Muller on two uniforms), a pure function of its arguments. */
export function normalAt(seed: number, stream: number, counter: number): number {
  const u = 1 - uniformAt(seed, stream, 2 * counter)
  const v = uniformAt(seed, stream, 2 * counter + 1)
  return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v)
}

/** A permutation of 0..n-1 (Fisher–Yates), a pure function of (seed, stream). */
export function permutation(seed: number, stream: number, n: number): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i)
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(uniformAt(seed, stream, i) * (i + 1))
    const swap = order[i]
    order[i] = order[j]
    order[j] = swap
  }
  return order
}

/** A stable 32-bit number from a name, to key a stream: `streamOf('shuffle')`. */
export function streamOf(name: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193)
  return h | 0
}
