// Weights of a model (and an adapter) to the graph inputs that the decoder is built on, with the arrays to feed them.
import { add, cast, constant, gather, input, linear, matmul, mul, quantizedMatmul, reshape, type QuantizedNodes } from '../graph/build.js' // prettier-ignore
import type { Node } from '../graph/graph.js'
import type { FloatTensor, FrozenTensor } from '../graph/tensor.js'
import { adapterNames, checkAdapter, modelOf, savedTensors, type Adapter } from './adapter.js'
import type { GraphChanges } from './adapter-kind.js'
import { kindOf } from './adapter-kinds.js'
import { architectures } from './architectures.js'
import type { Parts } from './decoder-graph.js'
import { frozenForm } from './frozen-tensor.js'
import { halfName, halfOf } from './half-matrix.js'
import type { QuantisedMatrix } from './quantise.js'
import { isInOut } from './module-matrix.js'
import type { Model } from './weights.js'

/** Parts whose weights are graph inputs, and what stands in each of them. */
export interface BoundParts extends Parts, Omit<GraphChanges, 'linear' | 'branch' | 'embed'> {
  /** The input of a tensor by the name of model or adapter, made on first use. */
  input(name: string): Node
  /** Arrays of all inputs used so far that are fed at every run. */
  readonly feeds: ReadonlyMap<string, FloatTensor>
  /** Inputs used so far that never change: quantised weights, and those that stay in a file. */
  readonly frozen: ReadonlyMap<string, FrozenTensor>
}

export interface PartsOptions {
  /** What a training step leaves of the input of an adapter's module; nothing is left out by default. */
  readonly dropout?: (x: Node, module: string) => Node
  /**
   * Whether the transposes of quantised weights may be stored too, which makes their gradients as fast as the products
   * themselves where the runtime stores what is frozen.
   */
  readonly mirrored?: boolean
  /** Whether this matrix of the model never changes and is computed with in bfloat16: it is given in that type then. */
  readonly isHalf?: (name: string) => boolean
}

/**
 * Weights are inputs, not constants: training changes them in place, and several programs share one copy.
 * @throws AppError `adapter-mismatch`
 */
