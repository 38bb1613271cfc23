// A finished run talks only over the base model and the tokenizer that it was trained with.
import { cp, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import { createModel, loadModel, saveModel } from '../../src/model/weights.js'
import { changePlan, openProject } from '../../src/project/project.js'
import { addProjectTokens } from '../../src/project/tokenizer.js'
import { loadTrained, trainProject } from '../../src/project/train.js'
import { makeTinyProject } from '../journeys/tiny-project.js'

const engine = { name: 'onnxruntime-cpu', precision: 'f32' }

async function refusal(work: Promise<unknown>): Promise<string[]> {
  const thrown: unknown = await work.catch((error: unknown) => error)
  if (!(thrown instanceof AppError)) throw new Error('nothing was refused', { cause: thrown })
  return [thrown.code, thrown.render('en'), thrown.render('ru')]
}

test('a run is refused while another base lies in its place, and is as it was when its own is back', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'run-base-'))
  const project = await makeTinyProject(folder, { steps: 2, evaluateEvery: 10, engine })
  await trainProject(project)
  const first = await loadTrained(project)

  const other = join(folder, 'other')
  await cp(join(folder, 'base'), other, { recursive: true })
  const { json } = await loadModel(join(folder, 'base'))
  await saveModel(other, createModel(json, 8))
  const train = { ...project.plan.train, base: other }
  await trainProject(await changePlan(project, { train }), { run: 'second' })
  const changed = await openProject(project.folder)
  await loadTrained(changed, 'second')
  expect(await refusal(loadTrained(changed))).toMatchInlineSnapshot(`
    [
      "other-base",
      "runs/main: the base model or the tokenizer was changed after this run was trained (models/start). Set train.base and tokenizer.add in dvoynik.json back as they were and run \`dvoynik train\` with the name of this run, or train it anew with --fresh.",
      "runs/main: исходную модель или токенизатор сменили уже после этого обучения (models/start). Верните в dvoynik.json прежние train.base и tokenizer.add и выполните \`dvoynik train\` с именем этого прогона или обучите его заново с --fresh.",
    ]
  `)

  const back = await changePlan(changed, { train: project.plan.train })
  const { outcomes } = await trainProject(back)
  expect(outcomes.at(-1)).toMatchObject({ stage: 'train', skipped: true })
  expect((await loadTrained(back)).adapter).toEqual(first.adapter)

  await addProjectTokens(back, ['<new>'])
  const [code, en] = await refusal(loadTrained(await openProject(project.folder)))
  expect([code, en]).toEqual(['other-base', expect.stringContaining('(tokenizer, models/start)')])
})
