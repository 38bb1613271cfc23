// Named rules that change the text of one block; what no rule touches stays byte-identical.

export interface EditRule {
  readonly name: string
  readonly edit: (text: string) => string
}

const invisible = /[\u00ad\u200b-\u200d\u2060\ufeff]/gu
/** Spaces that look like one: no-break, narrow, figure and thin ones, tabs, line breaks inside a block. */
const oddSpaces = /[\t\n\v\f\r\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/gu
const tag =
  /<\/?(?:[biupa]|em|strong|br|div|span|font|su[pb]|hr|h[1-6]|img|center|blockquote|pre|small|table|t[rdh]|[uo]l|li|d[dtl])(?:\s[^<>]{0,300})?\s?\/?>/giu
const link = /(?:https?:\/\/|ftp:\/\/|www\.)[^\s<>«»"]+|(?<![\p{L}\d._-])[\p{L}\d._-]+@[\p{L}\d-]+(?:\.[\p{L}\d-]+)+/giu
/** [12], {12}, (*12), [*]; a star behind a small letter is a footnote sign, behind a capital or digit a hidden name or year. */
const reference =
  / ?(?:\[(?:\d{1,3}|\*{1,3})\]|\{\d{1,3}\}|\(\*\d{0,3}\))|\*(?<=\p{Ll}\p{Ll}[.,!?»"]?\*)(?![*\p{L}\d])/gu
/** `_word_`, `*word*`, `__words__`: how libraries of plain text mark italics. */
const emphasis = /(?<![\p{L}\d_*])([_*]{1,2})(?![\s_*])([^_*]{0,300}[^\s_*])\1(?![\p{L}\d_*])/gu
const editorRemark =
  / ?[([](?:[^()[\]]{0,300}[\s.—–-])?прим(?:ечание|еч\.|\.)\s?(?:автора|авт|редактора|редакции|ред|переводчика|перев|пер|составителя|сост|издателя|изд)\.?(?:\s[^()[\]]{0,30})?[)\]]/giu

const entities: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: '\u00a0',
  shy: '\u00ad',
  mdash: '—',
  ndash: '–',
  laquo: '«',
  raquo: '»',
  hellip: '…',
  ldquo: '“',
  rdquo: '”',
  bdquo: '„',
  lsquo: '‘',
  rsquo: '’',
  copy: '©',
  sect: '§',
  numero: '№',
}

/** Rules of form, first to last: they leave the words alone. */
export const formRules: readonly EditRule[] = [
  { name: 'decode-entities', edit: decodeEntities },
  { name: 'remove-invisible-signs', edit: text => text.replace(invisible, '') },
  {
    name: 'remove-tags',
    edit: text => text.replace(tag, found => (/^<(?:br|p|hr|div|li|t[rdh])/iu.test(found) ? ' ' : '')),
  },
  { name: 'plain-spaces', edit: text => text.replace(oddSpaces, ' ') },
  { name: 'single-spaces', edit: text => text.replace(/ {2,}/gu, ' ') },
  { name: 'trim-ends', edit: text => text.replace(/^ +| +$/gu, '') },
]

/** Rules that take words out of a block that stays; they run where no block rule decided. */
export const contentRules: readonly EditRule[] = [
  { name: 'remove-emphasis-marks', edit: text => text.replace(emphasis, '$2') },
  { name: 'remove-links', edit: removeLinks },
  { name: 'remove-editor-remarks', edit: text => text.replace(editorRemark, '') },
  { name: 'remove-note-references', edit: text => text.replace(reference, '') },
]

function decodeEntities(text: string): string {
  return text.replace(
    /&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]{2,6}));/giu,
    (found, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) return entities[name.toLowerCase()] ?? found
      const code = decimal === undefined ? parseInt(hex ?? '', 16) : parseInt(decimal, 10)
      const known = code >= 0x20 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)
      return known ? String.fromCodePoint(code) : found
    },
  )
}

/** A cheap question first: the search for addresses is slow, and prose has none. */
export function mayHoldLink(text: string): boolean {
  return /:\/\/|www\.|@/iu.test(text)
}

/** Removes addresses, with the space or the brackets around them; a stop behind an address belongs to the sentence. */
function removeLinks(text: string): string {
  if (!mayHoldLink(text)) return text
  const marked = text.replace(link, found => '\0' + (/[.,;:!?)\]]+$/u.exec(found)?.[0] ?? ''))
  return marked === text ? text : marked.replace(/ ?[(<[] ?\0 ?[)>\]]| ?\0/gu, '')
}
