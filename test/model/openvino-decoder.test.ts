import { beforeAll, describe, expect, it } from 'vitest'
import { createBatchDecoder, createDecoder } from '../../src/model/decoder.js'
import type { Adapter } from '../../src/model/adapter.js'
import type { Precision, Runtime } from '../../src/runtime/runtime.js'
import { findOpenvinoLibraries } from '../../src/runtime/openvino-libraries.js'
import { createRuntime } from '../../src/runtime/registry.js'
import { runForward } from '../../src/model/train-step.js'
import { createModel, type Model } from '../../src/model/weights.js'
import { relativeDifference, shakenAdapter, someIds, tinyBatch, tinyConfigs, tinyModel, tinyRuntime } from './tiny.js'

const reference = await tinyRuntime()

/** Tied tables and others, grouped heads, windows, capped scores, and penalties in the place of positions. */
const models: Readonly<Record<string, Model>> = {
  ...Object.fromEntries(Object.keys(tinyConfigs).map(name => [name, tinyModel(name)])),
  mistral: createModel({ ...tinyConfigs['llama-tied'], model_type: 'mistral', sliding_window: 7 }, 6),
  gemma2: createModel(
    {
      ...tinyConfigs['llama-tied'], model_type: 'gemma2', head_dim: 8, sliding_window: 9, query_pre_attn_scalar: 8,
      hidden_activation: 'gelu_pytorch_tanh', attn_logit_softcapping: 3, final_logit_softcapping: 5,
    }, // prettier-ignore
    7,
  ),
  bloom: createModel({ model_type: 'bloom', vocab_size: 29, hidden_size: 16, n_layer: 2, n_head: 4, initializer_range: 0.3 }, 8), // prettier-ignore
}

/** Measured: f32 9e-7, bf16 3e-2. */
const tolerance: { readonly [P in Precision]: number } = { f32: 5e-6, bf16: 0.06 }

/** Logits after each of the tokens. */
async function uncached(model: Model, ids: readonly number[], adapter?: Adapter): Promise<Float32Array[]> {
  const { logits } = await runForward(model, tinyBatch([[{ segment: 1, ids }]]), { runtime: reference, adapter })
  return ids.map((_, i) => logits.slice(29 * i, 29 * (i + 1)))
}

describe.skipIf(!findOpenvinoLibraries()).each(['f32', 'bf16'] as const)('decoding on OpenVINO in %s', precision => {
  let runtime: Runtime
  const limit = tolerance[precision]
  beforeAll(async () => {
    runtime = await createRuntime({ name: 'openvino', precision, threads: 1 })
  })

  // what penalises distance computes by plain operations, in bfloat16 to 6e-2
  it.each(Object.keys(models).filter(name => precision === 'f32' || name !== 'bloom'))(
    '%s: every piece has the logits that ONNX Runtime has without a cache',
    async name => {
      const decoder = await createDecoder(models[name], { runtime, capacity: 420 })
      const ids = someIds(417)
      const whole = await uncached(models[name], ids)
      let filled = 0
      // into an empty cache, token by token, and past some sizes of the cache and that of a piece
      for (const count of [3, 1, 1, 130, 1, 280, 1]) {
        const logits = await decoder.append(ids.slice(filled, filled + count))
        filled += count
        expect(relativeDifference(whole[filled - 1], logits)).toBeLessThan(limit)
      }
      decoder.truncate(2)
      expect(relativeDifference(whole[4], await decoder.append(ids.slice(2, 5)))).toBeLessThan(limit)
      await decoder.close()
    },
  )

  it('rows of a batch take steps together and do not see each other', async () => {
    const decoder = await createBatchDecoder(models.qwen3, { runtime, rows: 3, capacity: 200 })
    const texts = [someIds(135, 1), someIds(2, 2), someIds(9, 3)]
    for (const [row, text] of texts.entries()) await decoder.append(row, text)
    for (const chosen of [[2, 0], [1], [0, 1, 2], [1, 2]]) {
      const logits = await decoder.step(chosen.map(row => ({ row, id: row + 5 })))
      for (const [i, row] of chosen.entries()) {
        texts[row].push(row + 5)
        const [last] = (await uncached(models.qwen3, texts[row])).slice(-1)
        expect(relativeDifference(last, logits[i])).toBeLessThan(limit)
      }
    }
    await decoder.close()
  })

  it('what an adapter puts before every text stands in the cache', async () => {
    const adapter = shakenAdapter(models.llama, { kind: 'prefix', tokens: 3 })
    const decoder = await createDecoder(models.llama, { runtime, adapter, capacity: 30 })
    const ids = someIds(20)
    await decoder.append(ids.slice(0, 19))
    const logits = await decoder.append(ids.slice(19))
    expect(relativeDifference((await uncached(models.llama, ids, adapter))[19], logits)).toBeLessThan(limit)
    await decoder.close()
  })

  it('in 8 bits the logits are nearly those of ONNX Runtime', async () => {
    const [here, there] = await Promise.all(
      [runtime, reference].map(one => createDecoder(models.llama, { runtime: one, capacity: 30, weights: 'int8' })),
    )
    const [a, b] = await Promise.all([here, there].map(decoder => decoder.append(someIds(12))))
    expect(relativeDifference(b, a)).toBeLessThan(0.06) // ONNX Runtime rounds the left side to 8 bits too
    await here.close()
    await there.close()
  })
})
