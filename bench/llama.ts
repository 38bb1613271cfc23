// llama.cpp through node-llama-cpp, from a folder outside this project: the same measure as generation.ts.
import { join } from 'node:path'
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { Outcome } from './case.js'
import { rates } from './generation.js'
import { peakBytes, timed, type Timed } from './measure.js'
import { randomTokens, threads } from './models.js'

export interface LlamaWork {
  readonly program: 'llama'
  /** Type of the weights in the GGUF file. */
  readonly weights: 'F32' | 'BF16' | 'Q8_0'
  readonly config: Readonly<Record<string, unknown>>
  readonly prompt: number
  readonly made: number
  readonly repeats: number
  /** Folder that has node_modules/node-llama-cpp; filled in before the run. */
  readonly folder?: string
  /** The GGUF file; filled in before the run. */
  readonly file?: string
}

/** The little of node-llama-cpp that is used here. */
interface LlamaLibrary {
  getLlama(
    options: Record<string, unknown>,
  ): Promise<{ loadModel(options: Record<string, unknown>): Promise<LlamaModel> }>
}
interface LlamaModel {
  createContext(options: Record<string, unknown>): Promise<{ getSequence(): Sequence }>
}
interface Sequence {
  clearHistory(): Promise<void>
  evaluateWithoutGeneratingNewTokens(tokens: number[]): Promise<void>
  evaluate(tokens: number[], options: Record<string, unknown>): AsyncGenerator<number>
}

export async function runLlama({ folder, file, config, prompt, made, repeats }: LlamaWork): Promise<Outcome> {
  const home = join(folder!, 'node_modules', 'node-llama-cpp')
  const { getLlama } = (await import(pathToFileURL(join(home, 'dist', 'index.js')).href)) as LlamaLibrary
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    maxThreads: threads,
    logLevel: 'error',
  })
  const model = await llama.loadModel({ modelPath: file!, gpuLayers: 0, useMmap: true })
  const context = await model.createContext({
    contextSize: prompt + made + 1,
    batchSize: prompt,
    threads,
    sequences: 1,
  })
  const sequence = context.getSequence()
  const tokens = randomTokens(config['vocab_size'] as number, prompt)
  const parts: { prompt: Timed; made: Timed }[] = []
  for (let i = 0; i <= repeats; i++) {
    await sequence.clearHistory()
    const read = await timed(() => sequence.evaluateWithoutGeneratingNewTokens(tokens.slice(0, -1)))
    const rest = await timed(() => take(sequence.evaluate(tokens.slice(-1), { temperature: 0, yieldEogToken: true }), made)) // prettier-ignore
    if (i > 0) parts.push({ prompt: read, made: rest })
  }
  const { version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { version: string }
  return {
    figures: { ...rates(parts, prompt - 1, made), peakBytes: peakBytes() },
    about: { 'node-llama-cpp': version },
  }
}

async function take(tokens: AsyncGenerator<number>, count: number): Promise<void> {
  for (let i = 0; i < count; i++) if ((await tokens.next()).done) throw new Error(`llama.cpp stopped after ${i} tokens`)
  await tokens.return(undefined)
}
