// The rewriting rules against etalon lines, and the promises around them: untouched text, undo, user's dictionary.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildDictionary, parseDictionary } from '../../src/characters/dictionary.js'
import { nameRules } from '../../src/characters/name-rules.js'
import type { RewriteMode } from '../../src/characters/person.js'
import { createRewriter, undoEdits } from '../../src/characters/rewrite.js'
import { village } from './people.js'

interface Etalon {
  readonly rule: string
  readonly mode: RewriteMode
  readonly before: string
  readonly after: string
  readonly quiet: boolean
}

function readEtalons(): Etalon[] {
  const etalons: Etalon[] = []
  let rule = ''
  let mode: RewriteMode = { kind: 'focus', me: 'Савелий' }
  for (const line of readFileSync(new URL('../fixtures/rewriting.txt', import.meta.url), 'utf8').split('\n')) {
    const head = /^# rule: (?<rule>\S+) · (?<role>me|you) = (?<name>.+)$/u.exec(line)?.groups
    if (head) {
      rule = head['rule']
      mode = head['role'] === 'me' ? { kind: 'focus', me: head['name'] } : { kind: 'address', you: head['name'] }
    }
    const pair = /^(?<before>[^#]+?) => (?<after>[^#]+?)\s*(?<quiet># quiet)?$/u.exec(line)?.groups
    if (pair)
      etalons.push({ rule, mode, before: pair['before'], after: pair['after'], quiet: pair['quiet'] !== undefined })
  }
  return etalons
}

/** [[ ]] marks direct speech. */
function readSpeech(marked: string): { text: string; speech: [number, number][] } {
  const speech: [number, number][] = []
  let text = ''
  for (const piece of marked.split(/(\[\[.*?\]\])/u)) {
    const inner = /^\[\[(?<inner>.*)\]\]$/u.exec(piece)?.groups?.['inner']
    if (inner !== undefined) speech.push([text.length, text.length + inner.length])
    text += inner ?? piece
  }
  return { text, speech }
}

const etalons = readEtalons()

describe('rewriting', () => {
  it.each(etalons)('$rule: $before', ({ rule, mode, before, after, quiet }) => {
    const { text, speech } = readSpeech(before)
    const rewriter = createRewriter({ register: village, mode })
    expect(rewriter.rewrite(text, { speech }).text).toBe(readSpeech(after).text)
    const deciding = rewriter.explain(text, { speech }).map(trace => trace.rule)
    expect(deciding.includes(rule), `rules that decided: ${deciding.join(', ')}`).toBe(!quiet)
  })

  it('every rule decides at least two etalon lines and stays quiet on one', () => {
    const rules = [
      ...nameRules.map(([name]) => name),
      'apposition',
      'preposition-before-pronoun',
      'verb-agreement',
      'anaphora',
    ]
    const weak = rules.filter(
      rule =>
        etalons.filter(one => one.rule === rule && !one.quiet).length < 2 ||
        !etalons.some(one => one.rule === rule && one.quiet),
    )
    expect(weak).toEqual([])
  })

  it('text that names nobody comes back byte-identical', () => {
    const rewriter = createRewriter({ register: village, mode: { kind: 'focus', me: 'Савелий' } })
    const piece = fc.constantFrom(
      'Он шёл.',
      ' — ',
      'мельник\u00a0',
      '«Ох!»',
      '\n\n',
      'и т. д.',
      '…',
      '\u0301',
      '👍',
      'Ульяна ',
      'x',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
        expect(rewriter.rewrite(pieces.join('')).text).toBe(pieces.join(''))
      }),
      { seed: 7 },
    )
  })

  it('undoing the edits gives the original, whatever stood around the names', () => {
    const rewriter = createRewriter({ register: village, mode: { kind: 'pair', me: 'Горюнов', you: 'Ульяна' } })
    const piece = fc.constantFrom(
      'Рука Горюнова ',
      'К Ульяне шёл доктор. ',
      'Горюнов идёт, ',
      'а Ульяна спит. ',
      '— Он! ',
      'мельник Горюнов',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), pieces => {
        const text = pieces.join('')
        const rewritten = rewriter.rewrite(text)
        expect(undoEdits(rewritten.text, rewritten.edits)).toBe(text)
      }),
      { seed: 7 },
    )
  })

  it('a pair becomes я and ты in one text', () => {
    const rewriter = createRewriter({ register: village, mode: { kind: 'pair', me: 'Горюнов', you: 'Ульяна' } })
    expect(rewriter.rewrite('Горюнов смотрит на Ульяну, а Ульяна думает о Горюнове.').text).toBe(
      'Я смотрю на тебя, а ты думаешь обо мне.',
    )
  })

  it('all rewrites everybody, as one person or the other', () => {
    const text = 'Савелий видит Ульяну.'
    expect(createRewriter({ register: village, mode: { kind: 'all', person: 'me' } }).rewrite(text).text).toBe(
      'Я вижу меня.',
    )
    expect(createRewriter({ register: village, mode: { kind: 'all', person: 'ti' } }).rewrite(text).text).toBe(
      'Ты видишь тебя.',
    )
  })

  it("the user's dictionary wins over the rules", () => {
    const dictionary = parseDictionary('савелия = -\nсавелием = моей особой', 'me')
    const rewriter = createRewriter({ register: village, mode: { kind: 'focus', me: 'Савелий' }, dictionary })
    expect(rewriter.rewrite('У Савелия гости. Я говорил с Савелием. Савелий пел.').text).toBe(
      'У Савелия гости. Я говорил с моей особой. Я пел.',
    )
  })

  it('an unedited dictionary changes nothing', () => {
    const dictionary = buildDictionary(village, 'Савелий', 'me')
    const text = 'К Савелию пришли. Савелий идёт. Рука Савелия.'
    const mode: RewriteMode = { kind: 'focus', me: 'Савелий' }
    expect(createRewriter({ register: village, mode, dictionary }).rewrite(text)).toEqual(
      createRewriter({ register: village, mode }).rewrite(text),
    )
  })

  it.each([
    ['Герой наш проснулся. Лицо нашего героя сияло.', 'Я проснулся. Моё лицо сияло.'],
    ['К герою нашему шли гости; наш герой ждёт.', 'Ко мне шли гости; я жду.'],
    ['Герой нашей повести спит.', 'Герой нашей повести спит.'],
  ])('the author calls the person named most often our hero: %s', (before, after) => {
    const people = village.people.map((one, i) => ({ ...one, count: i === 0 ? 30 : 10 }))
    const rewriter = createRewriter({ register: { people }, mode: { kind: 'focus', me: 'Савелий' } })
    expect(rewriter.rewrite(before).text).toBe(after)
    expect(createRewriter({ register: village, mode: { kind: 'focus', me: 'Савелий' } }).rewrite(before).text).toBe(
      before,
    )
  })

  it('an unknown person is refused with the nearest name', () => {
    expect(() =>
      createRewriter({ register: village, mode: { kind: 'focus', me: 'Савелей' } }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[AppError: nobody called "Савелей" is in the register of characters. Did you mean "Савелий"? Most mentioned: Савелий, Пётр Горюнов, Ульяна.]`,
    )
  })
})
