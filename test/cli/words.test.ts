// What is printed of a report: words of the user's language, and no counts for specialists.
import { describe, expect, it } from 'vitest'
import { assetPath } from '../../src/base/package.js'
import type { StageReport } from '../../src/base/report.js'
import { findCharacters } from '../../src/characters/register.js'
import { cleanDocument } from '../../src/cleaning/clean.js'
import { reportLines } from '../../src/cli/outcome.js'
import { stageWords, unitWords, reasonWords } from '../../src/project/words.js'
import { readDocument } from '../../src/sources/registry.js'

describe('a report on one line', () => {
  const report: StageReport = {
    stage: 'clean',
    unit: 'paragraphs',
    input: 339,
    kept: 334,
    dropped: { 'title-page': 4, link: 1, isbn: 0 },
    counts: { borders: 8, 'rule:stars': 1, dialogues: 3 },
    seconds: 1,
  }

  it('speaks the language of the user', () => {
    expect(reportLines(report)).toMatchInlineSnapshot(`
      {
        "en": "Cleaning: 339 paragraphs, kept 334; dropped: title page 4, links 1; dialogues 3",
        "ru": "Очистка: абзацев 339, оставлено 334; отброшено: титульный лист 4, ссылки 1; диалогов 3",
      }
    `)
  })

  it('leaves out what was kept when nothing was dropped', () => {
    expect(reportLines({ ...report, kept: 339, dropped: {}, counts: {} })).toMatchInlineSnapshot(`
      {
        "en": "Cleaning: 339 paragraphs",
        "ru": "Очистка: абзацев 339",
      }
    `)
  })

  it('has a word for whatever the story brings up', async () => {
    const read = await readDocument(assetPath('story', 'chuzhoe_palto.txt'))
    const clean = cleanDocument(read.output)
    const people = findCharacters(clean.output)
    for (const { stage, unit, dropped } of [read.report, clean.report, people.report]) {
      expect([stage in stageWords, unit in unitWords]).toEqual([true, true])
      expect(Object.keys(dropped).filter(reason => !(reason in reasonWords))).toEqual([])
    }
  })
})
