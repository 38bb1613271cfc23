// Turns a loss into graph nodes for its gradients: a reverse walk over plain data.
import { add, concat, outputsOf, pad, scalar, scatterAddRows, knownNumber, zeros } from './build.js'
import type { Node } from './graph.js'
import type { OpAttributes, OpName } from './ops.js'
import { shapeError } from './shape-checks.js'
import { topologicalOrder } from './order.js'
import type { Recompute } from './recompute.js'
import { gradientRules, type Applied } from './rules.js'

/**
 * Gradients of a loss for each node of `wrt`, of the same shapes; zeros where the loss does not depend on one.
 * Only what lies between `wrt` and the loss is walked.
 * @param seed gradient of the loss itself; default 1, for a loss of rank 0
 * @param recompute what is computed anew for the gradients; by default everything is kept
 * @throws AppError `not-differentiable` when the way passes an operation without a gradient; `shape` for a loss with axes and no seed
 */
export function gradients(
  loss: Node,
  wrt: readonly Node[],
  seed?: Node,
  recompute: Recompute = operation => operation,
): readonly Node[] {
  const sums: Gradients = new Map([[keyOf(loss), withGradient([], loss.output, seed ?? unitSeed(loss))]])
  const needed = nodesBetween(wrt, loss)
  for (const operation of operationsInReverse(needed)) {
    const dys = sums.get(operation.attributes)
    if (dys === undefined) continue
    const dxs = applyRule(recompute(operation, dys), dys)
    operation.inputs.forEach((x, i) => {
      const dx = dxs[i]
      if (dx === undefined || !needed.has(x)) return
      const known = sums.get(keyOf(x)) ?? []
      const before = known[x.output]
      sums.set(keyOf(x), withGradient(known, x.output, before === undefined ? dx : accumulate(before, dx)))
    })
  }
  return wrt.map(x => sums.get(keyOf(x))?.[x.output] ?? zeros(x.shape))
}

/** Gradients of all outputs of an operation, by the attributes object its outputs share. */
type Gradients = Map<Node['attributes'], readonly (Node | undefined)[]>

function keyOf(node: Node): Node['attributes'] {
  return node.attributes
}

function withGradient(known: readonly (Node | undefined)[], output: number, dx: Node): readonly (Node | undefined)[] {
  const next = [...known]
  next[output] = dx
  return next
}

function unitSeed(loss: Node): Node {
  if (loss.shape.length === 0) return scalar(1)
  throw shapeError(loss.op, {
    en: `a loss must be a single number, received [${loss.shape.join(', ')}]`,
    ru: `функция потерь должна быть числом, получено [${loss.shape.join(', ')}]`,
  })
}

/** Nodes on a way from `wrt` to the loss, both ends included, inputs first. */
function nodesBetween(wrt: readonly Node[], loss: Node): ReadonlySet<Node> {
  const needed = new Set<Node>(wrt)
  for (const node of topologicalOrder([loss])) if (node.inputs.some(x => needed.has(x))) needed.add(node)
  return needed
}

/** One node per operation, users before what they use. */
function operationsInReverse(needed: ReadonlySet<Node>): readonly Node[] {
  const operations = new Map<Node['attributes'], Node>()
  for (const node of topologicalOrder([...needed]))
    if (needed.has(node) && !operations.has(keyOf(node))) operations.set(keyOf(node), node)
  return [...operations.values()].reverse()
}

function applyRule(node: Node, dys: readonly (Node | undefined)[]): readonly (Node | undefined)[] {
  const outputs = outputsOf(node)
  const rule = gradientRules[node.op] as (
    applied: Applied<OpName>,
    dy: Node,
    dys: readonly (Node | undefined)[],
  ) => readonly (Node | undefined)[]
  const attributes = node.attributes as unknown as OpAttributes[OpName]
  return rule({ inputs: node.inputs, outputs, attributes }, dys[0] ?? zeros(outputs[0].shape), dys)
}

/** The sum of two gradients; rows are scattered onto the other one, and neighbouring slices are joined instead of padded. */
function accumulate(a: Node, b: Node): Node {
  return scatteredOnto(a, b) ?? scatteredOnto(b, a) ?? joined(a, b) ?? joined(b, a) ?? add(a, b)
}

function scatteredOnto(base: Node, scattered: Node): Node | undefined {
  const [start, ids, updates] = scattered.inputs
  return scattered.op === 'ScatterAddRows' && knownNumber(start) === 0 ? scatterAddRows(base, ids, updates) : undefined
}

function joined(first: Node, second: Node): Node | undefined {
  if (first.op !== 'Pad' || second.op !== 'Pad') return undefined
  const one = first.attributes as unknown as OpAttributes['Pad']
  const two = second.attributes as unknown as OpAttributes['Pad']
  const end = one.before + first.inputs[0].shape[one.axis]
  if (one.axis !== two.axis || end !== two.before) return undefined
  return pad(concat([first.inputs[0], second.inputs[0]], one.axis), one.axis, one.before, two.after)
}
