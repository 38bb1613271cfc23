// A small invented story → examples: roles, copies, splits, drops.
import { describe, expect, it } from 'vitest'
import type { Register, RewriteMode } from '../../src/characters/person.js'
import { buildExamples, type BuildInput } from '../../src/dataset/build.js'
import type { Rewriter } from '../../src/dataset/turns.js'
import { previewExamples } from '../../src/dataset/preview.js'
import { findScenes } from '../../src/dialogue/scenes.js'
import { bookOf } from '../dialogue/book.js'
import { villagers } from '../dialogue/people.js'

const person = (id: string, name: string) => ({ id, name, gender: 'unknown', aliases: [], count: 1 }) as const
const register: Register = { people: [person('savva', 'Савва'), person('darya', 'Дарья')] }

/** Stands for the real rewriter: «Савва» becomes я, ты or — for everybody — Я. */
const words: { readonly [K in RewriteMode['kind']]: string } = { focus: 'я', pair: 'я', address: 'ты', all: 'Я' }
const createRewriter = (mode: RewriteMode): Rewriter => ({
  rewrite: (text: string) => {
    const edits = [...text.matchAll(/Савва/gu)].map(({ 0: match0, index }) => {
      return { start: index, end: index + 5, before: match0, text: words[mode.kind], rule: 'test' }
    })
    return { text: text.replaceAll('Савва', words[mode.kind]), edits }
  },
})

function inputOf(text: string, rest: Partial<BuildInput> = {}): BuildInput {
  const document = bookOf(text)
  const scenes = findScenes(document, { people: villagers }).output
  return { document, scenes, register, focus: 'savva', copies: ['original', 'me', 'ti'], createRewriter, ...rest }
}

const story = `Дарья вошла в избу. Тихо гудел ветер.
— Савва, ты дома? — спросила Дарья.
— Дома, — отозвался Савва, не вставая. — Это я, Савва, кто ж ещё.
Савва зевнул.`

