// Scores bytes as Russian text in each single-byte Cyrillic encoding, by letter pairs and letter case.
import iconv from 'iconv-lite'
import { bigramCosts, bigramLetters } from './letter-bigrams.js'

/** The encodings that are told apart; `prior` is in nats (Windows files are by far the commonest). */
const candidates = [
  { name: 'windows-1251', prior: 0 },
  { name: 'koi8-r', prior: 2 },
  { name: 'ibm866', prior: 2 },
  { name: 'iso-8859-5', prior: 4 },
  { name: 'x-mac-cyrillic', prior: 3 },
] as const

interface CyrillicGuess {
  readonly name: string
  /** Mean cost of a letter pair in nats; Russian prose has about 2.5, a wrong decoding above 4. */
  readonly meanCost: number
  /** By how many nats in all the guess beats the next one; Infinity where both decode to the same text. */
  readonly marginNats: number
  /** Candidates in order, best first. */
  readonly ranking: readonly string[]
}

const symbolCost = 11 // box drawing, controls, currency signs and the like
const quoteCost = 3 // « » — – … and the no-break space, which Russian text really has
const rareCost = 6 // „ “ ” ‘ ’ № §
const caseCost = 6 // a capital after a small letter inside a word
const capitalCost = 1 // a word that begins with a capital
const nameCost = 3 // the same in the middle of a sentence
const openerCost = 2 // a small letter directly behind « or „
const gluedCost = 4 // a dash, an ellipsis or a closing quote between a space and a letter; an opening quote behind a letter
const maxSampleBytes = 4_000_000

interface ByteClass {
  /** 0 for anything but a letter, else 1 + index in `bigramLetters`. */
  readonly letter: Uint8Array
  readonly upper: Uint8Array
  /** Extra cost of the sign itself. */
  readonly extra: Float64Array
  /** 1 for signs that open a quotation, 2 for those that stand behind a word. */
  readonly quote: Uint8Array
}

const costs: readonly (readonly number[])[] = bigramCosts.map(row => [...row].map(digit => parseInt(digit, 36) / 4))
const classes = new Map<string, ByteClass>()

/** Name that iconv-lite knows for a name of the WHATWG encoding standard. */
export function iconvName(name: string): string {
  const key = name.toLowerCase()
  if (key === 'x-mac-cyrillic') return 'maccyrillic'
  return key === 'ibm866' ? 'cp866' : key
}

/** Ranks the Cyrillic encodings for these bytes; the caller decides whether the margin is enough. */
export function guessCyrillic(bytes: Uint8Array): CyrillicGuess {
  const sample = bytes.subarray(0, maxSampleBytes)
  const scored = candidates
    .map(({ name, prior }) => ({ name, ...scoreAs(sample, name), prior }))
    .sort((a, b) => a.total + a.prior - b.total - b.prior)
  const [best, next] = scored
  const same = decodeAs(sample, best.name) === decodeAs(sample, next.name)
  return {
    name: best.name,
    meanCost: best.pairs === 0 ? Infinity : best.total / best.pairs,
    marginNats: same ? Infinity : next.total + next.prior - best.total - best.prior,
    ranking: scored.map(({ name }) => name),
  }
}

function decodeAs(bytes: Uint8Array, name: string): string {
  return iconv.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), iconvName(name))
}

function scoreAs(bytes: Uint8Array, name: string): { total: number; pairs: number } {
  const kind = classOf(name)
  let total = 0
  let pairs = 0
  let [earlier, before] = [0x20, 0x20]
  for (const byte of bytes) {
    if (byte >= 0x80 || before >= 0x80) {
      pairs++
      total +=
        costs[kind.letter[before]][kind.letter[byte]] + kind.extra[byte] + costOfSigns(kind, earlier, before, byte)
    }
    earlier = before
    before = byte
  }
  return { total, pairs }
}

/** What letter case and quotes cost in the place where they stand. */
function costOfSigns({ letter, upper, quote }: ByteClass, earlier: number, before: number, byte: number): number {
  if (!letter[byte]) return quote[byte] === 1 && letter[before] ? gluedCost : 0
  let cost = 0
  if (upper[byte] && !upper[before])
    cost += letter[before] ? caseCost : letter[earlier] || earlier === 0x2c ? nameCost : capitalCost
  if (quote[before] === 1 && !upper[byte]) cost += openerCost
  if (quote[before] === 2 && !letter[earlier]) cost += gluedCost
  return cost
}

function classOf(name: string): ByteClass {
  const known = classes.get(name)
  if (known) return known
  const made = {
    letter: new Uint8Array(256),
    upper: new Uint8Array(256),
    extra: new Float64Array(256),
    quote: new Uint8Array(256),
  }
  for (let byte = 0x80; byte < 0x100; byte++) {
    const sign = decodeAs(Uint8Array.of(byte), name)
    const small = sign.toLowerCase().replace('ё', 'е')
    made.letter[byte] = bigramLetters.indexOf(small) + 1
    made.upper[byte] = sign === small || sign === 'ё' ? 0 : 1
    made.quote[byte] = /[«„‘]/u.test(sign) ? 1 : /[»”’…—–]/u.test(sign) ? 2 : 0
    if (!made.letter[byte])
      made.extra[byte] = /[«»—–…\u00a0]/u.test(sign) ? quoteCost : /[„“”‘’№§\u00ad]/u.test(sign) ? rareCost : symbolCost
  }
  classes.set(name, made)
  return made
}
