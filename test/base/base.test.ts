// The ground everything stands on: errors, settings, files, random numbers, reports.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { AppError } from '../../src/base/errors.js'
import {
  ensurePrivateFolder,
  readJson,
  writeAndSync,
  writeFileAtomic,
  writeFolderAtomic,
} from '../../src/base/files.js'
import { canonicalJson, sha256, sha256File } from '../../src/base/hash.js'
import { nearestName } from '../../src/base/nearest.js'
import { normalAt, permutation, streamOf, uniformAt } from '../../src/base/random.js'
import { checkReport } from '../../src/base/report.js'
import { parseSettings } from '../../src/base/settings.js'

const folder = (): string => mkdtempSync(join(tmpdir(), 'dvoynik-base-'))

/** The AppError that `work` throws, in both languages. */
async function failure(work: () => unknown): Promise<{ code: string; en: string; ru: string }> {
  try {
    await work()
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, en: error.render('en'), ru: error.render('ru') }
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('settings', () => {
  const schema = z.strictObject({
    name: z.string(),
    train: z.strictObject({ learningRate: z.number().positive().default(1e-3), seed: z.int().default(1) }).prefault({}),
  })

  it('fills defaults in', () => {
    expect(parseSettings(schema, { name: 'a' }, 'plan')).toEqual({ name: 'a', train: { learningRate: 1e-3, seed: 1 } })
  })

  it('names the nearest known key for an unknown one', async () => {
    expect(await failure(() => parseSettings(schema, { name: 'a', train: { learningrate: 1 } }, 'dvoynik.json')))
      .toMatchInlineSnapshot(`
        {
          "code": "unknown-key",
          "en": "dvoynik.json, key train: unknown key "learningrate" with the value 1. Did you mean "learningRate"?",
          "ru": "dvoynik.json, ключ train: неизвестный ключ «learningrate» со значением 1. Может быть, «learningRate»?",
        }
      `)
  })

  it('shows a wrong value', async () => {
    expect(await failure(() => parseSettings(schema, { name: 'a', train: { learningRate: -1 } }, 'dvoynik.json')))
      .toMatchInlineSnapshot(`
        {
          "code": "bad-setting",
          "en": "dvoynik.json, key train.learningRate: expected a number above 0; received -1. Correct it; the default is 0.001.",
          "ru": "dvoynik.json, ключ train.learningRate: ожидается число больше 0; получено -1. Исправьте; по умолчанию 0.001.",
        }
      `)
  })
})

describe('JSON written by hand', () => {
  const place = folder()
  const tell = async (text: string): Promise<string> => {
    writeFileSync(join(place, 'plan.json'), text)
    const { en, ru } = await failure(() => readJson(join(place, 'plan.json')))
    return `${en}\n${ru}`.replaceAll(`${place}/`, '')
  }

  it('is told the line of its mistake', async () => {
    expect(await tell('{\n  "a": 1\n  "b": 2\n}')).toMatchInlineSnapshot(`
      "plan.json:3: this is not JSON: "b": 2. Look for a comma, a quote or a bracket that is missing or too many, here or just before.
      plan.json:3: это не JSON: "b": 2. Посмотрите, нет ли здесь или чуть раньше лишней или пропущенной запятой, кавычки или скобки."
    `)
    expect(await tell('{\n  "a": 1,\n}')).toMatchInlineSnapshot(`
      "plan.json:3: this is not JSON: }. Look for a comma, a quote or a bracket that is missing or too many, here or just before.
      plan.json:3: это не JSON: }. Посмотрите, нет ли здесь или чуть раньше лишней или пропущенной запятой, кавычки или скобки."
    `)
    expect(await tell('{\n  "name": "hero",\n  "train": fast,\n  "seed": 1\n}')).toMatchInlineSnapshot(`
      "plan.json:3: this is not JSON: "train": fast,. Look for a comma, a quote or a bracket that is missing or too many, here or just before.
      plan.json:3: это не JSON: "train": fast,. Посмотрите, нет ли здесь или чуть раньше лишней или пропущенной запятой, кавычки или скобки."
    `)
    expect(await tell('// my plan\n{}')).toMatchInlineSnapshot(`
      "plan.json:1: this is not JSON: // my plan. Look for a comma, a quote or a bracket that is missing or too many, here or just before.
      plan.json:1: это не JSON: // my plan. Посмотрите, нет ли здесь или чуть раньше лишней или пропущенной запятой, кавычки или скобки."
    `)
    expect(await tell('{\n  "a": 1\n')).toMatchInlineSnapshot(`
      "plan.json: this is not JSON: the text ends too early. Look for a comma, a quote or a bracket that is missing or too many, here or just before.
      plan.json: это не JSON: текст обрывается. Посмотрите, нет ли здесь или чуть раньше лишней или пропущенной запятой, кавычки или скобки."
    `)
    expect(await tell('')).toMatchInlineSnapshot(`
      "plan.json: this is not JSON: the text ends too early. Look for a comma, a quote or a bracket that is missing or too many, here or just before.
      plan.json: это не JSON: текст обрывается. Посмотрите, нет ли здесь или чуть раньше лишней или пропущенной запятой, кавычки или скобки."
    `)
  })

  it('may begin with the mark of a Windows editor', async () => {
    writeFileSync(join(place, 'plan.json'), '\ufeff{ "a": 1 }')
    expect(await readJson(join(place, 'plan.json'))).toEqual({ a: 1 })
  })
})

describe('files', () => {
  it('are replaced whole and leave no temporary file', async () => {
    const path = join(folder(), 'a.json')
    await writeFileAtomic(path, '1')
    await writeFileAtomic(path, '22')
    expect(readFileSync(path, 'utf8')).toBe('22')
    expect(readdirSync(join(path, '..'))).toEqual(['a.json'])
  })

  it('of a folder that fails half-way leave the old folder untouched', async () => {
    const path = join(folder(), 'model')
    await writeFolderAtomic(path, temporary => writeAndSync(join(temporary, 'x'), 'old'))
    const broken = writeFolderAtomic(path, async temporary => {
      await writeAndSync(join(temporary, 'x'), 'new')
      throw new Error('stop')
    })
    await expect(broken).rejects.toThrow('stop')
    expect(readFileSync(join(path, 'x'), 'utf8')).toBe('old')
    expect(readdirSync(join(path, '..'))).toEqual(['model'])
  })

  it('take away what a killed process left of the same folder, and nothing of one that works', async () => {
    const parent = folder()
    const others = [`.model.tmp-${process.ppid}-abc`, '.model2.tmp-4194304999-abc', '.model.tmp-abc', 'model.tmp-1-abc']
    const left = ['.model.tmp-4194304999-abc', '.model.tmp-4194304999-abc.old']
    for (const name of [...others, ...left]) {
      mkdirSync(join(parent, name))
      writeFileSync(join(parent, name, 'x'), 'x')
    }
    await writeFolderAtomic(join(parent, 'model'), temporary => writeAndSync(join(temporary, 'x'), 'new'))
    expect(readdirSync(parent).sort()).toEqual([...others, 'model'].sort())
  })

  it('on a full disk give one clear message and nothing half-written', async () => {
    // /dev/full refuses every write with ENOSPC; a folder on it is not possible, so the error itself is raised in the filler
    const path = join(folder(), 'run')
    const full = writeFolderAtomic(path, temporary =>
      writeAndSync(join(temporary, 'x'), 'x').then(() =>
        Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' })),
      ),
    )
    const error = await failure(() => full)
    expect(error.en.replace(path, 'PATH')).toMatchInlineSnapshot(
      `"PATH: the disk is full (ENOSPC). Free some space and run the command again; nothing was damaged."`,
    )
    expect(existsSync(path)).toBe(false)
  })

  it('too large for the disk name the file and the way out', async () => {
    const path = join(folder(), 'run')
    const refuse = (): Promise<never> => Promise.reject(Object.assign(new Error('too large'), { code: 'EFBIG' }))
    const { code, en, ru } = await failure(() => writeFolderAtomic(path, refuse))
    expect([code, en, ru].map(text => text.replace(path, 'PATH'))).toMatchInlineSnapshot(`
      [
        "file-too-large-to-write",
        "PATH: the file would be larger than this disk, or a limit of the system, allows (EFBIG). Use a disk that is not FAT32, whose files end at 4 GB, or raise the limit (ulimit -f); nothing was damaged.",
        "PATH: файл вышел бы больше, чем допускает этот диск или предел системы (EFBIG). Возьмите диск не с FAT32, где файл не больше 4 ГБ, или поднимите предел (ulimit -f); ничего не испорчено.",
      ]
    `)
    expect(existsSync(path)).toBe(false)
  })

  it('say which JSON is broken', async () => {
    const path = join(folder(), 'plan.json')
    writeFileSync(path, '{"a": ')
    const error = await failure(() => readJson(path))
    expect(error.code).toBe('bad-json')
    expect(error.ru).toContain('plan.json')
  })

  it('of a project are for their owner alone', async () => {
    const path = join(folder(), 'private')
    await ensurePrivateFolder(path)
    expect(statSync(path).mode & 0o777).toBe(0o700)
  })

  it('hash the same read whole or streamed', async () => {
    const path = join(folder(), 'x')
    writeFileSync(path, 'слово')
    expect(await sha256File(path)).toBe(sha256('слово'))
  })
})

describe('random numbers', () => {
  it('depend on seed, stream and counter alone and fill [0, 1) evenly', () => {
    const values = Array.from({ length: 20000 }, (_, i) => uniformAt(7, streamOf('x'), i))
    const mean = values.reduce((a, b) => a + b) / values.length
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.01)
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(0.003)
    expect(uniformAt(7, streamOf('x'), 5)).toBe(values[5])
    const lagged =
      values.slice(1).reduce((sum, v, i) => sum + (v - mean) * (values[i] - mean), 0) / values.length / variance
    expect(Math.abs(lagged)).toBeLessThan(0.03)
  })

  it('of one counter differ between neighbouring seeds and streams', () => {
    const pairs = Array.from({ length: 5000 }, (_, i) => [
      uniformAt(i, 1, 3),
      uniformAt(i + 1, 1, 3),
      uniformAt(i, 2, 3),
    ])
    const correlation = (a: number, b: number): number =>
      pairs.reduce((sum, p) => sum + (p[a] - 0.5) * (p[b] - 0.5), 0) / pairs.length / (1 / 12)
    expect(Math.abs(correlation(0, 1))).toBeLessThan(0.06)
    expect(Math.abs(correlation(0, 2))).toBeLessThan(0.06)
  })

  it('are normal where asked: moments, tails on both sides, and the same number for the same place', () => {
    const count = 400_000
    const values = Float64Array.from({ length: count }, (_, i) => normalAt(1, 2, i))
    const moment = (power: number): number => values.reduce((sum, x) => sum + x ** power, 0) / count
    // four standard errors of each mean: √((2k − 1)!! − (mean)²) / √count
    const errors = [1, 2, 15, 96].map(variance => 4 * Math.sqrt(variance / count))
    const expected = [0, 1, 0, 3]
    expected.forEach((value, k) => expect(Math.abs(moment(k + 1) - value)).toBeLessThan(errors[k]))
    // share above x, of which 3.66 lies beyond the layers of the ziggurat
    for (const [x, share] of [
      [0, 0.5],
      [1, 0.1586553],
      [2, 0.0227501],
      [3, 1.349898e-3],
      [3.66, 1.26108e-4],
      [4, 3.167124e-5],
    ] as const)
      // prettier-ignore
      for (const side of [1, -1]) {
        const found = values.reduce((sum, value) => sum + (side * value > x ? 1 : 0), 0)
        expect(Math.abs(found - share * count)).toBeLessThan(4 * Math.sqrt(share * count) + 1)
      }
    expect(normalAt(1, 2, 777)).toBe(values[777])
  })

  it('normal ones of neighbouring places, streams and seeds are not correlated', () => {
    const count = 100_000
    const correlation = (a: (i: number) => number, b: (i: number) => number): number =>
      Array.from({ length: count }, (_, i) => a(i) * b(i)).reduce((x, y) => x + y) / count
    const here = (i: number): number => normalAt(5, 6, i)
    const others = [(i: number) => normalAt(5, 6, i + 1), (i: number) => normalAt(5, 7, i), (i: number) => normalAt(6, 6, i)] // prettier-ignore
    for (const other of others) {
      expect(Math.abs(correlation(here, other))).toBeLessThan(4 / Math.sqrt(count))
      const square = (of: (i: number) => number) => (i: number) => of(i) ** 2 - 1
      expect(Math.abs(correlation(square(here), square(other)))).toBeLessThan(8 / Math.sqrt(count))
    }
  })

  it('make permutations', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 200 }), (seed, n) => {
        const order = [...permutation(seed, 1, n)].sort((a, b) => a - b)
        expect(order).toEqual(Array.from({ length: n }, (_, i) => i))
      }),
    )
  })
})

describe('reports and names', () => {
  it('a report that loses count is refused', async () => {
    const report = { stage: 'clean', unit: 'paragraphs', input: 3, kept: 1, dropped: { short: 1 }, seconds: 0 }
    expect((await failure(() => checkReport(report))).en).toMatchInlineSnapshot(
      `"stage clean lost count: 3 paragraphs in, 1 kept and 1 dropped. This is a bug in Dvoynik; please report it."`,
    )
    expect(checkReport({ ...report, kept: 2 }).kept).toBe(2)
  })

  it('the nearest name ignores case and gives up on far ones', () => {
    expect(nearestName('Галядкин', ['Петрушка', 'Голядкин'])).toBe('Голядкин')
    expect(nearestName('Раскольников', ['Петрушка', 'Голядкин'])).toBeUndefined()
  })

  it('settings in another order have the same canonical text', () => {
    expect(canonicalJson({ b: 1, a: { d: [1, { z: 1, y: 2 }], c: 2 } })).toBe(
      canonicalJson({ a: { c: 2, d: [1, { y: 2, z: 1 }] }, b: 1 }),
    )
  })
})
