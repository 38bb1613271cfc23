import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Example, ExampleTurn } from '../../src/dataset/example.js'
import { createBatches, maskPreview } from '../../src/train/batches.js'
import { createTemplateEncoder } from '../../src/train/template-encoder.js'
import { templates } from '../../src/train/template.js'
import { createLetters, eosToken } from './letters.js'

const turn = (role: ExampleTurn['role'], text: string, learn = role === 'own', remark?: string): ExampleTurn => ({
  speaker: role,
  role,
  text,
  learn,
  remark,
})
const example = (id: string, ...turns: ExampleTurn[]): Example => ({
  id,
  copy: 'original',
  turns,
  source: { file: 'story.txt' },
  split: 'train',
})

const tea = example(
  'tea',
  turn('narration', 'Вошла хозяйка.'),
  turn('other', 'Чаю?'),
  turn('own', 'Да, с вишней', true, 'сказал гость'),
)

describe('templates', () => {
  it('the book template writes a turn a line, speech after <char>, the remark in parentheses', () => {
    const text = templates.book.render(tea.turns).map(piece => piece.text).join('') // prettier-ignore
    expect(text).toBe('Вошла хозяйка.\n<char>Чаю?\n<char>Да, с вишней (сказал гость)\n')
  })

  it('a line break inside a turn becomes a space, because the line end ends the turn', () => {
    const [, piece] = templates.book.render([turn('own', ' Да. \n\n  Нет.\u2028Ой ')])
    expect(piece.text).toBe('Да. Нет. Ой\n')
  })

  it('a turn without text is left out', () => {
    expect(templates.book.render([turn('own', ' \n '), turn('narration', '')])).toEqual([])
  })

  it('the plain template is text only, all of it learnt', () => {
    expect(templates.plain.render([turn('narration', 'а\nб', false)])).toEqual([
      { text: 'а\nб', learn: true, allow: 'none' },
    ])
  })
})

describe('the template encoder', () => {
  for (const firstSpace of [false, true]) {
    for (const bos of [false, true]) {
      it(`pieces give the ids of the whole text (first-space rule ${firstSpace}, bos ${bos})`, () => {
        const tokenizer = createLetters({ firstSpace, bos })
        const pieces = templates.book.render(tea.turns)
        const whole = tokenizer.encode(pieces.map(piece => piece.text).join(''), { addSpecial: true }).ids
        expect([...createTemplateEncoder(tokenizer, templates.book).encode(pieces).ids]).toEqual([...whole, 1])
      })
    }
  }

  it('the text of a turn never becomes a template token', () => {
    const tokenizer = createLetters()
    const { ids } = createTemplateEncoder(tokenizer, templates.book).encode(
      templates.book.render([turn('own', 'а<char>б')]),
    )
    expect([...ids].filter(id => id === tokenizer.id('<char>'))).toHaveLength(1)
    expect(tokenizer.decode(ids)).toBe('<char>а<char>б\n' + eosToken)
  })

  it('a tokenizer without the template token is refused', () => {
    expect(() =>
      createTemplateEncoder(createLetters({ added: [] }), templates.book),
    ).toThrowErrorMatchingInlineSnapshot(
      `[AppError: the tokenizer has no token <char>. Add it first (setting tokenizer.add: ["<char>"]) and resize the model's embeddings to match.]`,
    )
  })
})

describe('the mask', () => {
  it('the viewer shows own replies with their line end, and nothing else, as learnt', () => {
    expect(maskPreview(tea, createLetters())).toEqual([
      { text: 'Вошла хозяйка.\n<char>Чаю?\n<char>', learn: false },
      { text: 'Да, с вишней (сказал гость)\n' + eosToken, learn: true },
    ])
  })

  it('batches without anything to learn are refused', () => {
    const silent = example('e', turn('other', 'Чаю?'))
    expect(() => createBatches([silent], createLetters(), { batch: 1, length: 8 })).toThrowErrorMatchingInlineSnapshot(
      `[AppError: none of the 7 tokens is learnt. Mark turns with learn: true, for example by choosing the focus character.]`,
    )
    expect(() => createBatches([], createLetters(), { batch: 1, length: 8 })).toThrowErrorMatchingInlineSnapshot(
      `[AppError: there is nothing to train on (0 examples, all empty). Build the dataset first and look at its report.]`,
    )
  })

  it('text where everything is learnt is no dialogue', () => {
    const story = example('e', turn('narration', 'Шёл снег.', true))
    expect(() => createBatches([story], createLetters(), { batch: 1, length: 8 })).toThrowErrorMatchingInlineSnapshot(
      `[AppError: all 11 tokens are learnt and no turn has a speaker. Use the template "plain" for text without dialogue, or build the dataset from dialogues.]`,
    )
    expect(createBatches([story], createLetters(), { batch: 1, length: 8, template: 'plain' }).count).toBe(2)
  })

  it('a tokenizer that loses line breaks is refused, because replies would never stop', () => {
    const build = (): unknown => createBatches([example('e', turn('own', 'Да'), turn('other', 'Ну'))], createLetters({ dropsLineBreaks: true }), { batch: 1, length: 8 }) // prettier-ignore
    expect(build).toThrowErrorMatchingInlineSnapshot(
      `[AppError: example e: a learnt turn ends with the token "а" and not with a stop token, so the model would not learn to stop. Use a tokenizer that keeps line breaks and has an end-of-text token.]`,
    )
  })

  it('plain text needs an end-of-text token', () => {
    const build = (): unknown => createBatches([example('e', turn('narration', 'Да'))], createLetters({ eos: false }), { batch: 1, length: 8, template: 'plain' }) // prettier-ignore
    expect(build).toThrowErrorMatchingInlineSnapshot(
      `[AppError: example e: a learnt turn ends with the token "а" and not with a stop token, so the model would not learn to stop. Use a tokenizer that keeps line breaks and has an end-of-text token.]`,
    )
  })
})

