// Turns ONNX Runtime's C functions into typed ones: its package for Node has them, but copies every result after a run.
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { onnxElementTypes } from '../formats/onnx.js'
import type { HostTensor } from '../graph/tensor.js'

/** A pointer of the C API. */
export type OrtHandle = bigint

interface OrtSettings {
  readonly threads: number
  /** Whose arena values lie in: the session's own, or the one that all sharing sessions have together. */
  readonly values: 'own' | 'shared'
  /** Entries of the session's configuration. */
  readonly config: Readonly<Record<string, string>>
}

/** The part of ONNX Runtime's C API that runs a model. Calls that fail throw ONNX Runtime's own words. */
export interface OrtApi {
  createSession(model: Uint8Array, settings: OrtSettings): Promise<OrtHandle>
  freeSession(session: OrtHandle): void
  /** A tensor over the caller's array, which must stay alive as long as the tensor. */
  wrap(host: HostTensor): OrtHandle
  freeTensor(tensor: OrtHandle): void
  /** Pointers to names, as `run` takes them. */
  names(list: readonly string[]): OrtNames
  /** Runs on a thread of its own; tensors in the order of the names. The caller keeps all of it alive meanwhile. */
  run(session: OrtHandle, inputs: OrtNames, given: Pointers, outputs: OrtNames, fetched: Pointers): Promise<void>
}

/** Pointers in memory that does not move; V8 keeps small arrays on its heap, but never such a buffer. */
export type Pointers = BigUint64Array<ArrayBuffer>

export function pointersOf(list: readonly OrtHandle[]): Pointers {
  const pointers = new BigUint64Array(new ArrayBuffer(8 * list.length))
  pointers.set(list)
  return pointers
}

/** Pointers, and what they point to. */
export interface OrtNames {
  readonly pointers: Pointers
  readonly texts: readonly Buffer[]
}

/** Files of the package, by platform. */
const files: Readonly<Record<string, string>> = {
  linux: 'libonnxruntime.so.1',
  darwin: 'libonnxruntime.1.dylib',
  win32: 'onnxruntime.dll',
}

/** Places of the functions in the table OrtApi, which later versions only lengthen. */
const places = {
  errorMessage: 2,
  createEnv: 3,
  createSession: 8,
  run: 9,
  createOptions: 10,
  disablePattern: 17,
  setLogSeverity: 22,
  setOptimization: 23,
  setIntraThreads: 24,
  setInterThreads: 25,
  createTensor: 49,
  createMemoryInfo: 69,
  freeStatus: 93,
  freeSession: 95,
  freeValue: 96,
  freeOptions: 100,
  addConfig: 130,
  registerAllocator: 144,
  createArenaSettings: 156,
  freeArenaSettings: 157,
  unregisterAllocator: 177,
} as const

/** The oldest version of the table that has them all. */
const apiVersion = 17
/** Enumerators of the C API. */
const [silent, everything, arenaAllocator, defaultMemory] = [4, 99, 1, 0]
/** How an arena grows (each part twice the last), its first part and the waste it allows: the library's own choices. */
const arenaDefaults = [0, -1, -1] as const

/**
 * Values of a shared session lie in the process's arena, what it stores of the model does not. Such a session also does
 * without the library's plan of memory: it would take one block for all values of a run in addition to what the first
 * run, which the plan is made from, has left in the arena.
 */
const sharedValues = { 'session.use_env_allocators': '1', 'session.use_device_allocator_for_initializers': '1' }

/** Opens something for its first user and closes it after the last. */
function countUsers({ open, close }: { open(): void; close(): void }): { enter(): void; leave(): void } {
  let users = 0
  return {
    enter() {
      if (users === 0) open()
      users++
    },
    leave() {
      users--
      if (users === 0) close()
    },
  }
}

let loaded: Promise<OrtApi> | undefined

/** Loads the library of the package `onnxruntime-node`, once a process. @throws what the loader says */
export function loadOrtApi(): Promise<OrtApi> {
  loaded ??= openLibrary()
  return loaded
}

type Place = keyof typeof places
type Parameters = readonly unknown[]

/** Functions of the library by name, made callable; `values` are theirs, in order. */
interface OrtCalls {
  readonly koffi: typeof import('koffi').default
  /** A parameter that a new pointer is written to. */
  readonly out: unknown
  plain(name: Place, result: string, parameters: Parameters): (...values: unknown[]) => unknown
  /** One that throws what its status says. */
  checked(name: Place, parameters: Parameters): (...values: unknown[]) => void
  /** The same on a thread of its own. */
  later(name: Place, parameters: Parameters): (...values: unknown[]) => Promise<void>
  /** What a function gives that writes a pointer as its last parameter. */
  creating(call: (...values: unknown[]) => void, ...values: unknown[]): OrtHandle
}

const pointer = 'void *'

