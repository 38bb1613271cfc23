// Turns OpenVINO's C functions into typed ones; nothing native is loaded before the first call.
import { promisify } from 'node:util'
import type { LibraryHandle } from 'koffi'
import type { DType, HostTensor } from '../graph/tensor.js'
import { findTrim } from './heap.js'

/** A pointer of the C API. */
export type Handle = bigint

/** The part of OpenVINO's C API that runs a model. Calls that fail throw OpenVINO's own words. */
export interface OpenvinoApi {
  readonly version: string
  /** Reads an ONNX model from memory and compiles it for the processor. */
  /** @param onRead called when the model was read, before it is compiled */
  compile(model: Uint8Array, properties: Readonly<Record<string, string>>, onRead?: () => void): Handle
  freeCompiled(compiled: Handle): void
  /** Lets go of the values of a model between its runs, where the library can; its next run takes memory anew. */
  releaseValues(compiled: Handle): void
  createRequest(compiled: Handle): Handle
  freeRequest(request: Handle): void
  /** Where an array lies, which must stay alive and in place as long as the address is used. */
  addressOf(host: HostTensor): bigint
  /** A tensor over the caller's array, which must stay alive and in place as long as the tensor. */
  wrap(host: HostTensor): Handle
  freeTensor(tensor: Handle): void
  setTensor(request: Handle, name: string, tensor: Handle): void
  /** Runs on a thread of its own. */
  infer(request: Handle): Promise<void>
  /** Gives memory that native code has freed back to the system, where its allocator keeps it. */
  returnFreed(): void
}

/** Numbers of ov_element_type_e. */
const elementTypes: { readonly [D in DType]: number } = {
  bool: 1,
  bfloat16: 2,
  float16: 3,
  float32: 4,
  int32: 9,
  int64: 10,
  uint8: 16,
}

/** @param files libraries in the order of loading; the last has the C API */
export async function loadOpenvinoApi(files: readonly string[]): Promise<OpenvinoApi> {
  const { default: koffi } = await import('koffi')
  const library = files.map(file => koffi.load(file)).at(-1)!
  const [pointer, size] = ['void *', 'size_t']
  const out = koffi.out(koffi.pointer(pointer))
  const shape = koffi.struct({ rank: 'int64_t', dims: 'int64_t *' })
  const version = koffi.struct({ buildNumber: 'str', description: 'str' })
  const lastError = library.func('ov_get_last_err_msg', 'str', []) as () => string | null
  const check = (status: unknown): void => {
    if (status !== 0) throw new Error(clean(lastError()) || `status ${String(status)}`)
  }
  /** A function that may fail, as one that throws. */
  const checked = (name: string, parameters: readonly unknown[]) => {
    const call = library.func(name, 'int', parameters as string[]) as (...values: unknown[]) => unknown
    return (...values: unknown[]): void => check(call(...values))
  }
  /** Creates something: the last parameter of the call receives it. */
  const creating = (call: (...values: unknown[]) => void, ...values: unknown[]): Handle => {
    const made: [Handle | null] = [null]
    call(...values, made)
    return made[0]!
  }
  const freeing = (name: string) => library.func(name, 'void', [pointer]) as (handle: Handle) => void

  const createCore = checked('ov_core_create', [out])
  const readModel = checked('ov_core_read_model_from_memory_buffer', [pointer, pointer, size, pointer, out])
  const compileModel = checked('ov_core_compile_model', [pointer, pointer, 'str', size, out, '...'])
  const freeModel = freeing('ov_model_free')
  const createRequest = checked('ov_compiled_model_create_infer_request', [pointer, out])
  const createTensor = checked('ov_tensor_create_from_host_ptr', ['int', shape, pointer, out])
  const setTensor = checked('ov_infer_request_set_tensor', [pointer, 'str', pointer])
  const inferCall = library.func('ov_infer_request_infer', 'int', [pointer])
  const inferAsync = promisify(inferCall.async as (request: Handle, done: (e: unknown, s: number) => void) => void)

  const release = findRelease(library)
  const found: { buildNumber?: string } = {}
  check((library.func('ov_get_openvino_version', 'int', [koffi.out(koffi.pointer(version))]) as (to: object) => number)(found)) // prettier-ignore
  const core = creating(createCore)
  return {
    version: found.buildNumber ?? 'unknown',
    compile(bytes, properties, onRead) {
      const model = creating(readModel, core, bytes, bytes.byteLength, null)
      try {
        onRead?.()
        const words = Object.entries(properties).flat()
        const made: [Handle | null] = [null]
        compileModel(core, model, 'CPU', words.length, made, ...words.flatMap(word => ['str', word]))
        return made[0]!
      } finally {
        freeModel(model)
      }
    },
    freeCompiled: freeing('ov_compiled_model_free'),
    releaseValues(compiled) {
      release?.(koffi.decode(compiled, pointer) as Handle)
    },
    createRequest: compiled => creating(createRequest, compiled),
    freeRequest: freeing('ov_infer_request_free'),
    addressOf: ({ data }) => koffi.address(bytesOf(data)),
    wrap: ({ dtype, shape: dims, data }) =>
      creating(createTensor, elementTypes[dtype], { rank: dims.length, dims: dims.map(BigInt) }, bytesOf(data)),
    freeTensor: freeing('ov_tensor_free'),
    setTensor,
    async infer(request) {
      check(await inferAsync(request))
    },
    returnFreed: findTrim(koffi),
  }
}

/** Asking for `.buffer` moves a small array out of V8's heap for good; until then the collector may move it. */
function bytesOf({ buffer, byteOffset, byteLength }: HostTensor['data']): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/**
 * `ov::CompiledModel::release_memory()`, which the C API lacks; a handle of the C API begins with a pointer to the object.
 * Compilers that name it otherwise (Windows) have none.
 */
function findRelease(library: LibraryHandle): ((model: Handle) => void) | undefined {
  try {
    return library.func('_ZN2ov13CompiledModel14release_memoryEv', 'void', ['void *']) as (model: Handle) => void
  } catch {
    return undefined
  }
}

/** OpenVINO's messages name lines of its sources first; the last lines say what is wrong. */
function clean(message: string | null): string {
  const lines = (message ?? '').split('\n').map(line => line.trim()).filter(Boolean) // prettier-ignore
  const told = lines.filter(line => !/^(?:Exception from|Check '.*' failed at .*:$)/u.test(line))
  return (told.length > 0 ? told : lines).join(' ').slice(0, 600)
}
