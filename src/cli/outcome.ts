// How a stage's end is told: one line a report, or that nothing had changed.
import type { Lang, Text } from '../base/errors.js'
import type { StageReport } from '../base/report.js'
import type { StageState } from '../project/manifest.js'
import type { StageOutcome } from '../project/stage.js'
import type { Output } from './command.js'
import { stageNames } from './progress.js'

export const stateNames: { readonly [S in StageState]: Text } = {
  done: { en: 'done', ru: 'готово' },
  stale: { en: 'stale: its input or options changed', ru: 'устарело: изменились данные или параметры' },
  missing: { en: 'not done yet', ru: 'ещё не выполнено' },
}

/** Tells what a stage did, or that it was skipped. */
export function sayOutcome(output: Output, { stage, skipped, reports }: StageOutcome): void {
  if (skipped) {
    output.say({ en: `${stage}: nothing has changed, skipped`, ru: `${stage}: ничего не изменилось, пропущено` })
    return
  }
  for (const report of reports) output.say(reportLines(report))
}

/** `Cleaning: 1010 paragraphs, 998 kept, dropped: isbn 1, … ; found …` */
export function reportLines(report: StageReport): Text {
  return { en: reportLine(report, 'en'), ru: reportLine(report, 'ru') }
}

function reportLine({ stage, unit, input, kept, dropped, counts }: StageReport, lang: Lang): string {
  const name = stageNames[stage]?.[lang] ?? stage
  const drops = listCounts(dropped)
  const found = listCounts(counts ?? {})
  const words =
    lang === 'en'
      ? { kept: 'kept', dropped: 'dropped', found: 'found' }
      : { kept: 'оставлено', dropped: 'отброшено', found: 'найдено' }
  const parts = [`${name}: ${input} ${unit}, ${words.kept} ${kept}`]
  if (drops) parts.push(`${words.dropped}: ${drops}`)
  if (found) parts.push(`${words.found}: ${found}`)
  return parts.join('; ')
}

function listCounts(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}
