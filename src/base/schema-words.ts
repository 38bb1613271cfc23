// What a JSON Schema allows at one place of a value, in words that a user reads.
import type { Lang, Text } from './errors.js'

/** The part of JSON Schema that zod writes for settings. */
export interface SchemaNode {
  readonly type?: string
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly items?: SchemaNode
  readonly additionalProperties?: SchemaNode | boolean
  readonly anyOf?: readonly SchemaNode[]
  readonly oneOf?: readonly SchemaNode[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly minItems?: number
  readonly minLength?: number
  readonly default?: unknown
}

/** The nodes at a path; of several forms only those whose fixed keys (`kind: "lora"`) agree with the value. */
export function nodesAt(root: SchemaNode, path: readonly PropertyKey[], value: unknown): SchemaNode[] {
  let nodes = [root]
  let inner = value
  for (const key of path) {
    nodes = nodes.flatMap(node => formsOf(node, inner)).flatMap(form => childOf(form, String(key)))
    inner = (inner as Readonly<Record<PropertyKey, unknown>> | null | undefined)?.[key]
  }
  return nodes
}

function childOf({ properties, items, additionalProperties }: SchemaNode, key: string): SchemaNode[] {
  const child = properties?.[key] ?? items ?? additionalProperties
  return typeof child === 'object' ? [child] : []
}

function formsOf(node: SchemaNode, value?: unknown): SchemaNode[] {
  const forms = node.anyOf ?? node.oneOf
  if (!forms) return [node]
  const fitting = forms.filter(form => agrees(form, value))
  return (fitting.length > 0 ? fitting : forms).flatMap(form => formsOf(form, value))
}

function agrees({ properties = {} }: SchemaNode, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(properties).every(
    ([key, { const: fixed }]) => fixed === undefined || (value as Record<string, unknown>)[key] === fixed,
  )
}

/** Keys that an object may have at these nodes; empty for records, which take any. */
export function keysOf(nodes: readonly SchemaNode[], value?: unknown): string[] {
  const forms = nodes.flatMap(node => formsOf(node, value))
  return [...new Set(forms.flatMap(({ properties = {} }) => Object.keys(properties)))]
}

/** The key by which a form is told from others, where one of them has it fixed to this value: `kind` for `lora`. */
export function keyFixedTo(nodes: readonly SchemaNode[], value: unknown): string | undefined {
  const properties = nodes.flatMap(node => formsOf(node)).flatMap(form => Object.entries(form.properties ?? {}))
  return properties.find(([, { const: fixed }]) => fixed !== undefined && fixed === value)?.[0]
}

/** Every path in the schema that ends in `key`, written with dots; forms and lists are looked into. */
export function pathsTo(node: SchemaNode, key: string, before = ''): string[] {
  const found = formsOf(node).flatMap(({ properties = {} }) =>
    Object.entries(properties).flatMap(([name, child]) => {
      const path = before + name
      return name === key ? [path] : pathsTo(child, key, `${path}.`)
    }),
  )
  return [...new Set(found)]
}

/** Values that are named one by one, such as the names of schedules. */
export function choicesOf(nodes: readonly SchemaNode[]): unknown[] {
  const each = ({ const: fixed, enum: named = [] }: SchemaNode): readonly unknown[] => fixed === undefined ? named : [fixed] // prettier-ignore
  return [...new Set(nodes.flatMap(node => formsOf(node)).flatMap(each))]
}

/** Types of JSON that are allowed beside named values: `number`, `array`, … */
export function typesOf(nodes: readonly SchemaNode[]): string[] {
  return [...new Set(nodes.flatMap(node => formsOf(node)).flatMap(({ type }) => type ?? []))]
}

/** `a whole number from 1 to 512`, `"cosine", "linear" or "constant"`. */
export function describeAllowed(nodes: readonly SchemaNode[]): Text {
  return { en: describe(nodes, 'en'), ru: describe(nodes, 'ru') }
}

function describe(nodes: readonly SchemaNode[], lang: Lang): string {
  const choices = choicesOf(nodes).map(choice => JSON.stringify(choice))
  const open = nodes.flatMap(node => formsOf(node)).filter(form => form.const === undefined && !form.enum)
  const objects = open.filter(({ type }) => type === 'object')
  const others = open.filter(({ type }) => type !== 'object').map(node => describeOpen(node, lang))
  const all = [...choices, ...new Set(others), ...(objects.length > 0 ? [describeObject(objects, lang)] : [])]
  return all.length < 2 ? (all[0] ?? '') : `${all.slice(0, -1).join(', ')}${or[lang]}${all.at(-1)}`
}

const or: Text = { en: ' or ', ru: ' или ' }

function describeOpen(node: SchemaNode, lang: Lang): string {
  switch (node.type) {
    case 'integer':
      return { en: 'a whole number', ru: 'целое число' }[lang] + describeRange(node, lang)
    case 'number':
      return { en: 'a number', ru: 'число' }[lang] + describeRange(node, lang)
    case 'boolean':
      return `true${or[lang]}false`
    case 'array':
      return describeList(node, lang)
    default: {
      const filled = { en: ' that is not empty', ru: ', не пустой' }[lang]
      return { en: 'a text in quotes', ru: 'текст в кавычках' }[lang] + (node.minLength ? filled : '')
    }
  }
}

/** Whole numbers beyond 2^53 are no limit that anybody meets. */
function describeRange(node: SchemaNode, lang: Lang): string {
  const { minimum = -Infinity, maximum = Infinity, exclusiveMinimum: above, exclusiveMaximum: below } = node
  const from = minimum > Number.MIN_SAFE_INTEGER ? minimum : undefined
  const to = maximum < Number.MAX_SAFE_INTEGER ? maximum : undefined
  const lower = from ?? above
  const upper = to ?? below
  const except = [above, below].filter(limit => limit !== undefined)
  if (lower !== undefined && upper !== undefined) {
    const but = except.length === 0 ? '' : { en: `, but not ${except.join(', ')}`, ru: `, но не ${except.join(', ')}` }[lang] // prettier-ignore
    return { en: ` from ${lower} to ${upper}`, ru: ` от ${lower} до ${upper}` }[lang] + but
  }
  if (from !== undefined) return { en: `, ${from} or more`, ru: ` не меньше ${from}` }[lang]
  if (to !== undefined) return { en: `, ${to} or less`, ru: ` не больше ${to}` }[lang]
  if (above !== undefined) return { en: ` above ${above}`, ru: ` больше ${above}` }[lang]
  if (below !== undefined) return { en: ` below ${below}`, ru: ` меньше ${below}` }[lang]
  return ''
}

function describeList({ items, minItems }: SchemaNode, lang: Lang): string {
  const least = minItems ? { en: `, at least ${minItems} long`, ru: ` длиной не меньше ${minItems}` }[lang] : ''
  const each = items ? { en: `, each item ${describe([items], lang)}`, ru: `, каждый элемент: ${describe([items], lang)}` }[lang] : '' // prettier-ignore
  return { en: 'a list in [ ]', ru: 'список в [ ]' }[lang] + least + each
}

/** More are not listed: the mistake is another one. */
const manyKeys = 8

function describeObject(nodes: readonly SchemaNode[], lang: Lang): string {
  const keys = keysOf(nodes)
  const fixed = keys.find(key => nodes.every(({ properties }) => properties?.[key]?.const !== undefined))
  const start = { en: 'an object in { }', ru: 'объект в { }' }[lang]
  if (nodes.length > 1 && fixed !== undefined) {
    const kinds = describe(nodes.flatMap(node => childOf(node, fixed)), lang) // prettier-ignore
    return `${start} ${{ en: 'with the key', ru: 'с ключом' }[lang]} "${fixed}": ${kinds}`
  }
  if (keys.length > manyKeys) return start
  if (keys.length > 0) return `${start} ${{ en: 'with the keys', ru: 'с ключами' }[lang]} ${keys.join(', ')}`
  const values = nodes.flatMap(({ additionalProperties: one }) => (typeof one === 'object' ? [one] : []))
  if (values.length === 0) return start
  return `${start}, ${{ en: 'each value', ru: 'каждое значение:' }[lang]} ${describe(values, lang)}`
}
