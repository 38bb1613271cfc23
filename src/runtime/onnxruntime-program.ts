// Turns a written graph into a program of ONNX Runtime on the processor that reads and writes the caller's own arrays.
import type { Ends } from '../graph/onnx.js'
import type { HostTensor, TensorType } from '../graph/tensor.js'
import { checkBuffer } from './buffers.js'
import { pointersOf, type OrtApi, type OrtHandle, type OrtNames, type Pointers } from './onnxruntime-api.js'
import type { Program } from './runtime.js'
import type { watchSharedArrays } from './shared-arrays.js'

type Tensors = Readonly<Record<string, HostTensor>>

interface Wrapped {
  readonly host: HostTensor
  readonly handle: OrtHandle
}

/** An open session. It owns the tensors of the last run, and so keeps the arrays under them from being collected. */
export class DirectProgram implements Program {
  private readonly tensors = new Map<string, Wrapped>()
  private readonly inputNames: OrtNames
  private readonly outputNames: OrtNames
  /** Tensors of the run under way. */
  private given: Pointers = pointersOf([])
  private fetched: Pointers = pointersOf([])
  /** Runs of one program wait for each other: they share its tensors. */
  private queue: Promise<unknown> = Promise.resolve()

  /** @param failed the error of a run that failed */
  constructor(
    private readonly api: OrtApi,
    private readonly session: OrtHandle,
    private readonly ends: Ends,
    private readonly failed: (cause: unknown) => Error,
    private readonly checkSharedArrays?: ReturnType<typeof watchSharedArrays>,
  ) {
    this.inputNames = api.names(Object.keys(ends.inputs))
    this.outputNames = api.names(Object.values(ends.outputs).map(({ onnxName }) => onnxName))
  }

  async run(feeds: Tensors, results: Tensors): Promise<void> {
    const { inputs, outputs } = this.ends
    for (const name of Object.keys(inputs)) checkBuffer(name, feeds[name], inputs[name])
    for (const name of Object.keys(outputs)) checkBuffer(name, results[name], outputs[name])
    this.checkSharedArrays?.(feeds, results)
    const turn = this.queue.then(() => this.infer(feeds, results))
    this.queue = turn.catch(() => undefined)
    await turn
  }

  async close(): Promise<void> {
    await this.queue
    for (const { handle } of this.tensors.values()) this.api.freeTensor(handle)
    this.tensors.clear()
    this.api.freeSession(this.session)
  }

  private async infer(feeds: Tensors, results: Tensors): Promise<void> {
    const wrapAll = (types: Readonly<Record<string, TensorType>>, hosts: Tensors, kind: string): Pointers =>
      pointersOf(Object.keys(types).map(name => this.wrap(`${kind} ${name}`, hosts[name])))
    try {
      this.given = wrapAll(this.ends.inputs, feeds, 'in')
      this.fetched = wrapAll(this.ends.outputs, results, 'out')
      await this.api.run(this.session, this.inputNames, this.given, this.outputNames, this.fetched)
    } catch (cause) {
      throw this.failed(cause)
    }
  }

  /** A tensor over the caller's array; kept while the same array comes again in the same shape. */
  private wrap(name: string, host: HostTensor): OrtHandle {
    const known = this.tensors.get(name)
    if (known?.host.data === host.data && known.host.shape.every((size, i) => size === host.shape[i]))
      return known.handle
    const handle = this.api.wrap(host)
    this.tensors.set(name, { host, handle })
    if (known) this.api.freeTensor(known.handle)
    return handle
  }
}
