// Turns template pieces into token ids, each marked as learnt or not, equal to what encoding the whole text gives.
import { AppError } from '../base/errors.js'
import type { Tokenizer } from '../tokenizer/tokenizer.js'
import type { Piece, Template } from './template.js'

export interface MarkedTokens {
  readonly ids: Uint32Array
  /** 1 where the token is learnt. */
  readonly learn: Uint8Array
}

export interface TemplateEncoder {
  /**
   * @param options.ends whether eos closes the tokens; it is learnt when the last piece is
   */
  encode(pieces: readonly Piece[], options?: { readonly ends?: boolean }): MarkedTokens
}

/**
 * An encoder for one tokenizer and template. Texts never become the template's tokens, whatever they contain.
 * @throws AppError `no-template-token` when the tokenizer lacks one of the template's tokens
 */
export function createTemplateEncoder(tokenizer: Tokenizer, template: Template): TemplateEncoder {
  for (const token of template.tokens) if (tokenizer.id(token) === undefined) throw noTemplateToken(token)
  const { bos, eos } = tokenizer.special
  const first = tokenizer.encode('', { addSpecial: true }).ids[0]
  const start = bos !== undefined && first === bos ? [bos] : [] // GPT-2 names a bos and does not add it
  const afterToken = prefixAfter(tokenizer, template.tokens[0])
  return {
    encode(pieces, { ends = true } = {}) {
      const ids: number[] = [...start]
      const learn: number[] = start.map(() => 0)
      let before: Piece | undefined
      for (const piece of pieces) {
        const anchored = before?.allow === 'all' ? afterToken === 'none' : before !== undefined
        for (const id of anchored ? encodeInside(tokenizer, piece) : encodeText(tokenizer, piece)) {
          ids.push(id)
          learn.push(piece.learn ? 1 : 0)
        }
        before = piece
      }
      if (ends && eos !== undefined && before) {
        ids.push(eos)
        learn.push(before.learn ? 1 : 0)
      }
      return { ids: Uint32Array.from(ids), learn: Uint8Array.from(learn) }
    },
  }
}

/**
 * Ids of text that does not stand at the beginning. SentencePiece puts a space before the first word of whatever it is
 * given, so the text is encoded after a line break, whose ids are then taken away.
 */
function encodeInside(tokenizer: Tokenizer, { text, allow }: Pick<Piece, 'text' | 'allow'>): Uint32Array {
  const anchor = encodeText(tokenizer, { text: '\n', allow })
  const ids = encodeText(tokenizer, { text: '\n' + text, allow })
  const fits = anchor.every((id, i) => ids[i] === id)
  return fits ? ids.subarray(anchor.length) : encodeText(tokenizer, { text, allow })
}

/** A line break may be a token of its own in any text: some vocabularies have it as a user-defined piece. */
const inTexts: ReadonlySet<string> = new Set(['\n'])

function encodeText(tokenizer: Tokenizer, { text, allow }: Pick<Piece, 'text' | 'allow'>): Uint32Array {
  return tokenizer.encode(text, { allow: allow === 'all' ? 'all' : inTexts }).ids
}

/** Whether this tokenizer starts a text anew (first-space rule) after a special token: both habits exist, so one word is tried. */
function prefixAfter(tokenizer: Tokenizer, token: string | undefined): 'none' | 'as-at-start' {
  if (token === undefined) return 'none'
  const probe = 'да'
  const whole = tokenizer.encode(token + probe, { allow: 'all' }).ids
  const tail = whole.subarray(whole.indexOf(tokenizer.id(token) ?? -1) + 1)
  const atStart = tokenizer.encode(probe, { allow: 'none' }).ids
  return tail.length === atStart.length && tail.every((id, i) => id === atStart[i]) ? 'as-at-start' : 'none'
}

function noTemplateToken(token: string): AppError {
  return new AppError('no-template-token', {
    what: { en: `the tokenizer has no token ${token}`, ru: `в токенизаторе нет токена ${token}` },
    fix: {
      en: `Add it first (setting tokenizer.add: ["${token}"]) and resize the model's embeddings to match`,
      ru: `Сначала добавьте его (настройка tokenizer.add: ["${token}"]) и расширьте эмбеддинги модели`,
    },
  })
}
