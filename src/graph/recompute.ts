// What the backward pass computes or reads again, instead of keeping what the forward pass had.
import { input, split } from './build.js'
import type { Node } from './graph.js'
import type { OpAttributes, OpName } from './ops.js'
import { topologicalOrder } from './order.js'
import { waitFor } from './wait.js'

/** What stands in the place of an operation when its gradient is taken; the operation itself where nothing is recomputed. */
export type Recompute = (operation: Node, dys: readonly (Node | undefined)[]) => Node

/**
 * Between two checkpoints every operation that depends on the first is replaced by a copy. The copies start from the
 * kept checkpoint made to wait for the gradient that arrives, so that no runtime takes them for the originals.
 * @param checkpoints nodes in the order of the forward pass, each reached from the one before; float32
 * @param reread what the copies read in the place of inputs
 */
export function recomputeBetween(checkpoints: readonly Node[], reread: Reread = x => x): Recompute {
  const segments = segmentsBetween(checkpoints)
  const copies = new Map<Segment, ReadonlyMap<Node['attributes'], Node>>()
  return (operation, dys) => {
    const segment = segments.get(operation.attributes)
    if (segment === undefined) return operation
    const dy = dys.find(known => known !== undefined)!
    const known = copies.get(segment) ?? copySegment(segment, dy, reread)
    copies.set(segment, known)
    return known.get(operation.attributes)!
  }
}

/** What is read in the place of an input; anything else stays. */
export type Reread = (x: Node) => Node

/** The input under which the backward pass may read a matrix again: the same array is fed to both. */
export const againName = (name: string): string => `${name}:again`

/**
 * Matrices are read again through inputs of their own: a runtime that converts what it multiplies by then holds each
 * converted matrix for one product, and not from the forward pass to the backward one.
 * @param names inputs [R, C] that are fed under both names
 */
export function rereadInputs(names: ReadonlySet<string>): Reread {
  const parts = new Map<Node['attributes'], readonly Node[]>()
  return x => {
    const whole = x.op === 'Split' ? x.inputs[0] : x
    const name = whole.op === 'Input' ? (whole.attributes.name as string) : ''
    if (!names.has(name)) return x
    const again = input(againName(name), whole.shape)
    if (whole === x) return again
    const { axis, sizes } = x.attributes as unknown as OpAttributes['Split']
    const known = parts.get(x.attributes) ?? split(again, axis, sizes)
    parts.set(x.attributes, known)
    return known[x.output]
  }
}

/** The gradients of products read their matrices again. */
export function rereadFactors(reread: Reread, recompute: Recompute = operation => operation): Recompute {
  return (operation, dys) => {
    const found = recompute(operation, dys)
    const inputs = found.inputs.map(reread)
    const isProduct = found.op === 'MatMul' || found.op === 'Linear'
    return isProduct && inputs.some((x, i) => x !== found.inputs[i]) ? anew(found, inputs) : found
  }
}

/** What costs little beside a product; the gradients of these need what they are made of, so that it is kept anyway. */
const cheap: ReadonlySet<OpName> = new Set<OpName>(['Gelu', 'Silu', 'Mul', 'LayerNorm', 'RmsNorm', 'Slice'])
/** What lies between the queries and keys of attention and its weights, which are many times larger. */
const scoring: ReadonlySet<OpName> = new Set<OpName>(['Softmax', 'Add', 'Mul', 'Tanh', 'Reshape', 'Slice', 'MatMul'])

/**
 * Factors of products that are cheap are computed anew when the gradient of the product arrives, and the weights of
 * attention from queries and keys.
 */
export function recomputeFactors(): Recompute {
  const copies = new Map<Node['attributes'], Node>()
  const copyOf = (x: Node, dy: Node, kinds: ReadonlySet<OpName>): Node => {
    const known = copies.get(x.attributes)
    if (known) return known
    const copy = x.op === 'Softmax' ? copyLater(x, dy, scoring) : isCheap(x, kinds) ? copyLater(x, dy, kinds) : x
    if (copy !== x) copies.set(x.attributes, copy)
    return copy
  }
  const copyLater = (x: Node, dy: Node, kinds: ReadonlySet<OpName>): Node => {
    const inputs = x.inputs.map(input => copyOf(input, dy, kinds))
    if (inputs[0] === x.inputs[0]) inputs[0] = waitFor(inputs[0], [dy])
    return anew(x, inputs)
  }
  return (operation, dys) => {
    const known = copies.get(operation.attributes)
    if (known) return known
    if (operation.op !== 'MatMul' && operation.op !== 'Linear') return operation
    const dy = dys.find(one => one !== undefined)!
    return anew(operation, operation.inputs.map(x => copyOf(x, dy, cheap))) // prettier-ignore
  }
}

/** Only first outputs; of products with numbers or masks what they are made of is not kept, nor of products of weights. */
function isCheap({ op, output, inputs, shape }: Node, kinds: ReadonlySet<OpName>): boolean {
  if (output !== 0 || !kinds.has(op)) return false
  if (kinds === scoring) return op !== 'MatMul' || shape.length > 2
  return op !== 'Mul' || inputs.every(x => x.shape.join() === shape.join())
}

/** The operation on other inputs, as another one to whoever looks for equal ones; outputs of one copy share its attributes. */
function anew(node: Node, inputs: readonly Node[], attributes = Object.freeze({ ...node.attributes })): Node {
  return Object.freeze({ ...node, inputs: Object.freeze(inputs), attributes })
}

interface Segment {
  readonly start: Node
  /** Inputs first; all depend on `start`. */
  readonly operations: readonly Node[]
}

/** The segment of each operation that lies in one, by its attributes object. */
function segmentsBetween(checkpoints: readonly Node[]): ReadonlyMap<Node['attributes'], Segment> {
  const found = new Map<Node['attributes'], Segment>()
  const order = topologicalOrder(checkpoints)
  checkpoints.slice(1).forEach((end, i) => {
    const start = checkpoints[i]
    const dependent = new Set([start])
    const between = order.slice(order.indexOf(start) + 1, order.indexOf(end) + 1)
    for (const node of between) if (node.inputs.some(x => dependent.has(x))) dependent.add(node)
    const segment = { start, operations: [...dependent].slice(1) }
    for (const { attributes } of segment.operations) found.set(attributes, segment)
  })
  return found
}

function copySegment({ start, operations }: Segment, dy: Node, reread: Reread): ReadonlyMap<Node['attributes'], Node> {
  const copies = new Map<Node, Node>([[start, waitFor(start, [dy])]])
  const attributes = new Map<Node['attributes'], Node['attributes']>()
  for (const node of operations) {
    const own = attributes.get(node.attributes) ?? Object.freeze({ ...node.attributes })
    attributes.set(node.attributes, own)
    copies.set(node, anew(node, node.inputs.map(x => copies.get(x) ?? reread(x)), own)) // prettier-ignore
  }
  return new Map(operations.map(node => [node.attributes, copies.get(node)!]))
}
