// Escaped HTML from template literals: what is not marked as HTML is text.

export class Html {
  constructor(readonly text: string) {}
}

type Piece = Html | string | number | readonly Html[]

/** Every interpolated string is escaped; Html and lists of Html go in as they are. */
export function html(strings: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
  return new Html(strings.reduce((text, part, i) => text + part + (i < pieces.length ? render(pieces[i]) : ''), ''))
}

function render(piece: Piece): string {
  if (piece instanceof Html) return piece.text
  if (typeof piece === 'object') return piece.map(part => part.text).join('')
  return escapeHtml(String(piece))
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/gu, sign => `&#${sign.charCodeAt(0)};`)
}
