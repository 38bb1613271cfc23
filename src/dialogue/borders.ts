// A dash in a paragraph → is it the border between a reply and the author's words? An ordered list of named rules.
import { isPastVerb, isSayingInfinitive, isSayingOfNarrator, isSayingVerb, looksPresent } from './verbs.js'
import { isAddressWord, isPluralPronoun, isFirstPersonPronoun, isThirdPersonPronoun, type Word } from './words.js'

/** One dash with what stands around it. */
export interface Dash {
  /** Who is talking before the dash. */
  readonly state: 'speech' | 'author'
  /** Last character before the dash that is no space and no closing quote; '' at the start. */
  readonly before: string
  /** Words of the first sentence after the dash, at most up to the next dash. */
  readonly after: readonly Word[]
  /** What ends that stretch: a sentence mark, a dash or ''. */
  readonly afterEnds: string
  /** The stretch ends at another dash. */
  readonly framed: boolean
  /** Length of the first clause of `after`, in words: up to the first comma or colon. */
  readonly clause: number
  /** Author's words since the last border: whether a verb of speech was among them, and how many sentences they hold. */
  readonly remark: {
    readonly saying: boolean
    readonly sentences: number
    /** The remark begins like a sentence of its own. */
    readonly capital: boolean
    readonly verbs: readonly string[]
  }
  /** Whether a dash may bring the reply back: the author's words interrupt one that a dash opened. */
  readonly inReply: boolean
  /** A quotation mark opens right after the dash. */
  readonly quoteAfter: boolean
}

type Verdict = 'border' | 'inner' | undefined
interface BorderRule {
  readonly name: string
  readonly decide: (dash: Dash) => Verdict
}

const sentenceEnd = /[.!?…]/u
const anyStop = /[,.!?…;:]/u

const namedSubject = (word: Word | undefined, first: boolean) =>
  word !== undefined && (isThirdPersonPronoun(word) || isFirstPersonPronoun(word) || (word.capital && !first))

/** A verb of the third person that can be an author's predicate. */
const isPredicate = (word: Word | undefined): word is Word =>
  word !== undefined && !word.capital && (isPastVerb(word.key) || isSayingVerb(word.key))

/** «говорю я», «я спрашиваю». */
const narratorSays = (words: readonly Word[]) =>
  words.some((word, i) => {
    const beside = [words[i - 1], words[i + 1]].filter(other => other !== undefined)
    return isSayingOfNarrator(word.key) && beside.some(isFirstPersonPronoun)
  })

/** «стал продолжать», «начал рассуждать». */
const beginsToSay = (words: readonly Word[]) =>
  words.some((word, i) => isSayingInfinitive(word.key) && words.slice(Math.max(0, i - 3), i).some(isPredicate))

/** «он снял», «и он ловко снял», «Иван усмехнулся»: a third-person subject with its verb within two words. */
function hasSubjectAndVerb(words: readonly Word[]): boolean {
  return words.some((word, i) => {
    if (!(isThirdPersonPronoun(word) || (word.capital && !isFirstPersonPronoun(word)))) return false
    if (words[i - 1] !== undefined && isFirstPersonPronoun(words[i - 1])) return false
    const verbs = [words[i + 1], words[i + 2], words[i + 3], words[i - 1]].filter(isPredicate)
    return verbs.some(verb => !isPluralPronoun(word) || /ли(?:сь)?$|[юя]т(?:ся)?$/u.test(verb.key))
  })
}

/** «обращаюсь», «думаю»: a verb of the first person without its pronoun belongs to a reply. */
const isOwnVerb = ({ key }: Word) =>
  /\p{L}[аяеую]юсь$|\p{L}{2}[аяеу]ю$/u.test(key) && !isSayingOfNarrator(key) && !oneOfInstrumental.test(key)
const oneOfInstrumental = /(?:ою|ею|ую|юю)$/u

