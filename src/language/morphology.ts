// Word form → possible parses from the OpenCorpora dictionary (package az), and a parse → another form of the same word.
import { askAz, type AzParse } from './az.js'

export type Case = 'nomn' | 'gent' | 'datv' | 'accs' | 'ablt' | 'loct'
export type GrammarNumber = 'sing' | 'plur'
export type GrammarGender = 'masc' | 'femn' | 'neut'
/** Which part of a person's name the dictionary says the word is. */
type NameGrammeme = 'Name' | 'Surn' | 'Patr' | 'Geox' | 'Orgn'

/** One possible reading of a word form, in OpenCorpora's terms. */
export interface Parse {
  /** The dictionary form of this reading, with ё; a patronymic's is a patronymic. */
  readonly form: string
  readonly lemma: string
  /** NOUN, ADJF, ADJS, COMP, VERB, INFN, PRTF, PRTS, GRND, NUMR, ADVB, NPRO, PRED, PREP, CONJ, PRCL, INTJ, … */
  readonly pos: string
  readonly case?: Case
  readonly number?: GrammarNumber
  readonly gender?: GrammarGender
  readonly animate?: boolean
  readonly person?: '1per' | '2per' | '3per'
  readonly tense?: 'past' | 'pres' | 'futr'
  readonly mood?: 'indc' | 'impr'
  readonly aspect?: 'perf' | 'impf'
  readonly name?: NameGrammeme
  readonly transitive?: boolean
  /** Does not decline. */
  readonly fixed: boolean
  /** Pronominal adjective (мой, этот) or anaphoric pronoun. */
  readonly pronominal: boolean
  /** In the dictionary as such, not guessed from its ending. */
  readonly known: boolean
  /** 0..1, the dictionary's own guess. */
  readonly score: number
  /** All grammemes, space separated, for features. */
  readonly tag: string
  /** The package's parse, for `inflect`. */
  readonly source: AzParse
}

const cache = new Map<string, readonly Parse[]>()
const cacheLimit = 300_000
const none: readonly Parse[] = []

/** Possible parses of a word form, likeliest first; capital letters matter (names), ё may be written е. Cached per form. */
export function parseWord(word: string): readonly Parse[] {
  const known = cache.get(word)
  if (known) return known
  if (cache.size >= cacheLimit) cache.clear()
  const parses = readParses(word)
  cache.set(word, parses)
  return parses
}

function readParses(word: string): readonly Parse[] {
  const shouting = word.length > 1 && word === word.toUpperCase() && word !== word.toLowerCase()
  const asked = shouting ? word.charAt(0) + word.slice(1).toLowerCase() : word
  const seen = new Set<string>()
  const parses: Parse[] = []
  for (const source of askAz(asked)) {
    const parse = readParse(source)
    const key = `${parse.lemma} ${parse.tag}`
    if (!seen.has(key)) parses.push(parse)
    seen.add(key)
  }
  return parses.length ? parses : none
}

function readParse(source: AzParse): Parse {
  const { tag } = source
  const grammeme = <T>(name: string): T | undefined => tag[name] as T | undefined
  const caseName = grammeme<string>('CAse')
  return {
    form: String(source),
    lemma: readLemma(source),
    pos: grammeme<string>('POST') ?? 'UNKN',
    case: (caseName === 'voct' ? 'nomn' : caseName) as Case | undefined,
    number: grammeme('NMbr'),
    gender: grammeme('GNdr'),
    animate: tag['ANim'] === undefined ? undefined : tag['anim'] === true,
    person: grammeme('PErs'),
    tense: grammeme('TEns'),
    mood: grammeme('MOod'),
    aspect: grammeme('ASpc'),
    name: (['Patr', 'Name', 'Surn', 'Geox', 'Orgn'] as const).find(name => tag[name] !== undefined),
    transitive: tag['tran'] === true ? true : tag['intr'] === true ? false : undefined,
    fixed: tag['Fixd'] === true,
    pronominal: tag['Apro'] === true || tag['Anph'] === true,
    known: source.parser === 'Dictionary',
    score: source.score,
    tag: String(tag),
    source,
  }
}

/** A patronymic shares its paradigm with the first name; only `Patr` leads to the right entry. */
function readLemma(source: AzParse): string {
  const gender = source.tag['femn'] === true ? 'femn' : 'masc'
  const patronymic = source.tag['Patr'] === true ? source.inflect(['Patr', gender, 'sing', 'nomn']) : false
  return String(patronymic || source.normalize() || source)
}

/** The same word with these grammemes (`['1per', 'sing', 'pres']`), lower case, with ё; undefined where there is none. */
export function inflect(parse: Parse, grammemes: readonly string[]): string | undefined {
  const asked = parse.name === 'Patr' ? ['Patr', ...grammemes] : grammemes
  const found = parse.source.inflect(asked)
  if (!found) return undefined
  const form = String(found)
  // Some paradigms list reflexive forms beside plain ones: «везёт» must not become «везёшься».
  return isReflexive(form) === isReflexive(parse.form) ? form : inflectPlain(parse, asked)
}

function isReflexive(form: string): boolean {
  return /с[яь]$/u.test(form)
}

function inflectPlain({ source, form }: Parse, grammemes: readonly string[]): string | undefined {
  for (let i = 0; i < (source.formCnt ?? 0); i++) {
    const other = source.inflect(i)
    if (other && grammemes.every(name => other.tag[name]) && isReflexive(String(other)) === isReflexive(form))
      return String(other)
  }
  return undefined
}
