// What a person reads who made a mistake in a file of settings: every kind of mistake once, in both languages.
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { AppError } from '../../src/base/errors.js'
import { parseSettings } from '../../src/base/settings.js'

const schema = z.strictObject({
  name: z.string().min(1),
  books: z.array(z.strictObject({ file: z.string().min(1), encoding: z.string().optional() })).default([]),
  focus: z.string().optional(),
  dataset: z
    .strictObject({
      copies: z
        .array(z.enum(['original', 'me', 'ti']))
        .min(1)
        .default(['original', 'me', 'ti']),
      tokens: z.array(z.string().min(1)).default(['<char>']),
    })
    .prefault({}),
  train: z
    .strictObject({
      method: z
        .discriminatedUnion('kind', [
          z.strictObject({
            kind: z.literal('lora'),
            rank: z.int().min(1).max(512).default(16),
            targets: z.union([z.literal('all-linear'), z.array(z.string()).min(1)]).default('all-linear'),
            pattern: z.record(z.string(), z.int().min(1)).optional(),
          }),
          z.strictObject({ kind: z.literal('prompt'), tokens: z.int().min(1).default(20) }),
        ])
        .default({ kind: 'lora', rank: 16, targets: 'all-linear' }),
      bits: z.union([z.literal(32), z.literal(8)]).default(32),
      learningRate: z.number().positive().default(2e-3),
      smoothing: z.number().min(0).lt(1).default(0),
      warmup: z.number().min(0).max(1).default(0.03),
      decay: z.number().max(0).optional(),
      schedule: z.enum(['linear', 'cosine', 'constant']).default('cosine'),
      batch: z.int().min(1).default(4),
      seed: z.int().default(1),
      board: z.boolean().default(false),
    })
    .prefault({}),
})

/** Both messages about these settings, one a line. */
function tell(value: unknown): string {
  try {
    parseSettings(schema, value, 'dvoynik.json')
  } catch (thrown) {
    if (thrown instanceof AppError) return `${thrown.code}\n${thrown.render('en')}\n${thrown.render('ru')}`
    throw thrown
  }
  return 'nothing was thrown'
}

const hero = { name: 'hero' }
const train = (settings: object): string => tell({ ...hero, train: settings })
const dataset = (settings: object): string => tell({ ...hero, dataset: settings })

