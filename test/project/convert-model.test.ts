// The command that writes a model folder anew, held against what the whole-model functions give.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import { assetPath } from '../../src/base/package.js'
import { readSafetensorsHeader } from '../../src/formats/safetensors.js'
import { mergeAdapter } from '../../src/model/adapter.js'
import { loadAdapter, saveAdapter } from '../../src/model/adapter-files.js'
import type { AdapterMethod } from '../../src/model/method.js'
import { loadModel, saveModel } from '../../src/model/weights.js'
import { convertModel } from '../../src/project/convert-model.js'
import { createPlan } from '../../src/project/plan.js'
import { tokenizerStage } from '../../src/project/tokenizer.js'
import { families, shakenAdapter, tinyModel } from '../model/tiny.js'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'convert-'))
})
afterAll(() => rm(root, { recursive: true }))

async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof AppError)) throw new Error('expected an AppError', { cause: error })
  return `${error.code} | ${error.message} | ${error.render('ru')}`.replaceAll(root, '')
}

/** A folder with a model and the small files beside it. */
async function source(name: string, family: string): Promise<string> {
  const folder = join(root, name)
  await saveModel(folder, { ...tinyModel(family), generation: { eos_token_id: 2 } })
  await writeFile(join(folder, 'tokenizer.json'), '{"made":"up"}')
  await writeFile(join(folder, 'LICENSE'), 'as you like')
  await writeFile(join(folder, 'pytorch_model.bin'), 'a pickle')
  await mkdir(join(folder, 'onnx'))
  return folder
}

test.each(families)('%s: to bfloat16 in shards and back is rounding and nothing else', async family => {
  const from = await source(family, family)
  const seen: number[] = []
  const done = await convertModel(from, join(root, `${family}-bf16`), {
    dtype: 'bfloat16',
    maxShardBytes: 3000,
    onProgress: ({ done: bytes }) => seen.push(bytes),
  })
  const files = await readdir(done.folder)
  const shards = files.filter(name => name.startsWith('model-')).sort()
  expect(shards.length).toBeGreaterThan(2)
  expect(shards[0]).toBe(`model-00001-of-${String(shards.length).padStart(5, '0')}.safetensors`)
  expect(files.filter(name => !name.startsWith('model-')).sort()).toEqual(['LICENSE', 'config.json', 'generation_config.json', 'model.safetensors.index.json', 'tokenizer.json']) // prettier-ignore
  const index = JSON.parse(await readFile(join(done.folder, 'model.safetensors.index.json'), 'utf8')) as {
    metadata: unknown
  }
  expect(index.metadata).toEqual({ total_parameters: done.bytes / 2, total_size: done.bytes })
  expect(seen.length).toBeGreaterThan(0)
  const back = await convertModel(done.folder, join(root, `${family}-f32`), { dtype: 'float32' })
  const [first, last] = [await loadModel(from), await loadModel(back.folder)]
  expect(last.json).toEqual(first.json)
  expect(last.generation).toEqual({ eos_token_id: 2 })
  expect([...last.weights.keys()]).toEqual([...first.weights.keys()])
  for (const [name, { data }] of first.weights) {
    const got = last.weights.get(name)!.data
    expect(data.every((x, i) => Math.abs(got[i] - x) <= Math.abs(x) / 256)).toBe(true)
  }
})

const methods: Readonly<Record<string, AdapterMethod>> = {
  lora: { kind: 'lora', rank: 3, alpha: 6, targets: 'all-linear', newTokenRows: [28, 5] },
  dora: { kind: 'lora', rank: 3, alpha: 6, targets: 'all-linear', dora: true },
  'whole modules': { kind: 'lora', rank: 3, alpha: 6, targets: ['up_proj'], modulesToSave: ['lm_head'] },
  ia3: { kind: 'ia3' },
}

test.each(Object.keys(methods))('%s: merged tensor by tensor as merged whole', async kind => {
  const model = tinyModel('llama')
  const [base, folder] = [join(root, `base ${kind}`), join(root, `adapter ${kind}`)]
  await saveModel(base, model)
  await saveAdapter(folder, shakenAdapter(model, methods[kind]))
  const { folder: merged } = await convertModel(base, join(root, `merged ${kind}`), { adapter: folder })
  const expected = mergeAdapter(await loadModel(base), await loadAdapter(folder, model))
  expect((await loadModel(merged)).weights).toEqual(expected.weights)
})

test('the element type stays where none is asked for', async () => {
  const from = join(root, 'half')
  await saveModel(from, tinyModel('gpt2'), { dtype: 'float16' })
  const { folder, dtype } = await convertModel(from, join(root, 'half again'))
  expect(dtype).toBe('float16')
  expect(await readFile(join(folder, 'model.safetensors'))).toEqual(await readFile(join(from, 'model.safetensors')))
  const { entries } = await readSafetensorsHeader(join(folder, 'model.safetensors'))
  expect(entries.get('transformer.wte.weight')!.dtype).toBe('F16')
})

