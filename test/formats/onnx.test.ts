import { expect, it } from 'vitest'
import { BinaryReader } from '@bufbuild/protobuf/wire'
import { encodeOnnx, type OnnxModel } from '../../src/formats/onnx.js'

const empty: OnnxModel = { opsets: { '': 21 }, inputs: [], outputs: [], nodes: [], initializers: [] }

/** Field numbers of the top message, in order. */
function fields(bytes: Uint8Array): number[] {
  const reader = new BinaryReader(bytes)
  const found: number[] = []
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    found.push(field)
    reader.skip(type)
  }
  return found
}

it('writes version, producer, graph and operator sets as onnx.proto numbers them', () => {
  expect(fields(encodeOnnx({ ...empty, opsets: { '': 21, 'com.microsoft': 1 } }))).toEqual([1, 2, 7, 8, 8])
})

it('refuses to store more than a protobuf can hold', () => {
  const bytes = Object.defineProperty(new Uint8Array(), 'length', { value: 2e9 }) // as long as it says, without the memory
  const initializers = [{ name: 'w', elementType: 1, shape: [5e8], bytes }]
  expect(() => encodeOnnx({ ...empty, initializers })).toThrowErrorMatchingInlineSnapshot(
    `[AppError: the values stored in the graph take 2.0 GB (the largest 2.0 GB), a model file holds 1.9 GB. Feed large weights as inputs.]`,
  )
})
