// A graph to the most memory that its values need at one time, in the order and with the reuse that ONNX Runtime has.
import type { Graph, Node } from './graph.js'
import { views } from './in-place.js'
import type { OpName } from './ops.js'
import { topologicalOrder } from './order.js'
import { elementBytes, elementCount } from './tensor.js'

/** Operations that ONNX Runtime 1.30 lets write over their first input where nobody reads it later; arithmetic never does. */
const overwriting: ReadonlySet<OpName> = new Set<OpName>([
  ...(['Tanh', 'Sigmoid', 'Relu', 'Not', 'Softmax', 'LogSoftmax', 'CrossEntropy'] as const),
  ...(['ScatterElementsAdd', 'ScatterAddRows'] as const),
])

/** What runs at one time: an operation with those of its outputs that the graph uses, or a part of one. */
interface Operation {
  readonly nodes: readonly Node[]
  readonly reads: readonly Node[]
}

/** Bytes of the values between inputs and outputs. Inputs, constants and outputs lie elsewhere; a view takes no memory. */
export function peakBytes(graph: Graph): number {
  const outputs = new Set(Object.values(graph.outputs).map(sourceOf))
  const order = executionOrder(operationsOf(graph))
  const lastUse = new Map<Node, number>()
  order.forEach(({ reads }, at) => reads.forEach(x => lastUse.set(x, at)))
  const held = new Map<Node, number>()
  let [live, peak] = [0, 0]
  order.forEach(({ nodes, reads }, at) => {
    const dying = reads.filter(x => lastUse.get(x) === at && held.has(x))
    const [written] = nodes
    const reused = dying.find(x => overwriting.has(written.op) && x === reads[0] && held.get(x) === bytesOf(written))
    if (reused) live -= held.get(reused)!
    for (const node of nodes) {
      if (outputs.has(node) || !lastUse.has(node)) continue
      held.set(node, bytesOf(node))
      live += bytesOf(node)
    }
    peak = Math.max(peak, live + passingBytes(written))
    for (const x of dying) if (x !== reused) live -= held.get(x)!
    for (const x of dying) held.delete(x)
  })
  return peak
}

function bytesOf({ shape, dtype }: Node): number {
  return elementCount(shape) * elementBytes[dtype]
}

/** What an operation takes while it runs, beside what it reads and writes. */
function passingBytes(written: Node): number {
  if (written.op === 'Where') return 2 * bytesOf(written) // what comes from either side is written apart first
  // sums of rounded rows have no scales yet
  return written.op === 'QuantizedMatMul' && written.inputs.length > 3 ? bytesOf(written) : 0
}

function sourceOf(node: Node): Node {
  let source = node
  while (views.has(source.op)) source = source.inputs[0]
  return source
}

function operationsOf({ outputs }: Graph): readonly Operation[] {
  const found = new Map<Node['attributes'], Node[]>()
  for (const node of topologicalOrder(Object.values(outputs))) {
    if (node.op === 'Input' || node.op === 'Constant' || views.has(node.op)) continue
    const known = found.get(node.attributes)
    if (known) known.push(node)
    else found.set(node.attributes, [node])
  }
  return [...found.values()].flatMap(nodes => (nodes[0].op === 'CrossEntropy' ? lossParts(nodes) : [whole(nodes)]))
}

function whole(nodes: readonly Node[]): Operation {
  return { nodes, reads: [...new Set(nodes.flatMap(({ inputs }) => inputs.map(sourceOf)))] }
}

/** The softmax, what else is read of the logits, and what is made of both: others may come in between. */
function lossParts(nodes: readonly Node[]): readonly Operation[] {
  const [logits, labels] = nodes[0].inputs.map(sourceOf)
  const shares = nodes.find(({ output }) => output === 1) ?? { ...nodes[0], shape: logits.shape, output: 1 }
  const picked: Node = { ...nodes[0], shape: labels.shape, output: 3 }
  return [
    { nodes: [shares], reads: [logits] },
    { nodes: [picked], reads: [logits, labels] },
    { nodes: nodes.filter(node => node !== shares), reads: [shares, picked] },
  ].filter(({ nodes }) => nodes.length > 0)
}

/** ONNX Runtime goes backwards from what nobody reads, the last written first, and to the last written input first. */
function executionOrder(operations: readonly Operation[]): readonly Operation[] {
  const writers = new Map(operations.flatMap(({ nodes }, i) => nodes.map(node => [node, i] as const)))
  const sources = operations.map(({ reads }) => {
    const found = reads.flatMap(node => writers.get(node) ?? [])
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
