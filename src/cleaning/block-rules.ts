// Named rules that decide what becomes of a whole block: it is left out for a reason, or it is a border between scenes.
import type { Block } from '../sources/document.js'
import { mayHoldLink } from './edit-rules.js'
import { isChapterName, isStarLine, matchHeading } from './headings.js'
import type { Surroundings } from './surroundings.js'

/** Why a block was left out; the list is closed. */
export type CleaningReason =
  | 'title-page'
  | 'chapter-heading'
  | 'separator'
  | 'no-letters'
  | 'page-number'
  | 'single-letter'
  | 'isbn'
  | 'copyright'
  | 'publisher'
  | 'library'
  | 'link'
  | 'note'
  | 'contents'
  | 'repeated'
  | 'empty'

/** `border`: the block stays as a heading (or goes for this reason where headings are not kept). */
export interface Verdict {
  readonly action: 'drop' | 'border'
  readonly reason: CleaningReason
}

interface BlockRule {
  readonly name: string
  /** `text` is the block's text after the rules of form. */
  readonly decide: (text: string, block: Block, around: Surroundings) => Verdict | undefined
}

const drop = (reason: CleaningReason): Verdict => ({ action: 'drop', reason })
const border = (reason: CleaningReason): Verdict => ({ action: 'border', reason })
const dropIf =
  (
    reason: CleaningReason,
    matches: (text: string, block: Block, around: Surroundings) => boolean,
  ): BlockRule['decide'] =>
  (text, block, around) =>
    matches(text, block, around) ? drop(reason) : undefined

const isbn = /(?<!\p{L})ISBN(?:-1[03])?[\s:№-]*[\d][\d\sXХ–-]{8,}/iu
const copyright =
  /©|\([cс]\)\s*(?:\d{4}|\p{Lu})|(?<!\p{L})copyright(?!\p{L})|все права защищены|all rights reserved|никакая часть (?:\p{L}+ ){1,4}(?:не может быть|не подлежит)|охраняется законо|creative commons|(?<!\p{L})CC BY/iu
