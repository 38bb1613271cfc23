// A stage report: what came in, what was kept, what was dropped and why; the sums must agree.
import { AppError } from './errors.js'

/** A thing that a stage left out; the text stays on disk beside the dataset. */
export interface Drop<Reason extends string = string> {
  readonly stage: string
  readonly reason: Reason
  readonly text: string
  /** file, or file:line */
  readonly where: string
}

export interface StageReport {
  readonly stage: string
  /** What is counted: `paragraphs`, `turns`, `examples`, … */
  readonly unit: string
  readonly input: number
  readonly kept: number
  /** Count per drop reason; only reasons that occurred. */
  readonly dropped: Readonly<Record<string, number>>
  /** Other figures worth showing: rules that acted, words, dialogues found. */
  readonly counts?: Readonly<Record<string, number>>
  readonly seconds: number
}

/** Every stage has this form. */
export interface Staged<Output> {
  readonly output: Output
  readonly report: StageReport
  readonly drops: readonly Drop[]
}

/** @throws AppError `report-sum` when kept + dropped is not the input: a programming error that must not pass silently. */
export function checkReport(report: StageReport): StageReport {
  const dropped = Object.values(report.dropped).reduce((sum, n) => sum + n, 0)
  if (report.kept + dropped === report.input) return report
  throw new AppError('report-sum', {
    what: {
      en: `stage ${report.stage} lost count: ${report.input} ${report.unit} in, ${report.kept} kept and ${dropped} dropped`,
      ru: `этап ${report.stage} сбился со счёта: вошло ${report.input}, оставлено ${report.kept}, отброшено ${dropped}`,
    },
    fix: { en: 'This is a bug in Dvoynik; please report it', ru: 'Это ошибка Двойника; сообщите о ней' },
  })
}

/** Counts drops by reason for a report. */
export function countReasons(drops: readonly Drop[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { reason } of drops) counts[reason] = (counts[reason] ?? 0) + 1
  return counts
}
