// A third-person verb form → the first or second person it takes when its subject becomes я or ты.
import { readFileSync } from 'node:fs'
import { assetPath } from '../base/package.js'
import { inflect, type Parse } from './morphology.js'
import type { PronounPerson } from './pronouns.js'

/** Verbs without a first person singular; their я-form is said with «смочь» (perfective). */
const withoutFirstPerson = new Set(
  'победить убедить переубедить разубедить убедиться очутиться дерзить чудить'.split(' '),
)

/**
 * «идёт» → «иду» / «идёшь», «боится» → «боюсь»; past forms keep their gender and are left alone.
 * @param form the form as written; the answer has е for ё where the text writes so
 * @returns undefined when the parse is not a present or future third person singular, or the word has no such form
 */
export function agreeVerb(form: string, parse: Parse, person: PronounPerson): string | undefined {
  if (!isThirdSingular(parse)) return undefined
  if (parse.lemma === 'быть' && parse.tense === 'pres') return undefined
  if (person === 'me' && withoutFirstPerson.has(parse.lemma)) return `смогу ${parse.lemma}`
  const wanted = person === 'me' ? '1per' : '2per'
  const found = inflect(parse, ['VERB', wanted, 'sing', parse.tense ?? 'pres', 'indc'])
  return found && matchSpelling(found, form, parse.form)
}

export function isThirdSingular(parse: Parse): boolean {
  return parse.pos === 'VERB' && parse.person === '3per' && parse.number === 'sing' && parse.mood !== 'impr'
}

let people: ReadonlySet<string> | undefined

/** With assets/russian/person-verbs.txt: thinking, speaking, seeing, what a thing hardly ever does. */
export function isPersonVerb(lemma: string): boolean {
  people ??= new Set(readFileSync(assetPath('russian', 'person-verbs.txt'), 'utf8').split('\n'))
  return people.has(lemma)
}

/** A text that writes «идет» for «идёт» writes «поешь» for «поёшь»; capitals as in the form replaced. */
function matchSpelling(found: string, form: string, dictionaryForm: string): string {
  const plain = dictionaryForm.includes('ё') && !form.toLowerCase().includes('ё')
  const spelled = plain ? found.replaceAll('ё', 'е') : found
  return form.charAt(0) === form.charAt(0).toLowerCase() ? spelled : spelled.charAt(0).toUpperCase() + spelled.slice(1)
}
