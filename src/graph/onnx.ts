// Turns a graph into an ONNX model: equal operations are written once, each by its entry in one table.
import { parse } from 'node:path'
import { AppError } from '../base/errors.js'
import {
  memoryLocation,
  onnxElementTypes,
  type OnnxAttribute,
  type OnnxInitializer,
  type OnnxModel,
  type OnnxNode,
  type OnnxValue,
} from '../formats/onnx.js'
import type { Graph, Node } from './graph.js'
import type { OnnxContext, Written } from './onnx-context.js'
import { onnxRules, type OnnxDialect } from './onnx-rules.js'
import type { OpAttributes, OpName } from './ops.js'
import { shapeError } from './shape-checks.js'
import { topologicalOrder } from './order.js'
import {
  elementBytes,
  elementCount,
  type FrozenTensor,
  type HostTensor,
  type MemoryTensor,
  type TensorType,
} from './tensor.js'

export interface WrittenGraph {
  readonly model: OnnxModel
  /** Inputs that are read, by name, in the order of first use. */
  readonly inputs: Readonly<Record<string, TensorType>>
  /** Graph outputs: the name they have in the model, which differs where an input has the same name. */
  readonly outputs: Readonly<Record<string, TensorType & { readonly onnxName: string }>>
  /** Whether products with codes may round what they multiply to 8 bits. */
  readonly rounds: boolean
  /** The folder that paths of values in files begin in; undefined when there are none. */
  readonly root?: string
}

/** What a model takes and gives. */
export type Ends = Pick<WrittenGraph, 'inputs' | 'outputs'>

/** Inputs whose values are written into the model, or stay in a file or in memory that the model names. */
export type FrozenInputs = ReadonlyMap<string, FrozenTensor | MemoryTensor>

/**
 * @param dialect `standard` and `half` have only operations of the ONNX standard
 * @param frozen inputs by name that are stored instead of fed
 * @throws AppError `duplicate-input` when two inputs share a name but not a type; `shape` for a frozen value of another type
 * than its input
 */
export function writeOnnx({ outputs }: Graph, dialect: OnnxDialect, frozen: FrozenInputs = new Map()): WrittenGraph {
  const { operations, valueOf } = findOperations(Object.values(outputs))
  const everyInput = collectInputs(operations)
  const stored = Object.entries(everyInput).filter(([name]) => frozen.has(name))
  const results = Object.entries(outputs).map(([name, node]) => ({ name, node, value: valueOf(node) }))
  const writer = new ModelWriter(operations, dialect)
  for (const [name, type] of stored) writer.storeFrozen(name, type, frozen.get(name)!)
  const named = results.map(({ name, node, value }) => {
    const onnxName = writer.nameOutput(value, name in everyInput ? `${name}:out` : name)
    return { name, onnxName, dtype: node.dtype, shape: node.shape }
  })
  writer.writeOperations()
  // of a matrix in two layouts often one alone is read, of other values only views
  const read = new Set(writer.nodes.flatMap(node => node.inputs))
  const fed = Object.entries(everyInput).filter(([name]) => !frozen.has(name) && read.has(name))
  const inputs = Object.fromEntries(fed)
  return {
    model: {
      opsets: { '': 21, ...(writer.nodes.some(({ domain }) => domain !== '') && { 'com.microsoft': 1 }) },
      nodes: writer.nodes,
      initializers: writer.initializers.filter(({ name }) => read.has(name)),
      inputs: Object.entries(inputs).map(([name, type]) => describe(name, type)),
      outputs: named.map(({ onnxName, ...type }) => describe(onnxName, type)),
    },
    inputs,
    outputs: Object.fromEntries(named.map(({ name, ...rest }) => [name, rest])),
    rounds: operations.some(({ node }) => node.op === 'QuantizedMatMul' && node.attributes.activations === 'int8'),
    root: rootOf([...frozen.values()]),
  }
}

/**
 * The same model with some of its inputs stored, and other views of them too, so that nobody makes a copy to reshape one.
 * @throws AppError `shape` for a value of another type than its input
 */
export function storeInputs({ model, inputs, ...rest }: WrittenGraph, frozen: FrozenInputs): WrittenGraph {
  const isStored = (name: string): boolean => name in inputs && frozen.has(name)
  const [stored, fed] = [true, false].map(side => Object.entries(inputs).filter(([name]) => isStored(name) === side))
  const results = new Set(model.outputs.map(({ name }) => name))
  const isView = ({ opType, inputs, outputs }: OnnxNode): boolean =>
    opType === 'Reshape' && isStored(inputs[0]) && !results.has(outputs[0])
  const lists = new Map(model.initializers.map(value => [value.name, value]))
  const views = model.nodes.filter(isView).map(({ inputs: [name, shape], outputs: [view] }) => {
    const whole = initializerOf(name, inputs[name], frozen.get(name)!)
    return { ...whole, name: view, shape: int64List(lists.get(shape)!) }
  })
  const nodes = model.nodes.filter(node => !isView(node))
  const read = new Set(nodes.flatMap(node => node.inputs))
  const whole = stored.filter(([name]) => read.has(name)).map(([name, type]) => initializerOf(name, type, frozen.get(name)!)) // prettier-ignore
  const initializers = [...model.initializers, ...whole, ...views].filter(({ name }) => read.has(name))
  return {
    ...rest,
    root: rootOf([...frozen.values()]) ?? rest.root,
    model: { ...model, nodes, initializers, inputs: model.inputs.filter(({ name }) => !isStored(name)) },
    inputs: Object.fromEntries(fed),
  }
}

