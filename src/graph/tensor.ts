// Shapes and element types of the tensors in a graph, and the host arrays that hold their values.

export type DType = 'float32' | 'float16' | 'int64' | 'int32' | 'uint8' | 'bool'

export interface TensorType {
  readonly dtype: DType
  /** Static sizes, outermost first; `[]` is a scalar. */
  readonly shape: readonly number[]
}

export type HostArray = Float32Array | Uint16Array | BigInt64Array | Int32Array | Uint8Array

/** Values on the host. `data` is row-major and holds exactly the product of `shape`. Typed arrays handed to native code own their ArrayBuffer. */
export interface HostTensor extends TensorType {
  readonly data: HostArray
}

export interface FloatTensor extends TensorType {
  readonly dtype: 'float32'
  readonly data: Float32Array
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}
