// What a person meets: languages, progress, help, mistakes in a command.
import { PassThrough } from 'node:stream'
import { CommanderError } from 'commander'
import { describe, expect, it } from 'vitest'
import type { AppError } from '../../src/base/errors.js'
import type { Progress } from '../../src/base/progress.js'
import type { CommandSpec } from '../../src/cli/command.js'
import { detectLang } from '../../src/cli/language.js'
import { createOutput } from '../../src/cli/output.js'
import { createParser, explainUsage } from '../../src/cli/parser.js'
import { createProgressView } from '../../src/cli/progress.js'
import { explainSystemError } from '../../src/cli/system-error.js'

const table: Readonly<Record<string, CommandSpec>> = {
  build: {
    usage: '<file> [other]',
    summary: { en: 'Build a thing', ru: 'Собрать вещь' },
    options: [{ flags: '--focus <name>', summary: { en: 'who', ru: 'кто' } }],
    run: async () => undefined,
  },
  group: {
    usage: '',
    summary: { en: 'A group', ru: 'Группа' },
    options: [],
    commands: {
      inner: { usage: '', summary: { en: 'Inside', ru: 'Внутри' }, options: [], run: async () => undefined },
    },
  },
}

/** Runs words through a parser of the table; gives what was dispatched, or the usage error. */
async function parse(words: readonly string[]): Promise<unknown> {
  let called: unknown
  const parser = createParser(table, 'en', async (_spec, args, options) => void (called = { args, options }))
  try {
    await parser.parseAsync([...words], { from: 'user' })
    return called
  } catch (error) {
    const usage = explainUsage(error as CommanderError) as AppError
    return { en: usage.render('en'), ru: usage.render('ru'), kind: usage.kind }
  }
}

function capture(): { stream: PassThrough & { isTTY?: boolean }; text: () => string } {
  const stream = new PassThrough()
  return { stream, text: () => (stream.read() as Buffer | null)?.toString('utf8') ?? '' }
}

describe('the command line', () => {
  it('speaks Russian in a Russian locale alone', () => {
    expect([{ LANG: 'ru_RU.UTF-8' }, { LANG: 'ru_RU.UTF-8', LC_ALL: 'C' }, {}].map(detectLang)).toEqual([
      'ru',
      'en',
      'en',
    ])
  })

  it('gives a command its words and options, global ones included', async () => {
    expect(await parse(['build', 'a.txt', '--focus', 'Вера', '--json'])).toEqual({
      args: ['a.txt'],
      options: { focus: 'Вера', json: true },
    })
    expect(await parse(['group', 'inner', '--quiet'])).toEqual({ args: [], options: { quiet: true } })
  })

  it('explains a wrong call in both languages', async () => {
    expect(await parse(['biuld'])).toMatchInlineSnapshot(`
      {
        "en": "unknown command "biuld" (did you mean build?). See \`dvoynik --help\`.",
        "kind": "usage",
        "ru": "неизвестная команда «biuld» (может быть, build?). Смотрите \`dvoynik --help\`.",
      }
    `)
    expect(await parse(['build'])).toMatchInlineSnapshot(`
      {
        "en": "<file> is missing. See \`dvoynik build --help\`.",
        "kind": "usage",
        "ru": "не указано: <file>. Смотрите \`dvoynik build --help\`.",
      }
    `)
    expect(await parse(['build', 'a', '--focsu', 'x'])).toMatchInlineSnapshot(`
      {
        "en": "unknown option --focsu (did you mean --focus?). See \`dvoynik build --help\`.",
        "kind": "usage",
        "ru": "неизвестный параметр --focsu (может быть, --focus?). Смотрите \`dvoynik build --help\`.",
      }
    `)
    expect(await parse(['build', 'a', 'b', 'c'])).toMatchInlineSnapshot(`
      {
        "en": "this is too much: c. See \`dvoynik build --help\`.",
        "kind": "usage",
        "ru": "это лишнее: c. Смотрите \`dvoynik build --help\`.",
      }
    `)
  })

  it('explains what a group, a sub-command and an option lack', async () => {
    expect(await parse(['group'])).toMatchInlineSnapshot(`
      {
        "en": "a command is missing; there are: inner. See \`dvoynik group --help\`.",
        "kind": "usage",
        "ru": "не указана команда; есть: inner. Смотрите \`dvoynik group --help\`.",
      }
    `)
    expect(await parse(['group', 'innr'])).toMatchInlineSnapshot(`
      {
        "en": "unknown command "innr" (did you mean inner?). See \`dvoynik group --help\`.",
        "kind": "usage",
        "ru": "неизвестная команда «innr» (может быть, inner?). Смотрите \`dvoynik group --help\`.",
      }
    `)
    expect(await parse(['group', 'inner', 'more'])).toMatchInlineSnapshot(`
      {
        "en": "this is too much: more. See \`dvoynik group inner --help\`.",
        "kind": "usage",
        "ru": "это лишнее: more. Смотрите \`dvoynik group inner --help\`.",
      }
    `)
    expect(await parse(['build', 'a', '--focus'])).toMatchInlineSnapshot(`
      {
        "en": "--focus <name> needs a value. See \`dvoynik build --help\`.",
        "kind": "usage",
        "ru": "у --focus <name> нет значения. Смотрите \`dvoynik build --help\`.",
      }
    `)
    expect(await parse(['help', 'biuld'])).toMatchInlineSnapshot(`
      {
        "en": "unknown command "biuld"; there are: build, group. See \`dvoynik --help\`.",
        "kind": "usage",
        "ru": "неизвестная команда «biuld»; есть: build, group. Смотрите \`dvoynik --help\`.",
      }
    `)
  })

  it('prints help in Russian', () => {
    const help = createParser(table, 'ru', async () => undefined).commands[0].helpInformation()
    expect(help).toMatchInlineSnapshot(`
      "Использование: dvoynik build [параметры] <file> [other]

      Собрать вещь

      Параметры:
        --focus <name>      кто
        --project <folder>  папка проекта (по умолчанию текущая)
        --lang <language>   язык сообщений: en или ru
        --json              выводить строки JSON вместо текста
        --quiet             выводить только результат
        --debug             показывать стек вызовов
        -h, --help          показать эту справку
      "
    `)
  })
})

