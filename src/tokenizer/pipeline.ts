// The components of a tokenizer.json to the few rules our encoders follow; every other component is refused by name.
import { gpt2Pattern } from './byte-level.js'
import { spaceMark } from './piece-encoder.js'
import { unsupported, type Component, type TokenizerJson } from './tokenizer-json.js'

export type StretchRules =
  | { readonly kind: 'bytes'; readonly addPrefixSpace: boolean }
  | {
      readonly kind: 'pieces'
      /** Whether a space is read as U+2581. */
      readonly spaces: boolean
      /** When U+2581 is put before a stretch: always, when it has none, or only at the start of the text. */
      readonly prefix: 'always' | 'unless-space' | 'first' | 'never'
      /** Whether words are cut before each U+2581. */
      readonly split: boolean
    }

export type DecoderRules =
  | { readonly kind: 'bytes' }
  | { readonly kind: 'pieces'; readonly byteFallback: boolean; readonly strip: 'none' | 'one' | 'text' }

/** @throws AppError `tokenizer-unsupported` */
export function readStretchRules({ normalizer, preTokenizer, model }: TokenizerJson, where: string): StretchRules {
  if (model.ignoreMerges) throw unsupported(where, 'ignore_merges')
  const normal = readNormalizer(normalizer, where)
  if (preTokenizer === null) {
    return { kind: 'pieces', spaces: normal.spaces, prefix: normal.prefix ? 'always' : 'never', split: false }
  }
  if (normalizer) throw unsupported(where, `normalizer ${normalizer.type} beside pre_tokenizer ${preTokenizer.type}`)
  if (preTokenizer.type === 'Metaspace') return readMetaspace(preTokenizer, where)
  return { kind: 'bytes', addPrefixSpace: readByteLevel(preTokenizer, where) }
}

function readNormalizer(normalizer: Component | null, where: string): { prefix: boolean; spaces: boolean } {
  const found = { prefix: false, spaces: false }
  for (const part of flatten(normalizer, 'normalizers')) {
    if (part.type === 'Prepend' && part.prepend === spaceMark && !found.spaces) found.prefix = true
    else if (isReplace(part, ' ', spaceMark)) found.spaces = true
    else throw unsupported(where, `normalizer ${describe(part)}`)
  }
  if (found.prefix && !found.spaces) throw unsupported(where, 'normalizer Prepend without Replace')
  return found
}

function readMetaspace(part: Component, where: string): StretchRules {
  if (part.replacement !== spaceMark) throw unsupported(where, `pre_tokenizer ${describe(part)}`)
  const scheme = part.prepend_scheme ?? (part.add_prefix_space === false ? 'never' : 'always')
  const prefix = scheme === 'always' ? 'unless-space' : scheme === 'first' ? 'first' : 'never'
  return { kind: 'pieces', spaces: true, prefix, split: part.split !== false }
}

/** ByteLevel alone with its own pattern, or Split by the same pattern before a ByteLevel that does not split. */
function readByteLevel(component: Component, where: string): boolean {
  const parts = flatten(component, 'pretokenizers')
  const last = parts.at(-1)
  if (last?.type !== 'ByteLevel') throw unsupported(where, `pre_tokenizer ${describe(component)}`)
  const addPrefixSpace = last.add_prefix_space === true
  if (parts.length === 1 && last.use_regex !== false) return addPrefixSpace
  const [split] = parts
  const pattern = (split.pattern as { Regex?: string } | undefined)?.Regex
  const isGpt2 =
    parts.length === 2 && split.type === 'Split' && pattern === gpt2Pattern && split.behavior === 'Isolated'
  if (!isGpt2 || split.invert === true || addPrefixSpace || last.use_regex !== false)
    throw unsupported(where, `pre_tokenizer ${describe(split)}`)
  return false
}

/** @throws AppError `tokenizer-unsupported` */
export function readDecoder(decoder: Component | null, where: string): DecoderRules {
  const parts = flatten(decoder, 'decoders')
  if (parts.length === 0) throw unsupported(where, 'no decoder')
  if (parts.length === 1 && parts[0].type === 'ByteLevel') return { kind: 'bytes' }
  if (parts.length === 1 && parts[0].type === 'Metaspace' && parts[0].replacement === spaceMark) {
    const scheme = parts[0].prepend_scheme ?? (parts[0].add_prefix_space === false ? 'never' : 'always')
    return { kind: 'pieces', byteFallback: false, strip: scheme === 'never' ? 'none' : 'one' }
  }
  const [replace, ...others] = parts
  const types = others.map(part => part.type).join(' ')
  const strip = others.find(part => part.type === 'Strip')
  const isKnown = /^(ByteFallback )?Fuse( Strip)?$/.test(types) && isReplace(replace, spaceMark, ' ')
  const isPlain = !strip || (strip.content === ' ' && strip.start === 1 && strip.stop === 0)
  if (!isKnown || !isPlain) throw unsupported(where, `decoder ${parts.map(describe).join(', ')}`)
  return { kind: 'pieces', byteFallback: types.startsWith('ByteFallback'), strip: strip ? 'text' : 'none' }
}

/** Names of the tokens put before and after a text. @throws AppError `tokenizer-unsupported` */
export function readPostProcessor(processor: Component | null, where: string): { before: string[]; after: string[] } {
  const found = { before: [] as string[], after: [] as string[] }
  for (const part of flatten(processor, 'processors')) {
    if (part.type === 'ByteLevel') continue
    if (part.type !== 'TemplateProcessing') throw unsupported(where, `post_processor ${part.type}`)
    let side: 'before' | 'after' = 'before'
    for (const step of part.single as { SpecialToken?: { id: string }; Sequence?: unknown }[]) {
      if (step.SpecialToken) found[side].push(step.SpecialToken.id)
      else side = 'after'
    }
  }
  return found
}

function flatten(component: Component | null, key: string): Component[] {
  if (!component) return []
  return component.type === 'Sequence'
    ? (component[key] as Component[]).flatMap(part => flatten(part, key))
    : [component]
}

function isReplace(part: Component, from: string, to: string): boolean {
  return (
    part.type === 'Replace' && (part.pattern as { String?: string } | undefined)?.String === from && part.content === to
  )
}

/** Type and settings on one line, for messages. */
function describe(part: Component): string {
  const { type, ...settings } = part
  return Object.keys(settings).length === 0 ? type : `${type} ${JSON.stringify(settings)}`
}
