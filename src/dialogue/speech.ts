// One paragraph of Russian prose → its speech, the author's remarks and narration, with the rule behind every border.
import { decideDash, isAuthorsAside, type Dash } from './borders.js'
import {
  findAsides,
  findDashes,
  findQuotes,
  findStrays,
  sentenceEnds,
  type AsideMark,
  type DashMark,
  type QuoteMark,
  type StrayMark,
} from './marks.js'
import { decideQuote, type Quotation } from './quotes.js'
import type { Segment } from './scene.js'
import { isSayingVerb, looksGerund } from './verbs.js'
import { listWords, type Word } from './words.js'

/** One decision of the splitter, for `explain`. */
export interface SpeechDecision {
  /** Offset of the dash or quotation mark. */
  readonly at: number
  readonly mark: 'dash' | 'quote' | 'stray' | 'aside'
  readonly rule: string
  readonly verdict: 'border' | 'inner' | 'speech' | 'not-speech'
}

interface Piece {
  readonly kind: 'speech' | 'author'
  readonly start: number
  readonly end: number
  /** How the piece was entered: the paragraph's start, a dash, or the mark of a quotation. */
  readonly by: 'start' | 'dash' | 'quote' | 'aside'
}

/** Splits one paragraph. Segments stand in order, do not overlap, and leave out only dashes, quotation marks and spaces between them. */
export function splitSpeech(text: string, options: SpeechOptions = {}): Segment[] {
  return segmentPieces(text, walkParagraph(text, options).pieces)
}

export interface SpeechOptions {
  /** The paragraph goes on with the author's sentence of the paragraph before, so that its opening dash begins no reply. */
  readonly continuesAuthor?: boolean
}

/** The decisions behind `splitSpeech`, in order of their offsets. */
export function explainSpeech(text: string): SpeechDecision[] {
  return walkParagraph(text, {}).decisions
}

interface Walk {
  readonly text: string
  readonly dashes: readonly DashMark[]
  readonly quotes: readonly QuoteMark[]
  readonly strays: readonly StrayMark[]
  readonly asides: readonly AsideMark[]
  readonly pieces: Piece[]
  readonly decisions: SpeechDecision[]
}

function walkParagraph(text: string, { continuesAuthor = false }: SpeechOptions): Walk {
  const quotes = findQuotes(text)
  const strays = findStrays(text, quotes)
  const walk: Walk = {
    text,
    dashes: findDashes(text),
    quotes,
    strays,
    asides: findAsides(text),
    pieces: [],
    decisions: [],
  }
  const opening = /^[\s\u00a0]*(?:[—–―‒]+|-+)[\s\u00a0]*/u.exec(text)
  const start = opening?.[0].length ?? 0
  const speaks = opening !== null && !continuesAuthor && opensReply(listWords(text, start))
  if (opening) {
    const rule = speaks ? 'opening-dash' : 'opening-remark'
    walk.decisions.push({ at: 0, mark: 'dash', rule, verdict: speaks ? 'border' : 'inner' })
  }
  walkRange(walk, start, text.length, speaks ? 'speech' : 'author')
  walk.decisions.sort((a, b) => a.at - b.at)
  return walk
}

/** A paragraph cut inside a reply may begin with the author's «— сказал он». */
const opensReply = (words: readonly Word[]) =>
  words.length === 0 ||
  words[0].capital ||
  !isSayingVerb(words[0].key) ||
  !/^(?:он|она|они|я)$/u.test(words[1]?.key ?? '')

/** Where the walk stands: the piece being read, and what opened the reply the author's words may interrupt. */
interface Place {
  piece: Piece
  replyBy: 'none' | 'dash' | 'quote'
}

type Mark = DashMark | QuoteMark | StrayMark | AsideMark

function walkRange(walk: Walk, start: number, end: number, first: Piece['kind']): void {
  const marks: Mark[] = [...walk.dashes, ...walk.quotes, ...walk.strays, ...walk.asides].sort(
    (a, b) => a.start - b.start,
  )
  const place: Place = {
    piece: { kind: first, start, end, by: 'start' },
    replyBy: first === 'speech' ? 'dash' : 'none',
  }
  let skipTo = start
  for (const mark of marks) {
    if (mark.start < Math.max(skipTo, place.piece.start) || mark.end > end) continue
    if (mark.kind === 'quote') skipTo = mark.end
    steps[mark.kind](walk, mark as never, place, end)
  }
  if (place.piece.start < end) walk.pieces.push({ ...place.piece, end })
}