describe('progress', () => {
  const steps: readonly Progress[] = [
    { stage: 'train', done: 0, total: 100, unit: 'steps' },
    { stage: 'train', done: 10, total: 100, unit: 'steps', note: 'loss 4.20' },
    { stage: 'train', done: 11, total: 100, unit: 'steps' },
    { stage: 'train', done: 100, total: 100, unit: 'steps', note: 'loss 2.10' },
  ]

  it('is plain lines with rate and time left where there is no terminal', () => {
    const { stream, text } = capture()
    const times = [0, 6000, 6500, 60000]
    const view = createProgressView({
      lang: 'en',
      json: false,
      quiet: false,
      stream: stream as never,
      stdout: stream,
      now: () => times.shift()!,
    })
    steps.forEach(view.onProgress)
    expect(text()).toMatchInlineSnapshot(`
      "Training: 10/100 steps, 1.7/s, 54 s left, loss 4.20
      Training: 100/100 steps, 1.7/s, loss 2.10
      "
    `)
  })

  it('counts the rate of resumed work from where it was resumed', () => {
    const { stream, text } = capture()
    const times = [0, 10_000]
    const now = (): number => times.shift()!
    const options = { lang: 'en', json: false, quiet: false, stream: stream as never, stdout: stream, now } as const
    const view = createProgressView(options)
    view.onProgress({ stage: 'train', done: 400, total: 500, unit: 'steps' })
    view.onProgress({ stage: 'train', done: 420, total: 500, unit: 'steps' })
    expect(text()).toBe('Training: 420/500 steps, 2.0/s, 40 s left\n')
  })

  it('tells an evaluation, and counts neither it nor loading into the rate', () => {
    const { stream, text } = capture()
    const times = [0, 1000, 20_000, 21_000, 31_000]
    const now = (): number => times.shift()!
    const options = { lang: 'ru', json: false, quiet: false, stream: stream as never, stdout: stream, now } as const
    const view = createProgressView(options)
    const train = { stage: 'train', unit: 'steps', total: 100 } as const
    view.onProgress({ ...train, done: 0, note: 'loading' })
    view.onProgress({ ...train, done: 0, note: 'evaluating 0/9' })
    view.onProgress({ ...train, done: 0, note: 'evaluating 9/9' })
    view.onProgress({ ...train, done: 1, note: 'loss 4.200' })
    view.onProgress({ ...train, done: 11, note: 'loss 4.100' })
    expect(text()).toMatchInlineSnapshot(`
      "Обучение: шагов 0/100, оценка 9/9
      Обучение: шагов 11/100, 1.0/с, осталось 89 с, потери 4.100
      "
    `)
  })

  it('speaks Russian, the words of a note included', () => {
    const { stream, text } = capture()
    const times = [0, 6000]
    const now = (): number => times.shift()!
    const view = createProgressView({
      lang: 'ru',
      json: false,
      quiet: false,
      stream: stream as never,
      stdout: stream,
      now,
    })
    view.onProgress(steps[0])
    view.onProgress({ ...steps[1], note: 'loss 4.200, 185 tok/s, 3 min' })
    expect(text()).toMatchInlineSnapshot(`
      "Обучение: шагов 10/100, 1.7/с, осталось 54 с, потери 4.200, 185 ток/с
      "
    `)
  })

  it('is JSON events with --json and nothing with --quiet', () => {
    const { stream, text } = capture()
    createProgressView({ lang: 'en', json: true, quiet: false, stream: stream as never, stdout: stream }).onProgress(
      steps[1],
    )
    createProgressView({ lang: 'en', json: false, quiet: true, stream: stream as never, stdout: stream }).onProgress(
      steps[1],
    )
    expect(JSON.parse(text())).toEqual({ event: 'progress', ...steps[1] })
  })

  it('is a bar on a terminal, and the bar ends with the stage', () => {
    const { stream, text } = capture()
    Object.assign(stream, {
      isTTY: true,
      columns: 100,
      clearLine: () => true,
      cursorTo: () => true,
      moveCursor: () => true,
    })
    const view = createProgressView({ lang: 'ru', json: false, quiet: false, stream: stream as never, stdout: stream })
    steps.forEach(view.onProgress)
    view.onProgress({ stage: 'dataset', done: 0, unit: 'scenes', note: 'Двойник' })
    view.stop()
    const shown = text()
    expect(shown).toContain('Обучение ======================== шагов 100/100')
    expect(shown).toContain('Набор данных ------------------------ Двойник')
  })
})