async function loadCalls(): Promise<OrtCalls> {
  const { default: koffi } = await import('koffi')
  const entry = createRequire(import.meta.url).resolve('onnxruntime-node')
  const folder = join(dirname(entry), '..', 'bin', 'napi-v6', process.platform, process.arch)
  const base = (koffi.load(join(folder, files[process.platform])).func('OrtGetApiBase', 'void *', []) as () => OrtHandle)() // prettier-ignore
  const [getApi] = koffi.decode(base, koffi.array(pointer, 1)) as OrtHandle[]
  const api = (koffi.decode(getApi, koffi.proto(pointer, ['uint32_t'])) as (version: number) => OrtHandle | null)(apiVersion) // prettier-ignore
  if (api === null) throw new Error(`no table of version ${apiVersion}`)
  const table = koffi.decode(api, koffi.array(pointer, Math.max(...Object.values(places)) + 1)) as OrtHandle[]
  type Call = ((...values: unknown[]) => unknown) & { async: (...values: unknown[]) => void }
  const plain = (name: Place, result: string, parameters: Parameters): Call =>
    koffi.decode(table[places[name]], koffi.proto(result, parameters as string[])) as Call
  const errorMessage = plain('errorMessage', 'str', [pointer])
  const freeStatus = plain('freeStatus', 'void', [pointer])
  const check = (status: unknown): void => {
    if (status === null || status === undefined) return
    const words = String(errorMessage(status))
    freeStatus(status)
    throw new Error(words)
  }
  return {
    koffi,
    out: koffi.out(koffi.pointer(pointer)),
    plain,
    checked(name, parameters) {
      const call = plain(name, pointer, parameters)
      return (...values) => check(call(...values))
    },
    later(name, parameters) {
      const call = plain(name, pointer, parameters)
      const start = promisify(call.async as (...values: unknown[]) => void) as (...values: unknown[]) => Promise<unknown> // prettier-ignore
      return async (...values) => check(await start(...values))
    },
    creating(call, ...values) {
      const made: [OrtHandle | null] = [null]
      call(...values, made)
      return made[0]!
    },
  }
}

async function openLibrary(): Promise<OrtApi> {
  const calls = await loadCalls()
  const { koffi, out, plain, checked, later, creating } = calls
  const createOptions = checked('createOptions', [out])
  const numbers = (['setIntraThreads', 'setInterThreads', 'setOptimization', 'setLogSeverity'] as const).map(name => checked(name, [pointer, 'int'])) // prettier-ignore
  const disablePattern = checked('disablePattern', [pointer])
  const addConfig = checked('addConfig', [pointer, 'str', 'str'])
  const createSession = later('createSession', [pointer, pointer, 'size_t', pointer, out])
  const run = later('run', [pointer, pointer, pointer, pointer, 'size_t', pointer, 'size_t', pointer])
  const createTensor = checked('createTensor', [pointer, pointer, 'size_t', pointer, 'size_t', 'int', out])
  const environment = creating(checked('createEnv', ['int', 'str', out]), silent, 'dvoynik')
  const memory = creating(checked('createMemoryInfo', ['int', 'int', out]), arenaAllocator, defaultMemory)
  const freeOptions = plain('freeOptions', 'void', [pointer])
  const freeSession = plain('freeSession', 'void', [pointer])
  const sharedArena = countUsers(arenaOf(calls, environment, memory))
  const sharing = new Set<OrtHandle>()
  return {
    async createSession(model, { threads, values, config }) {
      const options = creating(createOptions)
      const shares = values === 'shared'
      if (shares) sharedArena.enter()
      try {
        ;[threads, 1, everything, silent].forEach((value, i) => numbers[i](options, value))
        if (shares) disablePattern(options)
        const entries = { ...config, ...(shares ? sharedValues : {}) }
        for (const [key, value] of Object.entries(entries)) addConfig(options, key, value)
        const made: [OrtHandle | null] = [null]
        await createSession(environment, model, model.byteLength, options, made)
        if (shares) sharing.add(made[0]!)
        return made[0]!
      } catch (thrown) {
        if (shares) sharedArena.leave()
        throw thrown
      } finally {
        freeOptions(options)
      }
    },
    freeSession(session) {
      freeSession(session)
      if (sharing.delete(session)) sharedArena.leave()
    },
    wrap({ dtype, shape, data }) {
      // Asking for `.buffer` moves a small array out of V8's heap for good; until then the collector may move it.
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      const sizes = BigInt64Array.from([...shape, 0], BigInt)
      return creating(createTensor, memory, bytes, bytes.byteLength, sizes, shape.length, onnxElementTypes[dtype])
    },
    freeTensor: plain('freeValue', 'void', [pointer]) as (tensor: OrtHandle) => void,
    names(list) {
      const texts = list.map(name => Buffer.from(`${name}\0`))
      return { texts, pointers: pointersOf(texts.map(text => BigInt(koffi.address(text)))) }
    },
    run: (session, inputs, given, outputs, fetched) =>
      run(session, null, inputs.pointers, given, given.length, outputs.pointers, fetched.length, fetched),
  }
}

/** Memory for values that the environment has for its sessions, and how it is given back. */
function arenaOf({ out, plain, checked, creating }: OrtCalls, environment: OrtHandle, memory: OrtHandle) {
  const register = checked('registerAllocator', [pointer, pointer, pointer])
  const unregister = checked('unregisterAllocator', [pointer, pointer])
  const createSettings = checked('createArenaSettings', ['size_t', 'int', 'int', 'int', out])
  const freeSettings = plain('freeArenaSettings', 'void', [pointer])
  return {
    open() {
      const settings = creating(createSettings, 0, ...arenaDefaults)
      register(environment, memory, settings)
      freeSettings(settings)
    },
    close: () => unregister(environment, memory),
  }
}
