// A dataset folder: written, read back, exported, and untouched when writing fails.
import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Example } from '../../src/dataset/example.js'
import { exportDataset, readDrops, readExamples, writeDataset, type Dataset } from '../../src/dataset/store.js'

const examples: Example[] = [
  {
    id: 'b',
    copy: 'original',
    system: 'Ты — мельник.',
    turns: [
      { speaker: 'Дарья', role: 'other', text: 'Ты «дома», а?', remark: 'спросила она', learn: false },
      { speaker: 'Савва', role: 'own', text: "Дома, 'да'.", learn: true },
    ],
    source: {
      file: 'story.txt',
      spans: [
        [0, 10],
        [11, 20],
      ],
    },
    split: 'train',
  },
  {
    id: 'a',
    copy: 'me',
    turns: [{ speaker: 'Савва', role: 'own', text: 'Иду.', learn: true }],
    source: { file: 'chat.json', messageIds: ['m1', 'm2'] },
    split: 'held-out',
  },
]
const dataset: Dataset = {
  examples,
  drops: [{ stage: 'examples', reason: 'too-short', text: 'Да.', where: 'story.txt:3' }],
  register: { people: [{ id: 'savva', name: 'Савва', gender: 'm', aliases: [], count: 2 }] },
  reports: [{ stage: 'examples', unit: 'examples', input: 3, kept: 2, dropped: { 'too-short': 1 }, seconds: 0 }],
}

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dvoynik-dataset-'))
})
afterEach(() => rm(dir, { recursive: true }))

describe('the dataset folder', () => {
  it('gives back the examples in order, with provenance, and the drops', async () => {
    await writeDataset(dir, dataset)
    expect(await readExamples(dir)).toEqual(examples)
    expect(await readDrops(dir)).toEqual(dataset.drops)
    expect((await readdir(dir)).sort()).toEqual(['dataset.duckdb', 'drops.jsonl', 'examples.jsonl'])
    const lines = (await readFile(join(dir, 'examples.jsonl'), 'utf8')).trim().split('\n')
    expect(lines.map(line => JSON.parse(line) as Example)).toEqual(examples)
  })

  it('replaces the dataset as a whole, and is only the owner’s', async () => {
    const inner = join(dir, 'dataset')
    await writeDataset(inner, dataset)
    await writeDataset(inner, { ...dataset, examples: examples.slice(1) })
    expect(await readExamples(inner)).toEqual(examples.slice(1))
    expect((await stat(inner)).mode & 0o777).toBe(0o700)
  })

  it('exports CSV, Parquet, JSONL and every text format, whole or one side', async () => {
    await writeDataset(dir, dataset)
    await exportDataset(dir, 'csv', join(dir, 'out', 'turns.csv'))
    const csv = (await readFile(join(dir, 'out', 'turns.csv'), 'utf8')).trim().split('\n')
    expect(csv[0]).toBe('id,copy,split,system,file,n,speaker,role,text,remark,learn')
    expect(csv).toHaveLength(4)
    await exportDataset(dir, 'parquet', join(dir, 'turns.parquet'), { split: 'train' })
    expect((await readFile(join(dir, 'turns.parquet'))).subarray(0, 4).toString()).toBe('PAR1')
    await exportDataset(dir, 'jsonl', join(dir, 'held.jsonl'), { split: 'held-out' })
    expect(JSON.parse(await readFile(join(dir, 'held.jsonl'), 'utf8'))).toEqual(examples[1])
    const report = await exportDataset(dir, 'time', join(dir, 'book.txt'))
    expect(await readFile(join(dir, 'book.txt'), 'utf8')).toBe(
      "<char>Ты «дома», а? (спросила она)\n<char>Дома, 'да'.\n\n<char>Иду.\n",
    )
    expect(report).toMatchObject({ input: 2, kept: 2 })
  })

  it('refuses two examples with one id before it touches the folder', async () => {
    await expect(
      writeDataset(dir, { ...dataset, examples: [examples[0], examples[0]] }),
    ).rejects.toThrowErrorMatchingInlineSnapshot(
      `[AppError: story.txt: two examples have the id b. Add each source once, or drop duplicates first.]`,
    )
    expect(await readdir(dir)).toEqual([])
  })

  it('says so where there is no dataset', async () => {
    const error = await readExamples(dir).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'no-dataset', where: dir })
    expect((error as Error).message.replace(dir, 'DIR')).toMatchInlineSnapshot(
      `"DIR: there is no dataset.duckdb here. Build the dataset first: dvoynik build."`,
    )
  })
})
