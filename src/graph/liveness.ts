// A graph to the most memory that its values need at one time, in the order in which ONNX Runtime runs it.
import type { Graph, Node } from './graph.js'
import { pointwise, views } from './in-place.js'
import { topologicalOrder } from './order.js'
import { elementBytes, elementCount } from './tensor.js'

type Key = Node['attributes']

/** One operation with those of its outputs that the graph uses. */
interface Operation {
  readonly key: Key
  readonly nodes: readonly Node[]
}

/**
 * Bytes of the values between inputs and outputs. Inputs, constants and outputs lie elsewhere; a view takes no memory,
 * and an operation on elements writes over an input of its own size that nobody reads later.
 */
export function peakBytes(graph: Graph): number {
  const outputs = new Set(Object.values(graph.outputs).map(sourceOf))
  const order = executionOrder(operationsOf(graph))
  const lastUse = new Map<Node, number>()
  order.forEach(({ nodes }, at) => sourcesOf(nodes).forEach(x => lastUse.set(x, at)))
  const held = new Map<Node, number>()
  let [live, peak] = [0, 0]
  order.forEach(({ nodes }, at) => {
    const dying = sourcesOf(nodes).filter(x => lastUse.get(x) === at && held.has(x))
    const reused = pointwise.has(nodes[0].op) && dying.find(x => held.get(x) === bytesOf(nodes[0]))
    if (reused) live -= held.get(reused)!
    for (const node of nodes) {
      if (views.has(node.op) || outputs.has(node) || !lastUse.has(node)) continue
      held.set(node, bytesOf(node))
      live += bytesOf(node)
    }
    peak = Math.max(peak, live)
    for (const x of dying) if (x !== reused) live -= held.get(x)!
    for (const x of dying) held.delete(x)
  })
  return peak
}

function bytesOf({ shape, dtype }: Node): number {
  return elementCount(shape) * elementBytes[dtype]
}

function sourceOf(node: Node): Node {
  let source = node
  while (views.has(source.op)) source = source.inputs[0]
  return source
}

function sourcesOf(nodes: readonly Node[]): readonly Node[] {
  return [...new Set(nodes.flatMap(({ inputs }) => inputs.map(sourceOf)))]
}

function operationsOf({ outputs }: Graph): readonly Operation[] {
  const found = new Map<Key, Node[]>()
  for (const node of topologicalOrder(Object.values(outputs))) {
    if (node.op === 'Input' || node.op === 'Constant') continue
    const known = found.get(node.attributes)
    if (known) known.push(node)
    else found.set(node.attributes, [node])
  }
  return [...found].map(([key, nodes]) => ({ key, nodes }))
}

/** ONNX Runtime goes backwards from what nobody reads, the last written first, and to the last written input first. */
function executionOrder(operations: readonly Operation[]): readonly Operation[] {
  const places = new Map(operations.map(({ key }, i) => [key, i]))
  const sources = operations.map(({ nodes }) => {
    const found = nodes.flatMap(({ inputs }) => inputs.flatMap(({ attributes }) => places.get(attributes) ?? []))
    return [...new Set(found)].sort((a, b) => a - b)
  })
  const read = new Set(sources.flat())
  const stack = operations.flatMap((_, i) => (read.has(i) ? [] : [i]))
  const order: Operation[] = []
  const [entered, left] = [new Set<number>(), new Set<number>()]
  while (stack.length > 0) {
    const i = stack[stack.length - 1]
    if (entered.has(i)) {
      stack.pop()
      if (!left.has(i)) order.push(operations[i])
      left.add(i)
    } else {
      entered.add(i)
      for (const source of sources[i]) if (!entered.has(source)) stack.push(source)
    }
  }
  return order
}