/** A verb of speech that is said to happen: «не скажет» belongs to a reply. */
const tells = (words: readonly Word[]) =>
  words.some((word, i) => isSayingVerb(word.key) && !(words[i - 1]?.key === 'не' && looksPresent(word.key)))

const addresses = (words: readonly Word[]) => words.some(isAddressWord)

/** Reply → author's words. */
const leaveRules: readonly BorderRule[] = [
  {
    name: 'no-stop-before',
    decide: ({ before, after }) => {
      if (anyStop.test(before)) return undefined
      const told = after.length > 1 && !after[0].capital && isSayingVerb(after[0].key)
      return told && namedSubject(after[1], false) ? 'border' : 'inner'
    },
  },
  { name: 'nothing-after', decide: ({ after }) => (after.length === 0 ? 'inner' : undefined) },
  {
    name: 'saying-verb-first',
    decide: ({ after }) => (!after[0].capital && isSayingVerb(after[0].key) ? 'border' : undefined),
  },
  {
    name: 'narrator-says',
    decide: ({ after }) => (!after[0].capital && narratorSays(after.slice(0, 3)) ? 'border' : undefined),
  },
  {
    name: 'asks-or-exclaims',
    decide: ({ afterEnds, after, clause }) =>
      /[!?]/u.test(afterEnds) && !after.slice(0, Math.min(clause, 3)).some(word => isSayingVerb(word.key))
        ? 'inner'
        : undefined,
  },
  {
    name: 'addresses-somebody',
    decide: ({ after, clause }) => {
      const near = after.slice(0, Math.max(clause, 4))
      const told = near.findIndex(word => isSayingVerb(word.key))
      const named = near.findIndex(word => isAddressWord(word) || isOwnVerb(word))
      return named >= 0 && (told < 0 || named < told) ? 'inner' : undefined
    },
  },
  {
    name: 'verb-then-subject',
    decide: ({ after, clause }) => {
      if (after[0].capital || !(looksPresent(after[0].key) || isPredicate(after[0]))) return undefined
      const near = after.slice(1, Math.min(clause, isPredicate(after[0]) ? 5 : 2))
      return namedSubject(near[0], false) || near.some(word => word.capital) ? 'border' : undefined
    },
  },
  {
    name: 'begins-to-say',
    decide: ({ after, clause }) =>
      !after[0].capital && beginsToSay(after.slice(0, Math.min(clause, 7))) ? 'border' : undefined,
  },
  {
    // «, — полюбовалась попадья. —»: between two dashes a short clause that begins with its verb is the author's
    name: 'clause-between-dashes',
    decide: ({ after, clause, framed }) =>
      framed && !after[0].capital && isPastVerb(after[0].key) && after.length > 1 && clause <= 6 ? 'border' : undefined,
  },
  {
    name: 'saying-verb-near',
    decide: ({ after, clause }) =>
      !after[0].capital && tells(after.slice(0, Math.min(clause, 7))) ? 'border' : undefined,
  },
  {
    name: 'subject-then-verb',
    decide: ({ before, after, clause }) => {
      if (after[0].capital || before === ':') return undefined
      return hasSubjectAndVerb(after.slice(0, clause)) ? 'border' : undefined
    },
  },
  {
    name: 'present-verb-of-another',
    decide: ({ before, after, clause }) => {
      if (!sentenceEnd.test(before) || after[0].capital) return undefined
      const near = after.slice(0, clause)
      return near.some((word, i) => looksPresent(word.key) && isThirdPersonPronoun(near[i + 1] ?? near[i]))
        ? 'border'
        : undefined
    },
  },
  {
    name: 'past-verb-after-sentence',
    decide: ({ before, after, clause }) =>
      sentenceEnd.test(before) && !after[0].capital && after.slice(0, clause).some(isPredicate) ? 'border' : undefined,
  },
  {
    name: 'new-sentence-of-the-author',
    decide: ({ before, after }) => {
      if (!sentenceEnd.test(before) || !after[0].capital || addresses(after)) return undefined
      return !after.some(isFirstPersonPronoun) && hasSubjectAndVerb(after) ? 'border' : undefined
    },
  },
  { name: 'reply-goes-on', decide: () => 'inner' },
]

