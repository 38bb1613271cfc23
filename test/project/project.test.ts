// The project folder: its plan, its manifests, and the texts that the user may edit.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import { assetPath } from '../../src/base/package.js'
import type { Progress } from '../../src/base/progress.js'
import { isEdited, writeEditable, writeEdited } from '../../src/project/editable.js'
import { buildDataset } from '../../src/project/dataset.js'
import { findPeople } from '../../src/project/people.js'
import { stageState, writeManifest } from '../../src/project/manifest.js'
import { planJsonSchema, readPlan } from '../../src/project/plan.js'
import { addSource, changePlan, initProject, openProject, type Project } from '../../src/project/project.js'
import { loadTrained } from '../../src/project/train.js'

const folder = (): string => mkdtempSync(join(tmpdir(), 'dvoynik-project-'))

async function failure(work: Promise<unknown>, hide: string): Promise<string[]> {
  const error = await work.then(
    () => new Error('nothing was thrown'),
    (thrown: unknown) => thrown as Error,
  )
  if (!(error instanceof AppError)) throw error
  return [error.code, ...(['en', 'ru'] as const).map(lang => error.render(lang).replaceAll(hide, 'PROJECT'))]
}

async function newProject(): Promise<Project> {
  return initProject(join(folder(), 'hero'))
}