function int64List({ bytes }: OnnxInitializer): number[] {
  return Array.from(new BigInt64Array((bytes as Uint8Array).slice().buffer), Number)
}

function initializerOf(name: string, type: TensorType, tensor: FrozenTensor | MemoryTensor): OnnxInitializer {
  const { dtype, shape } = tensor
  const [expected, given] = [type, tensor].map(({ dtype, shape }) => `${dtype} [${shape.join(', ')}]`)
  if (expected === given) return { name, elementType: onnxElementTypes[dtype], shape, bytes: storedBytes(tensor) }
  throw shapeError(name, {
    en: `needs ${expected}, the frozen value is ${given}`,
    ru: `нужен тензор ${expected}, а замороженный — ${given}`,
  })
}

/** Where absolute paths begin: `/`, or a drive. */
function rootOf(tensors: readonly (FrozenTensor | MemoryTensor)[]): string | undefined {
  const first = tensors.find(tensor => 'path' in tensor)
  return first && parse(first.path).root
}

function describe(name: string, { dtype, shape }: TensorType): OnnxValue {
  return { name, elementType: onnxElementTypes[dtype], shape }
}

/** One output of one operation. */
interface Value {
  readonly operation: number
  readonly output: number
}

interface Operation {
  readonly node: Node
  readonly inputs: readonly Value[]
}

/** Operations that occur in the graph, inputs first, each once: the same op on the same values is the same operation. */
function findOperations(outputs: readonly Node[]): {
  readonly operations: readonly Operation[]
  readonly valueOf: (node: Node) => Value
} {
  const operations: Operation[] = []
  const byKey = new Map<string, number>()
  const values = new Map<Node, Value>()
  const identity = constantIdentity()
  for (const node of topologicalOrder(outputs)) {
    const inputs = node.inputs.map(x => values.get(x) as Value)
    if (node.op === 'StopGradient') {
      values.set(node, inputs[0])
      continue
    }
    const content =
      node.op === 'Constant' ? identity(node.attributes.value as HostTensor) : JSON.stringify(node.attributes)
    const key = `${node.op}(${inputs.map(({ operation, output }) => `${operation}.${output}`).join()})${content}`
    let operation = byKey.get(key)
    if (operation === undefined) {
      operation = operations.push({ node, inputs }) - 1
      byKey.set(key, operation)
    }
    values.set(node, { operation, output: node.output })
  }
  return { operations, valueOf: node => values.get(node) as Value }
}

/** Small constants are the same when their values are, large ones when their array is. */
function constantIdentity(): (tensor: HostTensor) => string {
  const arrays = new Map<object, number>()
  return ({ dtype, shape, data }) => {
    if (data.length <= 64) return `${dtype}[${shape.join()}]${[...data].map(x => (Object.is(x, -0) ? '-0' : x)).join()}`
    if (!arrays.has(data)) arrays.set(data, arrays.size)
    return `${dtype}[${shape.join()}]#${arrays.get(data)}`
  }
}

function collectInputs(operations: readonly Operation[]): Readonly<Record<string, TensorType>> {
  const inputs: Record<string, TensorType> = {}
  for (const { node } of operations) {
    if (node.op !== 'Input') continue
    const name = node.attributes.name as string
    if (name in inputs) throw duplicateInput(name, inputs[name], node)
    inputs[name] = { dtype: node.dtype, shape: node.shape }
  }
  return inputs
}

function duplicateInput(name: string, a: TensorType, b: TensorType): AppError {
  const [first, second] = [a, b].map(({ dtype, shape }) => `${dtype} [${shape.join(', ')}]`)
  return new AppError('duplicate-input', {
    what: {
      en: `the graph has two inputs called "${name}": ${first} and ${second}`,
      ru: `у графа два входа с именем «${name}»: ${first} и ${second}`,
    },
    fix: { en: 'Give each input its own name', ru: 'Назовите входы по-разному' },
  })
}

/** What reads the first output of each operation. */
function readersOf(operations: readonly Operation[]): ReadonlyMap<number, ReadonlySet<OpName>> {
  const readers = new Map<number, Set<OpName>>()
  for (const { node, inputs } of operations)
    for (const { operation, output } of inputs)
      if (output === 0) readers.set(operation, (readers.get(operation) ?? new Set()).add(node.op))
  return readers
}

