// What every part of eval:russian hands over: measures for the table, misses to look at, and how rows are read.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export type Row = Readonly<Record<string, string>>

/** One line of the table; `value` is undefined where a file is missing. */
export interface Measure {
  readonly name: string
  readonly value: number | undefined
  readonly unit: '%' | 'words/s' | 'rows'
  readonly note: string
}

export interface Miss {
  readonly kind: string
  readonly text: string
}

export interface Section {
  readonly measures: readonly Measure[]
  readonly misses: readonly Miss[]
}

export function readRows(folder: string, file: string): Row[] | undefined {
  const path = join(folder, file)
  if (!existsSync(path)) return undefined
  const [header, ...lines] = readFileSync(path, 'utf8').split('\n').filter(Boolean)
  const columns = header.split('\t')
  return lines.map(line => {
    const cells = line.split('\t')
    return Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? '']))
  })
}

export function percent(part: number, whole: number): number | undefined {
  return whole ? (100 * part) / whole : undefined
}

export function notMeasured(name: string, file: string): Section {
  return { measures: [{ name, value: undefined, unit: '%', note: `not measured: no ${file}` }], misses: [] }
}
