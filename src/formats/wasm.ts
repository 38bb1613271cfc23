// Turns the code of one function into the bytes of a WebAssembly module that exports it beside its memory.

/** Value types of parameters and locals. */
const wasmTypes = { i32: 0x7f, f32: 0x7d, v128: 0x7b } as const

type WasmType = keyof typeof wasmTypes

export interface WasmFunction {
  readonly parameters: readonly WasmType[]
  /** Locals after the parameters. */
  readonly locals: readonly WasmType[]
  /** Instructions without the final `end`. */
  readonly code: readonly number[]
  /** Bytes of the memory, rounded up to whole pages of 64 KiB; it never grows. */
  readonly memoryBytes: number
}

/** The bytes of a module that exports `run`, which returns nothing, and `memory`. */
export function encodeWasm({ parameters, locals, code, memoryBytes }: WasmFunction): Uint8Array {
  const pages = leb128(Math.ceil(memoryBytes / 65536))
  const body = [...list(locals.map(type => [1, wasmTypes[type]])), ...code, end]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // "\0asm", version 1
    ...section(1, list([[0x60, ...list(parameters.map(type => [wasmTypes[type]])), 0]])),
    ...section(3, list([[0]])),
    ...section(5, list([[1, ...pages, ...pages]])),
    ...section(7, list([[...name('run'), 0, 0], [...name('memory'), 2, 0]])), // prettier-ignore
    ...section(10, list([[...leb128(body.length), ...body]])),
  ])
}

const end = 0x0b

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
