// Checks settings against a zod schema; an unknown key is an error that names the nearest known one.
import { z } from 'zod'
import { AppError } from './errors.js'
import { nearestName } from './nearest.js'

/**
 * @param schema made with z.strictObject, so that unknown keys are found
 * @param where file or option the value came from
 * @throws AppError `bad-setting` with the key's path, the value received and what is expected
 */
export function parseSettings<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  where: string,
): z.output<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw explainIssue(schema, value, result.error.issues[0], where)
}

function explainIssue(schema: z.ZodType, value: unknown, issue: z.core.$ZodIssue, where: string): AppError {
  const path = issue.path.map(String)
  if (issue.code === 'unrecognized_keys') return explainUnknownKey(schema, path, issue.keys[0], where)
  const key = path.join('.') || '(root)'
  const got = JSON.stringify(
    path.reduce<unknown>((inner, k) => (inner as Record<string, unknown> | undefined)?.[k], value),
  )
  return new AppError('bad-setting', {
    where: `${where}, key ${key}`,
    what: { en: `${issue.message}; received ${got}`, ru: `${russianMessage(schema, value)}; получено ${got}` },
    fix: { en: 'Correct the value', ru: 'Исправьте значение' },
  })
}

/** The first issue again, in zod's Russian words. */
function russianMessage(schema: z.ZodType, value: unknown): string {
  return schema.safeParse(value, { error: z.locales.ru().localeError }).error!.issues[0].message
}

function explainUnknownKey(schema: z.ZodType, path: readonly string[], key: string, where: string): AppError {
  const known = knownKeys(schema, path)
  const near = nearestName(key, known)
  return new AppError('unknown-key', {
    where: path.length > 0 ? `${where}, key ${path.join('.')}` : where,
    what: { en: `unknown key "${key}"`, ru: `неизвестный ключ «${key}»` },
    fix: near
      ? { en: `Did you mean "${near}"?`, ru: `Может быть, «${near}»?` }
      : { en: `Known keys: ${known.join(', ')}`, ru: `Известные ключи: ${known.join(', ')}` },
  })
}

function knownKeys(schema: z.ZodType, path: readonly string[]): string[] {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as SchemaNode
  const node = path.reduce<SchemaNode | undefined>((inner, key) => inner && stepInto(inner, key), json)
  return collectKeys(node)
}

interface SchemaNode {
  properties?: Record<string, SchemaNode>
  items?: SchemaNode
  additionalProperties?: SchemaNode | boolean
  anyOf?: SchemaNode[]
  oneOf?: SchemaNode[]
}

function stepInto(node: SchemaNode, key: string): SchemaNode | undefined {
  const direct = node.properties?.[key] ?? node.items
  if (direct) return direct
  if (typeof node.additionalProperties === 'object') return node.additionalProperties
  return [...(node.anyOf ?? []), ...(node.oneOf ?? [])].map(option => stepInto(option, key)).find(Boolean)
}

function collectKeys(node: SchemaNode | undefined): string[] {
  if (!node) return []
  const nested = [...(node.anyOf ?? []), ...(node.oneOf ?? [])].flatMap(collectKeys)
  return [...new Set([...Object.keys(node.properties ?? {}), ...nested])]
}
