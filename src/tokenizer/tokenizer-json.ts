// tokenizer.json as text to an object with its vocabulary in id order, and back; unknown keys survive.
import { AppError } from '../base/errors.js'

export interface AddedToken {
  readonly id: number
  readonly content: string
  readonly single_word: boolean
  readonly lstrip: boolean
  readonly rstrip: boolean
  readonly normalized: boolean
  readonly special: boolean
}

/** A component of the pipeline: `type` and its settings. */
export interface Component {
  readonly type: string
  readonly [key: string]: unknown
}

export interface BpeModel {
  readonly vocab: ReadonlyMap<string, number>
  readonly merges: readonly (readonly [string, string])[]
  readonly unkToken: string | undefined
  readonly fuseUnk: boolean
  readonly byteFallback: boolean
  readonly ignoreMerges: boolean
}

export interface TokenizerJson {
  readonly addedTokens: readonly AddedToken[]
  readonly normalizer: Component | null
  readonly preTokenizer: Component | null
  readonly postProcessor: Component | null
  readonly decoder: Component | null
  readonly model: BpeModel
  /** Top-level keys and keys of the model that we do not interpret, as they stood. */
  readonly other: Readonly<Record<string, unknown>>
  readonly otherModel: Readonly<Record<string, unknown>>
}

type Raw = Record<string, unknown>

/** @throws AppError `bad-tokenizer-json`, or `tokenizer-unsupported` for a model other than BPE */
export function parseTokenizerJson(raw: unknown, where: string): TokenizerJson {
  const top = raw as Raw
  const model = top?.model as Raw | undefined
  if (!model || typeof model !== 'object') throw badJson(where, 'key model is missing', 'нет ключа model')
  const type = model.type ?? (Array.isArray(model.merges) ? 'BPE' : 'unknown')
  if (type !== 'BPE') throw unsupported(where, `model ${String(type)}`)
  for (const key of ['continuing_subword_prefix', 'end_of_word_suffix', 'dropout'])
    if (model[key]) throw unsupported(where, `${key} ${JSON.stringify(model[key])}`)
  const { added_tokens, normalizer, pre_tokenizer, post_processor, decoder, ...other } = without(top, [
    'version',
    'model',
  ])
  const { vocab, merges, unk_token, fuse_unk, byte_fallback, ignore_merges, ...otherModel } = without(model, ['type'])
  return {
    addedTokens: ((added_tokens ?? []) as AddedToken[]).map(token => ({ ...token })),
    normalizer: (normalizer ?? null) as Component | null,
    preTokenizer: (pre_tokenizer ?? null) as Component | null,
    postProcessor: (post_processor ?? null) as Component | null,
    decoder: (decoder ?? null) as Component | null,
    model: {
      vocab: new Map(Object.entries((vocab ?? {}) as Record<string, number>)),
      merges: ((merges ?? []) as unknown[]).map(merge => parseMerge(merge, where)),
      unkToken: (unk_token ?? undefined) as string | undefined,
      fuseUnk: fuse_unk === true,
      byteFallback: byte_fallback === true,
      ignoreMerges: ignore_merges === true,
    },
    other,
    otherModel,
  }
}

function without(raw: Raw, keys: readonly string[]): Raw {
  return Object.fromEntries(Object.entries(raw).filter(([key]) => !keys.includes(key)))
}

/** Both spellings: "a b" and ["a", "b"]. */
function parseMerge(merge: unknown, where: string): [string, string] {
  const parts = typeof merge === 'string' ? merge.split(' ') : merge
  if (Array.isArray(parts) && parts.length === 2) return [String(parts[0]), String(parts[1])]
  throw badJson(where, `merge ${JSON.stringify(merge)} is not a pair`, `слияние ${JSON.stringify(merge)} — не пара`)
}

/** The vocabulary is written in id order by hand: a plain object would move keys like "10" to the front. */
export function renderTokenizerJson(json: TokenizerJson): string {
  const { model } = json
  const vocab = [...model.vocab]
    .sort((a, b) => a[1] - b[1])
    .map(([token, id]) => `      ${JSON.stringify(token)}: ${id}`)
  const merges = model.merges.map(([a, b]) => `      [${JSON.stringify(a)}, ${JSON.stringify(b)}]`)
  const modelKeys = {
    type: 'BPE',
    dropout: null,
    unk_token: model.unkToken ?? null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: model.fuseUnk,
    byte_fallback: model.byteFallback,
    ignore_merges: model.ignoreMerges,
    ...json.otherModel,
  }
  const top = {
    version: '1.0',
    truncation: null,
    padding: null,
    ...json.other,
    added_tokens: json.addedTokens,
    normalizer: json.normalizer,
    pre_tokenizer: json.preTokenizer,
    post_processor: json.postProcessor,
    decoder: json.decoder,
  }
  const lines = [
    ...Object.entries(top).map(entry => `  ${renderEntry(entry)},`),
    '  "model": {',
    ...Object.entries(modelKeys).map(entry => `    ${renderEntry(entry)},`),
    `    "vocab": {\n${vocab.join(',\n')}\n    },`,
    `    "merges": [\n${merges.join(',\n')}\n    ]`,
    '  }',
  ]
  return `{\n${lines.join('\n')}\n}\n`
}

const renderEntry = ([key, value]: [string, unknown]): string => `${JSON.stringify(key)}: ${JSON.stringify(value)}`

function badJson(where: string, en: string, ru: string): AppError {
  return new AppError('bad-tokenizer-json', {
    where,
    what: { en, ru },
    fix: { en: 'Take the file from its source again', ru: 'Возьмите файл у источника заново' },
  })
}

/** What a tokenizer file asks for and we do not do. */
export function unsupported(where: string, feature: string): AppError {
  return new AppError('tokenizer-unsupported', {
    where,
    what: {
      en: `this tokenizer uses ${feature}, which is not supported`,
      ru: `токенизатору нужно ${feature}, это не поддерживается`,
    },
    fix: {
      en: 'Use a BPE tokenizer: SentencePiece, LLaMA-style or GPT-2-style',
      ru: 'Возьмите токенизатор BPE: SentencePiece, вида LLaMA или GPT-2',
    },
  })
}
