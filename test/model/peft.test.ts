// Adapters of ours, read by PEFT: runs where DVOYNIK_PYTHON names a Python that has torch, transformers and peft.
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { readSafetensors } from '../../src/formats/safetensors.js'
import { saveAdapter } from '../../src/model/adapter-files.js'
import type { AdapterMethod } from '../../src/model/method.js'
import { runForward } from '../../src/model/train-step.js'
import { saveModel } from '../../src/model/weights.js'
import { relativeDifference, shakenAdapter, someIds, tinyBatch, tinyModel, tinyRuntime } from './tiny.js'

const python = process.env.DVOYNIK_PYTHON

const lora = { kind: 'lora', rank: 3, alpha: 6, targets: 'all-linear' } as const
const methods: Readonly<Record<string, AdapterMethod>> = {
  lora: { ...lora, rsLora: true, newTokenRows: [28, 5], dropout: 0.1 },
  'whole modules': { ...lora, targets: ['up_proj'], modulesToSave: ['lm_head'] },
  'the head': { ...lora, targets: ['lm_head'], untied: true },
  biases: { ...lora, bias: 'all' },
  dora: { ...lora, dora: true },
  patterns: { ...lora, layers: [1], rankPattern: { '.*proj': 2 }, alphaPattern: { 'mlp\\..*': 5 } },
  ia3: { kind: 'ia3' },
  prompt: { kind: 'prompt', tokens: 3 },
  'p-tuning': { kind: 'p-tuning', tokens: 3, hidden: 7 },
  prefix: { kind: 'prefix', tokens: 3 },
  projected: { kind: 'prefix', tokens: 3, projection: 7 },
  adaption: { kind: 'adaption-prompt', tokens: 3, layers: 1 },
}
const cases = Object.keys(methods).flatMap(name =>
  (name === 'whole modules' ? ['llama'] : ['llama', 'gpt2']).map(family => ({ name, family })),
)

test.skipIf(!python)(
  `PEFT computes with our files what we compute${python ? '' : ' (DVOYNIK_PYTHON names no Python with peft)'}`,
  async () => {
    const root = await mkdtemp(join(tmpdir(), 'peft-'))
    const runtime = await tinyRuntime()
    const ids = someIds(11)
    const ours = new Map<string, Float32Array>()
    const jobs = []
    for (const { name, family } of cases) {
      const model = tinyModel(family)
      const adapter = shakenAdapter(model, methods[name])
      const folder = join(root, `${name} ${family}`)
      await mkdir(folder)
      await saveModel(join(folder, 'base'), model)
      await saveAdapter(join(folder, 'adapter'), adapter, { base: join(folder, 'base') })
      ours.set(folder, (await runForward(model, tinyBatch([[{ segment: 1, ids }]]), { runtime, adapter })).logits)
      jobs.push({ base: join(folder, 'base'), adapter: join(folder, 'adapter'), ids, out: join(folder, 'logits') })
    }
    await writeFile(join(root, 'jobs.json'), JSON.stringify(jobs))
    await promisify(execFile)(python!, [join('tools', 'parity', 'peft_logits.py'), join(root, 'jobs.json')])
    for (const [folder, logits] of ours) {
      const theirs = (await readSafetensors(join(folder, 'logits'))).get('logits')!.data
      expect([folder, relativeDifference(theirs, logits) < 1e-5]).toEqual([folder, true])
    }
    await rm(root, { recursive: true })
  },
  300_000,
)