describe('a project', () => {
  it('is made private, with every option of its plan visible', async () => {
    const project = await newProject()
    expect(statSync(project.folder).mode & 0o777).toBe(0o700)
    const plan = JSON.parse(readFileSync(join(project.folder, 'dvoynik.json'), 'utf8')) as Record<
      string,
      Record<string, unknown>
    >
    expect(plan.name).toBe('hero')
    expect(plan.train.method).toEqual({
      kind: 'lora',
      rank: 16,
      alpha: 32,
      rankStabilized: false,
      targets: 'all-linear',
    })
  })

  it('is never made over another one or over other files', async () => {
    const project = await newProject()
    expect(await failure(initProject(project.folder), project.folder)).toMatchInlineSnapshot(`
      [
        "project-exists",
        "PROJECT: there is a project here already (dvoynik.json). Go into the folder, or choose another name.",
        "PROJECT: здесь уже есть проект (dvoynik.json). Перейдите в папку или выберите другое имя.",
      ]
    `)
    const other = folder()
    writeFileSync(join(other, 'photo.jpg'), '')
    expect(await failure(initProject(other), other)).toMatchInlineSnapshot(`
      [
        "folder-not-empty",
        "PROJECT: the folder holds 1 other files. Choose a new or an empty folder.",
        "PROJECT: в папке уже есть другие файлы (1). Выберите новую или пустую папку.",
      ]
    `)
  })

  it('says what is wrong with a plan', async () => {
    const { folder: place, plan } = await newProject()
    const tryPlan = async (change: unknown): Promise<string[]> => {
      writeFileSync(join(place, 'dvoynik.json'), JSON.stringify({ ...plan, ...(change as object) }))
      return failure(readPlan(place), place)
    }
    expect(await tryPlan({ trian: {} })).toMatchInlineSnapshot(`
      [
        "unknown-key",
        "PROJECT/dvoynik.json: unknown key "trian" with the value {}. Did you mean "train"?",
        "PROJECT/dvoynik.json: неизвестный ключ «trian» со значением {}. Может быть, «train»?",
      ]
    `)
    expect(await tryPlan({ train: { ...plan.train, learnRate: 1 } })).toMatchInlineSnapshot(`
      [
        "unknown-key",
        "PROJECT/dvoynik.json, key train: unknown key "learnRate" with the value 1. Did you mean "learningRate"?",
        "PROJECT/dvoynik.json, ключ train: неизвестный ключ «learnRate» со значением 1. Может быть, «learningRate»?",
      ]
    `)
    expect(await tryPlan({ train: { ...plan.train, method: { kind: 'lora', rnk: 3 } } })).toMatchInlineSnapshot(`
      [
        "unknown-key",
        "PROJECT/dvoynik.json, key train.method: unknown key "rnk" with the value 3. Did you mean "rank"?",
        "PROJECT/dvoynik.json, ключ train.method: неизвестный ключ «rnk» со значением 3. Может быть, «rank»?",
      ]
    `)
    expect(await tryPlan({ dataset: { ...plan.dataset, copies: [] } })).toMatchInlineSnapshot(`
      [
        "bad-setting",
        "PROJECT/dvoynik.json, key dataset.copies: expected a list in [ ], at least 1 long, each item "original", "me" or "ti"; received []. Correct it; the default is ["original","me","ti"].",
        "PROJECT/dvoynik.json, ключ dataset.copies: ожидается список в [ ] длиной не меньше 1, каждый элемент: "original", "me" или "ti"; получено []. Исправьте; по умолчанию ["original","me","ti"].",
      ]
    `)
    expect(await tryPlan({ sources: [{ file: 'book.txt' }, { file: '../../book.txt' }] })).toMatchInlineSnapshot(`
      [
        "bad-source-name",
        "PROJECT/dvoynik.json, key sources.1.file: expected the name of a file in sources/, without folders; received "../../book.txt". Add the book with \`dvoynik add\`, which copies it there.",
        "PROJECT/dvoynik.json, ключ sources.1.file: ожидается имя файла из sources/, без папок; получено "../../book.txt". Добавьте книгу: \`dvoynik add\` скопирует её туда.",
      ]
    `)
    for (const file of ['..', 'a/b', '/etc/passwd']) expect((await tryPlan({ sources: [{ file }] }))[0]).toBe('bad-source-name') // prettier-ignore
    const empty = folder()
    expect(await failure(readPlan(empty), empty)).toMatchInlineSnapshot(`
      [
        "no-project",
        "PROJECT: no dvoynik.json here: this is not a project folder. Run \`dvoynik init NAME\` and go into the folder.",
        "PROJECT: здесь нет dvoynik.json: это не папка проекта. Выполните \`dvoynik init ИМЯ\` и перейдите в папку.",
      ]
    `)
  })

  it('ships a JSON Schema that refuses unknown keys', () => {
    const schema = planJsonSchema() as { additionalProperties: boolean; properties: Record<string, unknown> }
    expect(schema.additionalProperties).toBe(false)
    expect(Object.keys(schema.properties)).toContain('train')
  })

  it('copies a book in and notes it once, however often it is added', async () => {
    const book = join(folder(), 'book.txt')
    writeFileSync(book, 'Вера вошла в дом и села у окна.\n— Кто там? — спросила она.\n')
    let project = await newProject()
    project = (await addSource(project, book)).project
    project = (await addSource(project, book)).project
    expect((await openProject(project.folder)).plan.sources).toEqual([{ file: 'book.txt' }])
    expect(readFileSync(join(project.folder, 'sources', 'book.txt'), 'utf8')).toContain('Вера')
  })

  it('reads a damaged book when asked to, and remembers that', async () => {
    const book = join(folder(), 'torn.txt')
    const text = Buffer.from('Вера вошла в дом и села у окна, а потом вышла в сад.\n')
    writeFileSync(book, Buffer.concat([text, Buffer.from([0xd0, 0x0a]), text]))
    const project = await newProject()
    expect(await failure(addSource(project, book), join(book, '..'))).toMatchInlineSnapshot(`
      [
        "damaged-text",
        "PROJECT/torn.txt:2: damaged UTF-8: 1 bad of 77 letters beyond ASCII, the first at byte 91. Take an undamaged copy, or add --lenient (in the plan and in code lenient: true) to read "�" in their place.",
        "PROJECT/torn.txt:2: повреждённый UTF-8: негодных букв 1 из 77, первая — байт 91. Возьмите целую копию или добавьте --lenient (в плане и в коде lenient: true): на их месте будет «�».",
      ]
    `)
    const added = await addSource(project, book, { lenient: true })
    expect(added.report.counts?.['bytes:replaced']).toBe(1)
    expect(added.project.plan.sources).toEqual([{ file: 'torn.txt', lenient: true }])
    const [{ reports }] = await findPeople(added.project).then(({ outcomes }) => outcomes)
    expect(reports[0].counts?.['bytes:replaced']).toBe(1)
  })

  it('leaves nothing behind of a book that cannot be read', async () => {
    const book = join(folder(), 'empty.txt')
    writeFileSync(book, '')
    const project = await newProject()
    await expect(addSource(project, book)).rejects.toThrow(AppError)
    expect((await openProject(project.folder)).plan.sources).toEqual([])
  })
})

describe('a manifest', () => {
  it('makes a stage done until an input, an option or an output changes', async () => {
    const project = await newProject()
    const [input, output] = ['in.txt', 'out.txt'].map(name => join(project.folder, name))
    writeFileSync(input, 'a')
    writeFileSync(output, 'b')
    const stage = { stage: 'text', options: { x: 1 }, inputs: ['in.txt'] }
    const state = (options: unknown = { x: 1 }) => stageState(project.folder, { ...stage, options })
    expect(await state()).toBe('missing')
    await writeManifest(project.folder, stage, ['out.txt'], [])
    expect([await state(), await state({ x: 2 })]).toEqual(['done', 'stale'])
    writeFileSync(output, 'damaged')
    expect(await state()).toBe('stale')
    writeFileSync(output, 'b')
    writeFileSync(input, 'aa')
    expect(await state()).toBe('stale')
  })
})

