// Files of adapters that cannot be right: each is refused, in both languages, by what is wrong.
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import { readSafetensors, writeSafetensors, type FloatValues } from '../../src/formats/safetensors.js'
import { loadAdapter, saveAdapter } from '../../src/model/adapter-files.js'
import type { AdapterMethod } from '../../src/model/method.js'
import { shakenAdapter, tinyModel } from './tiny.js'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'damaged-'))
})
afterAll(() => rm(root, { recursive: true }))

const model = tinyModel('llama')
const lora: AdapterMethod = { kind: 'lora', rank: 2, alpha: 4, targets: ['q_proj'], newTokenRows: [3] }
const name = 'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight'

type Change = (folder: string) => Promise<void>

function settings(change: object | string): Change {
  return async folder => {
    const path = join(folder, 'adapter_config.json')
    const json = JSON.parse(await readFile(path, 'utf8')) as object
    await writeFile(path, typeof change === 'string' ? change : JSON.stringify({ ...json, ...change }))
  }
}

function tensors(change: (tensors: Map<string, FloatValues>, tensor: FloatValues) => unknown): Change {
  return async folder => {
    const path = join(folder, 'adapter_model.safetensors')
    const read = await readSafetensors(path)
    change(read, read.get(name)!)
    await writeSafetensors(path, read)
  }
}

/** The bytes stay, another element type is claimed for them. */
const asWholeNumbers: Change = async folder => {
  const path = join(folder, 'adapter_model.safetensors')
  const bytes = await readFile(path)
  await writeFile(path, bytes.toString('latin1').replace(`"${name}":{"dtype":"F32"`, `"${name}":{"dtype":"I32"`), 'latin1') // prettier-ignore
}

const asPickle: Change = folder => rename(join(folder, 'adapter_model.safetensors'), join(folder, 'adapter_model.bin'))

async function refusal(change: Change, method = lora): Promise<string[]> {
  const folder = join(root, 'adapter')
  await rm(folder, { recursive: true, force: true })
  await saveAdapter(folder, shakenAdapter(model, method))
  await change(folder)
  const error = await loadAdapter(folder, model).then(() => 'read', asIs => asIs as unknown) // prettier-ignore
  if (!(error instanceof AppError)) throw new Error(`expected an AppError, got ${String(error)}`)
  return [error.code, ...(['en', 'ru'] as const).map(lang => error.render(lang).replace(folder, 'F'))]
}