describe('examples of a book', () => {
  it('turns carry role, speaker, remark and what is learnt', () => {
    const { output } = buildExamples(inputOf(story, { copies: ['original'] }))
    expect(output).toHaveLength(1)
    expect(output[0].turns).toEqual([
      { speaker: 'narrator', role: 'narration', text: 'Дарья вошла в избу. Тихо гудел ветер.', learn: false },
      { speaker: 'Дарья', role: 'other', text: 'Савва, ты дома?', remark: 'спросила Дарья', learn: false },
      {
        speaker: 'Савва',
        role: 'own',
        text: 'Дома. Это я, Савва, кто ж ещё.',
        remark: 'отозвался Савва, не вставая',
        learn: true,
      },
      { speaker: 'narrator', role: 'narration', text: 'Савва зевнул.', learn: false },
    ])
    expect(output[0].source).toEqual({
      file: 'story.txt',
      spans: [
        [0, 37],
        [38, 73],
        [74, 139],
        [140, 153],
      ],
    })
  })

  it('in the copies everything about the character changes but its own speech', () => {
    const { output } = buildExamples(inputOf(story))
    const lines = output.map(({ copy, turns }) => [copy, turns[1].text, turns[2].text, turns[2].remark, turns[3].text])
    expect(lines).toEqual([
      ['original', 'Савва, ты дома?', 'Дома. Это я, Савва, кто ж ещё.', 'отозвался Савва, не вставая', 'Савва зевнул.'],
      ['me', 'я, ты дома?', 'Дома. Это я, Савва, кто ж ещё.', 'отозвался я, не вставая', 'я зевнул.'],
      ['ti', 'ты, ты дома?', 'Дома. Это я, Савва, кто ж ещё.', 'отозвался ты, не вставая', 'ты зевнул.'],
    ])
  })

  it.each<[title: string, rest: Partial<BuildInput>, modes: RewriteMode[]]>([
    [
      'focus and address',
      {},
      [
        { kind: 'focus', me: 'savva' },
        { kind: 'address', you: 'savva' },
      ],
    ],
    [
      'a pair with a partner',
      { partner: 'darya' },
      [
        { kind: 'pair', me: 'savva', you: 'darya' },
        { kind: 'address', you: 'savva' },
      ],
    ],
    [
      'everybody, as TiMe',
      { options: { everybody: true } },
      [
        { kind: 'all', person: 'me' },
        { kind: 'all', person: 'ti' },
      ],
    ],
  ])('asks for the modes: %s', (_title, rest, modes) => {
    const asked: RewriteMode[] = []
    buildExamples(inputOf(story, { ...rest, createRewriter: mode => (asked.push(mode), createRewriter(mode)) }))
    expect(asked).toEqual(modes)
  })

  it('every drop has its reason, and kept + dropped is the input', () => {
    const scene = (reply: string) => `# Глава\n— ${reply} — сказал Савва.\n— Вот и хорошо, что так, — сказала Дарья.`
    const text = [
      scene('Сегодня мы поедем на ярмарку,'),
      scene('Сегодня мы поедем на ярмарку,'),
      scene('Пропади ты пропадом, окаянный,'),
      '# Глава',
      '— Тс-с.',
      '# Глава',
      'Долго и ровно шумел дождь над рекой.',
    ].join('\n')
    const { report, drops, output } = buildExamples(
      inputOf(text, { copies: ['original'], options: { blacklist: ['ОКАЯННЫЙ'] } }),
    )
    expect(report).toMatchObject({
      input: 5,
      kept: 1,
      dropped: { duplicate: 1, blacklist: 1, 'too-short': 1, 'no-own-reply': 1 },
    })
    expect(drops.map(drop => drop.where)).toEqual(['story.txt:5', 'story.txt:8', 'story.txt:11', 'story.txt:13'])
    expect(output[0].turns[0].text).toBe('Сегодня мы поедем на ярмарку.')
  })

  it('a copy in which nothing changed is dropped', () => {
    const { report } = buildExamples(
      inputOf('— Поедем завтра на ярмарку в город, — сказал наш мельник Савва.\n— Да.', {
        copies: ['original', 'me'],
        createRewriter: () => ({ rewrite: text => ({ text, edits: [] }) }),
      }),
    )
    expect(report.dropped).toEqual({ 'same-as-original': 1 })
  })

  it('examples are cut between turns and measured on the unchanged text', () => {
    const replies = Array.from({ length: 12 }, (_, i) => `— Реплика под номером ${i + 10}, — сказал Савва.`).join('\n')
    const { output } = buildExamples(inputOf(replies, { options: { maxChars: 160 } }))
    const sizes = (copy: string) => output.filter(example => example.copy === copy).map(example => example.turns.length)
    expect(sizes('original')).toEqual([4, 4, 4])
    expect(sizes('me')).toEqual(sizes('original'))
  })

  it.each([
    [9, 0],
    [10, 1],
    [60, 3],
  ])('of %i scenes the last %i are held out, in every copy', (count, held) => {
    const text = Array.from(
      { length: count },
      (_, i) => `# Глава\n— Это случилось в год ${i + 1}, — сказал Савва.`,
    ).join('\n')
    const { output } = buildExamples(inputOf(text, { copies: ['original', 'me'] }))
    const heldOut = output.filter(example => example.split === 'held-out')
    expect(heldOut).toHaveLength(held * 2)
    expect(heldOut.every(({ turns }) => Number(/\d+/u.exec(turns[0].text)![0]) > count - held)).toBe(true)
  })

  it('ids are unique and the same in every run', () => {
    const ids = () => buildExamples(inputOf(story)).output.map(example => example.id)
    expect(new Set(ids()).size).toBe(3)
    expect(ids()).toEqual(ids())
  })

  it('learn: all learns narration and others too, and takes a book without dialogue', () => {
    const { output } = buildExamples(
      inputOf('Долго и ровно шумел дождь над рекой.', { copies: ['original'], options: { learn: 'all' } }),
    )
    expect(output[0].turns[0].learn).toBe(true)
  })

  it.each<[string, string, Partial<BuildInput>]>([
    ['no-dialogue', 'Шёл дождь.', {}],
    ['no-own-reply', '— Иду, — сказала Дарья.', {}],
    ['no-such-person', '— Иду.', { focus: 'sava' }],
  ])('refuses with %s', (code, text, rest) => {
    expect(() => buildExamples(inputOf(text, rest))).toThrow(expect.objectContaining({ code }) as Error)
  })

  it('says what to do when there is nothing to learn from', () => {
    expect(() => buildExamples(inputOf('Шёл дождь.'))).toThrowErrorMatchingInlineSnapshot(
      `[AppError: story.txt: no direct speech was found (0 replies). Check that replies begin with a dash or stand in quotation marks, or learn the narration with learn: "all".]`,
    )
    expect(() => buildExamples(inputOf('— Иду, — сказала Дарья.'))).toThrowErrorMatchingInlineSnapshot(
      `[AppError: story.txt: 1 replies were found, but none is known to be spoken by Савва. Choose another character, add missing names to the list of people, or learn everything with learn: "all".]`,
    )
  })

  it('a preview shows roles, marks and remarks', () => {
    expect(previewExamples(buildExamples(inputOf(story, { copies: ['me'] })).output)).toMatchInlineSnapshot(`
      "# 154c17d249a02389 · me · train · story.txt [0, 153)
        Дарья вошла в избу. Тихо гудел ветер.
        Дарья: я, ты дома? (спросила Дарья)
      > Савва: Дома. Это я, Савва, кто ж ещё. (отозвался я, не вставая)
        я зевнул.
      "
    `)
  })
})
