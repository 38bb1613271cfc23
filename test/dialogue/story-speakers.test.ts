// Who speaks in the shipped story, against speakers marked by hand in test/fixtures/story_speakers.tsv.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { assetPath, packageRoot } from '../../src/base/package.js'
import { createPeopleLookup } from '../../src/characters/lookup.js'
import { findCharacters } from '../../src/characters/register.js'
import { cleanDocument } from '../../src/cleaning/clean.js'
import type { SpeakerBasis } from '../../src/dialogue/scene.js'
import { findScenes } from '../../src/dialogue/scenes.js'
import { readDocument } from '../../src/sources/registry.js'

/** Words in the register's names that stand for a marked speaker; several, where the book never joins the names itself. */
const namesOf: Readonly<Record<string, readonly string[]>> = {
  Тихон: ['Тихон'],
  'тётя Глаша': ['Глаша', 'Глафира'],
  Варя: ['Варвара', 'Варя'],
  Сеня: ['Сеня', 'Семён'],
  Эрлих: ['Эрлих', 'Роберт'],
  'капитан Чалый': ['Чалый', 'Егор'],
  'Зинаида Павловна': ['Зинаида'],
  '(прочие)': [],
}

async function judgeSpeakers(): Promise<Map<SpeakerBasis, { said: number; right: number }>> {
  const { output: book } = cleanDocument((await readDocument(assetPath('story', 'chuzhoe_palto.txt'))).output)
  const { output: register } = findCharacters(book)
  const shown = new Map(register.people.map(person => [person.id, person.name]))
  const rows = readFileSync(join(packageRoot, 'test', 'fixtures', 'story_speakers.tsv'), 'utf8')
    .trim()
    .split('\n')
  const marked = new Map(rows.map(row => row.split('\t')).map(([line, who]) => [Number(line), who]))
  const score = new Map<SpeakerBasis, { said: number; right: number }>()
  for (const turn of findScenes(book, { people: createPeopleLookup(register) }).output.flatMap(scene => scene.turns)) {
    const who = marked.get(book.blocks[turn.block].line)
    if (who === undefined) continue
    const cell = score.get(turn.basis) ?? { said: 0, right: 0 }
    const name = shown.get(turn.speaker ?? '') ?? ''
    cell.said++
    if (namesOf[who].some(word => name.includes(word))) cell.right++
    score.set(turn.basis, cell)
  }
  return score
}

describe('speakers of the shipped story', () => {
  it('are right where the author names them, and mostly right where they are inferred', async () => {
    const score = await judgeSpeakers()
    for (const [basis, { said, right }] of score) process.stdout.write(`speakers ${basis}: ${right} of ${said}\n`)
    const known = [...score].filter(([basis]) => basis !== 'unknown').map(([, cell]) => cell)
    const share = known.reduce((sum, { right }) => sum + right, 0) / known.reduce((sum, { said }) => sum + said, 0)
    const explicit = score.get('explicit')!
    expect(explicit.right / explicit.said).toBeGreaterThan(0.97)
    expect(share).toBeGreaterThan(0.8)
  })
})
