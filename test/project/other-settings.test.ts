// A run that was begun goes on only with the settings that make its numbers.
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import type { Plan } from '../../src/project/plan.js'
import type { Project } from '../../src/project/project.js'
import { trainProject } from '../../src/project/train.js'
import { makeTinyProject } from '../journeys/tiny-project.js'

const engine = { name: 'onnxruntime-cpu', precision: 'f32' }
let project: Project

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'other-settings-'))
  project = await makeTinyProject(folder, { steps: 2, evaluateEvery: 10, engine })
  await trainProject(project)
})

const changes: readonly [change: Partial<Plan['train']>, named: string][] = [
  [{ labelSmoothing: 0.1 }, 'labelSmoothing: — → 0.1'],
  [{ zLoss: 0.0001 }, 'zLoss: — → 0.0001'],
  [{ baseBits: 8 }, 'base: — → "8 bits, int8"'],
  [{ learningRate: 0.5 }, 'learningRate: 0.002 → 0.5'],
  [{ length: 16 }, 'batch, length '],
]

it.each(changes)('a plan with %o is refused by the run it was begun without', async (change, named) => {
  const changed = { ...project, plan: { ...project.plan, train: { ...project.plan.train, ...change } } }
  const refused = trainProject(changed).catch((thrown: unknown) => thrown)
  const error = (await refused) as AppError
  expect(error).toBeInstanceOf(AppError)
  expect(error.code).toBe('other-settings')
  for (const lang of ['en', 'ru'] as const) expect(error.render(lang)).toContain(named)
})

it('rows longer than the base model has positions are told to be shorter', async () => {
  const train = { ...project.plan.train, length: 4096 }
  const told: string[] = []
  await trainProject(
    { ...project, plan: { ...project.plan, train } },
    { run: 'long', onNotice: ({ en, ru }) => told.push(en, ru) },
  )
  expect(told).toContain('train.length is 4096, but the base model has 64 positions: rows are 64 tokens long.')
  expect(told).toContain('train.length: 4096, но у исходной модели позиций 64: в строке будет токенов 64.')
})
