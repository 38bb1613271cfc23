// Etalon lines: what each rule decides, and what holds for any text.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dashRuleNames } from '../../src/dialogue/borders.js'
import { quoteRuleNames } from '../../src/dialogue/quotes.js'
import type { Segment } from '../../src/dialogue/scene.js'
import { explainSpeech, splitSpeech } from '../../src/dialogue/speech.js'
import { packageRoot } from '../../src/base/package.js'
import { scoreSpeech, readTagged } from '../../tools/tagged-speech.js'

const etalons = readFileSync(join(packageRoot, 'test/fixtures/dialogue.txt'), 'utf8')
  .split('\n')
  .map(line => line.replace(/ # .*$/u, ''))
  .filter(line => line.includes(' => '))
  .map(line => line.split(' => ') as [string, string])

const brackets: Record<Segment['kind'], string> = { speech: '[]', remark: '{}', narration: '' }
const draw = (segments: readonly Segment[]) =>
  segments.map(({ kind, text }) => (brackets[kind][0] ?? '') + text + (brackets[kind][1] ?? '')).join(' ')

describe('speech of a paragraph', () => {
  it.each(etalons)('%s', (text, wanted) => {
    expect(draw(splitSpeech(text))).toBe(wanted)
  })

  it('every rule decides at least two etalon lines', () => {
    const counts = new Map<string, number>()
    for (const [text] of etalons) {
      for (const rule of new Set(explainSpeech(text).map(decision => decision.rule)))
        counts.set(rule, (counts.get(rule) ?? 0) + 1)
    }
    const rules = [
      ...new Set([
        ...dashRuleNames,
        ...quoteRuleNames,
        'opening-dash',
        'opening-remark',
        'stray-mark-closes',
        'parenthesis-of-the-author',
      ]),
    ]
    expect(rules.filter(rule => (counts.get(rule) ?? 0) < 2)).toEqual([])
  })

  it('names the rule behind every mark', () => {
    expect(explainSpeech('— Да, — сказал он, — иду.')).toEqual([
      { at: 0, mark: 'dash', rule: 'opening-dash', verdict: 'border' },
      { at: 5, mark: 'dash', rule: 'saying-verb-first', verdict: 'border' },
      { at: 18, mark: 'dash', rule: 'reply-resumes-in-sentence', verdict: 'border' },
    ])
  })

  it('takes no reply from a line that goes on with the author’s sentence', () => {
    expect(draw(splitSpeech('— и, подумав, сел на лавку.', { continuesAuthor: true }))).toBe(
      'и, подумав, сел на лавку.',
    )
  })

  it('gives segments that lie inside the text, in order, without overlap, and leaves out no letter', () => {
    const piece = fc.constantFrom(
      '— ',
      ' — ',
      '«',
      '»',
      '"',
      ', ',
      '. ',
      '! ',
      ': ',
      '(',
      ')',
      'сказал он',
      'Иван',
      'иду',
      ' ',
      '…',
      '-',
      '„',
      '“',
      '\u00a0',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 25 }), pieces => {
        const text = pieces.join('')
        const segments = splitSpeech(text)
        let at = 0
        for (const { start, end, text: cut } of segments) {
          expect(start).toBeGreaterThanOrEqual(at)
          expect(end).toBeGreaterThan(start)
          expect(end).toBeLessThanOrEqual(text.length)
          expect(cut).toBe(text.slice(start, end))
          at = end
        }
        const letters = (some: string) => some.replace(/[^\p{L}\p{N}]/gu, '')
        expect(segments.map(segment => letters(segment.text)).join('')).toBe(letters(text))
      }),
      { numRuns: 2000 },
    )
  })

  it("takes the marks inside the author's parenthesis as his", () => {
    expect(splitSpeech('— Иди (— сказал он) домой.').map(({ kind, text }) => [kind, text])).toEqual([
      ['speech', 'Иди'],
      ['remark', 'сказал он'],
      ['speech', 'домой.'],
    ])
  })

  it('takes time in proportion to the paragraph', () => {
    const sentence = 'Он сел, — так было лучше, — и сказал: «Иду». Потом встал и вышел (было поздно). '
    const time = (repeats: number) => {
      const started = performance.now()
      splitSpeech('— Да, — сказал он. — ' + sentence.repeat(repeats))
      return performance.now() - started
    }
    time(50)
    expect(time(400)).toBeLessThan(2000)
  })
})

const shared = process.env['DVOYNIK_SHARED'] ?? join(packageRoot, '../shared')
const tagged = join(shared, 'russian/dev/speech_tagged.txt')

describe('hand-tagged fiction', () => {
  it.skipIf(!existsSync(tagged))('at least 95 % of the lines are exact (skipped where the file is absent)', () => {
    const all = readFileSync(tagged, 'utf8')
      .split('\n')
      .filter(line => line.trim() !== '')
      .map(readTagged)
    const percent = (part: number, whole: number) => ((100 * part) / whole).toFixed(1)
    const rows = { all, 'well-formed': all.filter(line => line.wellFormed) }
    for (const [name, lines] of Object.entries(rows)) {
      const { score } = scoreSpeech(lines)
      process.stdout.write(
        `speech_tagged ${name}: ${score.lines} lines, exact ${percent(score.exact, score.lines)} %, ` +
          `letters precision ${percent(score.right, score.found)} %, recall ${percent(score.right, score.tagged)} %\n`,
      )
      expect(score.exact / score.lines).toBeGreaterThanOrEqual(0.95)
    }
  })
})
