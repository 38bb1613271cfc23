// Turns a sum of losses over tokens into bits per byte of text, which models with different tokenizers share.
import type { TrainingStep } from '../model/step.js'
import type { BatchSource } from './batches.js'

export interface Evaluation {
  /** Mean over the counted tokens, nats per token. */
  readonly lossNats: number
  readonly tokens: number
  /** Undefined where the source knows no bytes. */
  readonly bitsPerByte?: number
}

/**
 * @param lossSumNats sum of the counted tokens' losses
 * @param bytes raw UTF-8 bytes of the counted tokens (a letter split over two tokens counts each of its bytes once)
 * @returns undefined when there are no bytes
 */
export function bitsPerByte(lossSumNats: number, bytes: number): number | undefined {
  return bytes > 0 ? lossSumNats / Math.LN2 / bytes : undefined
}

interface EvaluationOptions {
  readonly signal?: AbortSignal
  /** Called before each batch and after the last with how many are done, and how many there are. */
  readonly onBatch?: (done: number, total: number) => void
}

/**
 * Mean loss over all batches of a source, forward only.
 * @returns undefined when the signal was aborted before the end
 */
export async function evaluateBatches(
  step: Pick<TrainingStep, 'evaluate'>,
  source: BatchSource,
  { signal, onBatch }: EvaluationOptions = {},
): Promise<Evaluation | undefined> {
  let [lossSum, tokens, bytes] = [0, 0, 0]
  for (let index = 0; index < source.count; index++) {
    if (signal?.aborted) return undefined
    onBatch?.(index, source.count)
    const { batch, bytes: more } = await source.batch(0, index)
    const result = await step.evaluate(batch)
    lossSum += result.lossSum
    tokens += result.tokens
    bytes += more
    await new Promise(resolve => setImmediate(resolve))
  }
  onBatch?.(source.count, source.count)
  return { lossNats: lossSum / tokens, tokens, bitsPerByte: bitsPerByte(lossSum, bytes) }
}
