// A decoder to the time that a prompt and each token after it take, one sequence, greedy.
import { createDecoder } from '../src/model/decoder.js'
import type { ConfigJson } from '../src/model/model-config.js'
import { createRuntime } from '../src/runtime/registry.js'
import type { Precision } from '../src/runtime/runtime.js'
import type { Outcome } from './case.js'
import { median, peakBytes, timed, type Timed } from './measure.js'
import { randomTokens, threads } from './models.js'
import { openBase, type Base } from './stored.js'

export interface GenerationWork {
  readonly program: 'generation'
  readonly runtime: string
  readonly precision: Precision
  readonly config: ConfigJson
  /** Tokens read, and tokens made after them. */
  readonly prompt: number
  readonly made: number
  readonly repeats: number
  /** Where the weights come from; default random ones in memory. */
  readonly base?: Base
}

export async function runGeneration(work: GenerationWork): Promise<Outcome> {
  const { config, prompt, made, repeats } = work
  const runtime = await createRuntime({ name: work.runtime, precision: work.precision })
  const model = await openBase(config, work.base)
  const tokens = randomTokens(model.config.vocabulary, prompt)
  const decoder = await createDecoder(model, { runtime, capacity: prompt + made + 1, threads })
  const parts: { prompt: Timed; made: Timed }[] = []
  for (let i = 0; i <= repeats; i++) {
    decoder.truncate(0)
    let logits: Float32Array = new Float32Array(0)
    const read = await timed(async () => (logits = await decoder.append(tokens)))
    const rest = await timed(async () => {
      for (let n = 0; n < made; n++) logits = await decoder.append([likeliest(logits)])
    })
    if (i > 0) parts.push({ prompt: read, made: rest }) // programs are compiled in the first run
  }
  await decoder.close()
  return {
    figures: { ...rates(parts, prompt, made), peakBytes: peakBytes() },
    about: { [runtime.name]: runtime.version },
  }
}

/** Figures of repeated runs; shared by every side that is timed here. */
export function rates(
  parts: readonly { prompt: Timed; made: Timed }[],
  prompt: number,
  made: number,
): Record<string, number> {
  const perToken = median(parts.map(part => part.made.seconds)) / made
  return {
    promptPerSecond: prompt / median(parts.map(part => part.prompt.seconds)),
    tokensPerSecond: 1 / perToken,
    tokenSeconds: perToken,
    cpuSeconds: median(parts.map(part => part.made.cpuSeconds)) / made,
  }
}

function likeliest(logits: Float32Array): number {
  let best = 0
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i
  return best
}