/** What each mark does to the place of the walk. */
const steps: {
  readonly [K in Mark['kind']]: (walk: Walk, mark: Extract<Mark, { kind: K }>, place: Place, end: number) => void
} = {
  dash: (walk, mark, place, end) => {
    if (!judgeDash(walk, mark, place, end)) return
    walk.pieces.push({ ...place.piece, end: mark.start })
    place.piece = { kind: place.piece.kind === 'speech' ? 'author' : 'speech', start: mark.end, end, by: 'dash' }
    if (place.replyBy === 'none') place.replyBy = 'dash'
  },
  quote: (walk, mark, place, end) => {
    if (place.piece.kind === 'speech' || !judgeQuote(walk, mark, place)) return
    if (mark.start > place.piece.start) walk.pieces.push({ ...place.piece, end: mark.start })
    walkQuote(walk, mark)
    place.piece = { kind: 'author', start: mark.end, end, by: 'quote' }
    if (place.replyBy === 'none') place.replyBy = 'quote'
  },
  stray: (walk, mark, place, end) => {
    if (place.piece.kind !== 'speech' || place.replyBy !== 'quote') return
    walk.decisions.push({ at: mark.start, mark: 'stray', rule: 'stray-mark-closes', verdict: 'border' })
    walk.pieces.push({ ...place.piece, end: mark.start })
    place.piece = { kind: 'author', start: mark.end, end, by: 'quote' }
  },
  aside: (walk, mark, place, end) => {
    if (place.piece.kind !== 'speech') return
    const afterSentence = /[.!?…]["»”]?$/u.test(walk.text.slice(place.piece.start, mark.start))
    if (!isAuthorsAside(listWords(walk.text, mark.start, mark.end), afterSentence)) return
    walk.decisions.push({ at: mark.start, mark: 'aside', rule: 'parenthesis-of-the-author', verdict: 'border' })
    walk.pieces.push(
      { ...place.piece, end: mark.start },
      { kind: 'author', start: mark.start, end: mark.end, by: 'aside' },
    )
    place.piece = { kind: 'speech', start: mark.end, end, by: 'aside' }
  },
}

/** A reply inside quotation marks is walked like one after a dash: the author may interrupt it («Эх, — думал я, — …»). */
function walkQuote(walk: Walk, mark: QuoteMark): void {
  const inner: Walk = { ...walk, quotes: [], strays: [], pieces: [] }
  walkRange(inner, mark.inner, mark.innerEnd, 'speech')
  walk.pieces.push(...inner.pieces.map((piece, i): Piece => (i === 0 ? { ...piece, by: 'quote' } : piece)))
}

function judgeDash(walk: Walk, mark: DashMark, { piece, replyBy }: Place, end: number): boolean {
  const resumable = replyBy === 'dash' || (replyBy === 'quote' && walk.strays.some(stray => stray.start > mark.start))
  const { rule, border } = decideDash(describeDash(walk, mark, piece, end, resumable))
  walk.decisions.push({ at: mark.start, mark: 'dash', rule, verdict: border ? 'border' : 'inner' })
  return border
}

function judgeQuote(walk: Walk, mark: QuoteMark, { piece, replyBy }: Place): boolean {
  const { rule, speech } = decideQuote(describeQuote(walk, mark, piece, replyBy !== 'none'))
  walk.decisions.push({ at: mark.start, mark: 'quote', rule, verdict: speech ? 'speech' : 'not-speech' })
  return speech
}

function describeDash({ text, dashes }: Walk, mark: DashMark, here: Piece, end: number, inReply: boolean): Dash {
  const stretch = readStretch(text, dashes, mark.end, end)
  const remark = text.slice(here.start, mark.start)
  const remarkWords = here.kind === 'author' ? listWords(remark) : []
  return {
    state: here.kind,
    before: lastCharacter(text.slice(here.start, mark.start).replace(/[\s»”"“)]+$/u, '')),
    ...stretch,
    remark: {
      saying: remarkWords.some(word => isSayingVerb(word.key)),
      verbs: remarkWords.filter(word => isSayingVerb(word.key)).map(word => word.key),
      capital: remarkWords[0]?.capital ?? false,
      sentences: here.kind === 'author' ? sentenceEnds(remark, 0, remark.length).length + 1 : 0,
    },
    inReply,
    quoteAfter: /^[«„"“]/u.test(text.slice(mark.end)),
  }
}

/** Words from `start` to the end of the sentence or the next dash, whichever comes first. */
function readStretch(text: string, dashes: readonly DashMark[], start: number, end: number) {
  const dash = dashes.find(other => other.start >= start && /[,.!?…;:»”"“]\s*$/u.test(text.slice(start, other.start)))
  const limit = Math.min(dash?.start ?? end, end)
  const stop = sentenceEnds(text, start, limit)[0] ?? limit
  const after = listWords(text, start, stop)
  const clause = firstClause(text, start, stop, after)
  const framed = dash !== undefined && stop === limit && limit === dash.start
  return { after, clause, framed, afterEnds: lastCharacter(text.slice(start, stop).replace(/[\s»”"“)]+$/u, '')) }
}

/** Words up to the first comma or colon; a gerund in front belongs to the clause behind it («смеясь, продолжал Иван»). */
function firstClause(text: string, start: number, stop: number, after: readonly Word[]): number {
  const commas = [...text.slice(start, stop).matchAll(/[,:;]/gu)].map(match => start + match.index)
  const upTo = (at: number | undefined) =>
    at === undefined ? after.length : after.filter(word => word.end <= at).length
  const first = upTo(commas[0])
  return after.slice(0, first).some(word => looksGerund(word.key)) ? upTo(commas[1]) : first
}

function describeQuote(walk: Walk, mark: QuoteMark, here: Piece, inReply: boolean): Quotation {
  const { text } = walk
  const lead = text.slice(here.start, mark.start)
  const leadStart = here.start + (sentenceEnds(text, here.start, mark.start).at(-1) ?? here.start) - here.start
  const inner = text.slice(mark.inner, mark.innerEnd)
  const after = text.slice(mark.end).trimStart()
  const behind = /^[.,;:!?…\s\u00a0]*(?:[—–―‒]+|-+)?[\s\u00a0]*/u.exec(text.slice(mark.end))![0]
  const before = lastCharacter(lead.trimEnd())
  return {
    before,
    lead: listWords(text, leadStart, mark.start),
    opensSentence: before === '' || /[.!?…]/u.test(before) || (here.by === 'quote' && !/\p{L}/u.test(lead)),
    words: listWords(inner),
    innerEnd: lastCharacter(inner.trimEnd()),
    hasStop: /[.!?…](?:\s|$)/u.test(inner),
    after,
    tail: readStretch(text, walk.dashes, mark.end + behind.length, text.length).after,
    clause: readStretch(text, walk.dashes, mark.end + behind.length, text.length).clause,
    afterDash: /[—–―‒-]\s*$/u.test(behind),
    inReply,
  }
}

const lastCharacter = (text: string) => text.at(-1) ?? ''

function segmentPieces(text: string, pieces: readonly Piece[]): Segment[] {
  const spoken = pieces.some(piece => piece.kind === 'speech')
  return pieces.flatMap((piece, i) => {
    if (piece.kind === 'speech') return cutSegment('speech', text, piece.start, piece.end)
    if (!spoken) return cutSegment('narration', text, piece.start, piece.end)
    return splitAuthor(text, piece, pieces[i - 1], pieces[i + 1])
  })
}

/** The sentence that touches a reply is a remark; further sentences of the author are narration. */
function splitAuthor(text: string, piece: Piece, previous: Piece | undefined, next: Piece | undefined): Segment[] {
  const afterReply = previous?.kind === 'speech'
  const interrupts = afterReply && next?.kind === 'speech' && piece.by === next.by && piece.by !== 'quote'
  if (interrupts) return cutSegment('remark', text, piece.start, piece.end)
  const ends = [...sentenceEnds(text, piece.start, piece.end), piece.end]
  const firstEnd = afterReply && continuesReply(text, piece) ? ends[0] : piece.start
  const lead = next?.kind === 'speech' && announcesReply(text.slice(piece.start, piece.end))
  const lastStart = lead ? Math.max(ends.at(-2) ?? piece.start, firstEnd) : piece.end
  return [
    ...cutSegment('remark', text, piece.start, firstEnd),
    ...cutSegment('narration', text, firstEnd, lastStart),
    ...cutSegment('remark', text, lastStart, piece.end),
  ]
}

/** «Он сказал:», «Кто-то крикнул «…»». */
const announcesReply = (text: string) =>
  /[:,—–-]\s*$/u.test(text) ||
  (!/[.!?…]\s*$/u.test(text) &&
    listWords(text)
      .slice(-3)
      .some(word => isSayingVerb(word.key)))

const continuesReply = (text: string, piece: Piece) =>
  piece.by === 'dash' || /^[\s\u00a0,.!?…;]*(?:[—–―‒-]|\p{Ll})/u.test(text.slice(piece.start, piece.end))

/** The segment without spaces and dashes at its edges (and without stops left over in front); none when no letter or digit remains, but a silent reply («— …») stays. */
function cutSegment(kind: Segment['kind'], text: string, start: number, end: number): Segment[] {
  const raw = text.slice(start, end)
  const front = (kind === 'speech' ? /^[\s\u00a0—–―‒]*/u : /^[\s\u00a0—–―‒\-,.;:!?…»”"“()]*/u).exec(raw)![0].length
  const back = (
    kind === 'remark' && raw.trimStart().startsWith('(')
      ? /[\s\u00a0—–―‒.)]*$/u
      : /(?:[\s\u00a0—–―‒]|(?<=[\s,.!?…])-)*$/u
  ).exec(raw)![0].length
  if (front + back >= raw.length || !(kind === 'speech' ? /[\p{L}\p{N}!?…]|\.\./u : /[\p{L}\p{N}]/u).test(raw))
    return []
  const cut = { start: start + front, end: end - back }
  return [{ kind, text: text.slice(cut.start, cut.end), ...cut }]
}
