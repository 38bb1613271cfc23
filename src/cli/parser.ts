// Turns the command table into a parser and its help, in either language.
import { Command, CommanderError, Option } from 'commander'
import { AppError, type Lang, type Text } from '../base/errors.js'
import { packageVersion } from '../base/package.js'
import type { CommandSpec, OptionSpec } from './command.js'

/** Options that every command takes. */
export const globalOptions: readonly OptionSpec[] = [
  {
    flags: '--project <folder>',
    summary: { en: 'project folder (default: the current one)', ru: 'папка проекта (по умолчанию текущая)' },
  },
  { flags: '--lang <language>', summary: { en: 'language of messages: en or ru', ru: 'язык сообщений: en или ru' } },
  { flags: '--json', summary: { en: 'write JSON lines instead of text', ru: 'выводить строки JSON вместо текста' } },
  { flags: '--quiet', summary: { en: 'write results only', ru: 'выводить только результат' } },
  { flags: '--debug', summary: { en: 'show stack traces', ru: 'показывать стек вызовов' } },
]

export type Dispatch = (
  spec: CommandSpec,
  args: readonly string[],
  options: Readonly<Record<string, unknown>>,
) => Promise<void>

/** A commander program for the table; `dispatch` is called with the chosen command. */
export function createParser(table: Readonly<Record<string, CommandSpec>>, lang: Lang, dispatch: Dispatch): Command {
  const program = new Command('dvoynik')
    .description(programSummary[lang])
    .version(packageVersion, '-V, --version', { en: 'print the version', ru: 'показать версию' }[lang])
  addOptions(program, globalOptions, lang)
  configure(program, lang)
  program.helpCommand('help [command]', { en: 'print the help of a command', ru: 'показать справку о команде' }[lang])
  for (const [name, spec] of Object.entries(table)) addCommand(program, name, spec, lang, dispatch)
  return program
}

const programSummary: Text = {
  en: 'Turns a novel or a chat history into a character you can talk to.',
  ru: 'Превращает роман или переписку в персонажа, с которым можно поговорить.',
}

function addCommand(parent: Command, name: string, spec: CommandSpec, lang: Lang, dispatch: Dispatch): void {
  const command = new Command(name).description(spec.summary[lang])
  configure(command, lang)
  for (const argument of spec.usage.split(' ').filter(Boolean)) command.argument(argument)
  addOptions(command, [...spec.options, ...globalOptions], lang)
  for (const [child, childSpec] of Object.entries(spec.commands ?? {}))
    addCommand(command, child, childSpec, lang, dispatch)
  if (spec.run) {
    command.action(async (...received: unknown[]) => {
      const self = received.at(-1) as Command
      await dispatch(spec, self.args, self.optsWithGlobals())
    })
  }
  parent.addCommand(command)
}

function addOptions(command: Command, options: readonly OptionSpec[], lang: Lang): void {
  for (const { flags, summary, repeat } of options) {
    const option = new Option(flags, summary[lang])
    if (repeat) option.argParser((value: string, list: readonly string[] | undefined) => [...(list ?? []), value])
    command.addOption(option)
  }
}

const helpTitles: Readonly<Record<string, string>> = {
  'Usage:': 'Использование:',
  'Options:': 'Параметры:',
  'Commands:': 'Команды:',
  'Arguments:': 'Аргументы:',
}

function configure(command: Command, lang: Lang): void {
  // The error names its command, so that its own help can be pointed at.
  command.exitOverride(error => {
    throw Object.assign(error, { command })
  })
  command.configureOutput({ writeErr: () => undefined })
  command.helpOption('-h, --help', { en: 'print this help', ru: 'показать эту справку' }[lang]).helpCommand(false)
  if (lang === 'ru')
    command.configureHelp({
      styleTitle: text => helpTitles[text] ?? text,
      styleUsage: translatePlaces,
      styleSubcommandTerm: translatePlaces,
    })
}

function translatePlaces(text: string): string {
  return text.replace('[options]', '[параметры]').replace('[command]', '[команда]')
}

/** A mistake in how a command was called, as our own error; help and version are no mistakes and give undefined. */
export function explainUsage(error: CommanderError): AppError | undefined {
  if (error.exitCode === 0) return undefined
  const { command } = error as CommanderError & { command?: Command }
  const said = error.message.replace(/^error: /u, '').replaceAll('\n', ' ')
  const what = command ? wordsOf(error.code, command, said) : undefined
  const help = `${command ? pathOf(command) : 'dvoynik'} --help`
  return new AppError('usage', {
    kind: 'usage',
    what: what ?? { en: said, ru: said },
    fix: { en: `See \`${help}\``, ru: `Смотрите \`${help}\`` },
    cause: error,
  })
}

/** `dvoynik characters choose` */
function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name()
}

function wordsOf(code: string, command: Command, said: string): Text | undefined {
  const quoted = /'([^']*)'/u.exec(said)?.[1] ?? ''
  const near = /Did you mean ([^?]*)\?/u.exec(said)?.[1]
  const guess = near ? { en: ` (did you mean ${near}?)`, ru: ` (может быть, ${near}?)` } : { en: '', ru: '' }
  const names = command.commands.map(child => child.name()).join(', ')
  switch (code) {
    case 'commander.unknownOption':
      return { en: `unknown option ${quoted}${guess.en}`, ru: `неизвестный параметр ${quoted}${guess.ru}` }
    case 'commander.unknownCommand':
      return { en: `unknown command "${quoted}"${guess.en}`, ru: `неизвестная команда «${quoted}»${guess.ru}` }
    case 'commander.missingArgument':
      return { en: `<${quoted}> is missing`, ru: `не указано: <${quoted}>` }
    case 'commander.excessArguments': {
      const extra = command.args.slice(command.registeredArguments.length).join(' ')
      return { en: `this is too much: ${extra}`, ru: `это лишнее: ${extra}` }
    }
    case 'commander.optionMissingArgument':
      return { en: `${quoted} needs a value`, ru: `у ${quoted} нет значения` }
    case 'commander.help': {
      const [word, asked] = command.args
      if (word === 'help' && asked !== undefined)
        return {
          en: `unknown command "${asked}"; there are: ${names}`,
          ru: `неизвестная команда «${asked}»; есть: ${names}`,
        }
      return { en: `a command is missing; there are: ${names}`, ru: `не указана команда; есть: ${names}` }
    }
    default:
      return undefined
  }
}
