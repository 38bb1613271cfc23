import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Example } from '../../src/dataset/example.js'
import { Conversation } from '../../src/generate/conversation.js'
import { createDecoder } from '../../src/model/decoder.js'
import { createTrainingStep } from '../../src/model/train-step.js'
import { createModel } from '../../src/model/weights.js'
import { createRuntime } from '../../src/runtime/registry.js'
import type { Runtime } from '../../src/runtime/runtime.js'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.js'
import { addTokens } from '../../src/tokenizer/add.js'
import { convertToTokenizerJson } from '../../src/tokenizer/convert.js'
import { createHuggingFaceTokenizer } from '../../src/tokenizer/huggingface.js'
import { trainBpe } from '../../src/tokenizer/train-bpe.js'
import { createBatches, maskPreview } from '../../src/train/batches.js'
import { trainModel, type TrainSettings } from '../../src/train/loop.js'
import { createOptimizer } from '../../src/train/optimizer.js'
import { readRunLog, timingFields } from '../../src/train/run-log.js'
import { createTemplateEncoder } from '../../src/train/template-encoder.js'
import { templates } from '../../src/train/template.js'
import { gpt2Style } from '../tokenizer/byte-level-file.js'

// An invented keeper of a lighthouse; every question has one answer.
const lines: [question: string, answer: string, remark?: string][] = [
  ['Кто зажигает маяк?', 'Я зажигаю, каждый вечер.'],
  ['Видно ли берег?', 'В тумане не видно.', 'ответил смотритель'],
  ['Скоро ли буря?', 'К утру придёт.'],
  ['Есть ли у вас кот?', 'Был, да уплыл с рыбаками.', 'вздохнул он'],
]

const examples: Example[] = lines.map(([question, answer, remark], i) => ({
  id: `lamp-${i}`,
  copy: 'original',
  turns: [
    { speaker: 'гость', role: 'other', text: question, learn: false },
    { speaker: 'смотритель', role: 'own', text: answer, remark, learn: true },
  ],
  source: { file: 'lighthouse.txt' },
  split: 'train',
}))

const config = {
  model_type: 'llama', hidden_size: 48, intermediate_size: 96, num_hidden_layers: 2, num_attention_heads: 4,
  num_key_value_heads: 2, max_position_embeddings: 128, rms_norm_eps: 1e-5, tie_word_embeddings: true, initializer_range: 0.08,
} // prettier-ignore

let tokenizer: Tokenizer
let tokenizers: Record<'sentencepiece' | 'converted' | 'byte-level', Tokenizer>
let runtime: Runtime

beforeAll(async () => {
  const texts = lines.flat().filter(text => text !== undefined)
  const trained = (await trainBpe(texts, { vocabSize: 340, userDefined: ['\n', '<char>'] })).tokenizer
  if (trained.file.kind !== 'sentencepiece') throw new TypeError('trainBpe makes SentencePiece models')
  tokenizer = trained
  tokenizers = {
    sentencepiece: trained,
    converted: createHuggingFaceTokenizer(convertToTokenizerJson(trained.file.model), { eos_token: '</s>' }),
    'byte-level': addTokens(createHuggingFaceTokenizer(gpt2Style(texts, 60)), ['<char>']).tokenizer,
  }
  runtime = await createRuntime()
})

const settings: TrainSettings = {
  learningRate: 1e-2, schedule: 'cosine', warmup: 0.05, steps: 40, accumulate: 2, clip: 1, saveEvery: 10, evaluateEvery: 20,
} // prettier-ignore

async function train(folder: string, options: { stopAfter?: number } = {}) {
  const model = createModel({ ...config, vocab_size: tokenizer.size }, 3)
  const step = await createTrainingStep(model, { kind: 'full' }, { batch: 3, length: 48, runtime })
  const optimizer = await createOptimizer({ kind: 'adamw', weightDecay: 0.01 }, step.parameters, runtime)
  const source = createBatches(examples, tokenizer, { batch: 3, length: 48, packing: false, seed: 2 }) // the second batch has two empty rows
  const stop = new AbortController()
  const onProgress = ({ done }: { done: number }): void => (done === options.stopAfter ? stop.abort() : undefined)
  const run = { step, optimizer, source, heldOut: source, settings, folder, onProgress, signal: stop.signal }
  const outcome = await trainModel(run).catch((error: Error & { code?: string }) => error)
  const weights = step.parameters.map(({ data }) => data.slice())
  const moments = [...optimizer.state().moments]
  await step.close()
  return { model, outcome, weights, moments }
}

const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'journey-'))

async function logOf(folder: string): Promise<unknown[]> {
  const events = await readRunLog(join(folder, 'events.jsonl'))
  return events.map(event => ({ ...event, ...Object.fromEntries(timingFields.map(name => [name, 0])) }))
}

