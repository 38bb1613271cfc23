// Words that stand before a name and belong to it: «господин Голядкин», «доктор Иванов», «тётя Даша».
import { declineName } from '../language/names.js'
import type { Case } from '../language/morphology.js'
import { wordKey } from '../language/words.js'

const masculine =
  'господин князь граф барон герцог принц царь король император доктор капитан майор полковник генерал поручик подпоручик прапорщик лейтенант сержант адмирал штабс-капитан ротмистр профессор академик дядя дядюшка дедушка дед брат батюшка отец товарищ мистер месье мсье сэр лорд сеньор пан барин кузен'.split(
    ' ',
  )
const feminine =
  'госпожа княгиня княжна графиня баронесса герцогиня принцесса царица королева императрица тётя тетушка тётушка тётка бабушка баба сестра матушка мать мисс миссис мадам мадемуазель леди сеньора пани барыня барышня няня кузина сестрица'.split(
    ' ',
  )
/** Never declined before a name. */
const abbreviated = [
  'г',
  'гг',
  'г-н',
  'г-жа',
  'г-на',
  'г-ну',
  'г-ном',
  'г-не',
  'г-жи',
  'г-же',
  'г-жу',
  'г-жой',
  'д-р',
  'м-р',
  'м-с',
  'мсье',
  'мадам',
  'мисс',
  'миссис',
  'леди',
]

export interface TitleForm {
  readonly cases: ReadonlySet<Case>
  readonly gender: 'm' | 'f' | 'unknown'
}

const allCases: ReadonlySet<Case> = new Set(['nomn', 'gent', 'datv', 'accs', 'ablt', 'loct'])
let forms: Map<string, { cases: Set<Case>; gender: 'm' | 'f' | 'unknown' }> | undefined

function buildForms(): Map<string, { cases: Set<Case>; gender: 'm' | 'f' | 'unknown' }> {
  const table = new Map<string, { cases: Set<Case>; gender: 'm' | 'f' | 'unknown' }>()
  const add = (form: string, grammarCase: Case, gender: 'm' | 'f'): void => {
    const key = wordKey(form)
    const entry = table.get(key) ?? { cases: new Set<Case>(), gender }
    entry.cases.add(grammarCase)
    table.set(key, entry)
  }
  for (const [words, gender] of [
    [masculine, 'm'],
    [feminine, 'f'],
  ] as const) {
    for (const word of words) {
      for (const [c, form] of Object.entries(declineName(word, 'common', gender))) add(form, c as Case, gender)
    }
  }
  for (const word of abbreviated) table.set(word, { cases: new Set(allCases), gender: 'unknown' })
  return table
}

/** Cases and gender of a title's form, undefined when the word is no title. */
export function readTitle(word: string): TitleForm | undefined {
  forms ??= buildForms()
  return forms.get(wordKey(word))
}
