// New whole tokens (`<char>`) into a tokenizer, with the map from old embedding rows to new ones.
import { AppError } from '../base/errors.js'
import { insertField, setField, trainerFields, writeIntField, writeTextField } from '../formats/sentencepiece.js'
import type { FileTokenizer, TokenizerConfig } from './file.js'
import { createHuggingFaceTokenizer } from './huggingface.js'
import { spaceMark } from './piece-encoder.js'
import { createSentencePieceTokenizer, markedSpecial } from './sentencepiece.js'
import type { AddedToken } from './tokenizer-json.js'
import type { IdMap, RowInit } from './tokenizer.js'

export interface AddTokensOptions {
  /** Whether decoding with `skipSpecial` hides them. Default true. */
  readonly special?: boolean
  /** Rows of the embedding as it is; more than tokens when it was padded. Default: the number of tokens. */
  readonly oldRows?: number
  /** The new embedding's rows are a multiple of this. Default 1. */
  readonly rowMultiple?: number
}

/**
 * Adds tokens that are found whole wherever they stand in a text. A token the tokenizer has already keeps its id.
 * @throws AppError `token-reserved` for a control, unknown or byte piece, `bad-token` for an empty one, `added-token-check`
 * when a token does not come out as exactly one id with its neighbours unchanged
 */
export function addTokens(
  tokenizer: FileTokenizer,
  contents: readonly string[],
  options: AddTokensOptions = {},
): { tokenizer: FileTokenizer; map: IdMap } {
  const wanted = [...new Set(contents)]
  for (const content of wanted) if (content === '') throw badToken(content)
  const special = options.special ?? true
  const grown =
    tokenizer.file.kind === 'sentencepiece'
      ? addPieces(tokenizer, wanted, special)
      : addToJson(tokenizer, wanted, special)
  for (const content of wanted) checkAdded(grown, content)
  return { tokenizer: grown, map: extendRows(tokenizer.size, grown.size, options) }
}

/** Old rows stay where they are; spare rows that become tokens are initialised, not kept; padding is zero. */
function extendRows(
  oldTokens: number,
  newTokens: number,
  { oldRows = oldTokens, rowMultiple = 1 }: AddTokensOptions,
): IdMap {
  const newRows = Math.ceil(Math.max(newTokens, oldRows) / rowMultiple) * rowMultiple
  const from = Int32Array.from({ length: newRows }, (_, row) => (row < oldTokens ? row : -1))
  const init = new Map<number, RowInit>()
  for (let row = oldTokens; row < newRows; row++) init.set(row, { kind: row < newTokens ? 'mean' : 'zero' })
  return { oldTokens, oldRows, newTokens, newRows, from, init }
}

function addPieces({ file }: FileTokenizer, contents: readonly string[], special: boolean): FileTokenizer {
  if (file.kind !== 'sentencepiece') throw new TypeError('not a SentencePiece tokenizer')
  const pieces = [...file.model.pieces]
  let trainer = file.model.trainer
  for (const content of contents) {
    const at = pieces.findIndex(piece => piece.text === content)
    const type = pieces[at]?.type
    if (type === 'user-defined') continue
    if (type === 'control' || type === 'unknown' || type === 'byte') throw reserved(content, type)
    const score = pieces[at]?.score ?? 0
    pieces[at < 0 ? pieces.length : at] = { text: content, score, type: 'user-defined' }
    trainer = insertField(trainer, writeTextField(trainerFields.userDefined, content))
  }
  if (pieces.length > file.model.pieces.length)
    trainer = setField(trainer, writeIntField(trainerFields.vocabSize, pieces.length))
  return createSentencePieceTokenizer(
    { ...file.model, pieces, trainer },
    special ? markSpecial(file.config, contents) : file.config,
  )
}

function markSpecial(config: TokenizerConfig, contents: readonly string[]): TokenizerConfig {
  return { ...config, additional_special_tokens: [...new Set([...markedSpecial(config), ...contents])] }
}

