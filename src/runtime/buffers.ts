// Turns tensor types into host arrays that native code may use, and checks arrays that callers bring.
import { AppError } from '../base/errors.js'
import { elementCount, type DType, type HostArray, type HostTensor, type TensorType } from '../graph/tensor.js'

const arrayTypes = {
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const satisfies { readonly [D in DType]: unknown }

/** A tensor of zeros with an ArrayBuffer of its own; V8 moves small arrays on its heap, never such a buffer. */
export function allocate({ dtype, shape }: TensorType): HostTensor {
  const type = arrayTypes[dtype]
  const data: HostArray = new type(new ArrayBuffer(elementCount(shape) * type.BYTES_PER_ELEMENT))
  return { dtype, shape, data }
}

/**
 * Checks one fed or received tensor against what the graph declares.
 * @throws AppError `runtime-run` naming the tensor
 */
export function checkBuffer(name: string, host: HostTensor | undefined, type: TensorType): asserts host is HostTensor {
  const expected = describe(type)
  if (host === undefined) throw badBuffer(name, expected, { en: 'nothing', ru: 'ничего' })
  const { dtype, shape, data } = host
  if (dtype !== type.dtype || !sameShape(shape, type.shape)) throw badBuffer(name, expected, both(describe(host)))
  if (!(data instanceof arrayTypes[dtype]) || data.length !== elementCount(shape))
    throw badBuffer(name, expected, both(`${data.constructor.name}(${data.length})`))
}

/** Sizes below 0 are open. */
function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i] || b[i] < 0)
}

function describe({ dtype, shape }: TensorType): string {
  return `${dtype} [${shape.join(', ')}]`
}

function both(text: string): { en: string; ru: string } {
  return { en: text, ru: text }
}

function badBuffer(name: string, expected: string, got: { en: string; ru: string }): AppError {
  return new AppError('runtime-run', {
    where: name,
    what: { en: `needs ${expected}, received ${got.en}`, ru: `нужен тензор ${expected}, получено ${got.ru}` },
    fix: { en: 'Pass a tensor of the declared type', ru: 'Передайте тензор объявленного типа' },
  })
}