const letter = fc.constantFrom(...'абвгд ,.')
const turns = fc.array(
  fc.record({
    role: fc.constantFrom('own', 'other', 'narration'),
    text: fc.string({ unit: letter, maxLength: 30 }),
    learn: fc.boolean(),
  }),
  { minLength: 1, maxLength: 5 },
)
const corpus = fc
  .array(turns, { minLength: 1, maxLength: 12 })
  .map(list => [
    tea,
    ...list.map((items, i) =>
      example(`e${i}`, ...items.map(({ role, text, learn }) => turn(role as ExampleTurn['role'], text, learn))),
    ),
  ])

/** All (input, label) pairs of an epoch as `example position input→label`, sorted. */
async function pairsOf(
  examples: readonly Example[],
  packing: boolean,
  length: number,
  epoch: number,
): Promise<string[]> {
  const source = createBatches(examples, createLetters(), { batch: 3, length, packing, seed: 5 })
  const pairs: string[] = []
  for (let index = 0; index < source.count; index++) {
    const { batch, tokens, bytes } = await source.batch(epoch, index)
    let counted = 0
    let letters = ''
    batch.labels.forEach((label, i) => {
      if (label < 0n) return
      counted++
      letters += label === 1n ? '' : createLetters().token(Number(label))
      pairs.push(`${batch.positions[i]} ${batch.ids[i]}→${label}`)
    })
    expect(counted).toBe(tokens)
    expect(Buffer.byteLength(letters)).toBe(bytes)
  }
  return pairs.sort()
}

describe('batches', () => {
  it('packed and padded batches predict the same tokens from the same positions, each once', async () => {
    await fc.assert(
      fc.asyncProperty(corpus, fc.integer({ min: 8, max: 40 }), async (examples, length) => {
        const packed = await pairsOf(examples, true, length, 0)
        expect(packed).toEqual(await pairsOf(examples, false, length, 1))
        const encoder = createTemplateEncoder(createLetters(), templates.book)
        const marks = examples.map(({ turns: list }) => encoder.encode(templates.book.render(list)).learn)
        expect(packed).toHaveLength(
          marks.reduce((sum, learn) => sum + learn.reduce((n, mark, i) => n + (i > 0 ? mark : 0), 0), 0),
        )
      }),
      { numRuns: 60 },
    )
  })

  it('segments count from 1 in each row and positions restart with them; padding is segment 0', async () => {
    const examples = Array.from({ length: 6 }, (_, i) => example(`e${i}`, turn('own', 'абвгд'.slice(0, 2 + (i % 3)))))
    const source = createBatches(examples, createLetters(), { batch: 2, length: 16, seed: 1 })
    const { batch } = await source.batch(0, 0)
    for (let i = 0; i < batch.ids.length; i++) {
      const sameRow = i % 16 !== 0
      const [segment, before] = [batch.segments[i], sameRow ? batch.segments[i - 1] : 0n]
      if (segment === 0n) expect([batch.labels[i], batch.ids[i]]).toEqual([-100n, 0n])
      else if (sameRow && segment === before) expect(batch.positions[i]).toBe(batch.positions[i - 1] + 1n)
      else expect([segment, batch.positions[i]]).toEqual([before + 1n, 0n])
    }
    expect(Math.max(...[...batch.segments].map(Number))).toBeGreaterThan(1)
  })

  it('the order is a pure function of seed and epoch, and another in the next epoch', async () => {
    const examples = Array.from({ length: 20 }, (_, i) => example(`e${i}`, turn('own', 'абвгдежзий'.slice(i % 10))))
    const build = (seed: number) =>
      createBatches(examples, createLetters(), { batch: 1, length: 12, packing: false, seed })
    const order = async (epoch: number, seed = 1): Promise<string> => {
      const source = build(seed)
      const ids = []
      for (let i = 0; i < source.count; i++) ids.push(...(await source.batch(epoch, i)).examples)
      return ids.join()
    }
    expect(await order(3)).toBe(await order(3))
    expect(await order(3)).not.toBe(await order(4))
    expect(await order(3)).not.toBe(await order(3, 2))
    expect(build(1).fingerprint).toBe(build(1).fingerprint)
    expect(build(1).fingerprint).not.toBe(build(2).fingerprint)
  })
})

it('an id that the model does not know is refused, with the example and the token', () => {
  const tokenizer = createLetters()
  const options = { batch: 1, length: 16 }
  const largest = Math.max(...createTemplateEncoder(tokenizer, templates.book).encode(templates.book.render(tea.turns)).ids) // prettier-ignore
  expect(createBatches([tea], tokenizer, { ...options, vocabulary: largest + 1 }).count).toBeGreaterThan(0)
  const make = () => createBatches([tea], tokenizer, { ...options, vocabulary: largest })
  expect(make).toThrowErrorMatchingInlineSnapshot(
    `[AppError: example tea: the tokenizer gives "Ч" the id 66, but the model has 66 tokens. Train with the tokenizer that belongs to the model, or resize its embeddings.]`,
  )
})
