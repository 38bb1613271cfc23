// A name in the nominative → its forms in all six cases, given gender and what kind of name it is.
import { createRequire } from 'node:module'
import { inflect, parseWord, type Case, type Parse } from './morphology.js'
import { capitalise, isCapitalised } from './words.js'

export const cases: readonly Case[] = ['nomn', 'gent', 'datv', 'accs', 'ablt', 'loct']

export type CaseForms = { readonly [C in Case]: string }

/** `common` declines as the dictionary's ordinary noun or adjective: доктор, старший, Медведь. */
export type NameKind = 'first' | 'patronymic' | 'surname' | 'common'

type CaseName = 'genitive' | 'dative' | 'accusative' | 'instrumental' | 'prepositional'
type Decline = Readonly<Record<'first' | 'middle' | 'last', Readonly<Record<CaseName, (name: string) => string>>>>

const require = createRequire(import.meta.url)
const petrovich = require('petrovich') as { readonly male: Decline; readonly female: Decline }
const caseNames: { readonly [C in Exclude<Case, 'nomn'>]: CaseName } = {
  gent: 'genitive',
  datv: 'dative',
  accs: 'accusative',
  ablt: 'instrumental',
  loct: 'prepositional',
}

const cache = new Map<string, CaseForms>()

/** Declines one word; a hyphenated name declines part by part («Голядкин-младший» → «Голядкина-младшего»). */
export function declineName(name: string, kind: NameKind, gender: 'm' | 'f'): CaseForms {
  const key = `${kind}${gender}${name}`
  const known = cache.get(key)
  if (known) return known
  const parts = name.split('-')
  const declined = parts.map((part, i) => declinePart(part, kind, gender, i > 0))
  const forms = Object.fromEntries(cases.map(c => [c, declined.map(part => part[c]).join('-')])) as unknown as CaseForms
  cache.set(key, forms)
  return forms
}

function declinePart(part: string, kind: NameKind, gender: 'm' | 'f', later: boolean): CaseForms {
  const byDictionary = declineByDictionary(part, kind, gender, later)
  if (byDictionary) return byDictionary
  const table = gender === 'f' ? petrovich.female : petrovich.male
  const kinds = kind === 'patronymic' ? table.middle : kind === 'surname' ? table.last : table.first
  const fixed = isUndeclined(part, gender)
  const form = (c: Case): string => (c === 'nomn' || fixed ? part : spellEnding(kinds[caseNames[c]](part)))
  return Object.fromEntries(cases.map(c => [c, form(c)])) as unknown as CaseForms
}

/** Russian spelling: no ы after г, к, х, ж, ш, щ, ч and no unstressed о after ж, ш, щ, ч, ц («Саши», «Сашей»). */
function spellEnding(form: string): string {
  return form.replace(/(?<=[гкхжшщч])ы$/u, 'и').replace(/(?<=[жшщчц])ой$/u, 'ей')
}

/** Women's names on a consonant («Флоренс») and names on о, е, и, у, ю, э («Хью») do not change. */
function isUndeclined(part: string, gender: 'm' | 'f'): boolean {
  return /[оеиуюэё]$/u.test(part) || (gender === 'f' && /[бвгджзйклмнпрстфхцчшщ]$/u.test(part))
}

const grammemeOf: { readonly [K in NameKind]: string } = {
  first: 'Name',
  patronymic: 'Patr',
  surname: 'Surn',
  common: '',
}

/** The dictionary knows мужские and женские forms of most first names and titles; petrovich guesses the rest. */
function declineByDictionary(part: string, kind: NameKind, gender: 'm' | 'f', later: boolean): CaseForms | undefined {
  const wanted = gender === 'f' ? 'femn' : 'masc'
  const fits = (parse: Parse): boolean =>
    parse.case === 'nomn' &&
    parse.number === 'sing' &&
    (parse.gender === wanted || parse.tag.includes('Ms-f')) &&
    parse.known &&
    (parse.name !== 'Patr' || kind === 'patronymic')
  const parses = parseWord(part).filter(fits)
  const parse =
    parses.find(({ tag }) => kind !== 'common' && tag.includes(grammemeOf[kind])) ??
    (kind === 'surname' || kind === 'patronymic'
      ? undefined
      : parses.find(({ pos, animate }) => pos === 'NOUN' && animate)) ??
    (kind === 'common' || later ? parses.find(({ pos }) => pos === 'ADJF') : undefined)
  return parse && inflectAll(part, parse, wanted)
}

function inflectAll(part: string, parse: Parse, gender: string): CaseForms | undefined {
  const forms: Partial<Record<Case, string>> = {}
  for (const c of cases) {
    const animacy = parse.pos === 'ADJF' && c === 'accs' && gender === 'masc' ? ['anim'] : []
    const form = c === 'nomn' ? part : (inflect(parse, ['sing', gender, c, ...animacy]) ?? inflect(parse, ['sing', c]))
    if (form === undefined) return undefined
    forms[c] = shape(form, part)
  }
  return forms as CaseForms
}

/** The text's own habits: a capital first letter, е for ё where the name has none. */
function shape(form: string, model: string): string {
  const letters = model.includes('ё') || model.includes('Ё') ? form : form.replaceAll('ё', 'е')
  return isCapitalised(model) ? capitalise(letters) : letters
}