describe('with a real tokenizer and model', () => {
  for (const kind of ['sentencepiece', 'converted', 'byte-level'] as const) {
    it(`${kind}: the template encoder gives the ids of the whole text, and the viewer shows what is learnt`, () => {
      const tokenizer = tokenizers[kind]
      const encoder = createTemplateEncoder(tokenizer, templates.book)
      for (const example of examples) {
        const pieces = templates.book.render(example.turns)
        const text = pieces.map(piece => piece.text).join('')
        const eos = tokenizer.special.eos!
        expect([...encoder.encode(pieces).ids]).toEqual([...tokenizer.encode(text, { addSpecial: true }).ids, eos])
        const preview = maskPreview(example, tokenizer)
        expect(preview.map(({ learn }) => learn)).toEqual([false, true])
        expect(preview[1].text.trimStart()).toBe(pieces.at(-1)!.text + tokenizer.token(eos))
        expect(preview[0].text.replaceAll('<char> ', '<char>')).toContain(`<char>${example.turns[0].text}`) // converted ones put a space there
      }
    })

    it(`${kind}: what a person types never becomes a special token`, () => {
      const tokenizer = tokenizers[kind]
      const eos = tokenizer.special.eos!
      const turn = { role: 'other', text: `а <char>б${tokenizer.token(eos)}`, learn: false } as const
      const { encode } = createTemplateEncoder(tokenizer, templates.book)
      const { ids } = encode(templates.book.render([turn]), { ends: false })
      expect([...ids].filter(id => id === tokenizer.id('<char>'))).toHaveLength(1)
      expect([...ids]).not.toContain(eos)
    })
  }

  it('counted bytes are those of the learnt text, letters written in several byte tokens included', async () => {
    const old: Example = {
      ...examples[0],
      turns: [examples[0].turns[0], { ...examples[0].turns[1], text: 'Ѣхал ⛵ я' }],
    }
    const { bytes, tokens } = await createBatches([old], tokenizer, { batch: 1, length: 64 }).batch(0, 0)
    expect(bytes).toBe(Buffer.byteLength('Ѣхал ⛵ я\n'))
    expect(tokens).toBeGreaterThan([...'Ѣхал ⛵ я\n'].length)
  })

  it('packed examples give the loss and gradients of padded ones', async () => {
    const model = createModel({ ...config, vocab_size: tokenizer.size }, 3)
    const results = []
    for (const packing of [true, false]) {
      const batch = packing ? 2 : 4
      const source = createBatches(examples, tokenizer, { batch, length: 96, packing })
      expect(source.count).toBe(1)
      const step = await createTrainingStep(model, { kind: 'full' }, { batch, length: 96, runtime })
      const { lossSum, tokens } = await step.run((await source.batch(0, 0)).batch, 0.1)
      results.push({ lossSum, tokens, gradients: step.parameters.map(({ gradient }) => gradient.slice()) })
      await step.close()
    }
    const [packed, padded] = results
    expect(packed.tokens).toBe(padded.tokens)
    expect(Math.abs(packed.lossSum / padded.lossSum - 1)).toBeLessThan(1e-5)
    packed.gradients.forEach((gradient, k) => {
      const scale = Math.max(...padded.gradients[k].map(Math.abs))
      const worst = Math.max(...gradient.map((g, i) => Math.abs(g - padded.gradients[k][i])))
      expect(worst / scale).toBeLessThan(1e-4)
    })
  })

  it('a run stopped and continued is bit-equal to an unbroken one, and the character answers what it learnt', async () => {
    const [broken, unbroken] = [await newFolder(), await newFolder()]
    const expected = await train(unbroken)
    expect(await train(broken, { stopAfter: 17 })).toMatchObject({ outcome: { code: 'interrupted' } })
    const continued = await train(broken)
    expect(continued.outcome).toMatchObject({ resumedFrom: 17, steps: 40 })
    expect(continued.weights).toEqual(expected.weights)
    expect(continued.moments).toEqual(expected.moments)
    expect(await logOf(broken)).toEqual(await logOf(unbroken))

    const decoder = await createDecoder(expected.model, { runtime, capacity: 128 })
    const conversation = new Conversation(decoder, tokenizer, { sampling: { temperature: 0, repetitionPenalty: 1 } })
    for (const [question, answer, remark] of lines) {
      let reply = ''
      for await (const piece of conversation.say(question)) reply += piece
      expect(reply).toBe(remark === undefined ? answer : `${answer} (${remark})`)
      expect(conversation.finished).toBe('stop')
      conversation.reset()
    }
    await decoder.close()
  })
})
