// Turns frozen tensors into values of an OpenVINO model, and lets their arrays go where OpenVINO has made copies.
import { collectGarbage } from '../base/garbage.js'
import { encodeOnnx } from '../formats/onnx.js'
import { add, input } from '../graph/build.js'
import { storeInputs, writeOnnx, type WrittenGraph } from '../graph/onnx.js'
import type { FrozenTensor, HostTensor, MemoryTensor } from '../graph/tensor.js'
import { allocate } from './buffers.js'
import { readFrozen } from './frozen-feeds.js'
import type { OpenvinoApi } from './openvino-api.js'

/** A model that names arrays by their address. */
export interface PlacedGraph extends WrittenGraph {
  /** The arrays, which must live as long as the model reads them. */
  readonly kept: Set<HostTensor>
}

/** Stores the inputs of a model that are frozen, as far as it reads them. @throws AppError `frozen-file`, `shape` */
export function placeFrozen(
  api: OpenvinoApi,
  written: WrittenGraph,
  frozen: ReadonlyMap<string, FrozenTensor> = new Map(),
): PlacedGraph {
  const read = [...frozen].filter(([name]) => name in written.inputs)
  const hosts = read.map(([name, tensor]) => [name, readFrozen(tensor)] as const)
  const placed = hosts.map(([name, host]) => [name, inPlace(api, host)] as const)
  return { ...storeInputs(written, new Map(placed)), kept: new Set(hosts.map(([, host]) => host)) }
}

/** Smaller values are written into the model. */
const leastPlacedBytes = 1024

/** Large values are named by their address: a model that held their bytes would be limited to 2 GB, and one copy more. */
function inPlace(api: OpenvinoApi, host: HostTensor): HostTensor | MemoryTensor {
  const { dtype, shape, data } = host
  return data.byteLength < leastPlacedBytes ? host : { dtype, shape, address: api.addressOf(host) }
}

/** Fewer bytes are not worth the time it takes to collect them. */
const leastCollectedBytes = 2 ** 26

/** Lets arrays go that were copied when the model was read: what is made of the copies next takes their place. */
export function letGo(kept: Set<HostTensor>): void {
  const bytes = bytesOf(kept)
  kept.clear()
  if (bytes >= leastCollectedBytes) collectGarbage()
}

/** In a function of its own: what a running function has in its registers is not collected. */
function bytesOf(kept: ReadonlySet<HostTensor>): number {
  return [...kept].reduce((sum, { data }) => sum + data.byteLength, 0)
}

const tried = new WeakMap<OpenvinoApi, Promise<boolean>>()

/** Whether a model that was read has copies of the arrays it names, which changing one tells; tried once a process. */
export function copiesStored(api: OpenvinoApi): Promise<boolean> {
  const known = tried.get(api) ?? tryCopying(api)
  tried.set(api, known)
  return known
}

async function tryCopying(api: OpenvinoApi): Promise<boolean> {
  const type = { dtype: 'float32', shape: [leastPlacedBytes] } as const
  const [x, stored, y] = [allocate(type), allocate(type), allocate(type)]
  const sum = writeOnnx({ outputs: { y: add(input('x', type.shape), input('stored', type.shape)) } }, 'standard')
  const { model, kept } = placeFrozen(api, sum, new Map([['stored', stored]]))
  const compiled = api.compile(encodeOnnx(model), {}, () => kept.forEach(({ data }) => data.fill(1 as never)))
  const request = api.createRequest(compiled)
  const handles = Object.entries({ x, y }).map(([name, host]) => {
    const handle = api.wrap(host)
    api.setTensor(request, name, handle)
    return handle
  })
  await api.infer(request)
  handles.forEach(api.freeTensor)
  api.freeRequest(request)
  api.freeCompiled(compiled)
  return (y.data as Float32Array).every(value => value === 0)
}