/** Author's words inside or after a reply → reply. */
const returnRules: readonly BorderRule[] = [
  { name: 'nothing-after', decide: ({ after }) => (after.length === 0 ? 'inner' : undefined) },
  { name: 'quote-after-dash', decide: ({ quoteAfter, inReply }) => (quoteAfter && !inReply ? 'inner' : undefined) },
  { name: 'colon-then-dash', decide: ({ before }) => (before === ':' ? 'border' : undefined) },
  { name: 'no-stop-in-remark', decide: ({ before }) => (anyStop.test(before) ? undefined : 'inner') },
  {
    name: 'remark-repeats-its-verb',
    decide: ({ after, remark }) => (remark.verbs.includes(after[0].key) ? 'inner' : undefined),
  },
  {
    name: 'reply-resumes-in-sentence',
    decide: ({ before, remark, inReply }) =>
      inReply && /[,;]/u.test(before) && ((remark.sentences === 1 && !remark.capital) || remark.saying)
        ? 'border'
        : undefined,
  },
  {
    name: 'reply-resumes-after-sentence',
    decide: ({ before, remark, inReply }) =>
      inReply && sentenceEnd.test(before) && (remark.sentences <= 2 || remark.saying) ? 'border' : undefined,
  },
  {
    name: 'reply-after-long-remark',
    decide: ({ before, after, afterEnds, inReply }) =>
      inReply && sentenceEnd.test(before) && (addresses(after) || /[!?]/u.test(afterEnds)) ? 'border' : undefined,
  },
  {
    name: 'reply-inside-narration',
    decide: ({ before, after, afterEnds, inReply }) =>
      !inReply &&
      sentenceEnd.test(before) &&
      after[0].capital &&
      (addresses(after) || (/[!?]/u.test(afterEnds) && !hasSubjectAndVerb(after)))
        ? 'border'
        : undefined,
  },
  { name: 'author-goes-on', decide: () => 'inner' },
]

/** Says whether the dash is a border, and which rule said so. */
export function decideDash(dash: Dash): { readonly rule: string; readonly border: boolean } {
  const rules = dash.state === 'speech' ? leaveRules : returnRules
  for (const { name, decide } of rules) {
    const verdict = decide(dash)
    if (verdict !== undefined) return { rule: name, border: verdict === 'border' }
  }
  return { rule: 'none', border: false }
}

/** «(Урядник усмехнулся.)» between sentences of a reply, «(прибавил он)» anywhere: a parenthesis that tells of a third person, and does not speak to anybody. */
export function isAuthorsAside(words: readonly Word[], afterSentence: boolean): boolean {
  if (words.length < 2 || addresses(words) || words.some(word => isFirstPersonPronoun(word) || isOwnVerb(word)))
    return false
  if (isSayingVerb(words[0].key) || (isThirdPersonPronoun(words[0]) && isPredicate(words[1]))) return true
  return (
    afterSentence &&
    words[0].capital &&
    (isPredicate({ ...words[0], capital: false }) || isPredicate(words[1]) || hasSubjectAndVerb(words))
  )
}

/** Names of all dash rules, for the test that each one decides. */
export const dashRuleNames: readonly string[] = [...leaveRules, ...returnRules].map(rule => rule.name)

/** Whether the words right after a closing quote or dash are the author's («сказал он», «вдруг подумал Иван»). */
export function beginsRemark(after: readonly Word[], clause: number): boolean {
  if (after.length === 0 || after[0].capital) return false
  const near = after.slice(0, Math.min(clause, 6))
  return near.some(word => isSayingVerb(word.key)) && !addresses(near)
}
