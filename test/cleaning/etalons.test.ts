// Etalon lines of cleaning: what each rule does, where it stays quiet, and that no rule goes unproven.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { blockRules } from '../../src/cleaning/block-rules.js'
import { cleanDocument, explainCleaning } from '../../src/cleaning/clean.js'
import { contentRules, formRules } from '../../src/cleaning/edit-rules.js'
import { documentOf } from './document-of.js'

interface Etalon {
  readonly text: string
  readonly result: string
  readonly acting: readonly string[]
  readonly quiet: readonly string[]
}

const etalons = readFileSync(new URL('../fixtures/cleaning.txt', import.meta.url), 'utf8')
  .replace(/\\u([0-9a-f]{4})/gu, (_escape, code: string) => String.fromCharCode(parseInt(code, 16)))
  .split('\n')
  .filter(line => line && !line.startsWith('# '))
  .map(parseEtalon)

function parseEtalon(line: string): Etalon {
  const match = /^(?<text>.+?) => (?<result>.+?) {2}# (?<quiet>quiet: )?(?<rules>[a-z, -]+)$/u.exec(line)
  if (!match?.groups) throw new Error(`not an etalon line: ${line}`)
  const { text, result, quiet, rules } = match.groups
  const names = rules.split(', ')
  return { text, result, acting: quiet ? [] : names, quiet: quiet ? names : [] }
}

const separator = ' ¶ '

/** Renders the outcome in the notation of the fixture: kept text, [border], (reason). */
function renderCleaned(text: string): string {
  const source = documentOf(text.split(separator))
  const { output, drops } = cleanDocument(source)
  const byLine = new Map(
    output.blocks.map(block => [block.line, block.kind === 'heading' ? `[${block.text}]` : block.text]),
  )
  for (const drop of drops) byLine.set(Number(drop.where.split(':')[1]), `(${drop.reason})`)
  return source.blocks.map(({ line }) => byLine.get(line)).join(separator)
}

describe('cleaning rules', () => {
  test.each(etalons)('$text => $result', ({ text, result, acting, quiet }) => {
    expect(renderCleaned(text)).toBe(result)
    const rules = explainCleaning(text.split(separator).join('\n')).map(step => step.rule)
    for (const rule of acting) expect(rules).toContain(rule)
    for (const rule of quiet) expect(rules).not.toContain(rule)
  })

  const marked = ['title-page', 'note-block', 'marked-heading'] // decided by the block's kind: see clean.test.ts
  const names = [...formRules, ...contentRules, ...blockRules]
    .map(rule => rule.name)
    .filter(name => !marked.includes(name))

  test.each(names)('%s is proven by two lines where it acts and one where it stays quiet', name => {
    expect(etalons.filter(({ acting }) => acting.includes(name)).length).toBeGreaterThanOrEqual(2)
    expect(etalons.filter(({ quiet }) => quiet.includes(name)).length).toBeGreaterThanOrEqual(1)
  })

  test('etalon lines name only rules that exist', () => {
    const named = new Set(etalons.flatMap(({ acting, quiet }) => [...acting, ...quiet]))
    expect([...named].filter(name => !names.includes(name))).toEqual([])
  })
})
