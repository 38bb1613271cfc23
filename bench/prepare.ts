// What a side needs before its first round, made once a bench: files of models, a text, the rival's faster attention.
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '../src/base/hash.js'
import type { ConfigJson } from '../src/model/model-config.js'
import type { Figures, NodeWork, PythonWork, Size } from './case.js'
import type { Installed } from './machine.js'
import { gpt2, threads } from './models.js'
import { runProcess, runScript } from './process.js'
import type { Base } from './stored.js'
import { makeText } from './text.js'

export interface Workshop {
  /** Returns the work with everything filled in that only this machine knows. */
  prepare(work: NodeWork | PythonWork): Promise<NodeWork | PythonWork>
}

/** @param folder a temporary folder for files */
export function createWorkshop(folder: string, { python, llamaFolder }: Installed, size: Size): Workshop {
  let trials: Promise<Figures> | undefined
  return {
    async prepare(work) {
      if (work.program === 'llama') return { ...work, folder: llamaFolder, file: await ggufFile(work.config, work.weights) } // prettier-ignore
      if (work.program === 'tokenizer') return { ...work, file: await textFile(work.characters) }
      if (work.program === 'stored') return { ...work, base: { ...work.base, folder: modelFolder(work.config) } }
      if (work.program === 'training' && work.base)
        return { ...work, base: await madeBase(work.sizes[0].config, work.base) }
      if (work.program === 'generation' && work.base) return { ...work, base: await madeBase(work.config, work.base) }
      if (work.program !== 'python') return work
      const settings: Record<string, unknown> = { threads, ...work.settings }
      if (work.script === 'tokenizer.py') settings.file = await textFile(settings.characters as number)
      if (work.script === 'train.py') settings.attention = await fasterAttention(settings.precision as string)
      return { ...work, settings }
    },
  }

  function modelFolder(config: ConfigJson): string {
    return join(folder, `model-${sha256(JSON.stringify(config)).slice(0, 8)}`)
  }

  /** A base whose codes are made: a user’s machine makes them once, at the first run. */
  async function madeBase(config: ConfigJson, base: Base): Promise<Base> {
    const filled = { ...base, folder: modelFolder(config) }
    if (!existsSync(join(filled.folder, `cache-${base.bits}`)))
      await runProcess({ program: 'stored', config, base: filled }, { limitSeconds: 300 })
    return filled
  }

  async function ggufFile(config: Readonly<Record<string, unknown>>, weights: string): Promise<string> {
    const file = join(folder, `gpt2-${weights}.gguf`)
    if (!existsSync(file)) await runScript(python!, 'gguf_model.py', { config, weights, file })
    return file
  }

  async function textFile(characters: number): Promise<string> {
    const file = join(folder, `text-${characters}.txt`)
    if (!existsSync(file)) await writeFile(file, await makeText(characters))
    return file
  }

  /** A trial with a few layers of GPT-2's width. */
  async function fasterAttention(precision: string): Promise<string> {
    const toy = size === 'quick'
    const config = toy
      ? gpt2({ layers: 1, width: 64, heads: 4, vocabulary: 512, positions: 256 })
      : gpt2({ layers: 3, width: 768, heads: 12, vocabulary: 4096, positions: 1024 })
    const settings = { threads, config, length: toy ? 32 : 512 }
    trials ??= runProcess({ program: 'python', script: 'attention.py', settings }, { python, limitSeconds: 300 }).then(
      ({ figures }) => figures,
    )
    const figures = await trials
    return figures[`${precision} eager`] < figures[`${precision} sdpa`] ? 'eager' : 'sdpa'
  }
}
