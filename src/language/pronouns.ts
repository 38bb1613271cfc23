// The forms of я and ты, their possessives, and the prepositions that change before мне and мной.
import type { Case, GrammarGender, GrammarNumber } from './morphology.js'

/** `me` is я, `ti` is ты, as in the names of TiMe's dictionaries. */
export type PronounPerson = 'me' | 'ti'

const personal: { readonly [P in PronounPerson]: { readonly [C in Case]: string } } = {
  me: { nomn: 'я', gent: 'меня', datv: 'мне', accs: 'меня', ablt: 'мной', loct: 'мне' },
  ti: { nomn: 'ты', gent: 'тебя', datv: 'тебе', accs: 'тебя', ablt: 'тобой', loct: 'тебе' },
}

export function personalPronoun(person: PronounPerson, grammarCase: Case): string {
  return personal[person][grammarCase]
}

/** мой / твой in the form a noun asks for. */
export interface NounForm {
  readonly case: Case
  readonly number: GrammarNumber
  readonly gender?: GrammarGender
  readonly animate?: boolean
}

const endings: { readonly [K in 'masc' | 'femn' | 'neut' | 'plur']: { readonly [C in Case]: string } } = {
  masc: { nomn: 'ой', gent: 'оего', datv: 'оему', accs: 'ой', ablt: 'оим', loct: 'оём' },
  neut: { nomn: 'оё', gent: 'оего', datv: 'оему', accs: 'оё', ablt: 'оим', loct: 'оём' },
  femn: { nomn: 'оя', gent: 'оей', datv: 'оей', accs: 'ою', ablt: 'оей', loct: 'оей' },
  plur: { nomn: 'ои', gent: 'оих', datv: 'оим', accs: 'ои', ablt: 'оими', loct: 'оих' },
}

/** «моя» for a feminine noun in the nominative, «моих» for an animate plural in the accusative, … */
export function possessivePronoun(person: PronounPerson, noun: NounForm): string {
  // The dictionary gives «плакса» and «сирота» a common gender of its own, which counts as masculine here.
  const gender = noun.gender === 'femn' || noun.gender === 'neut' ? noun.gender : 'masc'
  const row = endings[noun.number === 'plur' ? 'plur' : gender]
  const stem = person === 'me' ? 'м' : 'тв'
  const likeGenitive = noun.case === 'accs' && noun.animate === true && (row === endings.masc || row === endings.plur)
  return stem + row[likeGenitive ? 'gent' : noun.case]
}

/** Prepositions that gain о before «мне» and «мной»: к → ко, с → со, о → обо. Before ты nothing changes but «об» and «ко» → «к». */
const beforeMe: Readonly<Record<string, string>> = {
  к: 'ко', с: 'со', о: 'обо', об: 'обо', в: 'во', перед: 'передо', пред: 'предо', над: 'надо', под: 'подо',
} // prettier-ignore
const beforeTi: Readonly<Record<string, string>> = {
  ко: 'к', со: 'с', об: 'о', обо: 'о', во: 'в', передо: 'перед', предо: 'пред', надо: 'над', подо: 'под', изо: 'из', ото: 'от',
} // prettier-ignore

/** The form a preposition takes before the pronoun: «к» + «мне» → «ко», «об» + «тебе» → «о», «в» + «меня» → «в». */
export function prepositionBefore(preposition: string, pronoun: string): string {
  const key = preposition.toLowerCase()
  const table = pronoun.startsWith('мн') ? beforeMe : beforeTi
  const longForm = table[key] ?? key
  if (longForm === key) return preposition
  return preposition.charAt(0) === key.charAt(0) ? longForm : longForm.charAt(0).toUpperCase() + longForm.slice(1)
}
