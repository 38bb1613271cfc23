// A name group in its sentence → stays, becomes a pronoun in some case, or becomes мой / твой: the first rule that answers wins.
import { cases } from '../language/names.js'
import type { Case } from '../language/morphology.js'
import { prepositionCases } from '../language/prepositions.js'
import type { TaggedWord } from '../language/tagger.js'
import type { Group, Sentence } from './sentence.js'

export type NameVerdict =
  | { readonly kind: 'keep' }
  | { readonly kind: 'pronoun'; readonly case: Case }
  /** The noun the possessive agrees with stands at `noun`, its adjectives begin at `from`. */
  | { readonly kind: 'possessive'; readonly noun: number; readonly from: number }

export type NameRule = (sentence: Sentence, group: Group) => NameVerdict | undefined

const keep: NameVerdict = { kind: 'keep' }

/** Direct speech of others stays as spoken; the character's own speech says я already. */
const insideSpeech: NameRule = ({ speech, words }, { from }) =>
  speech.some(([start, end]) => words[from].start >= start && words[from].start < end) ? keep : undefined

const namingWords =
  /^(?:зов(?:ут|у|ёт|ет|ите|ёте|ём|ем|и)|звать|звал[иао]?|зва(?:ли|ть)сь|звался|назван[аоы]?|назвал[иаос]?[ья]?|назвать|наз(?:ови|ову|овут|овём)|назыв(?:ают|ал|али|ала|ать|ается|ался|алась|ает)|прозвал[иа]?|прозван[а]?|прозвище|прозвищу|прозвищем|кличут|кличка|кличке|кличкой|имя|имени|именем|имечко|фамили(?:я|и|ей|ю)|псевдоним(?:ом)?|окрестил[иа]?|нарекл[иа]?|нарек|величают|величал[иа]?)$/iu

