// Weights of a model (and an adapter) to the graph inputs that the decoder is built on, with the arrays to feed them.
import { add, concat, constant, gather, input, linear, matmul, mul, reshape, slice, zeros } from '../graph/build.js'
import type { Node } from '../graph/graph.js'
import type { FloatTensor } from '../graph/tensor.js'
import { adapterNames, checkAdapter, savedTensors, type Adapter } from './adapter.js'
import type { GraphChanges } from './adapter-kind.js'
import { kindOf } from './adapter-kinds.js'
import { architectures } from './architectures.js'
import type { Parts } from './decoder-graph.js'
import type { Model } from './weights.js'

/** Parts whose weights are graph inputs, and what stands in each of them. */
export interface BoundParts extends Parts, Omit<GraphChanges, 'linear' | 'branch'> {
  /** The input of a tensor by the name of model or adapter, made on first use. */
  input(name: string): Node
  /** Arrays of all inputs used so far. */
  readonly feeds: ReadonlyMap<string, FloatTensor>
}

/**
 * Weights are inputs, not constants: training changes them in place, and several programs share one copy.
 * @param dropout what a training step leaves of the input of an adapter's module; nothing is left out by default
 * @throws AppError `adapter-mismatch`
 */
export function bindParts(
  model: Model,
  adapter?: Adapter,
  dropout: (x: Node, module: string) => Node = x => x,
): BoundParts {
  const inputs = inputsOf(model, adapter)
  const { names } = architectures[model.config.modelType]
  const embedding = `${names.embedding}.weight`
  const head = model.config.tied ? embedding : `${names.head}.weight`
  const transposeB = names.layout === 'out-in'
  const weight = (name: string): Node => inputs.input(inputs.override(name))
  const plain = (x: Node, module: string, options = { bias: true }): Node => {
    const bias = options.bias && model.weights.has(`${module}.bias`) ? weight(`${module}.bias`) : undefined
    return linear(x, weight(`${module}.weight`), bias, { transposeB })
  }
  const { linear: adapted, ...changes } = adapter
    ? kindOf(adapter.method).graph({ model, adapter, tensor: weight, linear: plain, dropout })
    : {}
  return {
    ...changes,
    weight,
    input: inputs.input,
    feeds: inputs.feeds,
    linear: (x, module) => (adapted && adapter?.modules.includes(module) ? adapted : plain)(x, module),
    embed: ids => {
      const base = gather(weight(embedding), ids)
      const rows = adapter?.rows.get(names.embedding)
      return rows === undefined ? base : add(base, newRows(ids, rows, names.embedding))
    },
    head: x => {
      const logits = matmul(x, weight(head), { transposeB: true })
      const module = model.config.tied ? names.embedding : names.head
      const rows = adapter?.rows.get(module)
      return rows === undefined ? logits : add(logits, newColumns(x, rows, module))
    },
  }

  /** Trained rows where ids name one, else zeros; the base has zeros there. */
  function newRows(ids: Node, tokens: readonly number[], module: string): Node {
    const slots = new BigInt64Array(model.config.vocabulary).fill(-1n)
    tokens.forEach((id, slot) => (slots[id] = BigInt(slot)))
    const flags = Float32Array.from(slots, slot => (slot < 0n ? 0 : 1))
    const places = slots.map(slot => (slot < 0n ? 0n : slot))
    const place = gather(constant({ dtype: 'int64', shape: [slots.length], data: places }), ids)
    const flag = gather(constant({ dtype: 'float32', shape: [slots.length], data: flags }), ids)
    return mul(gather(inputs.input(adapterNames.rows(module)), place), reshape(flag, [...ids.shape, 1]))
  }

  /** Logits of the trained rows in their columns, zeros elsewhere: [N, V]. */
  function newColumns(x: Node, tokens: readonly number[], module: string): Node {
    const own = matmul(x, inputs.input(adapterNames.rows(module)), { transposeB: true })
    const order = tokens.map((id, slot) => ({ id, slot })).sort((a, b) => a.id - b.id)
    const pieces: Node[] = []
    let column = 0
    for (const { id, slot } of order) {
      if (id > column) pieces.push(zeros([x.shape[0], id - column]))
      pieces.push(slice(own, 1, slot, slot + 1))
      column = id + 1
    }
    if (column < model.config.vocabulary) pieces.push(zeros([x.shape[0], model.config.vocabulary - column]))
    return concat(pieces, 1)
  }
}

/** Inputs by name: a tensor replaced whole is the adapter's, a table with trained rows has zeros in their place. */
function inputsOf(model: Model, adapter: Adapter | undefined) {
  if (adapter) checkAdapter(model, adapter)
  const replaced = new Set(adapter ? savedTensors(model.config, adapter.saved) : [])
  const nodes = new Map<string, Node>()
  const feeds = new Map<string, FloatTensor>()
  const find = (name: string): FloatTensor => {
    const rows = adapter?.rows.get(name.replace(/\.weight$/, ''))
    const tensor = adapter?.weights.get(name) ?? model.weights.get(name)!
    return rows === undefined ? tensor : withZeroRows(tensor, rows)
  }
  return {
    feeds,
    override: (name: string): string => (replaced.has(name) ? adapterNames.saved(name) : name),
    input: (name: string): Node => {
      const known = nodes.get(name)
      if (known) return known
      const tensor = find(name)
      const node = input(name, tensor.shape)
      feeds.set(name, tensor)
      nodes.set(name, node)
      return node
    },
  }
}

function withZeroRows({ dtype, shape, data }: FloatTensor, rows: readonly number[]): FloatTensor {
  const copy = data.slice()
  for (const id of rows) copy.fill(0, id * shape[1], (id + 1) * shape[1])
  return { dtype, shape, data: copy }
}
