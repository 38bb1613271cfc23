// A model folder with random weights, as a user has one on disk, to a model whose base stays in files, in few bits or whole.
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeSafetensors } from '../src/formats/safetensors.js'
import { parseConfig } from '../src/model/config.js'
import type { ConfigJson } from '../src/model/model-config.js'
import { openFrozenModel } from '../src/model/quantised-model.js'
import { weightSpecs } from '../src/model/weight-specs.js'
import type { Model } from '../src/model/weights.js'
import type { Outcome } from './case.js'
import { peakBytes, timed } from './measure.js'
import { randomModel, randomValues } from './models.js'

/** A frozen base in files: as it is published (32), or in codes. */
export interface Base {
  readonly bits: 4 | 8 | 32
  /** Filled in before the run. */
  readonly folder?: string
}

export interface StoredWork {
  readonly program: 'stored'
  readonly config: ConfigJson
  readonly base: Base
}

/** Opens the folder for the first time, which makes the codes; it is written before, untimed. */
export async function runStored({ config, base }: StoredWork): Promise<Outcome> {
  if (!existsSync(join(base.folder!, 'config.json'))) await writeRandomModel(base.folder!, config)
  const { seconds, cpuSeconds } = await timed(() => openBase(config, base))
  return { figures: { madeSeconds: seconds, cpuSeconds, peakBytes: peakBytes() }, about: {} }
}

/** The model of a run: from its folder, or random in memory where there is none. */
export async function openBase(config: ConfigJson, base?: Base): Promise<Model> {
  if (!base) return randomModel(config)
  return openFrozenModel(base.folder!, { bits: base.bits, cache: join(base.folder!, `cache-${base.bits}`) })
}

/** GPT-2 is published in float32, LLaMAs in bfloat16. */
async function writeRandomModel(folder: string, json: ConfigJson): Promise<void> {
  const config = parseConfig(json)
  const tensors = weightSpecs(config).map((spec, number) => {
    async function* data(): AsyncGenerator<Float32Array> {
      yield* randomValues(config, spec, number)
    }
    return [spec.name, { shape: spec.shape, data }] as const
  })
  await mkdir(folder, { recursive: true })
  await writeSafetensors(join(folder, 'model.safetensors'), new Map(tensors), { dtype: config.modelType === 'gpt2' ? 'F32' : 'BF16' }) // prettier-ignore
  await writeFile(join(folder, 'config.json'), JSON.stringify(json))
}
