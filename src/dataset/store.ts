// Examples ↔ a dataset folder: a DuckDB file with everything, and JSONL files a person can read.
import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { DuckDBAppender, DuckDBConnection } from '@duckdb/node-api'
import { AppError } from '../base/errors.js'
import { ensurePrivateFolder, exists, writeFileAtomic } from '../base/files.js'
import type { Drop, StageReport } from '../base/report.js'
import type { Register } from '../characters/person.js'
import type { Example, ExampleTurn } from './example.js'
import { formats, type FormatName, type FormatOptions } from './formats.js'

export interface Dataset {
  readonly examples: readonly Example[]
  readonly drops: readonly Drop[]
  readonly register: Register
  readonly reports: readonly StageReport[]
}

const databaseName = 'dataset.duckdb'

const schema = `
create table examples (id varchar primary key, n integer, copy varchar, split varchar, system varchar, file varchar, turns integer, chars integer);
create table turns (example varchar, n integer, speaker varchar, role varchar, text varchar, remark varchar, learn boolean);
create table drops (stage varchar, reason varchar, text varchar, place varchar);
create table people (id varchar, name varchar, gender varchar, mentions integer, aliases varchar);
create table provenance (example varchar, n integer, span_start integer, span_end integer, message varchar);
create table reports (n integer, stage varchar, report varchar);
`

/**
 * Writes `dataset.duckdb`, `examples.jsonl` and `drops.jsonl` into `dir`. Each file is whole or untouched; the database comes last.
 * @throws AppError `duplicate-id` when two examples share an id
 */
export async function writeDataset(dir: string, dataset: Dataset): Promise<void> {
  checkIds(dataset.examples)
  await ensurePrivateFolder(dir)
  await writeFileAtomic(join(dir, 'examples.jsonl'), toJsonLines(dataset.examples))
  await writeFileAtomic(join(dir, 'drops.jsonl'), toJsonLines(dataset.drops))
  const temporary = join(dir, `.${databaseName}.${process.pid}.tmp`)
  await rm(temporary, { force: true })
  try {
    await withDatabase(temporary, async connection => {
      await connection.run(schema)
      await fillTables(connection, dataset)
      await connection.run('checkpoint')
    })
    await rename(temporary, join(dir, databaseName))
  } finally {
    await rm(temporary, { force: true })
    await rm(`${temporary}.wal`, { force: true })
  }
}

function checkIds(examples: readonly Example[]): void {
  const seen = new Set<string>()
  for (const { id, source } of examples) {
    if (seen.has(id)) {
      throw new AppError('duplicate-id', {
        where: source.file,
        what: { en: `two examples have the id ${id}`, ru: `у двух примеров одно обозначение ${id}` },
        fix: {
          en: 'Add each source once, or drop duplicates first',
          ru: 'Добавьте каждый источник один раз или уберите повторы',
        },
      })
    }
    seen.add(id)
  }
}

const toJsonLines = (rows: readonly unknown[]) => rows.map(row => JSON.stringify(row) + '\n').join('')

/** Opens the file, runs `work` and closes the file in any case. DuckDB takes 0.4 s to load, so it is loaded here only. */
async function withDatabase<Result>(
  path: string,
  work: (connection: DuckDBConnection) => Promise<Result>,
): Promise<Result> {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create(path, { threads: '2' })
  try {
    const connection = await instance.connect()
    try {
      return await work(connection)
    } finally {
      connection.closeSync()
    }
  } finally {
    instance.closeSync()
  }
}

type Cell = string | number | boolean | undefined

async function fillTables(
  connection: DuckDBConnection,
  { examples, drops, register, reports }: Dataset,
): Promise<void> {
  await append(connection, 'examples', examples.map(exampleCells))
  await append(
    connection,
    'turns',
    examples.flatMap(example => example.turns.map((turn, n) => turnCells(example.id, turn, n))),
  )
  await append(
    connection,
    'drops',
    drops.map(({ stage, reason, text, where }) => [stage, reason, text, where]),
  )
  await append(
    connection,
    'people',
    register.people.map(({ id, name, gender, count, aliases }) => [id, name, gender, count, JSON.stringify(aliases)]),
  )
  await append(connection, 'provenance', examples.flatMap(provenanceCells))
  await append(
    connection,
    'reports',
    reports.map((report, n) => [n, report.stage, JSON.stringify(report)]),
  )
}

function exampleCells({ id, copy, split, system, source, turns }: Example, n: number): Cell[] {
  const chars = turns.reduce((sum, { text, remark }) => sum + text.length + (remark?.length ?? 0), 0)
  return [id, n, copy, split, system, source.file, turns.length, chars]
}

const turnCells = (example: string, { speaker, role, text, remark, learn }: ExampleTurn, n: number): Cell[] => [
  example,
  n,
  speaker,
  role,
  text,
  remark,
  learn,
]

function provenanceCells({ id, source }: Example): Cell[][] {
  const spans = (source.spans ?? []).map(([start, end], n): Cell[] => [id, n, start, end, undefined])
  return [...spans, ...(source.messageIds ?? []).map((message, n): Cell[] => [id, n, undefined, undefined, message])]
}

