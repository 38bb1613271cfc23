import { describe, expect, it } from 'vitest'
import { readPlays, writeTurn } from '../../tools/pocket/drama.js'
import { explainTypography, setTypography } from '../../tools/pocket/typography.js'

describe('the typography of the training text', () => {
  it.each([
    ['-- Нет, -- сказал он, -- не пойду.', '— Нет, — сказал он, — не пойду.'],
    ['- У, какой ветер, - сказал Фрол.', '— У, какой ветер, — сказал Фрол.'],
    ['-- - Кто там?', '— Кто там?'],
    ['Знает,---отвечал Фрол.', 'Знает, — отвечал Фрол.'],
    ['Он молчал --', 'Он молчал —'],
    ['Он   сказал:\u00a0"Иди",  и "ушел".', 'Он сказал: «Иди», и «ушел».'],
    ['_Так_ и вышло.', 'Так и вышло.'],
    ['Ma foi* {Право (фр.).}, не знаю [12].', 'Ma foi, не знаю.'],
    ['Изба-читальня, кто-то, 5-6 человек.', 'Изба-читальня, кто-то, 5-6 человек.'],
    ['Пришел в город .', 'Пришел в город.'],
  ])('%j becomes %j', (before, after) => {
    expect(setTypography(before, 'dots')).toBe(after)
    expect(setTypography(after, 'dots')).toBe(after)
  })

  it('leaves a line alone that is already set like a book', () => {
    expect(explainTypography('— Кто там? — спросил Фрол из-за двери. — «Никто».')).toEqual([])
    expect(explainTypography('-- Да, -- сказал он "громко"')).toEqual(['dialogue-dash', 'inner-dash', 'paired-quotes'])
  })

  it('writes three dots as asked and leaves four alone', () => {
    expect(setTypography('Да... нет…', 'sign')).toBe('Да… нет…')
    expect(setTypography('Да… нет...', 'dots')).toBe('Да... нет...')
    expect(setTypography('Да....', 'sign')).toBe('Да....')
  })
})

describe('plays as dialogue', () => {
  it.each([
    ['((вставая).) Кто там?', '— (вставая) Кто там?'],
    ['Кто там? ((Встает.)) Войдите!', '— Кто там? (Встает) Войдите!'],
    ['Кто ( в скобках ) там?', '— Кто (в скобках) там?'],
    ['((Уходит.))', undefined],
    ['', undefined],
  ])('%j becomes %j', (before, after) => expect(writeTurn(before)).toBe(after))

  it('keeps the order of turns inside each play', () => {
    const table =
      'play\tauthor\tyear\twho\tsex\tname\ttext\na\tX\t1\tw\tM\tФ\tРаз.\nb\tX\t1\tw\tM\tФ\tТри.\na\tX\t1\tw\tM\tФ\tДва.\n'
    expect([...readPlays(table)]).toEqual([['a', ['— Раз.', '— Два.']], ['b', ['— Три.']]]) // prettier-ignore
  })
})
