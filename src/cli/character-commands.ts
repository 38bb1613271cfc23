// Commands about the people of a book: list, choose, merge, rename, set gender.
import type { Person, Register } from '../characters/person.js'
import { AppError, type Text } from '../base/errors.js'
import type { PeopleChange } from '../project/people.js'
import type { StageOutcome } from '../project/stage.js'
import type { Call, CommandSpec } from './command.js'
import { sayOutcome } from './outcome.js'

const genderNames = {
  m: { en: 'm', ru: 'м' },
  f: { en: 'f', ru: 'ж' },
  unknown: { en: '?', ru: '?' },
} as const

async function listPeople({ folder, output, onProgress, signal, options }: Call): Promise<void> {
  const { openProject } = await import('../project/project.js')
  const { findPeople } = await import('../project/people.js')
  const project = await openProject(folder)
  const onStage = (outcome: StageOutcome): void => (outcome.skipped ? undefined : sayOutcome(output, outcome))
  const found = await findPeople(project, { onProgress, signal, onWarning: output.warn, onStage })
  const { focus } = project.plan
  if (focus !== undefined && !found.focus) output.warn(unknownFocus(focus))
  const limit = options.all === true ? found.register.people.length : 20
  const text = (lang: 'en' | 'ru'): string => peopleTable(found.register, found.focus, limit, lang)
  output.result({ en: text('en'), ru: text('ru') }, { focus: found.focus?.id, people: found.register.people })
}

function unknownFocus(name: string): Text {
  return {
    en: `nobody is called "${name}" any more (key focus of dvoynik.json); choose again: dvoynik characters choose NAME`,
    ru: `никого не зовут «${name}» (ключ focus в dvoynik.json); выберите заново: dvoynik characters choose ИМЯ`,
  }
}

function peopleTable({ people }: Register, focus: Person | undefined, limit: number, lang: 'en' | 'ru'): string {
  const shown = people.slice(0, limit)
  const width = Math.max(0, ...shown.map(person => person.name.length))
  const rows = shown.map(person => {
    const names = person.aliases.map(alias => `${alias.name} ${alias.count}`).join(', ')
    const mark = person.id === focus?.id ? '→' : ' '
    return `${mark} ${person.name.padEnd(width)}  ${genderNames[person.gender][lang]}  ${String(person.count).padStart(5)}  ${names}`
  })
  const more = people.length - shown.length
  if (more > 0) rows.push({ en: `  … and ${more} more (--all)`, ru: `  … и ещё ${more} (--all)` }[lang])
  return rows.length > 0 ? rows.join('\n') : { en: 'nobody found', ru: 'никого не найдено' }[lang]
}

const listOptions = [
  {
    flags: '--all',
    summary: { en: 'show everybody, not only the first 20', ru: 'показать всех, а не только первых 20' },
  },
]

/** A sub-command that changes the register and shows what came of it. */
function changeCommand(
  usage: string,
  summary: CommandSpec['summary'],
  change: (args: readonly string[]) => PeopleChange,
): CommandSpec {
  return {
    usage,
    summary,
    options: [],
    async run(call) {
      const { openProject } = await import('../project/project.js')
      const { changePeople } = await import('../project/people.js')
      await changePeople(await openProject(call.folder), change(call.args), call)
      await listPeople(call)
    },
  }
}

export const charactersCommand: CommandSpec = {
  usage: '',
  summary: { en: 'Find the people of the book and list them', ru: 'Найти персонажей книги и показать их' },
  options: listOptions,
  run: listPeople,
  commands: {
    list: {
      usage: '',
      summary: { en: 'List the people found', ru: 'Показать найденных персонажей' },
      options: listOptions,
      run: listPeople,
    },
    choose: {
      usage: '<name>',
      summary: { en: 'Choose the character to become', ru: 'Выбрать персонажа, которым станет модель' },
      options: [],
      async run(call) {
        const { openProject } = await import('../project/project.js')
        const { choosePerson } = await import('../project/people.js')
        const person = await choosePerson(await openProject(call.folder), call.args[0], call)
        call.output.result({ en: `The character is ${person.name}.`, ru: `Выбран персонаж: ${person.name}.` }, person)
      },
    },
    merge: changeCommand(
      '<name> <other...>',
      { en: 'Say that several entries are one person', ru: 'Объединить записи об одном человеке' },
      args => ({
        kind: 'merge',
        names: args,
      }),
    ),
    rename: changeCommand(
      '<name> <new>',
      { en: 'Change the name shown for a person', ru: 'Изменить показываемое имя' },
      ([name, to]) => ({
        kind: 'rename',
        name,
        to,
      }),
    ),
    gender: changeCommand(
      '<name> <m|f>',
      { en: 'Set the gender of a person', ru: 'Указать пол персонажа' },
      ([name, gender]) => ({
        kind: 'gender',
        name,
        gender: checkGender(gender),
      }),
    ),
  },
}

function checkGender(word: string): 'm' | 'f' {
  const known: Readonly<Record<string, 'm' | 'f'>> = { m: 'm', f: 'f', м: 'm', ж: 'f' }
  if (known[word]) return known[word]
  throw new AppError('bad-gender', {
    kind: 'usage',
    what: { en: `gender "${word}" is not known`, ru: `пол «${word}» непонятен` },
    fix: { en: 'Give m or f', ru: 'Укажите м или ж' },
  })
}
