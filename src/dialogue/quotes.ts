// A quotation in the author's words → is it speech, or a title, a term, irony? An ordered list of named rules.
import { beginsRemark } from './borders.js'
import { isPastVerb, isSayingGerund, isSayingVerb } from './verbs.js'
import { isThirdPersonPronoun, isFirstPersonPronoun, isAddressWord, type Word } from './words.js'

/** A quotation with what stands around it. */
export interface Quotation {
  /** Last character before the opening mark that is no space; '' at the start of the paragraph. */
  readonly before: string
  /** Words of the same sentence before the quotation. */
  readonly lead: readonly Word[]
  /** The quotation stands where a sentence begins. */
  readonly opensSentence: boolean
  readonly words: readonly Word[]
  /** Last character inside. */
  readonly innerEnd: string
  /** A sentence mark occurs inside, at the end or earlier. */
  readonly hasStop: boolean
  /** First characters behind the closing mark, spaces removed. */
  readonly after: string
  /** Words behind the quotation up to the next dash or sentence end, and how many of them form the first clause. */
  readonly tail: readonly Word[]
  readonly clause: number
  readonly afterDash: boolean
  /** Author's words follow a reply of this paragraph. */
  readonly inReply: boolean
}

interface QuoteRule {
  readonly name: string
  readonly decide: (quote: Quotation) => boolean | undefined
}

const saysBefore = (lead: readonly Word[], span: number) =>
  lead.slice(-span).some(word => isSayingVerb(word.key) || isSayingGerund(word.key))
const startsLikeSentence = ({ words }: Quotation) => words[0].capital
const closesSentence = ({ innerEnd, after }: Quotation) =>
  /[.!?…]/u.test(innerEnd) || /^[.!?…]/u.test(after) || /^,?\s*$/u.test(after)

const quoteRules: readonly QuoteRule[] = [
  { name: 'no-words', decide: ({ words }) => (words.length === 0 ? false : undefined) },
  {
    name: 'colon-before',
    decide: quote => {
      if (quote.before !== ':') return undefined
      const listed = /^(?:,|и\s|или\s)/u.test(quote.after) && !/[!?…]/u.test(quote.innerEnd)
      return (
        !(listed && !saysBefore(quote.lead, 6)) &&
        (startsLikeSentence(quote) || quote.hasStop || saysBefore(quote.lead, 8))
      )
    },
  },
  {
    name: 'remark-after-dash',
    decide: ({ afterDash, tail, clause }) => (afterDash && beginsRemark(tail, clause) ? true : undefined),
  },
  {
    name: 'remark-after-comma',
    decide: ({ after, tail, innerEnd }) => {
      if (
        tail.length === 0 ||
        afterWord(after) !== tail[0].text ||
        !(after.startsWith(',') || /[,!?…]/u.test(innerEnd))
      )
        return undefined
      return isSayingVerb(tail[0].key) && !tail[0].capital && (isPastVerb(tail[0].key) || isSubject(tail[1]))
        ? true
        : undefined
    },
  },
  {
    name: 'next-reply-after-dash',
    decide: ({ before, inReply, hasStop, opensSentence }) =>
      /[—–―-]/u.test(before) && inReply && (hasStop || opensSentence) ? true : undefined,
  },
  {
    name: 'sentence-of-its-own',
    decide: quote => {
      if (!quote.opensSentence || !startsLikeSentence(quote) || !closesSentence(quote)) return undefined
      return quote.hasStop || quote.words.length > 3 || quote.words.some(isAddressWord) || quote.inReply
        ? true
        : undefined
    },
  },
  {
    name: 'goes-on-after-remark',
    decide: ({ before, inReply, words, lead }) =>
      /[—–―-]/u.test(before) && inReply && words.length > 1 && saysBefore(lead, 12) ? true : undefined,
  },
  {
    name: 'exclaimed-after-verb',
    decide: quote =>
      /[!?…]/u.test(quote.innerEnd) &&
      startsLikeSentence(quote) &&
      saysBefore(
        quote.lead.filter(word => !reading.test(word.key)),
        3,
      )
        ? true
        : undefined,
  },
  { name: 'title-or-irony', decide: () => false },
]

/** «читал «Что делать?»»: what is read or written is a title. */
const reading = /чита|писа|пева?[лтю]/u

const isSubject = (word: Word | undefined) =>
  word === undefined || word.capital || isThirdPersonPronoun(word) || isFirstPersonPronoun(word)
const afterWord = (after: string) => /^[,\s]*([\p{L}-]+)/u.exec(after)?.[1]

/** Says whether a quotation in the author's words is speech, and which rule said so. */
export function decideQuote(quote: Quotation): { readonly rule: string; readonly speech: boolean } {
  for (const { name, decide } of quoteRules) {
    const speech = decide(quote)
    if (speech !== undefined) return { rule: name, speech }
  }
  return { rule: 'none', speech: false }
}

/** Names of all quotation rules, for the test that each one decides. */
export const quoteRuleNames: readonly string[] = quoteRules.map(rule => rule.name)
