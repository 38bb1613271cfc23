// Weights that stand somewhere else than in an array of float32: in codes of few bits, or in a file; read when asked for.
import { AppError } from '../base/errors.js'
import type { QuantizedProduct } from '../graph/ops.js'
import type { FileTensor, FloatTensor } from '../graph/tensor.js'
import { readFrozen } from '../runtime/frozen-feeds.js'
import { dequantiseMatrix, turnRows, type QuantisedMatrix } from './quantise.js'
import type { Model } from './weights.js'

/** A matrix in codes, and what its products may round their left side to. */
export interface QuantisedWeight extends QuantisedMatrix {
  readonly activations: QuantizedProduct['activations']
}

/** A tensor that nobody may change. */
export interface FrozenWeight extends FloatTensor {
  /** What products compute with. */
  readonly quantised?: QuantisedWeight
  /** What else computes with; absent where only products use the tensor. */
  readonly stored?: FileTensor
}

/**
 * A weight in codes; `data` makes float32 numbers of them, and forgets them when nobody needs them.
 * @param shape of the weight as the model has it
 * @param inOut whether that is [inputs, outputs]
 */
export function quantisedWeight(shape: readonly number[], quantised: QuantisedWeight, inOut: boolean): FrozenWeight {
  const { codes, scales, outputs, inputs, bits, block } = quantised
  return lazily({ dtype: 'float32', shape, quantised }, () => {
    const rows = dequantiseMatrix({
      outputs,
      inputs,
      bits,
      block,
      codes: readFrozen(codes),
      scales: readFrozen(scales),
    })
    return inOut ? transposed(rows, outputs, inputs) : rows
  })
}

/** A tensor in a file; `data` reads it, and forgets it when nobody needs it. */
export function storedWeight(stored: FileTensor, quantised?: QuantisedWeight): FrozenWeight {
  const { shape } = stored
  return lazily({ dtype: 'float32', shape, stored, quantised }, () => readFrozen(stored).data as Float32Array)
}

/** Whether products of the model compute with codes. */
export function isQuantised({ weights }: Model): boolean {
  return [...weights.values()].some(tensor => frozenForm(tensor).quantised !== undefined)
}

/** @throws AppError `frozen-weights` when one of the tensors to be trained stands in codes or in a file */
export function checkTrainable({ weights }: Model, names: readonly string[]): void {
  const frozen = names.find(name => {
    const { quantised, stored } = frozenForm(weights.get(name)!)
    return quantised !== undefined || stored !== undefined
  })
  if (frozen === undefined) return
  throw new AppError('frozen-weights', {
    where: frozen,
    what: {
      en: 'this weight is quantised or stored, and cannot be trained',
      ru: 'этот вес квантован или лежит в файле, обучать его нельзя',
    },
    fix: {
      en: 'Choose an adapter method such as lora, or load the model in 32 bits',
      ru: 'Выберите метод с адаптером, например lora, или загрузите модель в 32 битах',
    },
  })
}

/** What of a tensor is frozen, if anything. */
export function frozenForm(tensor: FloatTensor): Pick<FrozenWeight, 'quantised' | 'stored'> {
  return tensor as FrozenWeight
}

/** A weight as rows of outputs: [outputs, inputs]. @param inOut whether it is [inputs, outputs] */
export function toRows({ shape, data }: FloatTensor, inOut: boolean): Float32Array {
  return inOut ? transposed(data, shape[0], shape[1]) : data
}

/** [height, width] to [width, height] */
function transposed(from: Float32Array, height: number, width: number): Float32Array {
  const to = new Float32Array(from.length)
  turnRows([from, width], [to, height], height, width)
  return to
}

/** The tensor with `data` made at the first use and kept as long as somebody holds it. */
function lazily<T extends Omit<FrozenWeight, 'data'>>(tensor: T, make: () => Float32Array): T & FrozenWeight {
  let kept: WeakRef<Float32Array> | undefined
  return {
    ...tensor,
    get data(): Float32Array {
      const known = kept?.deref()
      if (known) return known
      const made = make()
      kept = new WeakRef(made)
      return made
    },
  }
}