describe('a mistake in the settings', () => {
  it('of type', () => {
    expect(train({ learningRate: 'fast' })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.learningRate: expected a number above 0; received "fast". Correct it; the default is 0.002.
      dvoynik.json, ключ train.learningRate: ожидается число больше 0; получено "fast". Исправьте; по умолчанию 0.002."
    `)
    expect(train({ batch: 2.5 })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.batch: expected a whole number, 1 or more; received 2.5. Correct it; the default is 4.
      dvoynik.json, ключ train.batch: ожидается целое число не меньше 1; получено 2.5. Исправьте; по умолчанию 4."
    `)
    expect(train({ board: 1 })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.board: expected true or false; received 1. Correct it; the default is false.
      dvoynik.json, ключ train.board: ожидается true или false; получено 1. Исправьте; по умолчанию false."
    `)
    expect(train({ seed: null })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.seed: expected a whole number; received null. Correct it; the default is 1.
      dvoynik.json, ключ train.seed: ожидается целое число; получено null. Исправьте; по умолчанию 1."
    `)
    expect(tell({ ...hero, focus: 5 })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key focus: expected a text in quotes; received 5. Correct the value.
      dvoynik.json, ключ focus: ожидается текст в кавычках; получено 5. Исправьте значение."
    `)
    expect(tell({ ...hero, train: 'fast' })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train: expected an object in { }; received "fast". Correct the value.
      dvoynik.json, ключ train: ожидается объект в { }; получено "fast". Исправьте значение."
    `)
    expect(tell({ ...hero, dataset: ['me'] })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key dataset: expected an object in { } with the keys copies, tokens; received ["me"]. Correct the value.
      dvoynik.json, ключ dataset: ожидается объект в { } с ключами copies, tokens; получено ["me"]. Исправьте значение."
    `)
    expect(tell({ ...hero, books: 'book.txt' })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key books: expected a list in [ ], each item an object in { } with the keys file, encoding; received "book.txt". Correct the value.
      dvoynik.json, ключ books: ожидается список в [ ], каждый элемент: объект в { } с ключами file, encoding; получено "book.txt". Исправьте значение."
    `)
    expect(tell({ ...hero, books: ['book.txt'] })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key books[0]: expected an object in { } with the keys file, encoding; received "book.txt". Correct the value.
      dvoynik.json, ключ books[0]: ожидается объект в { } с ключами file, encoding; получено "book.txt". Исправьте значение."
    `)
    expect(tell([])).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json: expected an object in { } with the keys name, books, focus, dataset, train; received []. Correct the value.
      dvoynik.json: ожидается объект в { } с ключами name, books, focus, dataset, train; получено []. Исправьте значение."
    `)
  })

  it('of quotes and brackets, which are told as such', () => {
    expect(train({ learningRate: '0,001' })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.learningRate: expected a number above 0; received "0,001". Write it without quotes: 0.001.
      dvoynik.json, ключ train.learningRate: ожидается число больше 0; получено "0,001". Напишите без кавычек: 0.001."
    `)
    expect(train({ board: 'True' })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.board: expected true or false; received "True". Write it without quotes: true.
      dvoynik.json, ключ train.board: ожидается true или false; получено "True". Напишите без кавычек: true."
    `)
    expect(train({ bits: '8' })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.bits: expected 32 or 8; received "8". Write it without quotes: 8.
      dvoynik.json, ключ train.bits: ожидается 32 или 8; получено "8". Напишите без кавычек: 8."
    `)
    expect(dataset({ tokens: '<char>' })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key dataset.tokens: expected a list in [ ], each item a text in quotes that is not empty; received "<char>". Put it in brackets: ["<char>"].
      dvoynik.json, ключ dataset.tokens: ожидается список в [ ], каждый элемент: текст в кавычках, не пустой; получено "<char>". Возьмите в скобки: ["<char>"]."
    `)
  })

  it('of range', () => {
    expect(train({ learningRate: 0 })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.learningRate: expected a number above 0; received 0. Correct it; the default is 0.002.
      dvoynik.json, ключ train.learningRate: ожидается число больше 0; получено 0. Исправьте; по умолчанию 0.002."
    `)
    expect(train({ method: { kind: 'lora', rank: 1000 } })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.method.rank: expected a whole number from 1 to 512; received 1000. Correct it; the default is 16.
      dvoynik.json, ключ train.method.rank: ожидается целое число от 1 до 512; получено 1000. Исправьте; по умолчанию 16."
    `)
    expect(train({ smoothing: 1 })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.smoothing: expected a number from 0 to 1, but not 1; received 1. Correct it; the default is 0.
      dvoynik.json, ключ train.smoothing: ожидается число от 0 до 1, но не 1; получено 1. Исправьте; по умолчанию 0."
    `)
    expect(train({ warmup: 3 })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.warmup: expected a number from 0 to 1; received 3. Correct it; the default is 0.03.
      dvoynik.json, ключ train.warmup: ожидается число от 0 до 1; получено 3. Исправьте; по умолчанию 0.03."
    `)
    expect(train({ decay: 0.8 })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.decay: expected a number, 0 or less; received 0.8. Correct the value.
      dvoynik.json, ключ train.decay: ожидается число не больше 0; получено 0.8. Исправьте значение."
    `)
    expect(dataset({ copies: [] })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key dataset.copies: expected a list in [ ], at least 1 long, each item "original", "me" or "ti"; received []. Correct it; the default is ["original","me","ti"].
      dvoynik.json, ключ dataset.copies: ожидается список в [ ] длиной не меньше 1, каждый элемент: "original", "me" или "ti"; получено []. Исправьте; по умолчанию ["original","me","ti"]."
    `)
    expect(tell({ name: '' })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key name: expected a text in quotes that is not empty; received "". Correct the value.
      dvoynik.json, ключ name: ожидается текст в кавычках, не пустой; получено "". Исправьте значение."
    `)
  })

  it('of a name among known ones', () => {
    expect(train({ schedule: 'cosin' })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.schedule: expected "linear", "cosine" or "constant"; received "cosin". Did you mean "cosine"?
      dvoynik.json, ключ train.schedule: ожидается "linear", "cosine" или "constant"; получено "cosin". Может быть, «cosine»?"
    `)
    expect(train({ schedule: 'exponential' })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.schedule: expected "linear", "cosine" or "constant"; received "exponential". Correct it; the default is "cosine".
      dvoynik.json, ключ train.schedule: ожидается "linear", "cosine" или "constant"; получено "exponential". Исправьте; по умолчанию "cosine"."
    `)
    expect(dataset({ copies: ['original', 'mee'] })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key dataset.copies[1]: expected "original", "me" or "ti"; received "mee". Did you mean "me"?
      dvoynik.json, ключ dataset.copies[1]: ожидается "original", "me" или "ti"; получено "mee". Может быть, «me»?"
    `)
  })

  it('of one form among several', () => {
    expect(train({ method: { kind: 'lorra' } })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.method.kind: expected "lora" or "prompt"; received "lorra". Did you mean "lora"?
      dvoynik.json, ключ train.method.kind: ожидается "lora" или "prompt"; получено "lorra". Может быть, «lora»?"
    `)
    expect(train({ method: {} })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.method.kind: the key is missing; expected "lora" or "prompt". Add it.
      dvoynik.json, ключ train.method.kind: ключа нет; ожидается "lora" или "prompt". Добавьте его."
    `)
    expect(train({ method: 'lora' })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.method: expected an object in { } with the key "kind": "lora" or "prompt"; received "lora". Write { "kind": "lora" }.
      dvoynik.json, ключ train.method: ожидается объект в { } с ключом "kind": "lora" или "prompt"; получено "lora". Напишите { "kind": "lora" }."
    `)
    expect(train({ bits: 16 })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.bits: expected 32 or 8; received 16. Correct it; the default is 32.
      dvoynik.json, ключ train.bits: ожидается 32 или 8; получено 16. Исправьте; по умолчанию 32."
    `)
    expect(train({ method: { kind: 'lora', targets: [] } })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.method.targets: expected "all-linear" or a list in [ ], at least 1 long, each item a text in quotes; received []. Correct it; the default is "all-linear".
      dvoynik.json, ключ train.method.targets: ожидается "all-linear" или список в [ ] длиной не меньше 1, каждый элемент: текст в кавычках; получено []. Исправьте; по умолчанию "all-linear"."
    `)
    expect(train({ method: { kind: 'lora', pattern: { q_proj: 0 } } })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.method.pattern.q_proj: expected a whole number, 1 or more; received 0. Correct the value.
      dvoynik.json, ключ train.method.pattern.q_proj: ожидается целое число не меньше 1; получено 0. Исправьте значение."
    `)
    expect(train({ method: { kind: 'lora', pattern: 8 } })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.method.pattern: expected an object in { }, each value a whole number, 1 or more; received 8. Correct the value.
      dvoynik.json, ключ train.method.pattern: ожидается объект в { }, каждое значение: целое число не меньше 1; получено 8. Исправьте значение."
    `)
    expect(train({ method: { kind: 'prompt', tokens: [1] } })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key train.method.tokens: expected a whole number, 1 or more; received [1]. Correct it; the default is 20.
      dvoynik.json, ключ train.method.tokens: ожидается целое число не меньше 1; получено [1]. Исправьте; по умолчанию 20."
    `)
  })

  it('of a key', () => {
    expect(tell({ ...hero, trian: {} })).toMatchInlineSnapshot(`
      "unknown-key
      dvoynik.json: unknown key "trian" with the value {}. Did you mean "train"?
      dvoynik.json: неизвестный ключ «trian» со значением {}. Может быть, «train»?"
    `)
    expect(train({ learnRate: 1 })).toMatchInlineSnapshot(`
      "unknown-key
      dvoynik.json, key train: unknown key "learnRate" with the value 1. Did you mean "learningRate"?
      dvoynik.json, ключ train: неизвестный ключ «learnRate» со значением 1. Может быть, «learningRate»?"
    `)
    expect(train({ rank: 3 })).toMatchInlineSnapshot(`
      "unknown-key
      dvoynik.json, key train: unknown key "rank" with the value 3. It belongs in train.method.rank.
      dvoynik.json, ключ train: неизвестный ключ «rank» со значением 3. Его место: train.method.rank."
    `)
    expect(train({ method: { kind: 'prompt', rank: 3 } })).toMatchInlineSnapshot(`
      "unknown-key
      dvoynik.json, key train.method: unknown key "rank" with the value 3. Known keys: kind, tokens.
      dvoynik.json, ключ train.method: неизвестный ключ «rank» со значением 3. Известные ключи: kind, tokens."
    `)
    expect(dataset({ zzzzzzzz: ['x'.repeat(200)] })).toMatchInlineSnapshot(`
      "unknown-key
      dvoynik.json, key dataset: unknown key "zzzzzzzz" with the value ["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… Known keys: copies, tokens.
      dvoynik.json, ключ dataset: неизвестный ключ «zzzzzzzz» со значением ["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… Известные ключи: copies, tokens."
    `)
    expect(tell({})).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key name: the key is missing; expected a text in quotes that is not empty. Add it.
      dvoynik.json, ключ name: ключа нет; ожидается текст в кавычках, не пустой. Добавьте его."
    `)
    expect(tell({ ...hero, books: [{}] })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key books[0].file: the key is missing; expected a text in quotes that is not empty. Add it.
      dvoynik.json, ключ books[0].file: ключа нет; ожидается текст в кавычках, не пустой. Добавьте его."
    `)
    expect(tell({ ...hero, books: [{ fiel: 'book.txt' }] })).toMatchInlineSnapshot(`
      "unknown-key
      dvoynik.json, key books[0]: unknown key "fiel" with the value "book.txt". Did you mean "file"? Besides this, mistakes in this file: 1.
      dvoynik.json, ключ books[0]: неизвестный ключ «fiel» со значением "book.txt". Может быть, «file»? Кроме этой, ошибок в файле: 1."
    `)
  })

  it('beside others: the first is told, and how many there are', () => {
    expect(tell({ ...hero, train: { batch: 0, bits: 3 }, focus: 1 })).toMatchInlineSnapshot(`
      "bad-setting
      dvoynik.json, key focus: expected a text in quotes; received 1. Correct the value. Besides this, mistakes in this file: 2.
      dvoynik.json, ключ focus: ожидается текст в кавычках; получено 1. Исправьте значение. Кроме этой, ошибок в файле: 2."
    `)
  })
})
