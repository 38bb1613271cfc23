// How a stage's end is told: one line a report, or that nothing had changed.
import type { Lang, Text } from '../base/errors.js'
import type { StageReport } from '../base/report.js'
import type { StageState } from '../project/manifest.js'
import type { StageOutcome } from '../project/stage.js'
import { countWords, reasonWords, stageWords, unitWords, wordFor } from '../project/words.js'
import type { Output } from './command.js'

export const stateNames: { readonly [S in StageState]: Text } = {
  done: { en: 'done', ru: 'готово' },
  stale: { en: 'stale: its input or options changed', ru: 'устарело: изменились данные или параметры' },
  missing: { en: 'not done yet', ru: 'ещё не выполнено' },
}

/** Tells what a stage did, or that it was skipped. */
export function sayOutcome(output: Output, { stage, skipped, reports }: StageOutcome): void {
  const { en, ru } = wordFor(stageWords, stage)
  if (skipped) output.say({ en: `${en}: nothing has changed, skipped`, ru: `${ru}: ничего не изменилось, пропущено` })
  else for (const report of reports) output.say(reportLines(report))
}

/** `Cleaning: 1010 paragraphs, kept 998; dropped: ISBN 1, …`; counts for specialists are left out. */
export function reportLines(report: StageReport): Text {
  return { en: reportLine(report, 'en'), ru: reportLine(report, 'ru') }
}

function reportLine({ stage, unit, input, kept, dropped, counts }: StageReport, lang: Lang): string {
  const known = Object.entries(counts ?? {}).filter(([name]) => name in countWords)
  const drops = listCounts(Object.entries(dropped), name => wordFor(reasonWords, name)[lang])
  const found = listCounts(known, name => countWords[name][lang])
  const left = kept === input ? '' : `, ${{ en: 'kept', ru: 'оставлено' }[lang]} ${kept}`
  const parts = [`${wordFor(stageWords, stage)[lang]}: ${amount(input, unit, lang)}${left}`]
  if (drops) parts.push(`${{ en: 'dropped', ru: 'отброшено' }[lang]}: ${drops}`)
  if (found) parts.push(found)
  return parts.join('; ')
}

/** A number with its unit: `5 paragraphs`, `абзацев 5`. */
export function amount(count: number | string, unit: string, lang: Lang): string {
  const word = wordFor(unitWords, unit)[lang]
  return lang === 'ru' ? `${word} ${count}` : `${count} ${count === 1 ? word.replace(/s$/u, '') : word}`
}

function listCounts(counts: readonly (readonly [string, number])[], nameOf: (name: string) => string): string {
  return counts
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${nameOf(name)} ${count}`)
    .join(', ')
}