export function bindParts(base: Model, adapter?: Adapter, options: PartsOptions = {}): BoundParts {
  const model = adapter ? modelOf(adapter, base) : base
  const { dropout = (x: Node): Node => x } = options
  const inputs = inputsOf(model, adapter, options)
  const { names } = architectures[model.config.modelType]
  const embedding = `${names.embedding}.weight`
  const head = model.config.tied ? embedding : `${names.head}.weight`
  const weight = (name: string): Node => inputs.input(inputs.override(name))
  const plain = (x: Node, module: string, options = { bias: true }): Node => {
    const hasBias = options.bias && module !== names.head && model.weights.has(`${module}.bias`) // a head's is added last
    const bias = hasBias ? weight(`${module}.bias`) : undefined
    const short = inputs.product(x, `${module}.weight`)
    if (short) return bias ? add(short, bias) : short
    return linear(x, inputs.matrix(`${module}.weight`), bias, { transposeB: !isInOut(model.config, module) })
  }
  const {
    linear: adapted,
    embed: embedded,
    ...changes
  } = adapter
    ? kindOf(adapter.method).graph({ model, adapter, tensor: weight, linear: plain, dropout: droppedInBlocks })
    : {}
  const changed = new Set(adapter?.modules)
  return {
    ...changes,
    weight,
    input: inputs.input,
    feeds: inputs.feeds,
    frozen: inputs.frozen,
    linear: (x, module) => (adapted && changed.has(module) ? adapted : plain)(x, module),
    embed: ids => {
      const table = rowsOf(inputs.matrix(embedding), ids)
      const rows = adapter?.rows.get(names.embedding)
      if (embedded && changed.has(names.embedding)) return embedded(table, ids, names.embedding)
      return rows === undefined ? table : add(table, newRows(ids, rows, names.embedding))
    },
    head: x => {
      if (adapted && changed.has(names.head)) return adapted(x, names.head)
      const short = inputs.product(x, head)
      const module = model.config.tied ? names.embedding : names.head
      const rows = adapter?.rows.get(module)
      const logits = short ?? matmul(x, inputs.matrix(head), { transposeB: true })
      if (rows === undefined) return logits
      return add(short ? mul(short, withoutColumns(rows)) : logits, newColumns(x, rows, module))
    },
  }

  /** The head's products come in pieces, each of which would need a mask of its own. */
  function droppedInBlocks(x: Node, module: string): Node {
    return module === names.head ? x : dropout(x, module)
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

  /** [V]: 0 in the columns of trained rows, else 1. */
  function withoutColumns(tokens: readonly number[]): Node {
    const data = new Float32Array(model.config.vocabulary).fill(1)
    for (const id of tokens) data[id] = 0
    return constant({ dtype: 'float32', shape: [data.length], data })
  }

  /** Logits of the trained rows in their columns, zeros elsewhere: [N, V]. */
  function newColumns(x: Node, tokens: readonly number[], module: string): Node {
    const own = matmul(x, inputs.input(adapterNames.rows(module)), { transposeB: true })
    const { vocabulary } = model.config
    const data = new Float32Array(tokens.length * vocabulary)
    tokens.forEach((id, slot) => (data[slot * vocabulary + id] = 1))
    // a product with ones: zeros joined on both sides would be values, and one of them a stored one, as large as the logits
    return matmul(own, constant({ dtype: 'float32', shape: [tokens.length, vocabulary], data }))
  }
}

/** Inputs by name: a tensor replaced whole is the adapter's, a table with trained rows has zeros in their place. */
function inputsOf(model: Model, adapter: Adapter | undefined, { mirrored, isHalf }: PartsOptions) {
  if (adapter) checkAdapter(model, adapter)
  const replaced = new Set(adapter ? savedTensors(model.config, adapter) : [])
  const nodes = new Map<string, Node>()
  const feeds = new Map<string, FloatTensor>()
  const frozen = new Map<string, FrozenTensor>()
  const make = (name: string): Node => {
    const rows = adapter?.rows.get(name.replace(/\.weight$/, ''))
    const tensor = adapter?.weights.get(name) ?? model.weights.get(name)!
    const { stored } = frozenForm(tensor)
    if (stored && rows === undefined) frozen.set(name, stored)
    else feeds.set(name, rows === undefined ? tensor : withZeroRows(tensor, rows))
    return input(name, tensor.shape)
  }
  const table = (name: string, tensor: FrozenTensor): Node => {
    frozen.set(name, tensor)
    return input(name, tensor.shape, tensor.dtype)
  }
  const once = (name: string, create: () => Node): Node => {
    const node = nodes.get(name) ?? create()
    nodes.set(name, node)
    return node
  }
  const tables = (name: string, { codes, scales }: Pick<QuantisedMatrix, 'codes' | 'scales'>): QuantizedNodes => ({
    codes: once(`${name}.codes`, () => table(`${name}.codes`, codes)),
    scales: once(`${name}.scales`, () => table(`${name}.scales`, scales)),
  })
  const override = (name: string): string => (replaced.has(name) ? adapterNames.saved(name) : name)
  const isHalfOwn = (name: string): boolean =>
    isHalf?.(name) === true && !replaced.has(name) && !adapter?.rows.has(name.replace(/\.weight$/, ''))
  const plain = (name: string): Node => once(name, () => make(name))
  return {
    feeds,
    frozen: frozen as ReadonlyMap<string, FrozenTensor>,
    override,
    input: plain,
    /** A matrix by the model's name, which products and embeddings use. */
    matrix: (name: string): Node => {
      if (!isHalfOwn(name)) return plain(override(name))
      return cast(
        once(halfName(name), () => table(halfName(name), halfOf(model.weights.get(name)!))),
        'float32',
      )
    },
    /** x times a weight in codes; undefined when it is none, or the adapter has another in its place. */
    product: (x: Node, name: string): Node | undefined => {
      const { quantised } = frozenForm(model.weights.get(name)!)
      if (quantised === undefined || replaced.has(name)) return undefined
      const { inputs, outputs, bits, block, activations, mirror } = quantised
      const attributes = { inputs, outputs, bits, block, activations }
      const other = `${name}.transpose`
      const transpose = mirrored && mirror ? once(other, () => table(other, mirror)) : undefined
      return quantizedMatmul(x, tables(name, quantised), attributes, transpose)
    },
  }
}

function withZeroRows({ dtype, shape, data }: FloatTensor, rows: readonly number[]): FloatTensor {
  const copy = data.slice()
  for (const id of rows) copy.fill(0, id * shape[1], (id + 1) * shape[1])
  return { dtype, shape, data: copy }
}

/** Rows of a table; of one in another type only what is read is converted. */
function rowsOf(table: Node, ids: Node): Node {
  return table.op === 'Cast' ? cast(gather(table.inputs[0], ids), 'float32') : gather(table, ids)
}
