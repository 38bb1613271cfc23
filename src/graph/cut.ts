// A graph to a part of it: what lies before some of its nodes is left out, and others stand in their place.
import type { Node } from './graph.js'
import { topologicalOrder } from './order.js'

/** The outputs made of `replaced`'s values where they were made of its keys; what depends on none of these stays the same node. */
export function cut(outputs: readonly Node[], replaced: ReadonlyMap<Node, Node>): readonly Node[] {
  const made = new Map(replaced)
  for (const node of topologicalOrder(outputs)) {
    if (made.has(node) || !node.inputs.some(x => made.has(x))) continue
    const inputs = Object.freeze(node.inputs.map(x => made.get(x) ?? x))
    // outputs of one operation have the same inputs: all of them are made anew or none, and they go on sharing their attributes
    made.set(node, Object.freeze({ ...node, inputs }))
  }
  return outputs.map(node => made.get(node) ?? node)
}
