// A project that trains in a second: one story, a tokenizer of its own words and a model of two narrow layers.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { assetPath } from '../../src/base/package.js'
import { createModel, saveModel } from '../../src/model/weights.js'
import { buildDataset } from '../../src/project/dataset.js'
import { choosePerson } from '../../src/project/people.js'
import { addSource, changePlan, initProject, openProject, type Project } from '../../src/project/project.js'
import { saveTokenizer } from '../../src/tokenizer/files.js'
import { trainBpe } from '../../src/tokenizer/train-bpe.js'

const story = assetPath('story', 'chuzhoe_palto.txt')

/** @param folder receives `base` and `hero`; the dataset of `hero` is built */
export async function makeTinyProject(folder: string, train: Record<string, unknown>): Promise<Project> {
  const base = join(folder, 'base')
  const { tokenizer } = await trainBpe(readFileSync(story, 'utf8').split('\n'), { vocabSize: 400, userDefined: ['\n'] })
  const sizes = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 2 } // prettier-ignore
  const rest = { max_position_embeddings: 64, rms_norm_eps: 1e-5, hidden_act: 'silu', tie_word_embeddings: true }
  const model = createModel({ model_type: 'llama', vocab_size: tokenizer.size, ...sizes, ...rest }, 7)
  await saveModel(base, model)
  await saveTokenizer(base, tokenizer)
  const { project } = await addSource(await initProject(join(folder, 'hero')), story)
  await choosePerson(project, 'Тихон')
  const { plan } = await openProject(project.folder)
  const small = { batch: 1, length: 32, base, method: { kind: 'lora', rank: 2, alpha: 4 }, ...train }
  const ready = await changePlan(project, { train: { ...plan.train, ...small } as typeof plan.train })
  await buildDataset(ready)
  return openProject(project.folder)
}
