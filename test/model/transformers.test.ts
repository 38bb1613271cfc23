// Model folders of ours, read by transformers, and its folders read by us: runs where DVOYNIK_PYTHON names a Python that has both.
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { readSafetensors } from '../../src/formats/safetensors.js'
import { runForward } from '../../src/model/train-step.js'
import { loadModel, saveModel } from '../../src/model/weights.js'
import { families, relativeDifference, someIds, tinyBatch, tinyModel, tinyRuntime } from './tiny.js'

const python = process.env.DVOYNIK_PYTHON

const cases = families.flatMap(family =>
  (['float32', 'float16', 'bfloat16'] as const).flatMap(dtype =>
    [undefined, 3000].map(maxShardBytes => ({ family, dtype, maxShardBytes })),
  ),
)

test.skipIf(!python)(
  `transformers computes with our folders what we compute, and we read what it writes${python ? '' : ' (DVOYNIK_PYTHON names no Python with transformers)'}`,
  async () => {
    const root = await mkdtemp(join(tmpdir(), 'transformers-'))
    const runtime = await tinyRuntime()
    const ids = someIds(11)
    const jobs = []
    for (const { family, dtype, maxShardBytes } of cases) {
      const base = join(root, `${family} ${dtype} ${maxShardBytes ?? 'single'}`)
      await saveModel(base, tinyModel(family), { dtype, maxShardBytes })
      expect((await readdir(base)).includes('model.safetensors')).toBe(maxShardBytes === undefined)
      jobs.push({ base, dtype, ids, out: `${base}.logits`, again: `${base} again` })
    }
    await writeFile(join(root, 'jobs.json'), JSON.stringify(jobs))
    await promisify(execFile)(python!, [join('tools', 'parity', 'transformers_logits.py'), join(root, 'jobs.json')])
    for (const { base, out, again } of jobs) {
      const model = await loadModel(base)
      const { logits } = await runForward(model, tinyBatch([[{ segment: 1, ids }]]), { runtime })
      const theirs = (await readSafetensors(out)).get('logits')!.data
      expect([base, relativeDifference(theirs, logits) < 1e-5]).toEqual([base, true])
      expect([base, (await readdir(again)).includes('model.safetensors.index.json')]).toEqual([base, true])
      expect((await loadModel(again)).weights).toEqual(model.weights)
    }
    await rm(root, { recursive: true })
  },
  300_000,
)