function addToJson({ file, size }: FileTokenizer, contents: readonly string[], special: boolean): FileTokenizer {
  if (file.kind !== 'huggingface') throw new TypeError('not a tokenizer.json')
  const { json } = file
  const known = new Set(json.addedTokens.map(token => token.content))
  let next = size
  const added = contents
    .filter(content => !known.has(content))
    .map((content): AddedToken => {
      const id = json.model.vocab.get(content) ?? next++
      return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }
    })
  return createHuggingFaceTokenizer({ ...json, addedTokens: [...json.addedTokens, ...added] }, file.config)
}

/** Words to put around a token; a pair is used when the token does not occur in it. */
const neighbours = [
  ['слово', 'дело'],
  ['word', 'next'],
  ['12', '34'],
] as const

function checkAdded(tokenizer: FileTokenizer, content: string): void {
  const pair = neighbours.find(words => !words.join('').includes(content))
  const id = tokenizer.id(content)
  if (!pair || id === undefined) return
  const [left, right] = pair
  const cases: readonly (readonly [string, number, string])[] = [
    [left, 1, right],
    [left + ' ', 1, ''],
    ['', 1, right],
    [left, 2, right],
  ]
  for (const [before, times, after] of cases) {
    const text = before + content.repeat(times) + after
    const ids = [...tokenizer.encode(text).ids]
    const at = ids.indexOf(id)
    const head = ids.slice(0, Math.max(0, at))
    const tail = ids.slice(at + times)
    const own = ids.slice(at, at + times).every(found => found === id) && at >= 0 && !tail.includes(id)
    if (own && isHead(tokenizer, before, head) && isTail(tokenizer, after, tail)) continue
    throw failedCheck(
      content,
      text,
      ids.map(found => tokenizer.token(found)),
    )
  }
}

/** The text before a token is encoded as if it stood alone; before a token at the very start only the dummy prefix may stand. */
function isHead(tokenizer: FileTokenizer, before: string, ids: readonly number[]): boolean {
  if (before === '') return ids.length === 0 || equal(ids, tokenizer.pieceIds(spaceMark))
  return equal(ids, tokenizer.encode(before).ids)
}

/** The text after a token is encoded without or, in files that prefix every stretch, with a prefix of its own. */
function isTail(tokenizer: FileTokenizer, after: string, ids: readonly number[]): boolean {
  return equal(ids, tokenizer.pieceIds(after)) || equal(ids, tokenizer.encode(after).ids)
}

function equal(a: readonly number[], b: Uint32Array): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i])
}

function badToken(content: string): AppError {
  return new AppError('bad-token', {
    what: {
      en: `${JSON.stringify(content)} cannot be a token`,
      ru: `${JSON.stringify(content)} не может быть токеном`,
    },
    fix: { en: 'Give a token of at least one character', ru: 'Задайте токен хотя бы из одного символа' },
  })
}

function reserved(content: string, type: string): AppError {
  return new AppError('token-reserved', {
    what: {
      en: `"${content}" is a ${type} piece of this tokenizer and never made from text`,
      ru: `«${content}» — служебный кусок этого токенизатора (${type}), из текста он не получается`,
    },
    fix: { en: 'Choose another spelling', ru: 'Выберите другое написание' },
  })
}

function failedCheck(content: string, text: string, tokens: readonly string[]): AppError {
  return new AppError('added-token-check', {
    what: {
      en: `"${content}" was added, but ${JSON.stringify(text)} becomes ${tokens.join(' | ')}`,
      ru: `токен «${content}» добавлен, но ${JSON.stringify(text)} превращается в ${tokens.join(' | ')}`,
    },
    fix: {
      en: 'Another token overlaps it; choose a spelling that shares no ending or beginning with it',
      ru: 'С ним пересекается другой токен; выберите написание без общих начал и концов',
    },
  })
}