async function append(connection: DuckDBConnection, table: string, rows: readonly (readonly Cell[])[]): Promise<void> {
  const appender = await connection.createAppender(table)
  for (const row of rows) {
    for (const cell of row) appendCell(appender, cell)
    appender.endRow()
  }
  appender.closeSync()
}

function appendCell(appender: DuckDBAppender, cell: Cell): void {
  if (cell === undefined) appender.appendNull()
  else if (typeof cell === 'string') appender.appendVarchar(cell)
  else if (typeof cell === 'number') appender.appendInteger(cell)
  else appender.appendBoolean(cell)
}

/**
 * Reads the examples of a dataset folder in the order they were written.
 * @throws AppError `no-dataset` when the folder holds no dataset
 */
export async function readExamples(dir: string): Promise<Example[]> {
  return readDatabase(dir, async connection => {
    const examples = await query(connection, 'select id, copy, split, system, file from examples order by n')
    const turns = groupRows(await query(connection, 'select * from turns order by example, n'))
    const places = groupRows(await query(connection, 'select * from provenance order by example, n'))
    return examples.map(row =>
      exampleOfRow(row, turns.get(row['id'] as string) ?? [], places.get(row['id'] as string) ?? []),
    )
  })
}

type Row = Readonly<Record<string, unknown>>

async function query(connection: DuckDBConnection, sql: string): Promise<Row[]> {
  const reader = await connection.runAndReadAll(sql)
  return reader.getRowObjectsJS()
}

function groupRows(rows: readonly Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const key = row['example'] as string
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [row])
    else group.push(row)
  }
  return groups
}

function exampleOfRow(row: Row, turns: readonly Row[], places: readonly Row[]): Example {
  const spans = places.filter(place => place['message'] === null).map(place => [place['span_start'], place['span_end']])
  const messageIds = places.filter(place => place['message'] !== null).map(place => place['message'])
  return {
    id: row['id'],
    copy: row['copy'],
    ...(row['system'] !== null && { system: row['system'] }),
    turns: turns.map(({ speaker, role, text, remark, learn }) => ({
      speaker,
      role,
      text,
      ...(remark !== null && { remark }),
      learn,
    })),
    source: {
      file: row['file'],
      ...(spans.length > 0 && { spans }),
      ...(messageIds.length > 0 && { messageIds }),
    },
    split: row['split'],
  } as Example
}

async function readDatabase<Result>(
  dir: string,
  work: (connection: DuckDBConnection) => Promise<Result>,
): Promise<Result> {
  const path = join(dir, databaseName)
  if (await exists(path)) return withDatabase(path, work)
  throw new AppError('no-dataset', {
    where: dir,
    what: { en: `there is no ${databaseName} here`, ru: `здесь нет файла ${databaseName}` },
    fix: { en: 'Build the dataset first: dvoynik build', ru: 'Сначала соберите набор данных: dvoynik build' },
  })
}

export type ExportFormat = FormatName | 'jsonl' | 'csv' | 'parquet'

export interface ExportOptions extends FormatOptions {
  /** Only the examples of one side; default both. */
  readonly split?: Example['split']
}

/** One row per turn, with its example beside it. */
const flatTurns = `
select e.id, e.copy, e.split, e.system, e.file, t.n, t.speaker, t.role, t.text, t.remark, t.learn
from examples e join turns t on t.example = e.id`

/**
 * Writes the dataset as one file: `jsonl` holds the examples, `csv` and `parquet` one row per turn, the rest as in `formats`.
 * @returns the writer's report where a format may leave rows out
 * @throws AppError `no-dataset`
 */
export async function exportDataset(
  dir: string,
  format: ExportFormat,
  path: string,
  { split, ...options }: ExportOptions = {},
): Promise<StageReport | undefined> {
  await mkdir(dirname(path), { recursive: true })
  if (format === 'csv' || format === 'parquet') {
    await copyTable(dir, format, path, split)
    return undefined
  }
  const all = await readExamples(dir)
  const examples = split === undefined ? all : all.filter(example => example.split === split)
  if (format === 'jsonl') {
    await writeFileAtomic(path, toJsonLines(examples))
    return undefined
  }
  const { text, report } = formats[format].write(examples, options)
  await writeFileAtomic(path, text)
  return report
}

async function copyTable(
  dir: string,
  format: 'csv' | 'parquet',
  path: string,
  split: Example['split'] | undefined,
): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  const where = split === undefined ? '' : ` where e.split = '${split}'`
  const how = format === 'csv' ? 'format csv, header' : 'format parquet, compression zstd'
  try {
    await readDatabase(dir, connection =>
      connection.run(`copy (${flatTurns}${where} order by e.n, t.n) to '${temporary.replaceAll("'", "''")}' (${how})`),
    )
    await rename(temporary, path)
  } finally {
    await rm(temporary, { force: true })
  }
}

/** The drops kept beside the dataset. */
export async function readDrops(dir: string): Promise<Drop[]> {
  const text = await readFile(join(dir, 'drops.jsonl'), 'utf8')
  return text.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line) as Drop]))
}