test('tensors that are missing, too many, of another shape or type, or hold no numbers are named', async () => {
  const changes: Change[] = [
    tensors(read => read.delete(name)),
    tensors((read, tensor) => read.set('base_model.model.other.lora_A.weight', tensor)),
    tensors((read, tensor) => read.set(name, { ...tensor, shape: [16, 2] })),
    tensors((_, { data }) => (data[3] = NaN)),
    tensors((_, { data }) => (data[3] = -Infinity)),
    asWholeNumbers,
    asPickle,
  ]
  const messages = []
  for (const change of changes) messages.push(await refusal(change))
  expect(messages).toMatchInlineSnapshot(`
    [
      [
        "adapter-mismatch",
        "adapter, base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight: missing in the adapter. Use the adapter with the base model it was trained on.",
        "adapter, base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight: в адаптере его нет. Возьмите адаптер вместе с его базовой моделью.",
      ],
      [
        "adapter-mismatch",
        "adapter, base_model.model.other.lora_A.weight: not used by this adapter. Use the adapter with the base model it was trained on.",
        "adapter, base_model.model.other.lora_A.weight: адаптеру этого вида он не нужен. Возьмите адаптер вместе с его базовой моделью.",
      ],
      [
        "adapter-mismatch",
        "adapter, base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight: is [16, 2], the model asks for [2, 16]. Use the adapter with the base model it was trained on.",
        "adapter, base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight: форма [16, 2], модели нужна [2, 16]. Возьмите адаптер вместе с его базовой моделью.",
      ],
      [
        "bad-adapter",
        "F, tensor base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight: there is NaN among its numbers. The training that wrote it had failed, or the file is damaged: take an earlier state or another copy.",
        "F, tensor base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight: среди чисел есть NaN. Обучение, которое его записало, разошлось, или файл повреждён: возьмите более раннее состояние или другую копию.",
      ],
      [
        "bad-adapter",
        "F, tensor base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight: there is -Infinity among its numbers. The training that wrote it had failed, or the file is damaged: take an earlier state or another copy.",
        "F, tensor base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight: среди чисел есть -Infinity. Обучение, которое его записало, разошлось, или файл повреждён: возьмите более раннее состояние или другую копию.",
      ],
      [
        "safetensors-dtype",
        "F/adapter_model.safetensors, tensor base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight: element type I32 is not a weight type. Use a checkpoint in F32, F16 or BF16.",
        "F/adapter_model.safetensors, tensor base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight: тип элементов I32 не годится для весов. Возьмите веса в F32, F16 или BF16.",
      ],
      [
        "pickle-weights",
        "F/adapter_model.bin: the adapter is a Python pickle. Convert it in Python once: PeftModel.from_pretrained(base, folder).save_pretrained(folder, safe_serialization=True).",
        "F/adapter_model.bin: адаптер записан как pickle языка Python. Один раз преобразуйте в Python: PeftModel.from_pretrained(base, folder).save_pretrained(folder, safe_serialization=True).",
      ],
    ]
  `)
})

test.each([
  ['[]', 'bad-adapter', 'adapter_config.json: this is [], not an object with the settings of an adapter'],
  ['null', 'bad-adapter', 'adapter_config.json: this is null, not an object'],
  ['{}', 'unsupported-adapter', 'key peft_type: the value null is not supported'],
  ['{"r": 2', 'bad-json', 'the text ends too early'],
  [{ modules_to_save: 'lm_head' }, 'unsupported-adapter', 'key modules_to_save: the value "lm_head"'],
  [{ exclude_modules: 5 }, 'unsupported-adapter', 'key exclude_modules: the value 5'],
  [{ target_modules: [5] }, 'unsupported-adapter', 'key target_modules: the value [5]'],
  [{ rank_pattern: [1] }, 'unsupported-adapter', 'key rank_pattern: the value [1]'],
  [{ trainable_token_indices: ['3'] }, 'unsupported-adapter', 'key trainable_token_indices: the value ["3"]'],
  [{ trainable_token_indices: { wte: 3 } }, 'unsupported-adapter', 'key trainable_token_indices: the value {"wte":3}'],
  [{ trainable_token_indices: [30] }, 'bad-setting', 'expected token ids from 0 to 28, received 30'],
  [{ r: 0 }, 'bad-setting', 'expected a positive whole number, received 0'],
])('settings %j are refused by key', async (change, code, words) => {
  const [got, message] = await refusal(settings(change))
  expect([got, message.includes(words) ? words : message]).toEqual([code, words])
})

test('virtual tokens for another number of layers belong to another base', async () => {
  expect(await refusal(settings({ num_layers: 5 }), { kind: 'prefix', tokens: 2 })).toMatchInlineSnapshot(`
    [
      "unsupported-adapter",
      "F/adapter_config.json, key num_layers: the value 5 is not the 2 layers of this model. Use the adapter with the base model it was trained on.",
      "F/adapter_config.json, ключ num_layers: значение 5 не совпадает с числом слоёв этой модели: 2. Возьмите адаптер вместе с его базовой моделью.",
    ]
  `)
})

test('scaled inputs of (IA)³ are named by a list or an expression', async () => {
  const [, message] = await refusal(settings({ feedforward_modules: 3 }), { kind: 'ia3' })
  expect(message).toContain('key feedforward_modules: the value 3 is not supported')
})
