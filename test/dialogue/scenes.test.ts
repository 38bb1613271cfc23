// Who speaks: one small scene a row, with the speakers and the basis that every reply must get.
import { describe, expect, it } from 'vitest'
import type { Document } from '../../src/sources/document.js'
import { findScenes } from '../../src/dialogue/scenes.js'
import { bookOf } from './book.js'
import { villagers } from './people.js'

const speakersOf = (document: Document) =>
  findScenes(document, { people: villagers })
    .output.flatMap(scene => scene.turns)
    .filter(turn => turn.kind === 'speech')
    .map(turn => `${turn.speaker ?? '?'} ${turn.basis}${turn.addressee === undefined ? '' : ` to ${turn.addressee}`}`)

const rows: [title: string, text: string, wanted: string[]][] = [
  ['a verb of speech before the name', '— Иду, — сказал Савва.', ['savva explicit']],
  ['a verb of speech behind the name', 'Дарья тихо спросила: «Кто там?»', ['darya explicit']],
  ['a name announced in the paragraph before', 'Савва поднял голову и сказал:\n— Вижу.', ['savva explicit']],
  ['commas between verb and name', '— Нет, — сказал, наконец, Савва, — не вижу.', ['savva explicit']],
  ['a name in another case is not the subject', 'Савва вошёл.\n— Держи, — сказал Савве Тимофей.', ['timofey explicit']],
  [
    'a pronoun with one person of its gender about',
    'Савва увидел Дарью.\n— Здравствуй, — сказала она.',
    ['darya explicit'],
  ],
  [
    'a pronoun skips the one who has just spoken',
    '— Кто? — спросил Савва Тимофея.\n— Я, — ответил он.',
    ['savva explicit to timofey', 'timofey explicit to savva'],
  ],
  ['whose voice it was', 'Дарья спала.\n— Пора! — раздался из сеней голос Тимофея.', ['timofey explicit']],
  ['somebody the register does not know', '— Тише, — сказал старик.', ['? unknown']],
  [
    'two people take turns',
    '— Пойдём? — спросил Савва.\n— Куда? — удивилась Дарья.\n— На реку.\n— Зачем?',
    ['savva explicit to darya', 'darya explicit to savva', 'savva alternation to darya', 'darya alternation to savva'],
  ],
  [
    'turns are filled backwards too',
    '— Спишь?\n— Нет.\n— Вставай, — сказал Савва.\n— Встаю, — вздохнула Дарья.',
    ['savva alternation to darya', 'darya alternation to savva', 'savva explicit to darya', 'darya explicit to savva'],
  ],
  [
    'alternation stops where the verb has another gender',
    '— Раз, — сказал Савва.\n— Два, — сказал Тимофей.\n— Три, — сказала та.',
    ['savva explicit to timofey', 'timofey explicit to savva', '? unknown'],
  ],
  ['whoever is called by name answers', '— Дарья, ты спишь?\n— Не сплю.', ['? unknown to darya', 'darya vocative']],
  [
    'the speaker is not the one called',
    '— Да, — сказал Савва.\n— Савва, иди сюда.\n— Иду.',
    ['savva explicit', '? unknown to savva', 'savva vocative'],
  ],
  [
    'a name called inside quoted words calls nobody',
    '— Он мне: «Дарья, иди!» Я и пошла.\n— Ну?',
    ['? unknown', '? unknown'],
  ],
  ['a gesture beside the reply', '— Да. — Савва отвернулся.', ['savva guessed']],
  ['a paragraph that names one person stands before', 'Тимофей вошёл в избу.\n— Здорово живёте!', ['timofey guessed']],
  [
    'a thought inside narration takes no part in the exchange',
    'Савва молчал. «Уйду», — подумал он. Было темно.\n— Кто здесь?',
    ['savva explicit', '? unknown'],
  ],
]

describe('speakers', () => {
  it.each(rows)('%s', (_title, text, wanted) => {
    expect(speakersOf(bookOf(text))).toEqual(wanted)
  })

  it('«наш герой» is whom the book names most', () => {
    const text = 'Савва вошёл. Савва сел. Дарья встала.\n— Пора, — сказал наш герой.'
    expect(speakersOf(bookOf(text))).toEqual(['savva explicit'])
  })

  it('the narrator’s «я» is the person given as narrator', () => {
    const { output } = findScenes(bookOf('— Пора, — сказал я.'), { people: villagers, narrator: 'timofey' })
    expect(output[0].turns[0]).toMatchObject({ speaker: 'timofey', basis: 'explicit' })
  })

  it('without people nobody is named', () => {
    expect(findScenes(bookOf('— Иду, — сказал Савва.')).output[0].turns[0]).toMatchObject({ basis: 'unknown' })
  })
})

describe('scenes', () => {
  it('a heading and a separator end a scene, and every paragraph is counted', () => {
    const { output, report, drops } = findScenes(bookOf('# Глава\n— Раз.\n* * *\n— Два.\nОн ушёл.\n# Конец\nТихо.'))
    expect(output.map(scene => scene.turns.map(turn => turn.block))).toEqual([[1], [3, 4], [6]])
    expect(drops.map(drop => [drop.reason, drop.where])).toEqual([
      ['heading', 'story.txt:1'],
      ['separator', 'story.txt:3'],
      ['heading', 'story.txt:6'],
    ])
    expect(report).toMatchObject({ input: 7, kept: 4, dropped: { heading: 2, separator: 1 } })
    expect(report.counts).toMatchObject({ scenes: 3, dialogues: 2, turns: 4, replies: 2, 'speaker-unknown': 2 })
  })

  it('a long narration is a scene of its own, and its last paragraph opens the next', () => {
    const { output } = findScenes(bookOf('— Раз.\nДолго шёл дождь.\nПотом стемнело.\nВошла Дарья.\n— Два.'), {
      maxNarrationChars: 30,
    })
    expect(output.map(scene => scene.turns.map(turn => turn.block))).toEqual([[0], [1, 2], [3, 4]])
  })

  it('a book without dialogue has no reply and says so', () => {
    expect(findScenes(bookOf('Шёл дождь.')).report.counts).toMatchObject({ replies: 0, dialogues: 0, speechPercent: 0 })
  })

  it('a silent reply is a turn', () => {
    const { output } = findScenes(bookOf('— Слышишь?\n— …\n— Ну и молчи.'))
    expect(output[0].turns.map(turn => turn.kind)).toEqual(['speech', 'speech', 'speech'])
  })
})
