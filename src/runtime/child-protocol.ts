// What goes between this process and one that runs a written model: a request, and arrays as bytes one after the other.
import type { Ends } from '../graph/onnx.js'
import type { HostTensor } from '../graph/tensor.js'
import type { Precision } from './runtime.js'

/** Stands before the model, serialised by `node:v8`, and the bytes of each input, in their order. */
export interface ChildRequest extends Ends {
  /** Name in the registry. */
  readonly runtime: string
  readonly precision: Precision
  readonly threads: number | undefined
  readonly modelBytes: number
  /** As `WrittenGraph` has it. */
  readonly rounds: boolean
  /** Inputs that are the array of one before them, by name its name: their bytes are not sent again. */
  readonly repeated: Readonly<Record<string, string>>
  /** Inputs that are stored in the program, as far as the runtime does that. */
  readonly frozen: readonly string[]
}

/** Stands on stderr before the message of a failure; what comes before it was said by native code. */
export const failureMark = '\u0001'

/** The bytes of an array. */
export function bytesOf({ data }: HostTensor): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}

/** Fills buffers from a stream, one after the other. */
export async function fillBuffers(
  stream: AsyncIterable<Buffer> | NodeJS.ReadableStream,
  next: (done: Buffer) => Buffer | undefined,
  first: Buffer,
): Promise<boolean> {
  let target: Buffer | undefined = first
  let at = 0
  for await (const piece of stream as AsyncIterable<Buffer>) {
    let rest = piece
    while (target && (rest.length > 0 || target.length === 0)) {
      const taken = rest.copy(target, at)
      rest = rest.subarray(taken)
      at += taken
      if (at < target.length) break
      ;[target, at] = [next(target), 0]
    }
  }
  return target === undefined
}