/** «Меня зовут Вася», «по имени Вася», «имя его — Вася». */
const namingFormula: NameRule = ({ words }, group) => {
  if (!group.cases.has('nomn') && !group.cases.has('ablt')) return undefined
  let passed = 0
  for (let i = group.from - 1; i >= 0 && passed < 4; i--) {
    const { kind, text, parse } = words[i]
    if (kind === 'punct' && !/^(?:[-–—]+|[«"„“:])$/u.test(text)) return undefined
    if (kind === 'word' && namingWords.test(text)) return governsName(words, i, group) ? keep : undefined
    if (parse?.pos === 'VERB' || parse?.pos === 'CONJ') return undefined
    if (kind === 'word') passed++
  }
  return undefined
}

/** «звал Вася» is Vasya calling, «имя покупателя Вася узнал» says who learned it; «звали Вася» and «имя его Вася» name him. */
function governsName(words: readonly TaggedWord[], at: number, group: Group): boolean {
  const { parse, text } = words[at]
  if (parse?.pos === 'VERB') return parse.number !== 'sing' || !group.cases.has('nomn') || /ся$/u.test(text)
  const between = words.slice(at + 1, group.from)
  const bare = between.every(
    ({ kind, text: t }) => kind === 'punct' || /^(?:его|её|ее|мне|ему|ей|моё|мое|было|будет|не)$/iu.test(t),
  )
  return (
    bare && words[group.to]?.parse?.pos !== 'VERB' && !/^(?:ему|ей|им|её|ее|его)$/iu.test(words[group.to]?.text ?? '')
  )
}

const opening = /^[«„“"]$/u
const closing = /^[»“”"]$/u

/** The whole quotation is a name: a ship, a book, a sign. */
const quotedName: NameRule = ({ words }, { from, to }) =>
  from > 0 && to < words.length && opening.test(words[from - 1].text) && closing.test(words[to].text) ? keep : undefined

const namedPlaces =
  /^(?:улиц[аеуыойи]+|площад[ьию]+|проспект[аеуом]*|переул(?:ок|к[аеуом]+)|мост[ауеом]*|станци[яиюей]+|город[ауеом]*|сел[оауеом]+|деревн[яиеюей]+|роман[ауеом]*|повест[ьию]+|поэм[аыуеой]+|пьес[аыуеой]+|картин[аыуеой]+|премии|премию|премия|имени|им|завод[ауеом]*|корабл[ьяюем]+|пароход[ауеом]*)$/iu

/** «улица Пушкина», «площади Маркса», «завод имени Иванова»: the name is a place's or a thing's. */
const placeOrWork: NameRule = ({ words }, { from, cases: own }) => {
  if (!own.has('gent')) return undefined
  const before = words[from - 1]?.text === '.' ? words[from - 2] : words[from - 1]
  return before &&
    /^(?:улиц|площад|проспект|переул|имени$|им$|станци|премии$|премия$|премию$)/iu.test(before.text) &&
    namedPlaces.test(before.text)
    ? keep
    : undefined
}

const addressWords =
  /^(?:ты|тебя|тебе|тобой|тобою|вы|вас|вам|вами|твой|твоя|твоё|твое|твои|твоего|твоей|твоих|ваш|ваша|ваше|ваши|вашего|вашей|вашу|твою|здравствуй|здравствуйте|прощай|прощайте|спасибо|привет|добрый|доброе)$/iu

/** They call a person only where they stand right before the name: «о Савелий», «эй, Савелий». */
const callWords = /^(?:эй|ах|ох|о|ну|милый|милая|дорогой|дорогая)$/iu

/** «Вася, иди сюда», «Здравствуй, Маша!»: a nominative cut off by commas, near an imperative or a second person. */
const vocative: NameRule = (sentence, { from, to, cases: own }) => {
  const { words } = sentence
  if (!own.has('nomn')) return undefined
  const before = words[skipEndearment(words, from) - 1] as TaggedWord | undefined
  const after = words[to] as TaggedWord | undefined
  const opened = !before || before.kind !== 'word' || /^[a-z]/iu.test(before.text) || callWords.test(before.text)
  const rest = words.filter(({ kind }, i) => kind === 'word' && (i < from || i >= to))
  if (isExclaimed(words, from, to)) return keep
  if (!opened || (after && after.kind !== 'punct')) return undefined
  if (!rest.length && after && /[!?]/u.test(after.text)) return keep
  if (!cutsOff(before?.text, after?.text) || sentence.groups.length > 2 || isAuthor(words, to)) return undefined
  if (callWords.test(words[from - 1]?.text ?? '') || rest.some(addresses)) return keep
  if (words.some((_, i) => (i < from || i >= to) && isFreeVerb(words, i, from))) return undefined
  // No verb is left for the name: cut off on both sides, or before a clause with a subject of its own.
  if (before?.text === ',' && after) return keep
  return after?.text === ',' && opensClause(words, to + 1) ? keep : undefined
}

/** A comma or an exclamation on one side at least; a handle or an emoji before the name does as well. */
function cutsOff(before: string | undefined, after: string | undefined): boolean {
  return before === ',' || (after !== undefined && /^[,!?…]|^\.{2,}/u.test(after))
}

/** «С праздником, Маша!», «Браво Савелий!»: the name closes an exclamation without a verb. */
function isExclaimed(words: readonly TaggedWord[], from: number, to: number): boolean {
  const before = words[from - 1] as TaggedWord | undefined
  if (before?.kind !== 'word' || !/^(?:!|\p{Extended_Pictographic})/u.test(words[to]?.text ?? '')) return false
  const start = words.findLastIndex(({ text }, i) => i < from && /^[.!?…—–]/u.test(text)) + 1
  const said = words.slice(start, from)
  const { pos, case: grammarCase } = before.parse ?? {}
  const governs = pos === 'PREP' || pos === 'CONJ' || pos === 'ADJF' || (pos === 'NOUN' && grammarCase === 'nomn')
  return from - start < 4 && !governs && !said.some(({ parse }) => parse?.pos === 'VERB' || parse?.pos === 'INFN')
}

/** «…», — сказал: what follows the name reports speech, so the name is its subject or its verb's. */
function isAuthor(words: readonly TaggedWord[], to: number): boolean {
  return /^[-–—]/u.test(words[to]?.text ?? '')
}

/** A singular past or third-person verb without a nominative of its own could have the name as its subject. */
function isFreeVerb(words: readonly TaggedWord[], at: number, name: number): boolean {
  const { parse } = words[at]
  const fits = parse?.pos === 'VERB' && parse.number === 'sing' && parse.gender !== 'neut' && parse.mood !== 'impr'
  if (!fits || parse.person === '1per' || parse.person === '2per') return false
  const gender = words[name].parse?.gender
  if (parse.gender && gender && parse.gender !== gender) return false
  const ends = (i: number): boolean => words[i].kind === 'punct' && /^[,;:.!?…()—–-]/u.test(words[i].text)
  for (const step of [-1, 1])
    for (let i = at + step; words[i] && !ends(i); i += step) if (i !== name && isNominative(words[i])) return false
  return !subjectBefore(words, at, name)
}

/** «, отбросив мысли, я решила»: a pronoun opens the clause before, behind the name. */
function subjectBefore(words: readonly TaggedWord[], at: number, name: number): boolean {
  return words.slice(name + 1, at).some(({ text }) => /^(?:я|ты|мы|вы)$/iu.test(text))
}

function isNominative({ parse, kind }: TaggedWord): boolean {
  return kind === 'word' && parse?.case === 'nomn' && (parse.pos === 'NOUN' || parse.pos === 'NPRO')
}

/** The clause behind «Маша,» begins with a subject or a word of answer: «мы уже начали», «да, это он». */
function opensClause(words: readonly TaggedWord[], at: number): boolean {
  const word = words[at] as TaggedWord | undefined
  return /^(?:я|мы|он|она|они|оно|это|да|нет|ну|а|вот|как|где|куда|что|почему|зачем|когда|какой|какая|какое)$/iu.test(
    word?.text ?? '',
  )
}

/** «милая Маша», «брат Иван» */
function skipEndearment(words: readonly TaggedWord[], from: number): number {
  let i = from
  while (i > 0 && words[i - 1].parse?.pos === 'ADJF' && words[i - 1].parse?.case === 'nomn') i--
  return i
}

function addresses({ parse, text }: TaggedWord): boolean {
  return parse?.mood === 'impr' || (parse?.pos === 'VERB' && parse.person === '2per') || addressWords.test(text)
}

/** «рука Голядкина», «с друзьями Маши» → моя рука, с моими друзьями. */
const genitiveAttribute: NameRule = ({ words }, group) => {
  const { from, to, cases: own } = group
  const noun = words[from - 1]
  if (!own.has('gent') || noun?.kind !== 'word' || noun.parse?.pos !== 'NOUN' || noun.parse.case === undefined)
    return undefined
  if (/^\p{Lu}/u.test(noun.text) && from > 1) return undefined
  if (own.has('accs') && !preferGenitive(words, group)) return undefined
  if (noun.parse.name === 'Name' || isCounted(noun) || words[to]?.text.toLowerCase() === 'и') return undefined
  if (isRole(words, group) || isMoment(words, from - 1) || isHeldUnder(words, from - 1)) return undefined
  if (!noun.parse.known && /^\p{Lu}/u.test(noun.text)) return undefined
  return { kind: 'possessive', noun: from - 1, from: phraseStart(words, from - 1) }
}

/** People who are somebody's: «увидел брата Горюнова» is Goryunov's brother, «увидел мельника Горюнова» is Goryunov. */
const relational =
  /^(?:брат|братец|сестра|сын|дочь|ребенок|ребёнок|муж|жена|отец|мать|родитель|друг|подруга|враг|недруг|неприятель|противник|соперник|обидчик|слуга|служитель|служанка|приятель|приятельница|товарищ|знакомец|знакомый|дядя|т[её]тка|дед|бабушка|зять|тесть|т[её]ща|невестка|сосед|соседка|начальник|командир|подчин[её]нный|хозяин|хозяйка|барин|барыня|невеста|жених|внук|внучка|племянник|племянница|воспитанник|воспитанница|двойник|близнец|однофамилец|т[её]зка|ровесник|сверстник|гость|ученик|учитель|наставник|человек|камердинер|лакей|кучер|возница|вдова|тень|спутник|спутница|собеседник|собеседница|слушатель|покровитель|поклонник|помощник|секретарь|адъютант|денщик|опекун|кредитор|предшественник|преемник|современник|любимец|любовник|любовница|сообщник|союзник|защитник|спаситель|благодетель|убийца|лошадь|конь|собака)$/u

/** «отчаяние вдовы Горюновой», «у бедного Горюнова»: the word says who the person is, not whose. */
function isRole(words: readonly TaggedWord[], { from, cases: own }: Group): boolean {
  const { parse, parses } = words[from - 1]
  if (parse?.case !== 'gent' || !parse.animate || parse.number !== 'sing' || !own.has('gent')) return false
  const gender = words[from].parse?.gender
  if (parse.gender !== gender) return false
  return (
    /^(?:вдова|муж|жена)$/u.test(parse.lemma) ||
    parses.some(p => p.pos === 'ADJF' && p.case === 'gent' && p.gender === gender)
  )
}

/** «удивило бы в другое время Горюнова»: how long or when, and then whom. */
function isMoment(words: readonly TaggedWord[], noun: number): boolean {
  const { parse } = words[noun]
  if (!/^(?:время|мгновение|миг|минута|минутка|секунда|час|раз|момент)$/u.test(parse?.lemma ?? '')) return false
  const before = words[phraseStart(words, noun, true) - 1] as TaggedWord | undefined
  if (/^несколько$/iu.test(before?.text ?? '')) return true
  return parse?.case === 'accs' && before?.parse?.pos === 'PREP'
}

/** «взял под руку Горюнова», «вели под руки» */
function isHeldUnder(words: readonly TaggedWord[], noun: number): boolean {
  return (
    /^под$/iu.test(words[noun - 1]?.text ?? '') && /^(?:руку|руки|ручку|локоть|локти|уздцы)$/iu.test(words[noun].text)
  )
}

/** «один момент Горюнова заворожил»: a transitive verb close by that has no other object asks for one. */
function isObjectOfVerb(words: readonly TaggedWord[], { from, to }: Group): boolean {
  const at = words.slice(to, to + 3).findIndex(({ parse, kind }) => parse?.pos === 'VERB' || kind === 'punct')
  const verb = at < 0 ? undefined : words[to + at]
  if (verb?.parse?.pos !== 'VERB' || !verb.parse.transitive || verb.parse.number !== words[from - 1].parse?.number)
    return false
  const denied = /^не$/iu.test(words[to + at - 1].text)
  for (const { kind, parse } of words.slice(to + at + 1, to + at + 5)) {
    if (kind === 'punct') break
    if (parse?.case === 'accs' || parse?.pos === 'INFN' || parse?.pos === 'PREP') return false
    if (denied && parse?.case === 'gent') return false
  }
  return true
}

/** After an object there is no second one: «нашёл шапку Горюнова». Otherwise the tagger decides. */
function preferGenitive(words: readonly TaggedWord[], group: Group): boolean {
  const { from, to } = group
  const noun = words[from - 1].parse
  if (isObjectOfVerb(words, group)) return false
  const governed = words[phraseStart(words, from - 1, true) - 1]?.parse?.pos === 'PREP'
  if (governed && noun?.case !== 'accs' && !group.cases.has('nomn')) return true
  if (noun?.case === 'accs' && noun.animate && !relational.test(noun.lemma)) return false
  if (noun?.case === 'accs' && words[phraseStart(words, from - 1) - 1]?.parse?.pos === 'VERB') return true
  for (let i = from; i < to; i++) if (words[i].parse?.case) return words[i].parse?.case === 'gent'
  return false
}

/** Measures, and nouns that work as prepositions, take «меня». */
function isCounted({ text }: TaggedWord): boolean {
  return /^(?:вместо|насчёт|насчет|посредством|вроде|ради|помимо|сторону|отношении|счёт|счет|случае|благодаря|навстречу|вслед|года|году|год|часов|часа|рублей|раз|раза)$/iu.test(
    text,
  )
}

/**
 * First adjective of the noun's phrase, with «чуть» or «совсем» before it: «старые добрые друзья» → 0. Demonstratives stay
 * before мой, unless `whole`.
 */
export function phraseStart(words: readonly TaggedWord[], noun: number, whole = false): number {
  let i = noun
  while (i > 0 && (isModifier(words[i - 1], words[noun]) || (whole && isDemonstrative(words[i - 1])))) i--
  return i < noun && i > 0 && degrees.test(words[i - 1].text) ? i - 1 : i
}

const degrees = /^(?:чуть|едва|очень|весьма|слишком|совсем|совершенно|довольно|почти|вполне)$/iu

function isDemonstrative({ parse }: TaggedWord): boolean {
  return parse?.pos === 'ADJF' && parse.pronominal
}

function isModifier({ parse, kind }: TaggedWord, noun: TaggedWord): boolean {
  if (kind !== 'word' || (parse?.pos !== 'ADJF' && parse?.pos !== 'PRTF') || parse.pronominal) return false
  const gender = parse.number === 'plur' || !parse.gender || parse.gender === noun.parse?.gender
  return gender && parse.case === noun.parse?.case && parse.number === noun.parse?.number
}

/** The preposition leaves one of the form's cases. */
const afterPreposition: NameRule = ({ words }, { from, cases: own }) => {
  const before = words[headStart(words, from) - 1]
  if (before?.kind !== 'word') return undefined
  const governed = prepositionCases(before.text)
  if (!governed) return undefined
  const possible = governed.filter(c => own.has(c))
  const [only] = possible
  if (!only) return undefined
  // A form with all six cases does not decline, and then the preposition's usual case is the best guess.
  const chosen = own.size < 6 && possible.length > 1 ? taggedCase(words, from, possible) : undefined
  return { kind: 'pronoun', case: chosen ?? only }
}

/** Adjectives may stand between: «к бедному Голядкину». */
function headStart(words: readonly TaggedWord[], from: number): number {
  let i = from
  while (i > 0 && words[i - 1].kind === 'word' && words[i - 1].parse?.pos === 'ADJF' && i > from - 3) i--
  return i
}

const onlyCase: NameRule = (_sentence, { cases: own }) => {
  const [only] = own
  return own.size === 1 ? { kind: 'pronoun', case: only } : undefined
}

/** меня is both genitive and accusative, мне dative and locative; between the rest the tagger decides. */
const byTagger: NameRule = ({ words }, { from, to, cases: own }) => {
  const possible = cases.filter(c => own.has(c))
  for (let i = to - 1; i >= from; i--) {
    const chosen = words[i].parse
    if (chosen?.case && chosen.number !== 'plur' && possible.includes(chosen.case))
      return { kind: 'pronoun', case: chosen.case }
  }
  return { kind: 'pronoun', case: taggedCase(words, from, possible) ?? possible[0] ?? 'nomn' }
}

function taggedCase(words: readonly TaggedWord[], from: number, possible: readonly Case[]): Case | undefined {
  const chosen = words[from].parse?.case
  return chosen && possible.includes(chosen) ? chosen : undefined
}

/** In the order they are asked; `byTagger` always answers. */
export const nameRules: readonly (readonly [string, NameRule])[] = [
  ['inside-speech', insideSpeech],
  ['naming-formula', namingFormula],
  ['quoted-name', quotedName],
  ['place-or-work', placeOrWork],
  ['vocative', vocative],
  ['genitive-attribute', genitiveAttribute],
  ['after-preposition', afterPreposition],
  ['only-case', onlyCase],
  ['by-tagger', byTagger],
]
