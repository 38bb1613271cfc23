// Turns output nodes into the list of all nodes they need, inputs before users, without recursion.
import type { Node } from './graph.js'

/** Every node reachable from `outputs`, each once, after all of its inputs; the order is the same at every call. */
export function topologicalOrder(outputs: readonly Node[]): readonly Node[] {
  const order: Node[] = []
  const entered = new Set<Node>()
  const finished = new Set<Node>()
  const stack = [...outputs].reverse()
  while (stack.length > 0) {
    const node = stack[stack.length - 1]
    if (entered.has(node)) {
      stack.pop()
      if (!finished.has(node)) order.push(node)
      finished.add(node)
    } else {
      entered.add(node)
      for (let i = node.inputs.length - 1; i >= 0; i--) if (!entered.has(node.inputs[i])) stack.push(node.inputs[i])
    }
  }
  return order
}
