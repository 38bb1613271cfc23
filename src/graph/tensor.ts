// Shapes and element types of the tensors in a graph, and the host arrays that hold their values.

export type DType = 'float32' | 'float16' | 'bfloat16' | 'int64' | 'int32' | 'uint8' | 'bool'

export interface TensorType {
  readonly dtype: DType
  /** Static sizes, outermost first; `[]` is a scalar. */
  readonly shape: readonly number[]
}

/** Bytes of one element. */
export const elementBytes: { readonly [D in DType]: number } = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  uint8: 1,
  bool: 1,
}

export type HostArray = Float32Array | Uint16Array | BigInt64Array | Int32Array | Uint8Array

/** Values on the host. `data` is row-major and holds exactly the product of `shape`. Native code gets arrays whose buffer V8 does not move: not one of up to 64 bytes on its heap. */
export interface HostTensor extends TensorType {
  readonly data: HostArray
}

/** Values that stay in a file: little-endian, row-major, `offset` bytes from its start. */
export interface FileTensor extends TensorType {
  /** Absolute path. */
  readonly path: string
  readonly offset: number
}

/** Values that never change: a runtime may keep them in whatever order it computes fastest with. */
export type FrozenTensor = HostTensor | FileTensor

/** Values in memory of this process that do not move, for a reader of models that takes them from there. */
export interface MemoryTensor extends TensorType {
  readonly address: bigint
}

export interface FloatTensor extends TensorType {
  readonly dtype: 'float32'
  readonly data: Float32Array
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}
