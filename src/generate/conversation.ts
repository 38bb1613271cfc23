// A conversation with a character: turns in, a streamed reply out, the context kept within what the model can hold.
import { AppError } from '../base/errors.js'
import type { Decoder } from '../model/step.js'
import type { Tokenizer } from '../tokenizer/tokenizer.js'
import { createTemplateEncoder, type TemplateEncoder } from '../train/template-encoder.js'
import { templates, type TemplateName, type TemplateTurn } from '../train/template.js'
import { streamText, type FinishReason } from './generate.js'
import type { SamplerSettings } from './sampler-settings.js'

/** A line of the conversation; `you` is the user, `own` the character. */
export interface ConversationTurn {
  readonly who: 'you' | 'own'
  readonly text: string
}

/** A conversation as plain JSON. */
export interface SavedConversation {
  readonly version: 1
  readonly template: TemplateName
  readonly system?: string
  readonly seed: number
  /** Draws made so far. */
  readonly draws: number
  /** First turn that the model still sees. */
  readonly firstTurn: number
  readonly turns: readonly ConversationTurn[]
}

/** Templates with turns. */
type ConversationTemplate = Exclude<TemplateName, 'plain'>

export interface ConversationOptions {
  /** Default `book`. */
  readonly template?: ConversationTemplate
  /** Text before the first turn, e.g. where the scene takes place; it is never forgotten. */
  readonly system?: string
  readonly sampling?: SamplerSettings
  /** Room kept for a reply, and its longest length. Default 80. */
  readonly maxTokens?: number
  readonly seed?: number
}

/** Turns are forgotten down to this share of the room, so that the cache is not rebuilt at every turn. */
const shareKept = 0.75

/** Owns the history and the decoder's cache; one reply at a time. */
export class Conversation {
  private history: ConversationTurn[] = []
  private firstTurn = 0
  private draws = 0
  /** Tokens that the decoder has in its cache. */
  private cached: number[] = []
  private busy = false
  /** Key of the draws; the same seed and words give the same replies. */
  seed: number
  private system: string | undefined
  private readonly template: ConversationTemplate
  private readonly encoder: TemplateEncoder
  private readonly templateIds: readonly number[]
  private reason: FinishReason | undefined

  /** @throws AppError `no-template-token` when the tokenizer lacks the template's token */
  constructor(
    private readonly decoder: Decoder,
    private readonly tokenizer: Tokenizer,
    private readonly options: ConversationOptions = {},
  ) {
    this.template = options.template ?? 'book'
    this.seed = options.seed ?? 0
    this.system = options.system
    this.encoder = createTemplateEncoder(tokenizer, templates[this.template])
    this.templateIds = findTemplateIds(tokenizer, this.encoder, this.template)
    decoder.truncate(0)
  }

  get turns(): readonly ConversationTurn[] {
    return this.history
  }

  /** Why the last reply ended. */
  get finished(): FinishReason | undefined {
    return this.reason
  }

  /**
   * Adds the user's line and streams the reply. Ending the loop early keeps what was said so far as the reply.
   * @throws AppError `message-empty`, `message-too-long`, `conversation-busy`; a failed reply leaves the history as it was
   */
  async *say(text: string, signal?: AbortSignal): AsyncGenerator<string> {
    if (this.busy) throw conversationBusy()
    if (text.trim() === '') throw messageEmpty()
    this.busy = true
    const before = { turns: this.history, firstTurn: this.firstTurn }
    this.history = [...this.history, { who: 'you', text }]
    let reply = ''
    let whole = false
    try {
      const prompt = this.fitPrompt()
      for await (const piece of this.reply(prompt, signal)) {
        reply += piece
        whole = true
        yield piece
      }
      whole = true
    } finally {
      this.busy = false
      if (whole) this.history = [...this.history, { who: 'own', text: reply.trim() }]
      else ({ turns: this.history, firstTurn: this.firstTurn } = before)
    }
  }

  /** Forgets everything said; the seed starts anew. */
  reset(): void {
    this.history = []
    this.firstTurn = 0
    this.draws = 0
    this.reason = undefined
  }

  save(): SavedConversation {
    const { template, system, seed, draws, firstTurn, history: turns } = this
    return { version: 1, template, system, seed, draws, firstTurn, turns: [...turns] }
  }

