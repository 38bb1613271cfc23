// Turns the bytes of a WebAssembly module into its function and its memory.

/** What of WebAssembly is used here; its types come only with those of the browser. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

export interface WasmProgram {
  readonly run: (bytes: number, ...scalars: readonly number[]) => void
  readonly memory: { readonly buffer: ArrayBuffer }
}

export function startWasm(bytes: Uint8Array): WasmProgram {
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as WasmProgram
}
