// Sentences of our own and hostile generated lines, for training and for comparing with other libraries.
import { uniformAt } from '../../src/base/random.js'

const subjects = [
  'Старый смотритель',
  'Марфа Ильинична',
  'Рыжий кот',
  'Молодой картограф',
  'Почтальон Ерофей',
  'Наша соседка',
]
const verbs = ['долго искал', 'не нашла', 'бережно сложил', 'потеряла', 'увидел во сне', 'забыл принести']
const things = [
  'медный чайник',
  'карту маяков',
  'письмо из Тотьмы',
  'ключи от чердака',
  'зелёную тетрадь',
  'бочку яблок',
]
const tails = [
  'и вздохнул.',
  '— а жаль!',
  'как-нибудь потом…',
  'в 1907 году.',
  'до самого утра, — сказала она.',
  'near the old lighthouse.',
]

/** Lines about invented people, the same every time. */
export function ownLines(count: number): string[] {
  const pick = (list: readonly string[], stream: number, i: number) =>
    list[Math.floor(uniformAt(1, stream, i) * list.length)]
  return Array.from({ length: count }, (_, i) =>
    [subjects, verbs, things, tails].map((list, k) => pick(list, k, i)).join(' '),
  )
}

const runs = [
  '-',
  '=',
  '.',
  '*',
  '_',
  '#',
  'a',
  '0',
  '。',
  '…',
  ' ',
  'о',
  '中',
  '😀',
  '\n',
  'е\u0301',
  '\u2581',
  '\u0000',
  '\u00a0',
  '\t',
]
const mixed = [
  ..."abАбВЁё中文字あカー 　  \n\t👍🏽👨‍👩‍👧ﬁﬂ한글ㄱㅏＡ１,.!?—«»0129\u0085\u200d\u0301\u2581\u2028<s></s><0x0A>'s 're",
]

/** Runs of one character, and random mixes of scripts, combining marks, emoji and marks that look like tokens. */
export function hostileLines(mixes: number): string[] {
  const lines = runs.flatMap(run =>
    [1, 2, 3, 8, 50, 97, 200].flatMap(n => [run.repeat(n), `слово${run.repeat(n)}word`, `${run.repeat(n)} я`]),
  )
  for (let i = 0; i < mixes; i++) {
    const length = 1 + Math.floor(uniformAt(2, 0, i) * 60)
    lines.push(Array.from({ length }, (_, k) => mixed[Math.floor(uniformAt(3, i, k) * mixed.length)]).join(''))
  }
  return lines
}