/** The bytes of an array, or their place in a file or in memory. */
function storedBytes(tensor: FrozenTensor | MemoryTensor): OnnxInitializer['bytes'] {
  if ('data' in tensor) return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength)
  const length = elementCount(tensor.shape) * elementBytes[tensor.dtype]
  if ('address' in tensor) return { location: memoryLocation, offset: Number(tensor.address), length }
  const { path, offset } = tensor
  const location = path.slice(parse(path).root.length).replaceAll('\\', '/')
  return { location, offset, length }
}

function partOf(bytes: OnnxInitializer['bytes'], [start, end]: readonly [number, number]): OnnxInitializer['bytes'] {
  if (bytes instanceof Uint8Array) return bytes.subarray(start, end)
  return { ...bytes, offset: bytes.offset + start, length: end - start }
}

/** Collects the nodes and stored values of one model. */
class ModelWriter implements OnnxContext {
  readonly nodes: OnnxNode[] = []
  readonly initializers: OnnxInitializer[] = []
  private readonly names = new Map<string, string>()
  private readonly stored = new Set<string>()
  private readonly halves = new Map<string, string>()
  private readonly readers: ReadonlyMap<number, ReadonlySet<OpName>>
  private readonly copies: { readonly from: Value; readonly name: string }[] = []
  private temporaries = 0

  constructor(
    private readonly operations: readonly Operation[],
    private readonly dialect: OnnxDialect,
  ) {
    this.readers = readersOf(operations)
  }

  /** Lets a value carry the name of a graph output, or copies it when it has another name already. */
  nameOutput(value: Value, name: string): string {
    const key = `${value.operation}.${value.output}`
    const { op } = this.operations[value.operation].node
    if (op === 'Input' || op === 'Constant' || this.names.has(key)) this.copies.push({ from: value, name })
    else this.names.set(key, name)
    return name
  }

  writeOperations(): void {
    this.operations.forEach(({ node, inputs }, index) => {
      if (node.op === 'Input') return
      if (node.op === 'Constant') this.storeConstant(index, node.attributes.value as HostTensor)
      else this.writeOperation(node, inputs, index)
    })
    for (const { from, name } of this.copies) this.node('Identity', [this.nameOf(from)], [name])
  }

  private writeOperation<Op extends OpName>(
    node: Node & { readonly op: Op },
    inputs: readonly Value[],
    index: number,
  ): void {
    const rule = onnxRules[this.dialect][node.op] as (context: OnnxContext, written: Written<Op>) => void
    rule(this, {
      node,
      attributes: node.attributes as unknown as OpAttributes[Op],
      inputs: inputs.map(value => this.nameOf(value)),
      output: output => this.nameOf({ operation: index, output }),
      readers: this.readers.get(index) ?? new Set(),
    })
  }

  private nameOf({ operation, output }: Value): string {
    const { node } = this.operations[operation]
    if (node.op === 'Input') return node.attributes.name as string
    return this.names.get(`${operation}.${output}`) ?? `${node.op}:${operation}.${output}`
  }

  private storeConstant(index: number, tensor: HostTensor): void {
    this.storeFrozen(this.nameOf({ operation: index, output: 0 }), tensor, tensor)
  }

  storeFrozen(name: string, type: TensorType, tensor: FrozenTensor | MemoryTensor): void {
    this.initializers.push(initializerOf(name, type, tensor))
  }

  node(
    opType: string,
    inputs: readonly string[],
    outputs: readonly string[] = [`${opType}:t${this.temporaries++}`],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    domain = '',
  ): string {
    this.nodes.push({ opType, domain, inputs, outputs, attributes })
    return outputs[0]
  }

  int64s(list: readonly number[]): string {
    const bytes = new Uint8Array(BigInt64Array.from(list, BigInt).buffer)
    return this.store(`ints:${list.join()}`, { elementType: onnxElementTypes.int64, shape: [list.length], bytes })
  }

  float(value: number): string {
    const bytes = new Uint8Array(Float32Array.of(value).buffer)
    return this.store(`float:${value}`, { elementType: onnxElementTypes.float32, shape: [], bytes })
  }

  bytes(name: string, elementType: number, shape: readonly number[], make: () => Uint8Array): string {
    return this.stored.has(name) ? name : this.store(name, { elementType, shape, bytes: make() })
  }

  view(
    name: string,
    elementType: number,
    shape: readonly number[],
    range?: readonly [number, number],
  ): string | undefined {
    const original = this.initializers.find(value => value.name === name)
    if (original === undefined) return undefined
    const bytes = range ? partOf(original.bytes, range) : original.bytes
    return this.store(`${name}:${elementType}:${shape.join()}${range ? `:${range[0]}` : ''}`, { elementType, shape, bytes }) // prettier-ignore
  }

  halfOf(name: string): string | undefined {
    return this.halves.get(name)
  }

  setHalf(name: string, half: string): void {
    this.halves.set(name, half)
  }

  /** Stores a value under its name, once. */
  private store(name: string, value: Omit<OnnxInitializer, 'name'>): string {
    if (!this.stored.has(name)) {
      this.initializers.push({ name, ...value })
      this.stored.add(name)
    }
    return name
  }
}