describe('output', () => {
  it('keeps results and warnings with --quiet, and drops talk', () => {
    const out = capture()
    const err = capture()
    const output = createOutput({ lang: 'ru', json: false, quiet: true, stdout: out.stream, stderr: err.stream })
    output.say({ en: 'talk', ru: 'разговор' })
    output.result({ en: 'done', ru: 'готово' }, {})
    output.warn({ en: 'careful', ru: 'осторожно' })
    expect([out.text(), err.text()]).toEqual(['готово\n', 'Внимание: осторожно\n'])
  })

  it('is one JSON object a line with --json', () => {
    const out = capture()
    const output = createOutput({ lang: 'en', json: true, quiet: false, stdout: out.stream, stderr: out.stream })
    output.say({ en: 'talk', ru: 'разговор' })
    output.result({ en: 'done', ru: 'готово' }, { n: 1 })
    expect(
      out
        .text()
        .trim()
        .split('\n')
        .map(line => JSON.parse(line) as unknown),
    ).toEqual([
      { event: 'message', text: 'talk' },
      { event: 'result', data: { n: 1 } },
    ])
  })
})

describe('a failure of the operating system', () => {
  it('is told in words, with the name of the file and not of its temporary copy', () => {
    const told = (code: string, path: string): unknown => {
      const error = explainSystemError(Object.assign(new Error(code), { code, path }))
      return error && [error.kind, error.render('en'), error.render('ru')]
    }
    expect(told('ENOSPC', '/books/.plan.json.312.tmp')).toMatchInlineSnapshot(`
      [
        "environment",
        "/books/plan.json: the disk is full. Free some space and run the command again.",
        "/books/plan.json: на диске нет места. Освободите место и повторите команду.",
      ]
    `)
    expect(told('EROFS', '/books')).toMatchInlineSnapshot(`
      [
        "environment",
        "/books: this place can only be read. Choose another folder.",
        "/books: сюда нельзя писать: доступно только чтение. Выберите другую папку.",
      ]
    `)
    expect(told('EODD', '/books')).toBeUndefined()
  })
})
