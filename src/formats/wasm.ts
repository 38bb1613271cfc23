// Turns the code of one function into the bytes of a WebAssembly module that works on a memory it is given.

export const instruction = {
  loop: [0x03, 0x40],
  end: 0x0b,
  branchIf: 0x0d,
  get: 0x20,
  set: 0x21,
  tee: 0x22,
  constant: 0x41,
  lessThan: 0x49,
  add: 0x6a,
  shiftRight: 0x76,
  addDouble: 0xa0,
} as const

/** Instructions on four numbers (or two of float64), after their common prefix. */
export const simd = {
  load: 0x00,
  /** Eight bytes as four unsigned numbers of 16 bits, each in 32. */
  loadHalves: 0x04,
  store: 0x0b,
  constant: 0x0c,
  splat: 0x13,
  greater: 0x44,
  and: 0x4e,
  abs: 0xe0,
  negative: 0xe1,
  sqrt: 0xe3,
  add: 0xe4,
  sub: 0xe5,
  mul: 0xe6,
  div: 0xe7,
  min: 0xe8,
  max: 0xe9,
  shuffle: 0x0d,
  addDouble: 0xf0,
  mulDouble: 0xf2,
  widen: 0x5f,
  laneDouble: 0x21,
  shiftLeft: 0xab,
} as const

/** Value types of parameters and locals. */
const wasmTypes = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b } as const

type WasmType = keyof typeof wasmTypes

export interface WasmFunction {
  readonly parameters: readonly WasmType[]
  /** Locals after the parameters. */
  readonly locals: readonly WasmType[]
  /** Instructions without the final `end`. */
  readonly code: readonly number[]
  /** What the code leaves on the stack. Default nothing. */
  readonly result?: WasmType
}

/** Pages of 64 KiB that a memory can have: 4 GiB. */
export const mostPages = 65536

/** The bytes of a module that exports `run` and imports `host.memory`, shared between threads, of up to `mostPages`. */
export function encodeWasm({ parameters, locals, code, result }: WasmFunction): Uint8Array {
  const results = list(result ? [[wasmTypes[result]]] : [])
  const body = [...list(locals.map(type => [1, wasmTypes[type]])), ...code, instruction.end]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // "\0asm", version 1
    ...section(1, list([[0x60, ...list(parameters.map(type => [wasmTypes[type]])), ...results]])),
    ...section(2, list([[...name('host'), ...name('memory'), 2, 3, 0, ...leb128(mostPages)]])),
    ...section(3, list([[0]])),
    ...section(7, list([[...name('run'), 0, 0]])),
    ...section(10, list([[...leb128(body.length), ...body]])),
  ])
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...leb128(content.length), ...content]
}

function list(items: readonly (readonly number[])[]): number[] {
  return [...leb128(items.length), ...items.flat()]
}

function name(text: string): number[] {
  return [...leb128(text.length), ...Buffer.from(text)]
}

/** An unsigned number in groups of seven bits. */
export function leb128(x: number): number[] {
  return x < 0x80 ? [x] : [(x & 0x7f) | 0x80, ...leb128(x >>> 7)]
}

/** An instruction on 128 bits. */
export function vector(code: number): number[] {
  return [0xfd, ...leb128(code)]
}

/** What a load or a store needs: an alignment of 16 bytes, and an offset. */
export function place(offset: number): number[] {
  return [4, ...leb128(offset)]
}

/**
 * Four numbers of an array in bfloat16, made float32: their bits are its upper half.
 * @param begin local with the address of the array
 * @param at local with the place of the first number in an array of float32, in bytes
 * @param offset bytes beyond it
 */
export function loadBfloat16(begin: number, at: number, offset = 0): number[] {
  const { get, constant, shiftRight, add } = instruction
  const address = [get, ...leb128(begin), get, ...leb128(at), constant, 1, shiftRight, add]
  return [...address, ...vector(simd.loadHalves), 3, ...leb128(offset), constant, 16, ...vector(simd.shiftLeft)]
}

/** The end of a loop: the local `at` grows by `step`, and while it is below the first parameter the loop goes on. */
export function repeatWhile(at: number, step: number): number[] {
  const { get, tee, constant, add, lessThan, branchIf } = instruction
  return [get, at, constant, step, add, tee, at, get, 0, lessThan, branchIf, 0]
}
