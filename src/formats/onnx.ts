// Turns a description of an ONNX model into the bytes of its protobuf (onnx.proto3, IR version 10).
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { AppError } from '../base/errors.js'

/** Element type numbers of TensorProto.DataType. */
export const onnxElementTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  bfloat16: 16,
  uint4: 21,
} as const

export interface OnnxValue {
  readonly name: string
  readonly elementType: number
  /** A negative size is known only when the model runs. */
  readonly shape: readonly number[]
}

/** A stored value; its bytes are little-endian and row-major, two uint4 in one byte, the first one low. */
export interface OnnxInitializer extends OnnxValue {
  readonly bytes: Uint8Array | ExternalBytes
}

/** Stands for a path where bytes lie in memory of the reading process, `offset` being their address (ONNX Runtime, OpenVINO). */
export const memoryLocation = '*/_ORT_MEM_ADDR_/*'

/** Bytes that stay in a file of their own. */
interface ExternalBytes {
  /** Path from the folder that the reader of the model is told, with `/`. */
  readonly location: string
  readonly offset: number
  readonly length: number
}

export type OnnxAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly ints: readonly number[] }
  | { readonly text: string }

export interface OnnxNode {
  readonly opType: string
  /** '' is the standard domain. */
  readonly domain: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, OnnxAttribute>>
}

export interface OnnxModel {
  /** Version of each operator set by domain. */
  readonly opsets: Readonly<Record<string, number>>
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  readonly nodes: readonly OnnxNode[]
  readonly initializers: readonly OnnxInitializer[]
}

/** A protobuf ends at 2 GiB; some room is left for the rest of the model. */
const maxStoredBytes = 1.9e9

/**
 * The bytes of an `.onnx` file.
 * @throws AppError `onnx-too-large` when stored values exceed 1.9 GB
 */
export function encodeOnnx(model: OnnxModel): Uint8Array {
  checkSize(model.initializers)
  const writer = new BinaryWriter()
  writer.tag(1, WireType.Varint).int64(10)
  writer.tag(2, WireType.LengthDelimited).string('dvoynik')
  message(writer, 7, graph => writeGraph(graph, model))
  for (const [domain, version] of Object.entries(model.opsets))
    message(writer, 8, opset => {
      opset.tag(1, WireType.LengthDelimited).string(domain)
      opset.tag(2, WireType.Varint).int64(version)
    })
  return writer.finish()
}

function writeGraph(graph: BinaryWriter, { nodes, initializers, inputs, outputs }: OnnxModel): void {
  for (const node of nodes) message(graph, 1, writer => writeNode(writer, node))
  graph.tag(2, WireType.LengthDelimited).string('graph')
  for (const value of initializers) message(graph, 5, writer => writeInitializer(writer, value))
  for (const value of inputs) message(graph, 11, writer => writeValue(writer, value))
  for (const value of outputs) message(graph, 12, writer => writeValue(writer, value))
}

function writeNode(writer: BinaryWriter, { opType, domain, inputs, outputs, attributes }: OnnxNode): void {
  for (const name of inputs) writer.tag(1, WireType.LengthDelimited).string(name)
  for (const name of outputs) writer.tag(2, WireType.LengthDelimited).string(name)
  writer.tag(4, WireType.LengthDelimited).string(opType)
  for (const [name, value] of Object.entries(attributes))
    message(writer, 5, inner => writeAttribute(inner, name, value))
  if (domain !== '') writer.tag(7, WireType.LengthDelimited).string(domain)
}

function writeAttribute(writer: BinaryWriter, name: string, value: OnnxAttribute): void {
  writer.tag(1, WireType.LengthDelimited).string(name)
  if ('float' in value) writer.tag(2, WireType.Bit32).float(value.float).tag(20, WireType.Varint).int32(1)
  else if ('int' in value) writer.tag(3, WireType.Varint).int64(value.int).tag(20, WireType.Varint).int32(2)
  else if ('text' in value) writer.tag(4, WireType.LengthDelimited).string(value.text).tag(20, WireType.Varint).int32(3)
  else {
    for (const int of value.ints) writer.tag(8, WireType.Varint).int64(int)
    writer.tag(20, WireType.Varint).int32(7)
  }
}

function writeInitializer(writer: BinaryWriter, { name, elementType, shape, bytes }: OnnxInitializer): void {
  for (const size of shape) writer.tag(1, WireType.Varint).int64(size)
  writer.tag(2, WireType.Varint).int32(elementType)
  writer.tag(8, WireType.LengthDelimited).string(name)
  if (bytes instanceof Uint8Array) writer.tag(9, WireType.LengthDelimited).bytes(bytes)
  else writeExternal(writer, bytes)
}

function writeExternal(writer: BinaryWriter, external: ExternalBytes): void {
  for (const [key, value] of Object.entries(external))
    message(writer, 13, entry => {
      entry.tag(1, WireType.LengthDelimited).string(key)
      entry.tag(2, WireType.LengthDelimited).string(String(value))
    })
  writer.tag(14, WireType.Varint).int32(1)
}

function writeValue(writer: BinaryWriter, { name, elementType, shape }: OnnxValue): void {
  writer.tag(1, WireType.LengthDelimited).string(name)
  message(writer, 2, type =>
    message(type, 1, tensor => {
      tensor.tag(1, WireType.Varint).int32(elementType)
      message(tensor, 2, dims => {
        for (const size of shape) message(dims, 1, dim => void (size >= 0 && dim.tag(1, WireType.Varint).int64(size)))
      })
    }),
  )
}

function message(writer: BinaryWriter, field: number, fill: (inner: BinaryWriter) => void): void {
  writer.tag(field, WireType.LengthDelimited).fork()
  fill(writer)
  writer.join()
}

function checkSize(initializers: readonly OnnxInitializer[]): void {
  const sizes = initializers.map(({ bytes }) => (bytes instanceof Uint8Array ? bytes.length : 0))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (total <= maxStoredBytes) return
  const [totalGb, largestGb] = [total, Math.max(...sizes)].map(size => (size / 1e9).toFixed(1))
  throw new AppError('onnx-too-large', {
    what: {
      en: `the values stored in the graph take ${totalGb} GB (the largest ${largestGb} GB), a model file holds 1.9 GB`,
      ru: `значения внутри графа занимают ${totalGb} ГБ (наибольшее ${largestGb} ГБ), а файл модели вмещает 1,9 ГБ`,
    },
    fix: { en: 'Feed large weights as inputs', ru: 'Подавайте большие веса как входы' },
  })
}
