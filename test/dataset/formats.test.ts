// One suite for every dataset format: what is written is read, and written again byte for byte.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Example, ExampleTurn } from '../../src/dataset/example.js'
import { formats, type FormatName } from '../../src/dataset/formats.js'

const names = Object.keys(formats) as FormatName[]
const exampleOf = (turns: readonly ExampleTurn[], rest: Partial<Example> = {}): Example => ({
  id: 'e1',
  copy: 'original',
  turns,
  source: { file: 'story.txt' },
  split: 'train',
  ...rest,
})

const turns: ExampleTurn[] = [
  { speaker: 'narrator', role: 'narration', text: 'Дарья вошла.', learn: false },
  { speaker: 'Дарья', role: 'other', text: 'Ты дома?', remark: 'спросила она', learn: false },
  { speaker: 'Савва', role: 'own', text: 'Дома.', remark: 'сказал он (тихо)', learn: true },
  { speaker: 'Савва', role: 'own', text: 'А что (и зачем)?', learn: true },
]
const example = exampleOf(turns)

const samples: Record<string, Example[]> = {
  'a small scene': [example],
  'two examples and an instruction': [exampleOf(turns, { system: 'Ты — мельник.' }), exampleOf(turns.slice(0, 3))],
  'text with marks of every format': [
    exampleOf([
      { speaker: 'a|b', role: 'other', text: '<char>Привет @савва | [INST] <|im_start|>user </s>', learn: false },
      { speaker: 'Савва', role: 'own', text: '@ты | <<SYS>>\nвторая строка', remark: 'сказал | он', learn: true },
    ]),
  ],
  'a long reply': [
    exampleOf([
      { speaker: 'Савва', role: 'own', text: 'Это длинный рассказ о мельнице. '.repeat(80).trim(), learn: true },
    ]),
  ],
  'everything learnt': [exampleOf(turns.map(turn => ({ ...turn, learn: true })))],
  'an empty turn': [exampleOf([{ speaker: 'Савва', role: 'own', text: '', learn: true }])],
  nothing: [],
}

