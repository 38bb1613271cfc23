// Turns the turns of an example into pieces of text that say what is learnt and which tokens the text may contain.
import type { ExampleTurn } from '../dataset/example.js'

export interface Piece {
  readonly text: string
  /** Whether the loss counts the tokens of this piece. */
  readonly learn: boolean
  /** `all` for the template's own tokens; the text of a novel, a chat or a user is always `none`. */
  readonly allow: 'all' | 'none'
}

export type TemplateTurn = Pick<ExampleTurn, 'role' | 'text' | 'remark' | 'learn'>

export interface Template {
  /** Tokens of the template that the tokenizer must know as one id each. */
  readonly tokens: readonly string[]
  /** Strings that end a learnt turn; the end of the example's eos does so in every template. */
  readonly stops: readonly string[]
  /** What stands before a reply that is to be generated. */
  readonly replyStart: readonly Piece[]
  render(turns: readonly TemplateTurn[], system?: string): Piece[]
}

export type TemplateName = 'book' | 'plain'

const charToken = '<char>'

const charPiece: Piece = { text: charToken, learn: false, allow: 'all' }

/** Every way of writing turns that the product has. */
export const templates: { readonly [N in TemplateName]: Template } = {
  // One turn a line. Speech: `<char>reply (remark)`; narration is plain. The line's end is part of the learnt turn.
  book: {
    tokens: [charToken],
    stops: ['\n'],
    replyStart: [charPiece],
    render: (turns, system) => [...bookSystem(system), ...turns.flatMap(renderBookTurn)],
  },
  // Continued pretraining: text only, all of it learnt.
  plain: {
    tokens: [],
    stops: [],
    replyStart: [],
    render: (turns, system) => {
      const text = [system ?? '', ...turns.map(turn => turn.text)].filter(part => part !== '').join('\n')
      return text === '' ? [] : [{ text, learn: true, allow: 'none' }]
    },
  },
}

function bookSystem(system: string | undefined): Piece[] {
  const line = oneLine(system ?? '')
  return line === '' ? [] : [{ text: `${line}\n`, learn: false, allow: 'none' }]
}

// A turn without text teaches silence, so it is left out.
function renderBookTurn({ role, text, remark, learn }: TemplateTurn): Piece[] {
  const line = oneLine(text)
  if (line === '') return []
  const said = oneLine(remark ?? '')
  const piece: Piece = { text: said === '' ? `${line}\n` : `${line} (${said})\n`, learn, allow: 'none' }
  return role === 'narration' ? [piece] : [charPiece, piece]
}

// The end of a line ends the turn, so a line break inside becomes a space; other white space stays.
function oneLine(text: string): string {
  return text.trim().replace(/[^\S\n\r\u2028\u2029]*[\n\r\u2028\u2029]\s*/gu, ' ')
}
