// Words, sentences, morphology, names, verbs and the tagger.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { verbsOfSubject } from '../../src/language/clauses.js'
import { inflect, parseWord } from '../../src/language/morphology.js'
import { declineName } from '../../src/language/names.js'
import { possessivePronoun, prepositionBefore } from '../../src/language/pronouns.js'
import { explainSentences, splitSentences } from '../../src/language/sentences.js'
import { tagWords } from '../../src/language/tagger.js'
import { agreeVerb } from '../../src/language/verbs.js'
import { splitWords } from '../../src/language/words.js'

describe('splitWords', () => {
  it('keeps hyphenated words whole and every offset true', () => {
    const text = 'Кто-то -- из-за угла, 5-й дом… 3,5 руб.'
    expect(splitWords(text).map(token => token.text)).toEqual([
      'Кто-то',
      '--',
      'из-за',
      'угла',
      ',',
      '5-й',
      'дом',
      '…',
      '3,5',
      'руб',
      '.',
    ])
    for (const { text: word, start, end } of splitWords(text)) expect(text.slice(start, end)).toBe(word)
  })

  it('leaves nothing but white space between tokens', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        let from = 0
        for (const { start, end } of splitWords(text)) {
          expect(text.slice(from, start).trim()).toBe('')
          from = end
        }
        expect(text.slice(from).trim()).toBe('')
      }),
      { seed: 3 },
    )
  })
})

describe('splitSentences', () => {
  it.each([
    'Дождь шёл.|Потом перестал.',
    '— Куда? — спросил он.|— Туда.',
    'Приехал А. С. Бобриков.|Все встали.',
    'Жил он на ул. Садовой, в д. 5.|Рядом была река.',
    'Купил хлеба, соли и т. д.|Вернулся поздно.',
    'Он молчал... и ждал.',
    '«Ох!» — сказала она.|И ушла.',
    '1. Первый пункт.|2. Второй пункт.',
    'В 1812 г. было иначе.|Все знали.',
  ])('%s', line => {
    const parts = line.split('|')
    const text = parts.join(' ')
    expect(splitSentences(text).map(({ start, end }) => text.slice(start, end))).toEqual(parts)
  })

  it('explains which rule decided', () => {
    expect(explainSentences('Это д. 5. Там.').map(({ rule }) => rule)).toEqual(['head-abbreviation', 'otherwise'])
  })
})

describe('morphology', () => {
  it('keeps a patronymic a patronymic', () => {
    const [parse] = parseWord('Петровичем')
    expect(parse.lemma).toBe('петрович')
    expect(inflect(parse, ['datv', 'sing', 'masc'])).toBe('петровичу')
  })

  it('reads е as ё', () => {
    expect(parseWord('идет')[0].lemma).toBe('идти')
  })
})

describe('declineName', () => {
  it.each([
    ['Савелий', 'first', 'm', 'Савелий Савелия Савелию Савелия Савелием Савелии'],
    ['Бобриков', 'surname', 'm', 'Бобриков Бобрикова Бобрикову Бобрикова Бобриковым Бобрикове'],
    ['Бобрикова', 'surname', 'f', 'Бобрикова Бобриковой Бобриковой Бобрикову Бобриковой Бобриковой'],
    ['Тимофеевна', 'patronymic', 'f', 'Тимофеевна Тимофеевны Тимофеевне Тимофеевну Тимофеевной Тимофеевне'],
    [
      'Бобриков-младший',
      'surname',
      'm',
      'Бобриков-младший Бобрикова-младшего Бобрикову-младшему Бобрикова-младшего Бобриковым-младшим Бобрикове-младшем',
    ],
    ['Флоренс', 'first', 'f', 'Флоренс Флоренс Флоренс Флоренс Флоренс Флоренс'],
  ] as const)('%s', (name, kind, gender, forms) => {
    expect(Object.values(declineName(name, kind, gender)).join(' ')).toBe(forms)
  })
})

describe('agreeVerb', () => {
  it.each([
    ['идёт', 'иду', 'идёшь'],
    ['идет', 'иду', 'идешь'],
    ['боится', 'боюсь', 'боишься'],
    ['везёт', 'везу', 'везёшь'],
    ['будет', 'буду', 'будешь'],
    ['победит', 'смогу победить', 'победишь'],
  ])('%s', (form, me, ti) => {
    const [parse] = parseWord(form)
    expect([agreeVerb(form, parse, 'me'), agreeVerb(form, parse, 'ti')]).toEqual([me, ti])
  })

  it('leaves the past alone', () => {
    expect(agreeVerb('шёл', parseWord('шёл')[0], 'me')).toBeUndefined()
  })
})

describe('pronouns', () => {
  it('agree with their noun and lengthen prepositions only before мне and мной', () => {
    expect(possessivePronoun('me', { case: 'accs', number: 'sing', gender: 'masc', animate: true })).toBe('моего')
    expect(possessivePronoun('ti', { case: 'ablt', number: 'plur' })).toBe('твоими')
    expect([prepositionBefore('С', 'мной'), prepositionBefore('с', 'меня'), prepositionBefore('об', 'тебе')]).toEqual([
      'Со',
      'с',
      'о',
    ])
  })
})

describe('the tagger', () => {
  const tag = (text: string): string[] =>
    tagWords(splitWords(text)).map(({ parse }) => `${parse?.pos ?? '-'} ${parse?.case ?? ''}`.trim())

  it('chooses by the neighbours where the form alone cannot tell', () => {
    expect(tag('На столе нет стекла.')[3]).toBe('NOUN gent')
    expect(tag('Вода стекла вниз.')[1]).toBe('VERB')
  })

  it('gives the same answer twice', () => {
    expect(tag('Старый мельник сидел у реки и пел.')).toEqual(tag('Старый мельник сидел у реки и пел.'))
  })
})

describe('verbsOfSubject', () => {
  const none = new Set<number>()
  const verbs = (text: string): string[] => {
    const words = tagWords(splitWords(text))
    const at = words.findIndex(({ text: word }) => word === 'Савелий')
    const person = { subjects: new Set([at]), objects: none, covered: new Set([at]), others: none }
    return verbsOfSubject(words, person).map(i => words[i].text)
  }

  it.each([
    ['Савелий идёт и поёт.', 'идёт поёт'],
    ['Савелий спит, а мельник работает.', 'спит'],
    ['Мельник думает, что Савелий спит, и молчит.', 'спит'],
    ['Если захочет, Савелий придёт.', 'захочет придёт'],
    ['Савелий, который видит, говорит медленно.', 'говорит'],
    ['Савелий говорит, что следует ждать.', 'говорит'],
    ['Савелий вынет ключ и уйдёт.', 'вынет уйдёт'],
  ])('%s', (text, expected) => {
    expect(verbs(text).join(' ')).toBe(expected)
  })
})
