// Sizes of published models to models with random weights, batches of random tokens, and the arithmetic of a training step.
import { cpus } from 'node:os'
import { parseConfig } from '../src/model/config.js'
import type { ConfigJson, ModelConfig } from '../src/model/model-config.js'
import type { Method } from '../src/model/method.js'
import type { Batch } from '../src/model/step.js'
import { linearModules, weightSpecs, type WeightSpec } from '../src/model/weight-specs.js'
import type { Model } from '../src/model/weights.js'
import { openPlaces } from '../src/runtime/wasm-memory.js'
import { elementCount, type FloatTensor } from '../src/graph/tensor.js'
import { normalAt } from '../src/base/random.js'
import type { Size } from './case.js'

/** Threads of every side. */
export const threads = cpus().length

interface Gpt2Sizes {
  readonly layers: number
  readonly width: number
  readonly heads: number
  readonly vocabulary: number
  readonly positions: number
}

/** config.json of a GPT-2, without dropout: no side draws masks. */
export function gpt2({ layers, width, heads, vocabulary, positions }: Gpt2Sizes): ConfigJson {
  return {
    model_type: 'gpt2',
    architectures: ['GPT2LMHeadModel'],
    vocab_size: vocabulary,
    n_embd: width,
    n_layer: layers,
    n_head: heads,
    n_positions: positions,
    resid_pdrop: 0,
    embd_pdrop: 0,
    attn_pdrop: 0,
    bos_token_id: 0,
    eos_token_id: 0,
  }
}

/** GPT-2 124M, or a toy of the same form. */
export function gpt2Base(size: Size): ConfigJson {
  if (size === 'quick') return gpt2({ layers: 2, width: 64, heads: 4, vocabulary: 512, positions: 256 })
  return gpt2({ layers: 12, width: 768, heads: 12, vocabulary: 50257, positions: 1024 })
}

/** A LLaMA of 1.1 thousand million parameters, the sizes of TinyLlama 1.1B, or a toy of the same form. */
export function llamaBillion(size: Size): ConfigJson {
  const form = { model_type: 'llama', architectures: ['LlamaForCausalLM'], hidden_act: 'silu', rms_norm_eps: 1e-5, tie_word_embeddings: false } // prettier-ignore
  if (size === 'quick')
    return { ...form, vocab_size: 512, hidden_size: 64, intermediate_size: 160, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 256 } // prettier-ignore
  return { ...form, vocab_size: 32000, hidden_size: 2048, intermediate_size: 5632, num_hidden_layers: 22, num_attention_heads: 32, num_key_value_heads: 4, max_position_embeddings: 2048 } // prettier-ignore
}

/** Draws are repeated from a table: the values do not matter to time, and a million draws a second would. */
const drawn = Float32Array.from({ length: 1 << 16 }, (_, i) => normalAt(1, 0, i))

export function randomModel(json: ConfigJson): Model {
  const config = parseConfig(json)
  const weights = new Map<string, FloatTensor>()
  const place = openPlaces()
  weightSpecs(config).forEach((spec, number) => {
    const data = place(elementCount(spec.shape))
    let at = 0
    for (const piece of randomValues(config, spec, number)) {
      data.set(piece, at)
      at += piece.length
    }
    weights.set(spec.name, { dtype: 'float32', shape: spec.shape, data })
  })
  return { config, json, weights }
}

/**
 * The numbers of a tensor in pieces. The period of the table is odd, so that no two rows of a matrix are alike.
 * @param number of the tensor in its model
 */
export function* randomValues(
  config: ModelConfig,
  { shape, role }: WeightSpec,
  number: number,
): Generator<Float32Array> {
  const period = drawn.length - 1
  const constant = role === 'norm' ? 1 - config.norm.offset : role === 'bias' ? 0 : undefined
  const table = drawn.map(value => constant ?? value * config.initializerRange)
  let from = (number * 7919) % period
  for (let left = elementCount(shape); left > 0; from = 0) {
    const piece = table.subarray(from, Math.min(period, from + left))
    left -= piece.length
    yield piece
  }
}

/** The same tokens on every side: a linear congruential generator that bench/peers/random_tokens.py repeats. */
export function randomTokens(vocabulary: number, count: number): number[] {
  let state = 12345
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return (state >>> 8) % vocabulary
  })
}

/** One row of `length` tokens for each of `batch`; the label of a token is the next one, the last has none. */
export function randomBatch(vocabulary: number, batch: number, length: number): Batch {
  const tokens = randomTokens(vocabulary, batch * length)
  const column = (value: (i: number) => number): BigInt64Array =>
    BigInt64Array.from({ length: batch * length }, (_, i) => BigInt(value(i)))
  return {
    batch,
    length,
    ids: column(i => tokens[i]),
    labels: column(i => (i % length === length - 1 ? -100 : tokens[i + 1])),
    positions: column(i => i % length),
    segments: column(() => 1),
  }
}

export interface StepSize {
  readonly config: ConfigJson
  readonly batch: number
  readonly length: number
}

/**
 * Floating point operations in the matrix products of one step, forward and backward: 6 for each weight and token when the
 * weight is trained (2 forward, 4 back), 4 when it is frozen; 12·B·T²·C for each layer's attention, nothing saved for the
 * half that the mask hides. Recomputation does not count.
 */
export function trainingFlops({ config: json, batch, length }: StepSize, method: Method): number {
  const config = parseConfig(json)
  const tokens = batch * length
  const { layers, heads, headWidth } = config
  const attention = 12 * layers * batch * length ** 2 * heads * headWidth
  const adapter = method.kind === 'lora' ? 6 * tokens * adapterWeights(config, method.rank) : 0
  return (method.kind === 'full' ? 6 : 4) * tokens * productWeights(config) + attention + adapter
}

/** Weights that each token is multiplied by, the head among them even where it is the embedding. */
function productWeights(config: ModelConfig): number {
  const linear = linearShapes(config).reduce((sum, [rows, columns]) => sum + rows * columns, 0)
  return linear + config.vocabulary * config.width
}

function adapterWeights(config: ModelConfig, rank: number): number {
  return linearShapes(config).reduce((sum, [rows, columns]) => sum + rank * (rows + columns), 0)
}

function linearShapes(config: ModelConfig): (readonly number[])[] {
  const modules = new Set(linearModules(config).map(module => `${module}.weight`))
  return weightSpecs(config).filter(({ name }) => modules.has(name)).map(({ shape }) => shape) // prettier-ignore
}
