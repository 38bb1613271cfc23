// A noun in its sentence → the case and number it stands in, where preposition, verb or negation know better than the tagger.
import type { Parse } from './morphology.js'
import { prepositionCases } from './prepositions.js'
import type { NounForm } from './pronouns.js'
import type { TaggedWord } from './tagger.js'

/** «ждал решения», «касается дела»: their object stands in the genitive. */
const genitiveVerbs =
  /^(?:(?:о|подо)?жд(?:ать|аться)|дождаться|ожидать|дожидаться|(?:по)?желать|(?:за)?хотеть|(?:по)?просить|спросить|спрашивать|(?:по)?требовать|(?:по)?искать|(?:по)?бояться|опасаться|пугаться|испугаться|избе(?:гать|жать)|дости(?:гать|гнуть|чь)|лиш(?:ать|ить)(?:ся)?|кас(?:аться)|коснуться|стоить|заслуживать|доби(?:ваться|ться)|слушаться|ослушаться|держаться|придерживаться|стыдиться|чуждаться|хватать|хватить|недоставать)$/u

/**
 * @param noun index of the noun
 * @param from index of the first word of its phrase, its adjectives and possessive included
 * @returns undefined where the word has no case
 */
export function nounForm(words: readonly TaggedWord[], noun: number, from: number): NounForm | undefined {
  const { parse, parses } = words[noun]
  const readings = parses.filter(p => p.pos === 'NOUN' && p.case && p.number)
  // «три сына» → «три моих сына»
  if (/^(?:два|две|оба|обе|три|четыре)$/iu.test(words[from - 1]?.text ?? '') && parse?.case === 'gent')
    return { case: 'gent', number: 'plur' }
  return toForm(chooseReading(words, noun, from, readings) ?? parse)
}

function toForm(parse: Parse | undefined): NounForm | undefined {
  if (!parse?.case || !parse.number) return undefined
  return { case: parse.case, number: parse.number, gender: parse.gender, animate: parse.animate }
}

function chooseReading(
  words: readonly TaggedWord[],
  noun: number,
  from: number,
  readings: readonly Parse[],
): Parse | undefined {
  const { parse } = words[noun]
  const before = words[from - 1] as TaggedWord | undefined
  const governed = before?.kind === 'word' ? prepositionCases(before.text) : undefined
  if (governed) {
    const fitting = readings.filter(p => p.case && governed.includes(p.case))
    return fitting.find(p => p.case === parse?.case && p.number === parse?.number) ?? fitting[0]
  }
  const singular = readings.find(p => p.case === 'gent' && p.number === 'sing')
  const plural = readings.find(p => p.case === 'accs' && p.number === 'plur')
  // «решения» is one decision in the genitive and several in the accusative.
  if (!singular || !plural) return asSubject(words, noun, from, readings)
  const verb = governingVerb(words, from, noun)
  if (verb === undefined) return undefined
  const denied = /^н[еи]$/iu.test(words[verb - 1]?.text ?? '')
  if (denied || genitiveVerbs.test(words[verb].parse?.lemma ?? '')) return singular
  const direct = verb === from - 1 && words[verb].parse?.transitive === true && parse?.case === 'gent'
  return direct ? plural : undefined
}

/** «мать его была добра»: no other nominative stands there for the verb to agree with. */
function asSubject(
  words: readonly TaggedWord[],
  noun: number,
  from: number,
  readings: readonly Parse[],
): Parse | undefined {
  const nominative = readings.find(p => p.case === 'nomn' && p.number === 'sing')
  if (!nominative || words[noun].parse?.case === 'nomn') return undefined
  const [start, end] = bounds(words, from)
  const clause = words.slice(start, end)
  const taken = clause.some(
    ({ parse }, i) => start + i !== noun && parse?.case === 'nomn' && (parse.pos === 'NOUN' || parse.pos === 'NPRO'),
  )
  const agrees = clause.some(
    ({ parse }) => parse?.pos === 'VERB' && parse.tense === 'past' && parse.gender === nominative.gender,
  )
  return !taken && agrees ? nominative : undefined
}

/** The nearest verb between the same marks, before the phrase or else behind it. */
function governingVerb(words: readonly TaggedWord[], from: number, noun: number): number | undefined {
  const [start, end] = bounds(words, from)
  const isVerb = (i: number): boolean => /^(?:VERB|INFN|GRND)$/u.test(words[i].parse?.pos ?? '')
  for (let i = from - 1; i >= start; i--) if (isVerb(i)) return i
  for (let i = noun + 1; i < end; i++) if (isVerb(i)) return i
  return undefined
}

/** `[start, end)` between the punctuation marks around a word. */
function bounds(words: readonly TaggedWord[], at: number): readonly [number, number] {
  let [start, end] = [at, at]
  while (start > 0 && words[start - 1].kind !== 'punct') start--
  while (end < words.length && words[end].kind !== 'punct') end++
  return [start, end]
}