const publisher =
  /^(?:УДК|ББК|UDC)\s*[\d(]|^тираж[\s:]+\d|подписано (?:в|к) печат|усл(?:овных)?\.?\s*печ|уч\.?\s*-\s*изд|^формат\s*\d+\s*[xх×*]|^печать (?:офсетная|высокая)|^гарнитура\s|^(?:отпечатано|набрано) (?:в|с)\s|^издательство[\s:]+[«"„\p{Lu}]|^изд-во\s|^заказ (?:№|N)\s*\d|^(?:М|СПб|Л|Москва|Ленинград|Санкт-Петербург|Киев|Минск)\.?\s?[:,]\s?[«"\p{Lu}][^.!?]{1,80},\s*\d{4}|^серия[\s:]+[«"]|^лицензия (?:ЛР|ИД|№)/iu
const credits =
  /^(?:(?:главный|ответственный|научный|литературный|художественный|технический|выпускающий) редактор|редакторы?|корректоры?|художники?|верстка|вёрстка|иллюстрации|(?:пере)?вод с \p{L}+|перевод(?:чик)?|составител[ьи])\s?[:—–-]?\s(?:\p{Lu}\.\s?){1,2}\p{Lu}\p{Ll}+(?:-\p{Lu}\p{Ll}+)?(?:,.{0,80})?\.?$/iu
const library =
  /(?:^|[\s(«"])(?:OCR|spell\s?check)(?=[\s:&,.]|$)|(?<!\p{L})lib\.ru|библиотек[аеи] (?:максима )?мошкова|project gutenberg|^(?:сканирование|вычитка|форматирование|распознавание|оцифровка|верстка fb2|источник(?: текста)?|оригинал(?: здесь)?|дата создания файла|origin(?:al)?|date|subject|from)\s?(?:и \p{L}+)?:\s|(?:книга|текст|файл) (?:\p{L}+ )?(?:скачан|взят|предоставлен|загружен|подготовлен)[аоы]? (?:с|из|на|для)\s|скачан[аоы]? (?:с сайта|из|в электронной)|спасибо,? что скачали|все книги (?:автора|этого автора)|эта же книга в других форматах|электронн(?:ая|ой) библиотек[аеи]\s+(?:[\p{Lu}«"]|\p{L}+\.(?:ru|net|com|org))|^приятного чтения!?$/iu
const noteLine =
  /^(?:\*{1,3}\)?\s(?=\p{L})|\*{1,3}(?=\p{L})(?![^*]*\*)|\[(?:\d{1,3}|\*{1,3})\]\s|\{\d{1,3}\}\s|\(\*\d{1,3}\)\s|\d{1,3}\)?\s(?=[^\n]{0,200}\(?прим\.))/iu

const speechStart = /^[—–-]/u

/** First to last; the first that decides wins. */
export const blockRules: readonly BlockRule[] = [
  { name: 'title-page', decide: dropIf('title-page', (_text, { kind }) => kind === 'title') },
  { name: 'note-block', decide: dropIf('note', (_text, { kind }) => kind === 'note') },
  { name: 'marked-heading', decide: (_text, { kind }) => (kind === 'heading' ? border('chapter-heading') : undefined) },
  { name: 'empty', decide: dropIf('empty', text => text === '') },
  { name: 'notes-section', decide: dropIf('note', (_text, block, around) => around.notes.has(block)) },
  { name: 'contents', decide: dropIf('contents', (_text, block, around) => around.contents.has(block)) },
  { name: 'stars', decide: text => (isStarLine(text) ? border('separator') : undefined) },
  { name: 'page-number', decide: dropIf('page-number', isPageNumber) },
  { name: 'chapter-number', decide: text => (/^\d{1,3}[.)]?$/u.test(text) ? border('chapter-heading') : undefined) },
  { name: 'no-letters', decide: dropIf('no-letters', text => !/\p{L}/u.test(text) && !isWordlessReply(text)) },
  ...(['numbered-heading', 'named-heading', 'roman-heading'] as const).map(name => ({
    name,
    decide: (text: string) => (matchHeading(text) === name ? border('chapter-heading') : undefined),
  })),
  {
    name: 'single-letter',
    decide: dropIf('single-letter', text => /^(?:[^\p{L}—–-]?\p{Ll}\P{L}?|\p{Lu})$/u.test(text)),
  },
  { name: 'isbn', decide: dropIf('isbn', text => text.length < 200 && isbn.test(text)) },
  {
    name: 'publisher',
    decide: dropIf('publisher', text => text.length < 250 && (publisher.test(text) || credits.test(text))),
  },
  {
    name: 'copyright',
    decide: dropIf('copyright', text => text.length < 600 && !speechStart.test(text) && copyright.test(text)),
  },
  {
    name: 'library',
    decide: dropIf('library', text => text.length < 400 && !speechStart.test(text) && library.test(text)),
  },
  { name: 'link-line', decide: dropIf('link', isLinkLine) },
  { name: 'footnote', decide: dropIf('note', text => noteLine.test(text)) },
  { name: 'chapter-name', decide: decideChapterName },
  {
    name: 'repeated',
    decide: dropIf('repeated', (text, _block, { before }) => text.length >= 40 && text === before?.text),
  },
]

/** `- 15 -`, `стр. 15`, or a bare number in a book whose bare numbers are pages. */
function isPageNumber(text: string, _block: Block, { bareNumbers }: Surroundings): boolean {
  if (/^[—–-]\s?\d{1,4}\s?[—–-]$|^\[?(?:стр|с|page|p)\.?\s?\d{1,4}\]?\.?$/iu.test(text)) return true
  return bareNumbers === 'pages' && /^\d{1,4}$/u.test(text)
}

/** «— ?..», «— …»: a reply without words is a reply. */
function isWordlessReply(text: string): boolean {
  return speechStart.test(text) && /[?!…]|\.{3}/u.test(text)
}

/** Nothing but an address, perhaps with up to three words that announce it. */
function isLinkLine(text: string): boolean {
  if (!mayHoldLink(text)) return false
  const rest = text.replace(/(?:https?:\/\/|ftp:\/\/|www\.)\S+|\S+@\S+\.\S+/giu, '\0')
  if (!rest.includes('\0')) return false
  return (rest.match(/\p{L}+/gu)?.length ?? 0) <= 3 && !speechStart.test(text)
}

function decideChapterName(text: string, { kind }: Block, { before }: Surroundings): Verdict | undefined {
  return kind === 'paragraph' && before?.kind === 'heading' && isChapterName(text)
    ? border('chapter-heading')
    : undefined
}
