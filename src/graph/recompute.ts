// Checkpoints of a graph to copies of what lies between them, which the backward pass computes anew instead of keeping.
import type { Node } from './graph.js'
import { topologicalOrder } from './order.js'
import { waitFor } from './wait.js'

/** What stands in the place of an operation when its gradient is taken; the operation itself where nothing is recomputed. */
export type Recompute = (operation: Node, dys: readonly (Node | undefined)[]) => Node

/**
 * Between two checkpoints every operation that depends on the first is replaced by a copy. The copies start from the
 * kept checkpoint made to wait for the gradient that arrives, so that no runtime takes them for the originals.
 * @param checkpoints nodes in the order of the forward pass, each reached from the one before; float32
 */
export function recomputeBetween(checkpoints: readonly Node[]): Recompute {
  const segments = segmentsBetween(checkpoints)
  const copies = new Map<Segment, ReadonlyMap<Node['attributes'], Node>>()
  return (operation, dys) => {
    const segment = segments.get(operation.attributes)
    if (segment === undefined) return operation
    const dy = dys.find(known => known !== undefined)!
    const known = copies.get(segment) ?? copySegment(segment, dy)
    copies.set(segment, known)
    return known.get(operation.attributes)!
  }
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

function copySegment({ start, operations }: Segment, dy: Node): ReadonlyMap<Node['attributes'], Node> {
  const copies = new Map<Node, Node>([[start, waitFor(start, [dy])]])
  const attributes = new Map<Node['attributes'], Node['attributes']>()
  for (const node of operations) {
    const own = attributes.get(node.attributes) ?? Object.freeze({ ...node.attributes })
    attributes.set(node.attributes, own)
    const inputs = Object.freeze(node.inputs.map(x => copies.get(x) ?? x))
    copies.set(node, Object.freeze({ ...node, inputs, attributes: own }))
  }
  return new Map(operations.map(node => [node.attributes, copies.get(node)!]))
}
