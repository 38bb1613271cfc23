// Journey 1 through the program itself: a book becomes a character, survives kill -9, and tells what is wrong with its input.
import { execFile, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { sha256 } from '../../src/base/hash.js'
import { assetPath, packageRoot } from '../../src/base/package.js'
import { createModel, saveModel } from '../../src/model/weights.js'
import { saveTokenizer } from '../../src/tokenizer/files.js'
import { trainBpe } from '../../src/tokenizer/train-bpe.js'

const program = join(packageRoot, 'dist', 'src', 'cli', 'main.js')
const story = assetPath('story', 'chuzhoe_palto.txt')
const home = mkdtempSync(join(tmpdir(), 'dvoynik-journey-'))
const hero = join(home, 'hero')

interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

function dvoynik(...words: readonly string[]): Promise<Ended> {
  return new Promise(resolve => {
    execFile(
      process.execPath,
      [program, ...words],
      { cwd: home, env: { ...process.env, LANG: 'C' } },
      (error, out, err) => resolve({ code: error ? ((error.code as unknown as number) ?? 1) : 0, out, err }),
    )
  })
}

/** Runs the program with lines on its standard input. */
function tell(words: readonly string[], lines: readonly string[]): Promise<Ended> {
  return new Promise(resolve => {
    const running = execFile(
      process.execPath,
      [program, ...words],
      { cwd: home, env: { ...process.env, LANG: 'C' } },
      (error, out, err) => resolve({ code: error ? ((error.code as unknown as number) ?? 1) : 0, out, err }),
    )
    running.stdin?.end(lines.join('\n') + '\n')
  })
}

const inProject = (folder: string, ...words: readonly string[]): Promise<Ended> =>
  dvoynik(...words, '--project', folder)

/** A tiny untrained model with a tokenizer of the story's own words. */
async function makeBase(folder: string): Promise<void> {
  const { tokenizer } = await trainBpe(readFileSync(story, 'utf8').split('\n'), { vocabSize: 700, userDefined: ['\n'] })
  const sizes = {
    vocab_size: tokenizer.size,
    hidden_size: 32,
    intermediate_size: 64,
    num_hidden_layers: 2,
    num_attention_heads: 2,
  }
  const model = createModel(
    {
      model_type: 'llama',
      ...sizes,
      num_key_value_heads: 2,
      max_position_embeddings: 128,
      rms_norm_eps: 1e-5,
      hidden_act: 'silu',
      tie_word_embeddings: true,
    },
    7,
  )
  await saveModel(folder, model)
  await saveTokenizer(folder, tokenizer)
}

function editPlan(
  folder: string,
  change: (plan: { train: Record<string, unknown>; [key: string]: unknown }) => void,
): void {
  const path = join(folder, 'dvoynik.json')
  const plan = JSON.parse(readFileSync(path, 'utf8')) as { train: Record<string, unknown> }
  change(plan)
  writeFileSync(path, JSON.stringify(plan))
}

const adapterHash = (folder: string): string =>
  sha256(readFileSync(join(folder, 'runs', 'main', 'model', 'adapter_model.safetensors')))

/** Losses of the log without the timings. */
const losses = (folder: string): string[] =>
  readFileSync(join(folder, 'runs', 'main', 'events.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { event: string; step: number; lossNats?: number })
    .map(({ event, step, lossNats }) => `${event} ${step} ${lossNats}`)

beforeAll(async () => {
  await makeBase(join(home, 'base'))
})

describe('a novel becomes a character', () => {
  it('in six commands', async () => {
    expect(await dvoynik('init', 'hero')).toMatchObject({ code: 0 })
    expect((await inProject(hero, 'add', story)).out).toContain('Чужое пальто')
    expect((await inProject(hero, 'characters')).out).toContain('Тихон')
    editPlan(hero, plan => {
      const small = { steps: 14, batch: 2, length: 64, saveEvery: 4, evaluateEvery: 7 }
      Object.assign(plan.train, small, { base: join(home, 'base'), method: { kind: 'lora', rank: 4, alpha: 8 } })
      plan.chat = { maxTokens: 8 }
    })
    expect((await inProject(hero, 'build', '--focus', 'Тихон')).code).toBe(0)
    cpSync(hero, join(home, 'killed'), { recursive: true })
    const trained = await inProject(hero, 'train')
    expect(trained).toMatchObject({ code: 0 })
    const chat = await inProject(hero, 'chat', 'Как вас зовут?', '--json')
    const answer = JSON.parse(chat.out) as { event: string; data: { reply: string } }
    expect([chat.code, answer.event, typeof answer.data.reply]).toEqual([0, 'result', 'string'])
  })

  it('and says the same with the same seed', async () => {
    const say = () => inProject(hero, 'chat', 'Что это?', '--seed', '5', '--json')
    expect((await say()).out).toBe((await say()).out)
  })

  it('and a talk is saved under a name that is free, and under no other', async () => {
    const plan = join(hero, 'dvoynik.json')
    const before = readFileSync(plan, 'utf8')
    const talk = await tell(['chat', '--project', hero], ['Кто вы?', `/save ${plan}`, '/save my talk.json'])
    expect(talk.err).toContain(`${plan}: something lies here already, and it will not be overwritten.`)
    expect(readFileSync(plan, 'utf8')).toBe(before)
    const saved = JSON.parse(readFileSync(join(home, 'my talk.json'), 'utf8')) as { turns: unknown[] }
    expect([talk.code, saved.turns]).toEqual([0, [expect.objectContaining({ who: 'you', text: 'Кто вы?' }), expect.objectContaining({ who: 'own' })]]) // prettier-ignore
  })

  it.skipIf(process.platform !== 'linux' || !existsSync('/usr/bin/script'))(
    'and a message that is too long does not end a talk at a terminal',
    async () => {
      const command = `"${process.execPath}" "${program}" chat --project "${hero}"`
      const running = spawn('/usr/bin/script', ['-qec', command, '/dev/null'], { cwd: home, env: { ...process.env, LANG: 'C' } }) // prettier-ignore
      // lines that come before they are asked for are lost, so each waits for what is told before it
      const lines: [after: string, line: string][] = [
        ['Ctrl-D leaves', 'Как вас зовут? '.repeat(60)],
        ['fit beside a reply', '/save short.json'],
        ['Saved: short.json', '/exit'],
      ]
      let told = ''
      running.stdout.on('data', (piece: Buffer) => {
        told += piece.toString()
        if (lines.length > 0 && told.includes(lines[0][0])) running.stdin.write(lines.shift()![1] + '\r')
      })
      const code = await new Promise(resolve => running.on('exit', resolve))
      expect(told).toMatch(/the message makes \d+ tokens and \d+ fit beside a reply/u)
      expect([code, lines, existsSync(join(home, 'short.json'))]).toEqual([0, [], true])
    },
  )

  it('and a second run does nothing and says so', async () => {
    const again = await inProject(hero, 'run')
    expect(again.out.match(/nothing has changed, skipped/gu)).toHaveLength(5)
    expect((await inProject(hero, 'status')).out.match(/ done/gu)).toHaveLength(5)
  })

  it('and killed in the middle of training it ends with the same weights', async () => {
    const killed = join(home, 'killed')
    const log = join(killed, 'runs', 'main', 'events.jsonl')
    const child = spawn(process.execPath, [program, 'train', '--project', killed], { cwd: home, stdio: 'ignore' })
    const ended = new Promise(resolve => child.on('exit', (code, signal) => resolve(signal ?? code)))
    while (!(existsSync(log) && readFileSync(log, 'utf8').includes('"step":6,')) && child.exitCode === null)
      await wait(5)
    child.kill('SIGKILL')
    expect(await ended).toBe('SIGKILL')
    const resumed = await inProject(killed, 'train')
    expect(resumed).toMatchObject({ code: 0 })
    expect(resumed.out).toContain('Continuing from step 4')
    expect(adapterHash(killed)).toBe(adapterHash(hero))
    expect(losses(killed)).toEqual(losses(hero))
  })

  it('and Ctrl-C saves, tells how to go on, and exits with 130', async () => {
    const child = spawn(
      process.execPath,
      [program, 'train', '--project', hero, '--name', 'stopped', '--steps', '400'],
      {
        cwd: home,
      },
    )
    let err = ''
    child.stderr.on('data', (data: Buffer) => (err += data.toString()))
    const ended = new Promise<number | null>(resolve => child.on('exit', resolve))
    const log = join(hero, 'runs', 'stopped', 'events.jsonl')
    while (!(existsSync(log) && readFileSync(log, 'utf8').includes('"step":2,')) && child.exitCode === null)
      await wait(5)
    child.kill('SIGINT')
    expect(await ended).toBe(130)
    expect(err).toMatch(/step \d+ of 400/u)
    expect(readdirSync(join(hero, 'runs', 'stopped', 'checkpoints')).length).toBeGreaterThan(0)
  })
})

describe('people of a book', () => {
  it('are merged, renamed and chosen by name, and the changes are kept', async () => {
    const place = join(home, 'people')
    await dvoynik('init', 'people')
    await inProject(place, 'add', story)
    expect((await inProject(place, 'characters', 'merge', 'Чалый', 'Егор Лукич')).code).toBe(0)
    expect((await inProject(place, 'characters', 'rename', 'Чалый', 'Капитан')).code).toBe(0)
    expect((await inProject(place, 'characters', 'choose', 'Капитан')).out).toContain('Капитан')
    const people = readFileSync(join(place, 'dictionaries', 'people.txt'), 'utf8')
    expect(people).toContain('Егор Лукич')
    expect((await inProject(place, 'build')).code).toBe(0)
  })
})

describe('bad input gives one clear message and its exit code', () => {
  const file = (name: string, data: string | Uint8Array): string => {
    const path = join(home, name)
    writeFileSync(path, data)
    return path
  }

  it('a name that is not in the book', async () => {
    const { code, err } = await inProject(hero, 'build', '--focus', 'Зимарод')
    expect([code, err.trim().split('\n')]).toEqual([1, [expect.stringContaining('Зимородов')]])
  })

  it('an empty file, a binary file, a missing file', async () => {
    const results = [
      file('empty.txt', ''),
      file('photo.txt', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 1])),
      join(home, 'no.txt'),
    ]
    for (const path of results) {
      const { code, err } = await inProject(hero, 'add', path)
      expect([code, err.trim().split('\n').at(-1)]).toEqual([1, expect.stringContaining(path)])
    }
  })

  it('a book without dialogue', async () => {
    const place = join(home, 'silent')
    await dvoynik('init', 'silent')
    const lines = Array.from(
      { length: 30 },
      (_, i) => `Вера шла по дороге, и день номер ${i} был тих. Вера думала о море, а море думало о Вере.`,
    )
    await inProject(place, 'add', file('silent.txt', lines.join('\n')))
    editPlan(place, plan => void (plan.dataset = { learn: 'own' }))
    const { code, err } = await inProject(place, 'build', '--focus', 'Вера')
    expect([code, err.trim().split('\n').at(-1)!.replaceAll(home, 'HOME')]).toMatchInlineSnapshot(`
      [
        1,
        "silent.txt: no direct speech was found (0 replies). Check that replies begin with a dash or stand in quotation marks, or learn the narration with learn: "all".",
      ]
    `)
  })

  it('an unknown key in the plan', async () => {
    const place = join(home, 'plan')
    await dvoynik('init', 'plan')
    editPlan(place, plan => void (plan.train.learningrate = 1))
    const { code, err } = await inProject(place, 'status')
    expect([code, err.replaceAll(home, 'HOME')]).toMatchInlineSnapshot(`
      [
        1,
        "HOME/plan/dvoynik.json, key train: unknown key "learningrate" with the value 1. Did you mean "learningRate"?
      ",
      ]
    `)
  })

  it('a checkpoint with a flipped byte is passed over for the one before it', async () => {
    const place = join(home, 'flipped')
    cpSync(join(home, 'killed'), place, { recursive: true })
    const checkpoints = join(place, 'runs', 'main', 'checkpoints')
    const last = readdirSync(checkpoints).sort().at(-1)!
    const path = join(checkpoints, last, 'parameters.safetensors')
    const bytes = readFileSync(path)
    bytes[bytes.length - 3] ^= 4
    writeFileSync(path, bytes)
    writeFileSync(join(place, 'runs', 'main', 'model', 'adapter_config.json'), '{}') // so that the stage is not skipped
    const { code, err } = await inProject(place, 'train')
    expect(code).toBe(0)
    expect(err).toContain(`${last} is damaged`)
    expect(adapterHash(place)).toBe(adapterHash(join(home, 'killed')))
  })

  it('a wrong call exits with 2, a project that is not there too', async () => {
    expect((await dvoynik('biuld')).code).toBe(2)
    expect((await dvoynik('status')).code).toBe(2)
  })
})
