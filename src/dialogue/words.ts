// Words of a paragraph and what dialogue needs to know of each: verb of speech, past verb, pronoun, capital letter.

import { wordKey as plainKey } from '../language/words.js'

export interface Word {
  readonly text: string
  /** Lower case, ё as е, stress marks removed. */
  readonly key: string
  readonly start: number
  readonly end: number
  readonly capital: boolean
}

const wordPattern = /[\p{L}\p{M}]+(?:[-‑][\p{L}\p{M}]+)*/gu

export function listWords(text: string, start = 0, end = text.length): Word[] {
  const words: Word[] = []
  for (const match of text.slice(start, end).matchAll(wordPattern)) {
    const at = start + match.index
    words.push({
      text: match[0],
      key: plainKey(match[0].replace(/\u0301/g, '')),
      start: at,
      end: at + match[0].length,
      capital: /^\p{Lu}/u.test(match[0]),
    })
  }
  return words
}

const thirdPerson = new Set(
  `он она оно они тот та те кто-то кто все оба обе другой другая другие первый второй вторая старик старуха голос`.split(
    ' ',
  ),
)
const firstPerson = new Set(['я', 'мы'])
const addressWords = new Set(
  `ты тебя тебе тобой тобою твой твоя твое твои твоего твоей твоему твоих твоим вы вас вам вами ваш ваша ваше ваши вашего вашей вашему ваших вашу твою
   сударь сударыня батюшка матушка голубчик братец пожалуйста`.split(/\s+/),
)

/** Он, она, тот, кто-то: a subject that stands for somebody the narrator speaks of. */
export const isThirdPersonPronoun = (word: Word): boolean => thirdPerson.has(word.key)
/** Они, все, те: such a subject in the plural; its past verb ends in -ли. */
export const isPluralPronoun = (word: Word): boolean => /^(?:они|все|те|оба|обе|другие)$/u.test(word.key)
/** Я, мы: the narrator of a story in the first person, or the hero's own words. */
export const isFirstPersonPronoun = (word: Word): boolean => firstPerson.has(word.key)
/** Ты, вы and their cases, forms of address: signs that somebody is speaking. */
export const isAddressWord = (word: Word): boolean => addressWords.has(word.key)
