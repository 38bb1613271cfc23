// Turns two graphs of one computation at different sizes into one graph that leaves these sizes open until it runs.
import type { AttributeValue, Graph, Node } from './graph.js'
import { topologicalOrder } from './order.js'
import type { HostTensor } from './tensor.js'

/** Stands in a shape for a size that is known only when the program runs; for one size of a reshape at most. */
const free = -1

/**
 * What both graphs agree on stays; sizes in which they differ become -1, in inputs, outputs and targets of reshapes.
 * @returns undefined when they differ in more: the computation does not have one form for all sizes
 */
export function freeSizes(a: Graph, b: Graph): Graph | undefined {
  const names = Object.keys(a.outputs)
  if (names.join() !== Object.keys(b.outputs).join()) return undefined
  const [first, second] = [a, b].map(graph => topologicalOrder(Object.values(graph.outputs)))
  if (first.length !== second.length) return undefined
  const joined = new Map<Node, Node>()
  const attributes = new Map<Node['attributes'], Node['attributes'] | undefined>()
  const partner = new Map(first.map((node, i) => [node, second[i]]))
  for (const node of first) {
    const other = partner.get(node)!
    const sameInputs = node.inputs.length === other.inputs.length && node.inputs.every((x, i) => partner.get(x) === other.inputs[i]) // prettier-ignore
    if (node.op !== other.op || node.output !== other.output || !sameInputs) return undefined
    if (!attributes.has(node.attributes)) attributes.set(node.attributes, joinAttributes(node, other))
    const common = attributes.get(node.attributes)
    const shape = joinSizes(node.shape, other.shape)
    if (common === undefined || shape === undefined) return undefined
    joined.set(
      node,
      Object.freeze({ ...node, shape, attributes: common, inputs: node.inputs.map(x => joined.get(x)!) }),
    )
  }
  return { outputs: Object.fromEntries(names.map(name => [name, joined.get(a.outputs[name])!])) }
}

function joinSizes(a: readonly number[], b: readonly number[]): readonly number[] | undefined {
  return a.length === b.length ? a.map((size, i) => (size === b[i] ? size : free)) : undefined
}

/** One frozen object for both, as it identifies the operation; undefined when more than free sizes differ. */
function joinAttributes(a: Node, b: Node): Node['attributes'] | undefined {
  if (a.op === 'Constant')
    return sameTensor(a.attributes.value as HostTensor, b.attributes.value as HostTensor) ? a.attributes : undefined
  if (a.op !== 'Input' && a.op !== 'Reshape') return same(a.attributes, b.attributes) ? a.attributes : undefined
  const shape = joinSizes(a.attributes.shape as readonly number[], b.attributes.shape as readonly number[])
  if (shape === undefined || (a.op === 'Reshape' && shape.filter(size => size === free).length > 1)) return undefined
  const [rest, others] = [a, b].map(({ attributes }) => ({ ...attributes, shape: 0 }))
  return same(rest, others) ? Object.freeze({ ...a.attributes, shape }) : undefined
}

function same(a: Readonly<Record<string, AttributeValue>>, b: Readonly<Record<string, AttributeValue>>): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function sameTensor(a: HostTensor, b: HostTensor): boolean {
  if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) return false
  return a.data === b.data || a.data.every((x, i) => x === b.data[i])
}
