import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { renderCard } from '../../tools/pocket/card.js'
import { readRunFacts } from '../../tools/pocket/facts.js'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.js'
import { createPocketModel, type RunPlan } from '../../tools/pocket/model.js'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pocket-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function writeRun(name: string, plan: Partial<RunPlan>, events: readonly object[]): Promise<string> {
  const run = join(folder, name)
  await mkdir(run)
  const whole = {
    phase: 'plateau',
    optimizer: 'adamw',
    warmupSteps: 10,
    steps: 1000,
    learningRate: 0.002,
    batch: 8,
    seed: 1,
    ...plan,
  }
  await writeFile(join(run, 'run.json'), JSON.stringify(whole))
  await writeFile(join(run, 'events.jsonl'), events.map(event => JSON.stringify(event) + '\n').join(''))
  return run
}

const stepEvent = (step: number, learningRate: number) => ({
  event: 'step',
  step,
  tokens: 100,
  tokensPerSecond: 50,
  learningRate,
})
const evaluation = (step: number, bitsPerByte: number) => ({ event: 'evaluation', step, bitsPerByte })

async function twoPhases(): Promise<string> {
  const first = await writeRun('first', {}, [
    { event: 'start', step: 0, parameters: 6_000_000 },
    evaluation(0, 2),
    stepEvent(1, 0),
    stepEvent(2, 0.002),
    evaluation(2, 1.5),
  ])
  const after = { checkpoint: join(first, 'checkpoints', 'step-000002'), step: 2 }
  return writeRun('second', { phase: 'decay', optimizer: 'muon', learningRate: 0.003, after }, [
    { event: 'start', step: 0, parameters: 6_000_000 },
    evaluation(0, 1.5),
    stepEvent(1, 0.003),
    evaluation(1, 1.2),
  ])
}

describe('the facts of a run', () => {
  it('follow a run back through the one it continued, each step counted once', async () => {
    const facts = await readRunFacts(await twoPhases())
    expect(facts.tokens).toBe(300)
    expect(facts.seconds).toBe(6)
    expect(facts.phases.map(({ steps, decays, optimizer }) => [steps, decays, optimizer])).toEqual([
      [2, false, 'adamw'],
      [1, true, 'muon'],
    ])
    expect(facts.curve.map(({ step, tokens, bitsPerByte }) => [step, tokens, bitsPerByte])).toEqual([
      [0, 0, 2],
      [2, 200, 1.5],
      [3, 300, 1.2],
    ])
  })
})

const tokenizer = { size: 8, special: { bos: 1, eos: 2 } } as Tokenizer

describe('the model card', () => {
  it('states the measured figures and no others', async () => {
    const part = { documents: ['Frol_1850', 'a-play'], tokens: 1000, bytes: 6000 }
    const card = renderCard({
      facts: await readRunFacts(await twoPhases()),
      corpus: { train: part, heldout: { ...part, documents: ['Zimin_1860'] } },
      baselines: { order: 5, ngramBitsPerByte: 1.1234, xzBitsPerByte: 1.6, xzAfterTrainingTextBitsPerByte: 1.4 },
      evaluation: { lossNats: 4.5, tokens: 1000, bitsPerByte: 1.0456 },
      samples: [{ prompt: '— Кто там?', text: ' — Никто.\n— Хорошо.' }],
      model: createPocketModel(tokenizer, 0).json,
    })
    expect(card).toContain('A Russian language model of 6.0 M parameters')
    expect(card).toContain('1 volumes of Russian prose')
    expect(card).toContain('Held out, never trained on: Zimin_1860')
    expect(card).toContain('--run RUN2 --after RUN1 --optimizer muon --rate 0.003 --decay --steps 1')
    expect(card).toContain('| 3 | 300 | 1.200 |')
    expect(card).toContain('1.123 |')
    expect(card).toContain('1.046 |')
    expect(card).toContain('> **— Кто там?** — Никто.  \n> — Хорошо.')
    expect(card).not.toMatch(/undefined|NaN/u)
  })
})
