// Float32 arrays in memories of WebAssembly, where loops, native code and every thread work on them in place.
import { mostPages } from '../formats/wasm.js'
import { createWasmMemory, type WasmMemory } from './wasm.js'

/** A memory, and how arrays are taken from it; nothing is given back before all of it is. */
export interface ArrayMemory {
  readonly memory: WasmMemory
  /** Zeros on a border of 64 bytes; undefined when the memory is full or the machine has no room. */
  allocate(length: number): Float32Array | undefined
}

const pageBytes = 65536
/** A line of the processor's cache: two threads never write one. */
const lineBytes = 64

/** Left between arrays: of lengths of a power of two they would lie on the same sets of the cache and banks of memory. */
const gapBytes = 17 * lineBytes

/** Every buffer of a memory: it has a longer one each time that it has grown. */
const memories = new WeakMap<ArrayBufferLike, ArrayMemory>()

/** @throws RangeError when the machine has no room */
export function openArrayMemory(): ArrayMemory {
  const memory = createWasmMemory(mostPages)
  let used = 0
  const own: ArrayMemory = {
    memory,
    allocate(length) {
      const [begin, end] = [used, used + lineBytes * Math.ceil((4 * length) / lineBytes)]
      if (end > mostPages * pageBytes) return undefined
      const missing = Math.ceil((end - memory.buffer.byteLength) / pageBytes)
      try {
        if (missing > 0) memory.grow(missing)
      } catch {
        return undefined
      }
      used = end + gapBytes
      memories.set(memory.buffer, own)
      return new Float32Array(memory.buffer, begin, length)
    },
  }
  return own
}

/** The memory that an array was taken from; undefined for any other array. */
export function memoryOf({ buffer }: ArrayBufferView): ArrayMemory | undefined {
  return memories.get(buffer)
}

/** Zeros in the memory of another array where there is room left, else in a buffer of their own. */
export function allocateBeside(neighbour: Float32Array, length: number): Float32Array {
  return memoryOf(neighbour)?.allocate(length) ?? new Float32Array(new ArrayBuffer(4 * length))
}

/** The same for numbers of 16 bits. */
export function allocateHalvesBeside(neighbour: Float32Array, length: number): Uint16Array {
  const { buffer, byteOffset } = allocateBeside(neighbour, Math.ceil(length / 2))
  return new Uint16Array(buffer, byteOffset, length)
}

/** Numbers of a room: they stay in the processor's cache. */
export const roomLength = 1 << 14

let roomMemory: ArrayMemory | undefined
const allRooms: Float32Array[] = []

/**
 * Rooms of one memory, through which loops reach arrays that lie elsewhere. Everybody gets the same ones.
 * @throws RangeError when the machine has no room
 */
export function copyRooms(count: number): { readonly memory: WasmMemory; readonly rooms: readonly Float32Array[] } {
  const { memory, allocate } = (roomMemory ??= openArrayMemory())
  while (allRooms.length < count) {
    const room = allocate(roomLength)
    if (!room) throw new RangeError('WebAssembly memory cannot grow')
    allRooms.push(room)
  }
  return { memory, rooms: allRooms.slice(0, count) }
}

/** So much of a memory goes to arrays of `openPlaces`; the rest is for what is put beside each of them. */
const placedBytes = 0.75 * 2 ** 30
/** An array of up to this size gets a memory of its own, with room for three beside it. */
const mostPlacedBytes = 0.99 * 2 ** 30

/**
 * Places for arrays that each get up to four others of their length beside them: a gradient, two moments, a sum of gradients.
 * @returns zeros; an array that is too large for this gets a buffer of its own
 */
export function openPlaces(): (length: number) => Float32Array {
  let current: ArrayMemory | undefined
  let taken = 0
  return length => {
    const bytes = 4 * length
    const isSmall = bytes <= mostPlacedBytes
    if (isSmall && (!current || taken + bytes > placedBytes)) [current, taken] = [tryOpen(), 0]
    const placed = isSmall ? current?.allocate(length) : undefined
    if (placed) taken += bytes
    return placed ?? new Float32Array(new ArrayBuffer(bytes))
  }
}

function tryOpen(): ArrayMemory | undefined {
  try {
    return openArrayMemory()
  } catch {
    return undefined
  }
}
