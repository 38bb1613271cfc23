// Turns a runtime that takes everything as feeds into one that also takes frozen inputs when it compiles.
import { closeSync, openSync, readSync } from 'node:fs'
import { asError, AppError } from '../base/errors.js'
import type { Graph, Node } from '../graph/graph.js'
import { topologicalOrder } from '../graph/order.js'
import { elementBytes, elementCount, type FrozenTensor, type HostTensor, type FileTensor } from '../graph/tensor.js'
import { allocate } from './buffers.js'
import type { Runtime } from './runtime.js'

/**
 * Programs keep frozen values that the runtime does not store, and feed them at every run; those in files are read into memory
 * once.
 */
export function feedFrozen<R extends Runtime>(runtime: R): R {
  if (runtime.storesFrozen === 'always') return runtime
  return {
    ...runtime,
    async compile(graph, { frozen = new Map(), ...options } = {}) {
      if (runtime.storesFrozen === 'inference' && options.inference)
        return runtime.compile(graph, { ...options, frozen })
      const tables = runtime.storesCodes ? codeTables(graph) : new Set()
      const [stored, fed] = [true, false].map(side => [...frozen].filter(([name]) => tables.has(name) === side))
      const program = await runtime.compile(graph, { ...options, frozen: new Map(stored) })
      const kept = Object.fromEntries(fed.map(([name, tensor]) => [name, readFrozen(tensor)]))
      return {
        run: (feeds, results) => program.run({ ...feeds, ...kept }, results),
        close: () => program.close(),
      }
    },
  }
}

/** Inputs with the codes and scales of matrices that no product reads in both directions: transposes have codes of their own. */
function codeTables({ outputs }: Graph): ReadonlySet<string> {
  const products = topologicalOrder(Object.values(outputs)).filter(({ op }) => op === 'QuantizedMatMul')
  const namesOf = (nodes: readonly Node[]): readonly string[] => nodes.map(({ attributes }) => String(attributes.name))
  const turned = products.filter(({ inputs, attributes }) => attributes.transposed === true && inputs.length === 3)
  const bothWays = new Set(turned.flatMap(({ inputs }) => namesOf(inputs.slice(1))))
  return new Set(products.flatMap(({ inputs }) => namesOf(inputs.slice(1)).filter(name => !bothWays.has(name))))
}

/** The values of a frozen tensor as an array, read when they lie in a file. @throws AppError `frozen-file` */
export function readFrozen(tensor: FrozenTensor): HostTensor {
  return 'data' in tensor ? tensor : readStored(tensor)
}

/** One read call of Node takes less than 2 GiB. */
const chunkBytes = 1 << 30

function readStored({ path, offset, dtype, shape }: FileTensor): HostTensor {
  const host = allocate({ dtype, shape })
  const target = new Uint8Array(host.data.buffer)
  const length = elementCount(shape) * elementBytes[dtype]
  try {
    const file = openSync(path, 'r')
    try {
      for (let at = 0; at < length;) {
        const count = readSync(file, target, at, Math.min(chunkBytes, length - at), offset + at)
        if (count === 0) throw new Error(`it ends at byte ${offset + at}`)
        at += count
      }
    } finally {
      closeSync(file)
    }
  } catch (cause) {
    throw unreadable(path, cause)
  }
  return host
}

function unreadable(path: string, cause: unknown): AppError {
  const words = asError(cause).message
  return new AppError('frozen-file', {
    where: path,
    what: {
      en: `the frozen weights cannot be read any more (${words})`,
      ru: `замороженные веса больше не читаются (${words})`,
    },
    fix: { en: 'Run the command again; they are made anew', ru: 'Повторите команду: они будут созданы заново' },
    cause,
  })
}