describe('an editable text', () => {
  it('is made anew while untouched and kept once edited', async () => {
    const path = join(folder(), 'dictionaries', 'people.txt')
    expect(await writeEditable(path, 'one\n')).toBe('written')
    expect(await writeEditable(path, 'one\n')).toBe('unchanged')
    expect(await writeEditable(path, 'two\n')).toBe('written')
    writeFileSync(path, readFileSync(path, 'utf8').replace('two', 'mine'))
    expect(await writeEditable(path, 'three\n')).toBe('kept')
    expect(readFileSync(path, 'utf8')).toContain('mine')
  })

  it('counts as edited when a command changed it for the user', async () => {
    const path = join(folder(), 'people.txt')
    await writeEdited(path, 'mine\n')
    expect(isEdited(readFileSync(path, 'utf8'))).toBe(true)
    expect(await writeEditable(path, 'new\n')).toBe('kept')
  })
})

describe('options of a plan', () => {
  it('are changed in the file too', async () => {
    const project = await changePlan(await newProject(), { focus: 'Вера' })
    expect((await openProject(project.folder)).plan.focus).toBe('Вера')
  })
})

describe('building a dataset', () => {
  it('stops inside a book, leaves nothing behind and is done by the same call again', async () => {
    const added = await addSource(await newProject(), assetPath('story', 'chuzhoe_palto.txt'))
    const project = await changePlan(added.project, { focus: 'Тихон' })
    const stop = new AbortController()
    const told: Progress[] = []
    const onProgress = (progress: Progress): void => {
      if (progress.stage !== 'dataset' || progress.done === 0) return
      told.push(progress)
      stop.abort()
    }
    expect(await failure(buildDataset(project, { signal: stop.signal, onProgress }), project.folder))
      .toMatchInlineSnapshot(`
      [
        "interrupted",
        "stopped before the end of the stage "Dataset". Run the same command again to go on.",
        "остановлено до конца этапа «Набор данных». Повторите ту же команду, чтобы продолжить.",
      ]
    `)
    const { done, total } = told.at(-1)!
    expect(done).toBeLessThan(total!)
    expect(existsSync(join(project.folder, 'dataset'))).toBe(false)
    const outcomes = await buildDataset(project)
    expect(outcomes.map(({ stage, skipped }) => [stage, skipped])).toEqual([
      ['text', true],
      ['characters', true],
      ['dataset', false],
    ])
  })
})

describe('a run that is not there', () => {
  it('is told with those that are', async () => {
    const project = await newProject()
    expect(await failure(loadTrained(project), project.folder)).toMatchInlineSnapshot(`
      [
        "no-run",
        "PROJECT/runs/main/model: the run "main" is not finished or does not exist. Run \`dvoynik train\` first.",
        "PROJECT/runs/main/model: прогон «main» не закончен или его нет. Сначала выполните \`dvoynik train\`.",
      ]
    `)
    mkdirSync(join(project.folder, 'runs', 'wild', 'model'), { recursive: true })
    expect(await failure(loadTrained(project, 'tame'), project.folder)).toMatchInlineSnapshot(`
      [
        "no-run",
        "PROJECT/runs/tame/model: the run "tame" is not finished or does not exist. Run \`dvoynik train --name tame\` first, or talk to another one: --name wild.",
        "PROJECT/runs/tame/model: прогон «tame» не закончен или его нет. Сначала выполните \`dvoynik train --name tame\` или выберите другой: --name wild.",
      ]
    `)
  })
})

describe('two books of one text', () => {
  it('give their examples once, and the second ones are dropped as duplicates', async () => {
    const place = folder()
    const lines = Array.from({ length: 12 }, (_, i) => `— Это день ${i}, — сказала Вера. — Вера идёт домой.`)
    const [one, two] = ['one.txt', 'two.txt'].map(name => join(place, name))
    for (const path of [one, two]) writeFileSync(path, lines.join('\n') + '\n')
    let project = await newProject()
    for (const path of [one, two]) project = (await addSource(project, path)).project
    project = await changePlan(project, { focus: 'Вера' })
    const outcomes = await buildDataset(project)
    const [first, second] = outcomes.at(-1)!.reports.filter(report => report.stage === 'examples')
    expect(first.kept).toBeGreaterThan(0)
    expect([second.kept, second.dropped.duplicate]).toEqual([0, first.kept])
  })
})
