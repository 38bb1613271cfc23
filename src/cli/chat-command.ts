// The command that talks: a prompt, streamed replies, and a few words that begin with a slash.
import { createInterface } from 'node:readline/promises'
import { join } from 'node:path'
import { AppError, asError, type Lang } from '../base/errors.js'
import { exists, writeFileAtomic } from '../base/files.js'
import type { OpenConversation } from '../project/chat.js'
import type { Call, CommandSpec } from './command.js'
import { wholeNumber } from './model-commands.js'
import { paint } from './output.js'
import { explainSystemError } from './system-error.js'

export const chatCommand: CommandSpec = {
  usage: '[message...]',
  summary: { en: 'Talk to the character', ru: 'Поговорить с персонажем' },
  options: [
    {
      flags: '--name <run>',
      summary: { en: 'which run to talk to (default: main)', ru: 'с каким прогоном говорить (по умолчанию main)' },
    },
    {
      flags: '--base',
      summary: { en: 'talk to the base model, before training', ru: 'говорить с исходной моделью, до обучения' },
    },
    {
      flags: '--seed <number>',
      summary: {
        en: 'seed: the same seed gives the same answers',
        ru: 'зерно: одинаковое зерно даёт одинаковые ответы',
      },
    },
  ],
  async run(call: Call) {
    const { args, options, folder } = call
    const { openProject } = await import('../project/project.js')
    const project = await openProject(folder)
    const run = typeof options.name === 'string' ? options.name : undefined
    const seed = options.seed === undefined ? undefined : wholeNumber('--seed', options.seed, 1)
    const { openConversation } = await import('../project/chat.js')
    const open = await openConversation(project, {
      run,
      base: options.base === true,
      seed,
      onWarning: call.output.warn,
    })
    try {
      if (call.signal.aborted) throw stopped()
      if (args.length > 0) await answerOnce(call, open, args.join(' '))
      else if (process.stdin.isTTY) await talkOnTerminal(call, open)
      else await talkToLines(call, open)
    } finally {
      await open.close()
    }
  },
}

/** One question, one streamed answer; with --json the whole answer as one event. */
async function answer({ output, signal }: Call, open: OpenConversation, question: string): Promise<void> {
  let reply = ''
  for await (const piece of open.conversation.say(question, signal)) {
    reply += piece
    if (!output.json) output.write(piece)
  }
  if (output.json) output.result({ en: reply, ru: reply }, { question, reply, seed: open.conversation.seed })
  else output.write('\n')
}

/** A reply that was cut short is no whole answer for a script. */
async function answerOnce(call: Call, open: OpenConversation, question: string): Promise<void> {
  await answer(call, open, question)
  if (call.signal.aborted) throw stopped()
}

async function talkToLines(call: Call, open: OpenConversation): Promise<void> {
  const lines = createInterface({ input: process.stdin })
  call.signal.addEventListener('abort', () => lines.close())
  for await (const line of lines) {
    if (call.signal.aborted || line.trim() === '/exit') break
    if (line.trim()) await handleLine(call, open, line.trim())
  }
  if (call.signal.aborted) throw stopped()
}

async function talkOnTerminal(call: Call, open: OpenConversation): Promise<void> {
  call.output.say(greeting(open.name))
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  const closed = new AbortController()
  terminal.on('close', () => closed.abort())
  call.signal.addEventListener('abort', () => terminal.close())
  // Ctrl-C during a reply stops the reply; at the prompt it ends the conversation.
  let talking: AbortController | undefined
  terminal.on('SIGINT', () => (talking ? talking.abort() : terminal.close()))
  while (!closed.signal.aborted) {
    const line = await terminal.question(promptSign[call.lang], { signal: closed.signal }).catch(() => undefined)
    if (line === undefined) call.output.write('\n') // the shell's prompt must not stand beside ours
    if (line === undefined || line.trim() === '/exit') break
    if (!line.trim()) continue
    talking = new AbortController()
    // what was said so far must not be lost to a message that is too long
    await handleLine({ ...call, signal: talking.signal }, open, line.trim()).catch((thrown: unknown) => {
      call.output.write('\n')
      sayMistake(call, thrown)
    })
    talking = undefined
  }
  terminal.close()
}

const promptSign: { readonly [L in Lang]: string } = { en: 'you> ', ru: 'вы> ' }

function greeting(name: string): { en: string; ru: string } {
  return {
    en: `You are talking to ${name}. /reset forgets, /save [file] writes the talk, /seed N changes the dice, /exit or Ctrl-D leaves.`,
    ru: `Вы говорите с персонажем: ${name}. /reset забыть, /save [файл] записать беседу, /seed N сменить зерно, /exit или Ctrl-D выйти.`,
  }
}

async function handleLine(call: Call, open: OpenConversation, line: string): Promise<void> {
  const [word, ...rest] = line.split(/\s+/u)
  if (!word.startsWith('/')) {
    if (!call.output.json && process.stdin.isTTY) call.output.write(paint(process.stdout).cyan(`${open.name}> `))
    return answer(call, open, line)
  }
  const command = slashCommands[word]
  if (!command) return sayUnknown(call, word)
  try {
    await command(call, open, rest)
  } catch (thrown) {
    sayMistake(call, thrown)
  }
}

/** A wrong value or a file that cannot be written must not end the talk. */
function sayMistake({ output }: Call, thrown: unknown): void {
  const error = thrown instanceof AppError ? thrown : explainSystemError(asError(thrown))
  if (!error) throw thrown
  output.warn({ en: error.render('en'), ru: error.render('ru') })
}

type SlashCommand = (call: Call, open: OpenConversation, rest: readonly string[]) => Promise<void> | void

const slashCommands: Readonly<Record<string, SlashCommand | undefined>> = {
  '/reset': ({ output }, { conversation }) => {
    conversation.reset()
    output.say({ en: 'Forgotten.', ru: 'Забыто.' })
  },
  '/seed': ({ output }, { conversation }, [value]) => {
    conversation.seed = wholeNumber('/seed', value, 1)
    output.say({ en: `Seed ${conversation.seed}.`, ru: `Зерно ${conversation.seed}.` })
  },
  '/save': async ({ output, folder }, { conversation }, words) => {
    const path = words.join(' ') || join(folder, `chat-${new Date().toISOString().replace(/[:.]/gu, '-')}.json`)
    if (await exists(path)) throw targetExists(path)
    await writeFileAtomic(path, JSON.stringify(conversation.save(), null, 2) + '\n')
    output.say({ en: `Saved: ${path}`, ru: `Записано: ${path}` })
  },
}

/** A mistyped slash word must not end the talk. */
function sayUnknown({ output }: Call, word: string): void {
  output.warn({
    en: `${word} is not known; there are /reset, /save, /seed and /exit`,
    ru: `${word}: нет такой команды; есть /reset, /save, /seed и /exit`,
  })
}

function targetExists(path: string): AppError {
  return new AppError('target-exists', {
    where: path,
    kind: 'usage',
    what: {
      en: 'something lies here already, and it will not be overwritten',
      ru: 'здесь уже что-то лежит, и оно не будет перезаписано',
    },
    fix: { en: 'Give /save another name', ru: 'Укажите в /save другое имя' },
  })
}

function stopped(): AppError {
  return new AppError('interrupted', {
    kind: 'interrupted',
    what: { en: 'the talk was stopped', ru: 'беседа прервана' },
  })
}
