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

/**
 * Standard normal, exact in distribution, a pure function of its arguments: Marsaglia and Tsang's ziggurat as Doornik (2005)
 * corrects it, layer and place from different bits of one hash. One number in eighty needs more hashes.
 */
export function normalAt(seed: number, stream: number, counter: number): number {
  const bits = mix(seed, stream, counter)
  const layer = bits & 255
  const place = ((bits >> 8) + 0.5) / 8388608 // in (-1, 1), 24 bits
  return Math.abs(place) < ratios[layer] ? place * edges[layer] : redraw({ layer, place, seed, stream, counter })
}

const layers = 256
/** Where the lowest layer ends and the tail begins, and the area of each layer, for 256 of them. */
const tail = 3.6541528853610088
const area = 0.00492867323399

/** Right edges of the layers, widest first; the first stands for the lowest layer together with the tail. */
const edges = new Float64Array(layers + 1)
/** Share of each layer that lies under the curve at its whole height. */
const ratios = new Float64Array(layers)
fillLayers()

function fillLayers(): void {
  edges[0] = area / density(tail)
  edges[1] = tail
  for (let i = 2; i < layers; i++) edges[i] = Math.sqrt(-2 * Math.log(area / edges[i - 1] + density(edges[i - 1])))
  for (let i = 0; i < layers; i++) ratios[i] = edges[i + 1] / edges[i]
}

function density(x: number): number {
  return Math.exp(-0.5 * x * x)
}

/** A point in a layer that may lie above the curve. */
interface Candidate {
  readonly layer: number
  readonly place: number
  readonly seed: number
  readonly stream: number
  readonly counter: number
}

/** Keeps a candidate under the curve, takes one of the lowest layer from the tail, and draws again in place of any other. */
function redraw(candidate: Candidate): number {
  const { seed, stream, counter } = candidate
  let { layer, place } = candidate
  for (let draw = 1; ; draw += 4) {
    const next = (k: number): number => uniformAt(seed, mix(draw + k, stream, 0x2545f491), counter)
    if (layer === 0) {
      const [x, y] = [-Math.log(1 - next(0)) / tail, -Math.log(1 - next(1))]
      if (2 * y >= x * x) return place < 0 ? -tail - x : tail + x
    } else {
      const x = place * edges[layer]
      const [low, high] = [density(edges[layer]), density(edges[layer + 1])]
      if (low + next(0) * (high - low) < density(x)) return x
      layer = Math.floor(next(1) * layers)
      place = 2 * next(2) - 1
      if (Math.abs(place) < ratios[layer]) return place * edges[layer]
    }
  }
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
