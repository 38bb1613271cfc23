// A regular expression as Python writes it to one of JavaScript's; what the two do not share is refused by name.
import { AppError, type Text } from '../base/errors.js'

/** Spellings of Python, each with what it is here; a class in brackets and other escapes pass as they are. */
const spellings: readonly (readonly [RegExp, string])[] = [
  [/^\\Z$/, '$'],
  [/^\\A$/, '^'],
  [/^\(\?P<$/, '(?<'],
  [/^\(\?P=(\w+)\)$/, '\\k<$1>'],
]

/** An escape, a class in brackets, or a named group of Python. */
const piece = /\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?P<|\(\?P=\w+\)/g

/**
 * The expression as Python's `re.fullmatch` takes it.
 * @param where the key it stands under
 * @param before what may stand in front, such as `(?:.*\.)?`
 * @throws AppError `unsupported-adapter` for one that JavaScript cannot read
 */
export function pythonRegex(source: string, where: Text, before = ''): RegExp {
  const [, letters, rest] = /^(?:\(\?([aisLu]+)\))?(.*)$/s.exec(source)!
  const flags = [...new Set(letters)].filter(letter => letter === 'i' || letter === 's').join('')
  const body = rest.replace(piece, text => {
    const [pattern, ours] = spellings.find(([theirs]) => theirs.test(text)) ?? []
    return pattern ? text.replace(pattern, ours!) : text
  })
  try {
    return new RegExp(`^${before}(?:${body})$`, flags) // no `u`: Python lets any sign be escaped
  } catch (cause) {
    throw unreadable(source, where, cause)
  }
}

function unreadable(source: string, where: Text, cause: unknown): AppError {
  return new AppError('unsupported-adapter', {
    where,
    what: {
      en: `the regular expression ${JSON.stringify(source)} is not one that can be read here`,
      ru: `регулярное выражение ${JSON.stringify(source)} здесь не читается`,
    },
    fix: {
      en: 'Write the names of the modules in its place, as a list',
      ru: 'Напишите вместо него имена модулей списком',
    },
    cause,
  })
}