test('a number beyond float16 is named, and nothing half-written stays', async () => {
  const model = tinyModel('llama')
  const { data } = model.weights.get('model.norm.weight')!
  data[3] = -70_000
  data[4] = 65_519 // rounds to 65504
  data[5] = Infinity // was so before
  const from = join(root, 'large')
  await saveModel(from, model)
  expect(await failure(convertModel(from, join(root, 'overflow'), { dtype: 'float16' }))).toMatchInlineSnapshot(
    `"float16-overflow | model.safetensors, tensor model.norm.weight: float16 ends at 65504, and numbers beyond it would become infinite: at least 1 here, up to 70000. Write the model as bfloat16 or float32. | model.safetensors, tensor model.norm.weight: float16 кончается на 65504, а большие числа стали бы бесконечностью: здесь их не меньше 1, до 70000. Запишите модель как bfloat16 или float32."`,
  )
  expect((await readdir(root)).filter(name => name.includes('overflow'))).toEqual([])
})

test('what lies at the target is never overwritten, and an adapter that cannot be merged is refused first', async () => {
  const from = join(root, 'plain')
  await saveModel(from, tinyModel('llama'))
  expect(await failure(convertModel(from, from))).toMatchInlineSnapshot(
    `"folder-exists | /plain: something lies here already, and it will not be overwritten. Give a new folder. | /plain: здесь уже что-то лежит, и оно не будет перезаписано. Укажите новую папку."`,
  )
  const prompt = join(root, 'prompt')
  await saveAdapter(prompt, shakenAdapter(tinyModel('llama'), { kind: 'prompt', tokens: 3 }))
  expect(await failure(convertModel(from, join(root, 'never'), { adapter: prompt }))).toMatchInlineSnapshot(
    `"cannot-merge | adapter, prompt: no weights of the model do the same. Keep the base model and the adapter side by side. | adapter, prompt: никакие веса модели не заменят того, что он делает. Храните базовую модель и адаптер рядом."`,
  )
  const other = join(root, 'other')
  await saveAdapter(other, shakenAdapter(tinyModel('gpt2'), { kind: 'lora', rank: 3, alpha: 6, targets: 'all-linear' }))
  expect(await failure(convertModel(from, join(root, 'never'), { adapter: other }))).toMatchInlineSnapshot(
    `"adapter-mismatch | /other/adapter_config.json: the adapter changes modules that this model does not have (targets: "transformer.h.0.attn.c_attn" names nothing in this model. Known names: model.layers.*.self_attn.q_proj, model.layers.*.self_attn.k_proj, model.layers.*.self_attn.v_proj, model.layers.*.self_attn.o_proj, model.layers.*.mlp.gate_proj, model.layers.*.mlp.up_proj, model.layers.*.mlp.down_proj, model.embed_tokens, lm_head.). Use the adapter with the base model it was trained on. | /other/adapter_config.json: адаптер меняет модули, которых в этой модели нет (targets: «transformer.h.0.attn.c_attn» ничего в этой модели не называет. Известные имена: model.layers.*.self_attn.q_proj, model.layers.*.self_attn.k_proj, model.layers.*.self_attn.v_proj, model.layers.*.self_attn.o_proj, model.layers.*.mlp.gate_proj, model.layers.*.mlp.up_proj, model.layers.*.mlp.down_proj, model.embed_tokens, lm_head.). Возьмите адаптер вместе с его базовой моделью."`,
  )
  expect((await readdir(root)).filter(name => name.includes('never'))).toEqual([])
})

test('a wish to stop leaves nothing behind', async () => {
  const from = join(root, 'stopped')
  await saveModel(from, tinyModel('llama'))
  const signal = AbortSignal.abort()
  expect(await failure(convertModel(from, join(root, 'halfway'), { signal }))).toMatchInlineSnapshot(
    `"interrupted | the conversion was interrupted; nothing was written. Run the command again to start anew. | преобразование прервано; ничего не записано. Повторите команду, чтобы начать заново."`,
  )
  expect((await readdir(root)).filter(name => name.includes('halfway'))).toEqual([])
})

test('training begins with the numbers of the base, in its element type', async () => {
  const { folder: base } = await convertModel(assetPath('pocket-ru'), join(root, 'pocket'), { dtype: 'bfloat16' })
  const folder = join(root, 'project')
  await mkdir(folder)
  const plan = createPlan('project')
  await tokenizerStage.work({ folder, plan: { ...plan, train: { ...plan.train, base } } }, {})
  const [first, start] = [await loadModel(base), await loadModel(join(folder, 'models', 'start'))]
  const name = 'model.layers.0.mlp.down_proj.weight'
  expect(start.weights.get(name)).toEqual(first.weights.get(name))
  const { entries } = await readSafetensorsHeader(join(folder, 'models', 'start', 'model.safetensors'))
  expect(new Set([...entries.values()].map(({ dtype }) => dtype))).toEqual(new Set(['BF16']))
})
