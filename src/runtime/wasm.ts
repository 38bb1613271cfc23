// Turns the bytes of a WebAssembly module into its function on one memory.

/** A memory that several threads may use; it grows by pages of 64 KiB. */
export interface WasmMemory {
  readonly buffer: SharedArrayBuffer
  /** @throws RangeError when the machine has no room */
  grow(pages: number): number
}

/** Compiled code, which may be sent to other threads. */
export type WasmModule = object

/** What of WebAssembly is used here; its types come only with those of the browser. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => WasmModule
  readonly Instance: new (
    module: WasmModule,
    imports: { readonly host: { readonly memory: WasmMemory } },
  ) => { readonly exports: unknown }
  readonly Memory: new (size: { initial: number; maximum: number; shared: true }) => WasmMemory
}

/** The function of a module: nothing comes back, or what the module says. */
export type WasmFunction = (...numbers: readonly number[]) => number | undefined

export function compileWasm(bytes: Uint8Array): WasmModule {
  return new WebAssembly.Module(bytes)
}

/** An empty memory. @throws RangeError when the machine has no room */
export function createWasmMemory(maximum: number): WasmMemory {
  return new WebAssembly.Memory({ initial: 0, maximum, shared: true })
}

const started = new WeakMap<WasmModule, WeakMap<WasmMemory, WasmFunction>>()

/** The function of a module on a memory, made once. */
export function startWasm(module: WasmModule, memory: WasmMemory): WasmFunction {
  const known = started.get(module) ?? new WeakMap<WasmMemory, WasmFunction>()
  started.set(module, known)
  const run = known.get(memory) ?? createInstance(module, memory).run
  known.set(memory, run)
  return run
}

function createInstance(module: WasmModule, memory: WasmMemory): { readonly run: WasmFunction } {
  return new WebAssembly.Instance(module, { host: { memory } }).exports as { readonly run: WasmFunction }
}
