// Tiny random models of each family and batches for them, shared by the tests of this room.
import { createAdapter, type Adapter } from '../../src/model/adapter.js'
import type { ConfigJson } from '../../src/model/model-config.js'
import type { AdapterMethod, LoraMethod } from '../../src/model/method.js'
import type { Batch } from '../../src/model/step.js'
import { createModel, type Model } from '../../src/model/weights.js'
import { createRuntime } from '../../src/runtime/registry.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import { normalAt, streamOf } from '../../src/base/random.js'

const llama = {
  model_type: 'llama', vocab_size: 29, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 4,
  num_key_value_heads: 2, max_position_embeddings: 600, initializer_range: 0.3,
} // prettier-ignore

export const tinyConfigs: Readonly<Record<string, ConfigJson>> = {
  llama: { ...llama, attention_bias: true, mlp_bias: true },
  'llama-tied': { ...llama, tie_word_embeddings: true },
  gpt2: {
    model_type: 'gpt2',
    vocab_size: 29,
    n_embd: 16,
    n_layer: 2,
    n_head: 4,
    n_positions: 600,
    initializer_range: 0.3,
  },
  qwen3: { ...llama, model_type: 'qwen3', head_dim: 6 },
}

export const families = Object.keys(tinyConfigs)

export function tinyModel(family: string, seed = 1): Model {
  return createModel(tinyConfigs[family], seed)
}

/** A LoRA adapter that does change something: B is random too. */
export function tinyAdapter(model: Model, method: Partial<LoraMethod> = {}): Adapter {
  return shakenAdapter(model, { kind: 'lora', rank: 3, alpha: 6, targets: 'all-linear', ...method })
}

/** A fresh adapter with something added to every number. */
export function shakenAdapter(model: Model, method: AdapterMethod, size = 0.2): Adapter {
  const adapter = createAdapter(model, method, 5)
  for (const [name, { data }] of adapter.weights)
    data.forEach((_, i) => (data[i] += size * normalAt(9, streamOf(name), i)))
  return adapter
}

/** Rows of examples; 0 as segment is padding and is not learned. */
export function tinyBatch(
  rows: readonly (readonly { readonly segment: number; readonly ids: readonly number[] }[])[],
): Batch {
  const flat = rows.map(row =>
    row.flatMap(({ segment, ids }) =>
      ids.map((id, t) => ({
        id,
        position: t,
        segment,
        label: segment > 0 && t + 1 < ids.length ? ids[t + 1] : -100,
      })),
    ),
  )
  const column = (key: 'id' | 'label' | 'position' | 'segment') =>
    BigInt64Array.from(flat.flat(), place => BigInt(place[key]))
  return {
    batch: rows.length,
    length: flat[0].length,
    ids: column('id'),
    labels: column('label'),
    positions: column('position'),
    segments: column('segment'),
  }
}

export function someIds(count: number, seed = 0): number[] {
  return Array.from({ length: count }, (_, i) => (7 * i + 3 * i * i + 11 * seed + 5) % 29)
}

/** Largest difference relative to the largest element of `a`. */
export function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [worst, largest] = [a.length === b.length ? 0 : Infinity, 0]
  for (let i = 0; i < a.length; i++) {
    worst = Math.max(worst, Math.abs(a[i] - b[i]))
    largest = Math.max(largest, Math.abs(a[i]))
  }
  return largest === 0 ? worst : worst / largest
}

/** Models this small gain nothing from a second thread, which would only spin. */
export async function tinyRuntime(): Promise<Runtime> {
  const runtime = await createRuntime()
  return { ...runtime, compile: (graph, options) => runtime.compile(graph, { ...options, threads: 1 }) }
}
