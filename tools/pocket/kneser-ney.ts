// Turns a stream of token ids into an interpolated modified Kneser–Ney model (Chen and Goodman 1998) in sorted typed arrays.

export interface NgramModel {
  readonly order: number
  readonly vocabulary: number
  /** P(word | the tokens before it); only the last order − 1 of the context count. Sums to 1 over the vocabulary. */
  probability(context: ArrayLike<number>, word: number): number
}

/** All n-grams of one length, sorted by key = (node of the first n − 1 words) · V + last word. */
interface Level {
  readonly keys: Float64Array
  /** How often it occurs, or below the highest order: how many different words stand before it. */
  readonly counts: Uint32Array
  readonly discounts: readonly [number, number, number]
  /** Where the n-grams that continue node h of the level below begin; one entry more than it has nodes. */
  readonly starts: Uint32Array
  /** Sum of counts over the continuations of node h. */
  readonly totals: Float64Array
  /** Probability that node h leaves to the shorter context. */
  readonly leftOver: Float64Array
}

/** Nodes of one length before their counts are known. */
interface Nodes {
  readonly keys: Float64Array
  /** Node of the n-gram at each position of the text. */
  readonly at: Int32Array
  readonly occurrences: Uint32Array
  /** A position where the node occurs. */
  readonly example: Int32Array
}

/**
 * Memory is about 36 bytes a token and order.
 * @param ids the training text as one stream
 * @param order length of the longest n-gram, at least 2
 */
export function trainNgrams(ids: Uint16Array, vocabulary: number, order: number): NgramModel {
  const nodes: Nodes[] = []
  for (let n = 1; n <= order; n++) nodes.push(collectNodes(ids, vocabulary, n, nodes.at(-1)))
  const levels = nodes.map((level, i) =>
    buildLevel(level, nodes[i + 1], i === 0 ? 1 : nodes[i - 1].keys.length, vocabulary),
  )
  return { order, vocabulary, probability: (context, word) => probabilityOf(levels, vocabulary, context, word) }
}

function collectNodes(ids: Uint16Array, vocabulary: number, n: number, shorter: Nodes | undefined): Nodes {
  const positions = ids.length - n + 1
  const all = new Float64Array(positions)
  for (let i = 0; i < positions; i++) all[i] = (shorter ? shorter.at[i] : 0) * vocabulary + ids[i + n - 1]
  const keys = uniqueSorted(all)
  const at = new Int32Array(positions)
  const occurrences = new Uint32Array(keys.length)
  const example = new Int32Array(keys.length)
  for (let i = 0; i < positions; i++) {
    const node = findKey(keys, all[i], 0, keys.length)
    at[i] = node
    occurrences[node]++
    example[node] = i
  }
  return { keys, at, occurrences, example }
}

function uniqueSorted(values: Float64Array): Float64Array {
  const sorted = values.slice().sort()
  let kept = 0
  for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) sorted[kept++] = sorted[i]
  return sorted.slice(0, kept)
}

/** Index of a key in [from, to), or -1. */
function findKey(keys: Float64Array, key: number, from: number, to: number): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle] < key) low = middle + 1
    else high = middle
  }
  return low < to && keys[low] === key ? low : -1
}

function buildLevel(nodes: Nodes, longer: Nodes | undefined, parents: number, vocabulary: number): Level {
  const { keys } = nodes
  const counts = longer ? countContinuations(nodes, longer) : nodes.occurrences
  const discounts = estimateDiscounts(counts)
  const starts = new Uint32Array(parents + 1)
  const totals = new Float64Array(parents)
  const leftOver = new Float64Array(parents)
  for (let i = 0; i < keys.length; i++) {
    const parent = Math.floor(keys[i] / vocabulary)
    starts[parent + 1]++
    totals[parent] += counts[i]
    leftOver[parent] += discountOf(discounts, counts[i])
  }
  for (let h = 0; h < parents; h++) {
    starts[h + 1] += starts[h]
    leftOver[h] = totals[h] > 0 ? leftOver[h] / totals[h] : 1
  }
  return { keys, counts, discounts, starts, totals, leftOver }
}

/** N1+(• w1…wn): each longer n-gram counts once for the node of its last n words. */
function countContinuations(nodes: Nodes, longer: Nodes): Uint32Array {
  const counts = new Uint32Array(nodes.keys.length)
  for (const position of longer.example) counts[nodes.at[position + 1]]++
  return counts
}

// Y = n1/(n1 + 2·n2); D(k) = k − (k + 1)·Y·n(k+1)/n(k), kept inside [0, k] where a small text has no such counts
function estimateDiscounts(counts: Uint32Array): [number, number, number] {
  const n = [0, 0, 0, 0, 0]
  for (const count of counts) if (count > 0 && count < 5) n[count]++
  const y = n[1] / Math.max(1, n[1] + 2 * n[2])
  const discount = (k: number): number =>
    n[k] === 0 ? Math.min(0.75, k) : Math.min(k, Math.max(0, k - ((k + 1) * y * n[k + 1]) / n[k]))
  return [discount(1), discount(2), discount(3)]
}

function discountOf(discounts: readonly [number, number, number], count: number): number {
  return count === 0 ? 0 : discounts[Math.min(count, 3) - 1]
}

// P(w | h) = max(c(hw) − D, 0)/c(h) + left(h)·P(w | shorter h); below one word every token is equally likely
function probabilityOf(levels: readonly Level[], vocabulary: number, context: ArrayLike<number>, word: number): number {
  let probability = 1 / vocabulary
  for (let n = 0; n < levels.length && n <= context.length; n++) {
    const parent = findContext(levels, vocabulary, context, n)
    if (parent < 0) break
    const { keys, counts, discounts, starts, totals, leftOver } = levels[n]
    if (totals[parent] === 0) continue
    const node = findKey(keys, parent * vocabulary + word, starts[parent], starts[parent + 1])
    const seen = node < 0 ? 0 : counts[node] - discountOf(discounts, counts[node])
    probability = seen / totals[parent] + leftOver[parent] * probability
  }
  return probability
}

/** Node of the last n words of the context, or -1 when the training text lacks them. */
function findContext(levels: readonly Level[], vocabulary: number, context: ArrayLike<number>, n: number): number {
  let node = 0
  for (let k = 0; k < n; k++) {
    const { keys, starts } = levels[k]
    node = findKey(keys, node * vocabulary + context[context.length - n + k], starts[node], starts[node + 1])
    if (node < 0) return -1
  }
  return node
}