  /** @throws AppError `bad-conversation` when it was saved by another version or template */
  load(saved: SavedConversation): void {
    if (saved.version !== 1 || saved.template !== this.template) throw badConversation(saved)
    this.history = [...saved.turns]
    this.firstTurn = saved.firstTurn
    this.draws = saved.draws
    this.seed = saved.seed
    this.system = saved.system
  }

  private async *reply(prompt: Uint32Array, signal: AbortSignal | undefined): AsyncGenerator<string> {
    const kept = this.reuseCache(prompt)
    const { eos } = this.tokenizer.special
    const appended = [...prompt.subarray(kept)]
    const made: number[] = []
    try {
      const stream = streamText(this.decoder, this.tokenizer, appended, {
        sampling: this.options.sampling,
        maxTokens: this.maxTokens,
        stops: templates[this.template].stops,
        stopIds: eos === undefined ? [] : [eos],
        seed: this.seed,
        firstDraw: this.draws,
        context: prompt.subarray(0, kept),
        neverPenalised: this.templateIds,
        signal,
        onToken: id => made.push(id),
      })
      this.reason = yield* stream
    } finally {
      this.draws += made.length + 1 // the draw of the stop token counts too
      this.cached = [...prompt, ...made].slice(0, this.decoder.length)
    }
  }

  private get maxTokens(): number {
    return this.options.maxTokens ?? 80
  }

  /** Cuts the cache back to what it shares with the prompt; at least one token stays to be appended. */
  private reuseCache(prompt: Uint32Array): number {
    let shared = 0
    const limit = Math.min(this.cached.length, this.decoder.length, prompt.length - 1)
    while (shared < limit && this.cached[shared] === prompt[shared]) shared++
    this.decoder.truncate(shared)
    return shared
  }

  /** The prompt, after forgetting the oldest turns if it and the longest reply do not fit. */
  private fitPrompt(): Uint32Array {
    const room = this.decoder.capacity - this.maxTokens
    let prompt = this.encodeFrom(this.firstTurn)
    if (prompt.length <= room) return prompt
    const last = this.history.length - 1
    while (prompt.length > room * shareKept && this.firstTurn < last) prompt = this.encodeFrom(++this.firstTurn)
    if (prompt.length > room) throw messageTooLong(prompt.length, room)
    return prompt
  }

  private encodeFrom(first: number): Uint32Array {
    const { render, replyStart } = templates[this.template]
    const turns = this.history.slice(first).map(templateTurn)
    return this.encoder.encode([...render(turns, this.system), ...replyStart], { ends: false }).ids
  }
}

/** Ids of the template's tokens and of its line end, as they stand in every turn. */
function findTemplateIds(tokenizer: Tokenizer, encoder: TemplateEncoder, name: ConversationTemplate): number[] {
  const { tokens, stops, replyStart } = templates[name]
  const stopPieces = stops.map(text => ({ text, learn: false, allow: 'none' }) as const)
  const afterStart = encoder.encode([...replyStart, ...stopPieces], { ends: false }).ids
  return [...new Set([...tokens.flatMap(token => tokenizer.id(token) ?? []), ...afterStart])]
}

function templateTurn({ who, text }: ConversationTurn): TemplateTurn {
  return { role: who === 'own' ? 'own' : 'other', text, learn: false }
}

function conversationBusy(): AppError {
  return new AppError('conversation-busy', {
    what: { en: 'the reply to the message before is not finished', ru: 'ответ на прошлое сообщение ещё не закончен' },
    fix: { en: 'Wait for it or stop it first', ru: 'Дождитесь его или сначала остановите' },
  })
}

function messageEmpty(): AppError {
  return new AppError('message-empty', {
    what: { en: 'the message is empty', ru: 'сообщение пустое' },
    fix: { en: 'Write at least one word', ru: 'Напишите хотя бы слово' },
  })
}

function messageTooLong(tokens: number, room: number): AppError {
  return new AppError('message-too-long', {
    what: {
      en: `the message makes ${tokens} tokens and ${room} fit beside a reply`,
      ru: `в сообщении ${tokens} токенов, а рядом с ответом помещается ${room}`,
    },
    fix: { en: 'Shorten the message, or lower chat.maxTokens', ru: 'Сократите сообщение или уменьшите chat.maxTokens' },
  })
}

function badConversation({ version, template }: SavedConversation): AppError {
  return new AppError('bad-conversation', {
    what: {
      en: `saved with version ${version} and template "${template}"`,
      ru: `сохранено с версией ${version} и шаблоном «${template}»`,
    },
    fix: { en: 'Begin a new conversation', ru: 'Начните новый разговор' },
  })
}
