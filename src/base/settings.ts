// Checks settings against a zod schema; a mistake is told with the key's path, the value, what is allowed and what was likely meant.
import { z } from 'zod'
import { AppError, keyOf, type Text } from './errors.js'
import { nearestName } from './nearest.js'
import {
  choicesOf,
  describeAllowed,
  keyFixedTo,
  keysOf,
  nodesAt,
  pathsTo,
  typesOf,
  type SchemaNode,
} from './schema-words.js'

/**
 * @param schema made with z.strictObject, so that unknown keys are found
 * @param where file or option the value came from
 * @throws AppError `unknown-key` with the nearest known one; `bad-setting` with the key's path, the value received and
 * what is allowed there. Of several mistakes the first is told, and how many follow.
 */
export function parseSettings<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  where: string,
): z.output<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const { issues } = result.error
  // A mistyped key explains the missing one beside it.
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]
  const count = issues.reduce((sum, one) => sum + (one.code === 'unrecognized_keys' ? one.keys.length : 1), 0)
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as SchemaNode
  throw explainIssue(json, value, issue, { where, others: count - 1 })
}

interface Mistake {
  readonly where: string
  /** Mistakes beside this one. */
  readonly others: number
}

function explainIssue(schema: SchemaNode, value: unknown, issue: z.core.$ZodIssue, mistake: Mistake): AppError {
  if (issue.code === 'unrecognized_keys') return explainUnknownKey(schema, value, issue.path, issue.keys[0], mistake)
  const nodes = nodesAt(schema, issue.path, value)
  const got = valueAt(value, issue.path)
  const allowed = describeAllowed(nodes)
  const expected = nodes.length > 0 ? allowed : { en: issue.message, ru: issue.message }
  const missing = got === undefined
  return new AppError('bad-setting', {
    where: placeOf(mistake.where, issue.path),
    what: missing
      ? { en: `the key is missing; expected ${expected.en}`, ru: `ключа нет; ожидается ${expected.ru}` }
      : {
          en: `expected ${expected.en}; received ${shorten(got)}`,
          ru: `ожидается ${expected.ru}; получено ${shorten(got)}`,
        },
    fix: withOthers(missing ? { en: 'Add it', ru: 'Добавьте его' } : adviseOn(nodes, got), mistake.others),
  })
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key], value)
}

/** `dvoynik.json, key dataset.copies[0]` */
function placeOf(where: string, path: readonly PropertyKey[]): string | Text {
  const key = path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : (i > 0 ? '.' : '') + String(part)))
    .join('')
  return key ? keyOf(where, key) : where
}

function shorten(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 79)}…` : text
}

/** What was likely meant, else what stands there by default. */
function adviseOn(nodes: readonly SchemaNode[], got: unknown): Text {
  const types = typesOf(nodes)
  const near = typeof got === 'string' ? nearestChoice(got, choicesOf(nodes)) : undefined
  if (near !== undefined) return didYouMean(near)
  const bare = typeof got === 'string' ? bareValue(got, types) : undefined
  if (bare !== undefined) return { en: `Write it without quotes: ${bare}`, ru: `Напишите без кавычек: ${bare}` }
  if (typeof got === 'string' && nodes.some(takesTexts))
    return { en: `Put it in brackets: [${shorten(got)}]`, ru: `Возьмите в скобки: [${shorten(got)}]` }
  const formKey = keyFixedTo(nodes, got)
  if (formKey !== undefined) return writeAs(`{ "${formKey}": ${shorten(got)} }`)
  const usual = nodes.map(node => node.default).find(isTellable)
  return usual === undefined
    ? { en: 'Correct the value', ru: 'Исправьте значение' }
    : { en: `Correct it; the default is ${shorten(usual)}`, ru: `Исправьте; по умолчанию ${shorten(usual)}` }
}

function isTellable(usual: unknown): boolean {
  return usual !== undefined && (typeof usual !== 'object' || (Array.isArray(usual) && usual.length > 0))
}

function writeAs(text: string): Text {
  return { en: `Write ${text}`, ru: `Напишите ${text}` }
}

function takesTexts({ type, items }: SchemaNode): boolean {
  return type === 'array' && items?.type === 'string'
}

function nearestChoice(got: string, choices: readonly unknown[]): string | undefined {
  const number = choices.find(choice => typeof choice !== 'string' && String(choice) === got.trim())
  return number === undefined
    ? nearestName(
        got,
        choices.filter(choice => typeof choice === 'string'),
      )
    : undefined
}

function didYouMean(name: string): Text {
  return { en: `Did you mean "${name}"?`, ru: `Может быть, «${name}»?` }
}

/** A number or true/false that was written as a text; a decimal comma becomes a point. */
function bareValue(text: string, types: readonly string[]): string | undefined {
  const word = text.trim().toLowerCase()
  if (types.includes('boolean') && (word === 'true' || word === 'false')) return word
  const number = word.replace(',', '.')
  const wanted = types.includes('number') || types.includes('integer')
  return wanted && number !== '' && Number.isFinite(Number(number)) ? number : undefined
}

function withOthers(fix: Text, others: number): Text {
  if (others === 0) return fix
  const end = (text: string): string => (/[.?!]$/u.test(text) ? text : `${text}.`)
  return {
    en: `${end(fix.en)} Besides this, mistakes in this file: ${others}`,
    ru: `${end(fix.ru)} Кроме этой, ошибок в файле: ${others}`,
  }
}

function explainUnknownKey(
  schema: SchemaNode,
  value: unknown,
  path: readonly PropertyKey[],
  key: string,
  { where, others }: Mistake,
): AppError {
  const known = keysOf(nodesAt(schema, path, value), valueAt(value, path))
  const near = nearestName(key, known)
  const own = [...path, key].join('.')
  const elsewhere = pathsTo(schema, key).filter(other => other !== own)
  const got = shorten(valueAt(value, [...path, key]))
  const fix =
    elsewhere.length > 0
      ? { en: `It belongs in ${elsewhere.join(' or ')}`, ru: `Его место: ${elsewhere.join(' или ')}` }
      : near
        ? didYouMean(near)
        : { en: `Known keys: ${known.join(', ')}`, ru: `Известные ключи: ${known.join(', ')}` }
  return new AppError('unknown-key', {
    where: placeOf(where, path),
    what: { en: `unknown key "${key}" with the value ${got}`, ru: `неизвестный ключ «${key}» со значением ${got}` },
    fix: withOthers(fix, others),
  })
}