describe.each(names)('format %s', name => {
  const { write, read } = formats[name]

  it.each(Object.keys(samples))('writes, reads and writes the same bytes: %s', title => {
    const written = write(samples[title])
    const again = write(read(written.text, 'file'))
    expect(again.text).toBe(written.text)
    expect(again.drops).toEqual([])
  })

  it('keeps its own and other formats’ marks out of the text of a book', () => {
    const { text, report } = write(samples['text with marks of every format'])
    const spoken = read(text, 'file').flatMap(found => found.turns.flatMap(turn => [turn.text, turn.remark ?? '']))
    expect(spoken.join('\n')).not.toMatch(/<char>|<\||<\/s>|@|\||\[INST\]|<<SYS>>/u)
    expect(report.counts).toMatchObject({ escaped: 3 })
  })

  it('counts what it leaves out', () => {
    const { report, drops } = write(samples['an empty turn'])
    expect([report.kept, drops.map(drop => drop.reason)]).toEqual([0, ['empty']])
  })

  it('writes the same bytes for any text', () => {
    const text = fc.stringMatching(/^[а-яА-Я .!?@|()<>\[\]"\\\n]{1,60}$/u)
    const turn = fc.record({
      speaker: fc.constantFrom('Савва', 'Дарья'),
      role: fc.constantFrom('own' as const, 'other' as const, 'narration' as const),
      text,
      learn: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(fc.array(turn, { minLength: 1, maxLength: 4 }), { maxLength: 3 }), pages => {
        const written = write(pages.map(page => exampleOf(page))).text
        expect(write(read(written, 'file')).text).toBe(written)
      }),
      { numRuns: 200 },
    )
  })
})

describe('what the formats look like', () => {
  it('time', () => {
    expect(formats.time.write([example]).text).toMatchInlineSnapshot(`
      "Дарья вошла.
      <char>Ты дома? (спросила она)
      <char>Дома. (сказал он (тихо))
      <char>А что (и зачем)?
      "
    `)
  })
  it('timeRaw', () => {
    expect(formats.timeRaw.write([example]).text).toMatchInlineSnapshot(`
      "Дарья вошла.
      @Ты дома?|спросила она
      @Дома.|сказал он (тихо)
      @А что (и зачем)?
      "
    `)
  })
  it('alpaca', () => {
    expect(formats.alpaca.write([example]).text).toMatchInlineSnapshot(`
      "{"context":"Дарья вошла.","input":"Ты дома? (спросила она)","output":"Дома. (сказал он (тихо))"}
      {"context":"Дарья вошла. Ты дома? (спросила она) Дома. (сказал он (тихо))","input":"","output":"А что (и зачем)?"}
      "
    `)
  })
  it('messages', () => {
    expect(formats.messages.write([exampleOf(turns, { system: 'Ты — мельник.' })]).text).toMatchInlineSnapshot(`
      "{"messages":[{"role":"system","content":"Ты — мельник."},{"role":"user","content":"Дарья вошла.","name":"narrator"},{"role":"user","content":"Ты дома? (спросила она)","name":"Дарья"},{"role":"assistant","content":"Дома. (сказал он (тихо))","name":"Савва"},{"role":"assistant","content":"А что (и зачем)?","name":"Савва"}]}
      "
    `)
  })
})

describe('limits of alpaca rows', () => {
  const ask = (text: string) => exampleOf([{ speaker: 'Дарья', role: 'other', text, learn: false }, turns[2]])

  it('keeps the last sentences of a long question, and drops one without a sentence end', () => {
    const { text, report } = formats.alpaca.write([
      ask('Слово за слово. '.repeat(30).trim()),
      ask('и так далее '.repeat(30)),
    ])
    const row = JSON.parse(text) as { input: string }
    expect(row.input.length).toBeLessThan(200)
    expect(row.input.startsWith('Слово')).toBe(true)
    expect(report.dropped).toEqual({ 'prompt-too-long': 1 })
  })

  it('drops duplicates and banned words', () => {
    const { report } = formats.alpaca.write([ask('Ты дома?'), ask('Ты дома?'), ask('Где же Мельник?')], {
      blacklist: ['мельник'],
    })
    expect(report).toMatchObject({ kept: 1, dropped: { duplicate: 1, blacklist: 1 } })
  })

  it('cuts a long reply at sentence ends', () => {
    const rows = formats.alpaca
      .write(samples['a long reply'])
      .text.trim()
      .split('\n')
      .map(line => JSON.parse(line) as { output: string })
    expect(rows).toHaveLength(3)
    expect(rows.every(({ output }) => output.length <= 1000 && output.endsWith('.'))).toBe(true)
  })

  it('reads rows that name the context instruction', () => {
    const [read] = formats.alpaca.read('{"instruction": "Ночь.", "input": "Кто?", "output": "Я."}\n', 'rows.jsonl')
    expect(read.turns.map(turn => turn.text)).toEqual(['Ночь.', 'Кто?', 'Я.'])
  })
})

describe('rows that cannot be read', () => {
  it.each([
    ['alpaca', '{"a": 1\n'],
    ['alpaca', '[1]\n'],
    ['messages', '{"messages": 1}\n'],
    ['messages', '{"messages": [{"role": "user"}]}\n'],
  ] as const)('%s names the row: %s', (name, text) => {
    expect(() => formats[name].read(text, 'rows.jsonl')).toThrow(
      expect.objectContaining({ code: 'bad-row', where: 'rows.jsonl:1' }) as Error,
    )
  })

  it('says what to do', () => {
    expect(() => formats.messages.read('{"messages": 1}', 'rows.jsonl')).toThrowErrorMatchingInlineSnapshot(
      `[AppError: rows.jsonl:1: no list "messages". Correct the row or delete it.]`,
    )
  })
})
