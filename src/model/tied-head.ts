// A head that is the embedding by config.json, to what the file says of it: it may name the matrix otherwise, or have two.
import { isFloat } from '../formats/safetensors-header.js'
import { streamStored, type StoredTensor } from '../formats/safetensors.js'
import { architectures } from './architectures.js'
import type { ModelConfig } from './model-config.js'

/** Tensors by name, and whether the head is the embedding after all. */
interface Settled {
  readonly tied: boolean
  readonly tensors: ReadonlyMap<string, StoredTensor>
}

/**
 * As transformers 5 reads a tied model: a matrix that is stored as the head alone is the embedding too; two matrices that
 * differ are two.
 */
export async function settleHead(config: ModelConfig, tensors: ReadonlyMap<string, StoredTensor>): Promise<Settled> {
  const { names } = architectures[config.modelType]
  const [embedding, head] = [names.embedding, names.head].map(module => tensors.get(`${module}.weight`))
  if (!config.tied || head === undefined || !isFloat(head.dtype)) return { tied: config.tied, tensors }
  if (embedding === undefined)
    return { tied: true, tensors: new Map([...tensors, [`${names.embedding}.weight`, head]]) }
  return { tied: await isSame(embedding, head), tensors }
}

async function isSame(one: StoredTensor, other: StoredTensor): Promise<boolean> {
  if (one.shape.join() !== other.shape.join()) return false
  const others = streamStored(other)
  try {
    for await (const piece of streamStored(one)) {
      const next = await others.next()
      if (next.done === true || !piece.every((value, i) => value === next.value[i])) return false
    }
    return true
  } finally {
    await others.return(undefined)
  }
}
