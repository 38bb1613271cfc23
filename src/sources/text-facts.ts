// Facts that every book reader tells of a text: its language where the script shows it, and that there is text at all.
import { AppError } from '../base/errors.js'

/** `ru` where Cyrillic letters prevail and ы, э, ъ or ё occur and Ukrainian letters do not prevail; undefined where the script does not tell. */
export function guessLanguage(text: string): string | undefined {
  const sample = text.slice(0, 200_000)
  const cyrillic = sample.match(/[а-яё]/giu)?.length ?? 0
  const other = sample.match(/\p{L}/gu)?.length ?? 0
  const count = (letters: RegExp): number => sample.match(letters)?.length ?? 0
  return cyrillic * 2 > other && count(/[ыэъё]/giu) > 5 * count(/[їєґў]/giu) ? 'ru' : undefined
}

export function noText(where: string): AppError {
  return new AppError('no-text', {
    where,
    what: { en: 'there is not one letter in this file', ru: 'в файле нет ни одной буквы' },
    fix: { en: 'Check that it is the book', ru: 'Проверьте, та ли это книга' },
  })
}
