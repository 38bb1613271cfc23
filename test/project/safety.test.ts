// What a project must survive: two commands at once, wrong names, folders of other people's things.
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../src/base/errors.js'
import { buildDataset, exportProjectDataset } from '../../src/project/dataset.js'
import { explainText } from '../../src/project/explain.js'
import { withProjectLock } from '../../src/project/lock.js'
import { changePeople, choosePerson, findPeople } from '../../src/project/people.js'
import { addSource, changePlan, initProject, openProject, type Project } from '../../src/project/project.js'
import type { StageOutcome } from '../../src/project/stage.js'
import { addProjectTokens, trainTokenizer } from '../../src/project/tokenizer.js'
import { trainProject } from '../../src/project/train.js'

const folder = (): string => mkdtempSync(join(tmpdir(), 'dvoynik-safety-'))
const newProject = (): Promise<Project> => initProject(join(folder(), 'hero'))

async function failure(work: Promise<unknown>, hide: string): Promise<string[]> {
  const error = await work.then(
    () => new Error('nothing was thrown'),
    (thrown: unknown) => thrown as Error,
  )
  if (!(error instanceof AppError)) throw error
  const clean = (text: string): string => text.replaceAll(hide, 'PLACE').replaceAll(String(process.pid), 'PID')
  return [error.code, ...(['en', 'ru'] as const).map(lang => clean(error.render(lang)))]
}

function writeBook(): string {
  const path = join(folder(), 'book.txt')
  const lines = ['Вера вошла в дом.', '— Кто там? — спросил Егор.', '— Это я, Егор, — сказала Вера.', 'Егор ждал Веру.']
  writeFileSync(path, Array.from({ length: 8 }, () => lines.join('\n')).join('\n'))
  return path
}

describe('a project lock', () => {
  it('lets one command work at a time', async () => {
    const { folder: place } = await newProject()
    const second = withProjectLock(place, () =>
      failure(
        withProjectLock(place, async () => undefined),
        place,
      ),
    )
    expect(await second).toMatchInlineSnapshot(`
      [
        "project-busy",
        "PLACE/.lock: another command (process PID) is changing this project. Wait until it ends; if no such command runs, delete this file.",
        "PLACE/.lock: проект сейчас меняет другая команда (процесс PID). Дождитесь её конца; если такой команды нет, удалите этот файл.",
      ]
    `)
    expect(existsSync(join(place, '.lock'))).toBe(false)
  })

  it('of a process that has died is taken over', async () => {
    const { folder: place } = await newProject()
    for (const owner of ['4194304999', '', String(process.pid)]) {
      writeFileSync(join(place, '.lock'), owner)
      expect(await withProjectLock(place, async () => 'worked')).toBe('worked')
    }
  })

  it('of a process that has died is taken by one of many that come at once', async () => {
    const { folder: place } = await newProject()
    for (const owner of ['4194304999', '']) {
      writeFileSync(join(place, '.lock'), owner)
      let working = 0
      const work = async (): Promise<string> => {
        expect(++working).toBe(1)
        await new Promise(resolve => setTimeout(resolve, 5))
        working--
        return 'worked'
      }
      const all = Array.from({ length: 8 }, () => withProjectLock(place, work).catch((error: AppError) => error.code))
      const ends = await Promise.all(all)
      expect(ends).toContain('worked')
      expect(ends.every(end => end === 'worked' || end === 'project-busy')).toBe(true)
      expect(readdirSync(place).filter(name => name.startsWith('.lock'))).toEqual([])
    }
  })

  it('that is held keeps the plan as it is', async () => {
    const { project } = await addSource(await newProject(), writeBook())
    await findPeople(project)
    const plan = readFileSync(join(project.folder, 'dvoynik.json'), 'utf8')
    const refused = await withProjectLock(project.folder, () =>
      Promise.all(
        [addProjectTokens(project, ['<new>']), choosePerson(project, 'ВЕРА')].map(work =>
          failure(work, project.folder).then(([code]) => code),
        ),
      ),
    )
    expect(refused).toEqual(['project-busy', 'project-busy'])
    expect(readFileSync(join(project.folder, 'dvoynik.json'), 'utf8')).toBe(plan)
  })

  it('loses no book when several are added at once', async () => {
    const project = await newProject()
    const stale = await openProject(project.folder)
    await addSource(project, writeBook())
    const other = join(folder(), 'other.txt')
    writeFileSync(other, 'Егор ушёл в сад и там остался.\n')
    await addSource(stale, other)
    expect((await openProject(project.folder)).plan.sources.map(({ file }) => file)).toEqual(['book.txt', 'other.txt'])
  })
})

describe('a character', () => {
  it('can be chosen although the plan names nobody of the book', async () => {
    const { project } = await addSource(await newProject(), writeBook())
    const wrong = await changePlan(project, { focus: 'Зимарод' })
    expect((await findPeople(wrong)).focus).toBeUndefined()
    expect((await choosePerson(wrong, 'ВЕРА')).name).toBe('Вера')
    expect((await openProject(project.folder)).plan.focus).toBe('Вера')
  })
})

describe('the list of people', () => {
  it('is made anew when it was deleted, and kept with a warning when it was edited and the book changed', async () => {
    const book = writeBook()
    const { project } = await addSource(await newProject(), book)
    const path = join(project.folder, 'dictionaries', 'people.txt')
    await findPeople(project)
    const written = readFileSync(path, 'utf8')
    rmSync(path)
    expect((await findPeople(project)).register.people.map(({ name }) => name).sort()).toEqual(['Вера', 'Егор'])
    expect(readFileSync(path, 'utf8')).toBe(written)
    writeFileSync(path, written.replaceAll('Егор', 'Егорий'))
    writeFileSync(book, 'Пришёл Степан.\n— Это Степан! — сказала Вера Степану.\n'.repeat(6))
    await addSource(project, book)
    const warnings: string[] = []
    await findPeople(project, { onWarning: ({ en }) => void warnings.push(en) })
    expect(warnings).toMatchInlineSnapshot(`
      [
        "dictionaries/people.txt was edited by you and is used as it is; people found since then are not in it (delete it to have it made anew)",
      ]
    `)
    expect(readFileSync(path, 'utf8')).toContain('Егорий')
  })
})

describe('a stage', () => {
  it('is told as it ends', async () => {
    const { project } = await addSource(await newProject(), writeBook())
    const heard: string[] = []
    const onStage = ({ stage, skipped }: StageOutcome): void => void heard.push(`${stage} ${skipped}`)
    await findPeople(project, { onStage })
    await findPeople(project, { onStage })
    expect(heard).toEqual(['text false', 'characters false', 'text true', 'characters true'])
  })
})

describe('files of the user', () => {
  it('are not replaced by a tokenizer', async () => {
    const place = folder()
    const text = join(place, 'text.txt')
    writeFileSync(text, 'слова и слова')
    expect(await failure(trainTokenizer([text], place, { vocabSize: 300 }), place)).toMatchInlineSnapshot(`
      [
        "not-a-tokenizer",
        "PLACE: the tokenizer would replace what lies here: text.txt. Give --out a new folder.",
        "PLACE: токенизатор заменил бы то, что здесь лежит: text.txt. Укажите в --out новую папку.",
      ]
    `)
    expect(readFileSync(text, 'utf8')).toBe('слова и слова')
    expect(await failure(trainTokenizer([text], text, { vocabSize: 300 }), place)).toMatchInlineSnapshot(`
      [
        "not-a-tokenizer",
        "PLACE/text.txt: the tokenizer would replace what lies here: PLACE/text.txt. Give --out a new folder.",
        "PLACE/text.txt: токенизатор заменил бы то, что здесь лежит: PLACE/text.txt. Укажите в --out новую папку.",
      ]
    `)
  })

  it('make no tokenizer when they are not text in UTF-8', async () => {
    const place = folder()
    const text = join(place, 'text.txt')
    writeFileSync(text, Buffer.from([0xd1, 0x8f, 0x0a, 0xcf, 0xf0, 0xe8]))
    const work = trainTokenizer([text], join(place, 'out'), { vocabSize: 300 })
    expect(await failure(work, place)).toMatchInlineSnapshot(`
      [
        "not-utf8",
        "PLACE/text.txt:2: this is not text in UTF-8. Give plain texts in UTF-8; other encodings must be converted first.",
        "PLACE/text.txt:2: это не текст в UTF-8. Дайте простые тексты в UTF-8; другие кодировки сначала преобразуйте.",
      ]
    `)
  })

  it('are not deleted by a run with a strange name', async () => {
    const project = await newProject()
    for (const run of ['..', '.', '', '../../x', 'a/b']) {
      const [code] = await failure(trainProject(project, { run, fresh: true }), project.folder)
      expect(code).toBe('bad-run-name')
    }
    expect(existsSync(join(project.folder, 'dvoynik.json'))).toBe(true)
  })

  it('are not replaced by an exported dataset when they are folders', async () => {
    const project = await newProject()
    mkdirSync(join(project.folder, 'dataset'))
    writeFileSync(join(project.folder, 'dataset', 'examples.jsonl'), '')
    expect(await failure(exportProjectDataset(project, 'csv', project.folder), project.folder)).toMatchInlineSnapshot(`
      [
        "target-is-folder",
        "PLACE: this is a folder. Give the name of a file.",
        "PLACE: это папка. Укажите имя файла.",
      ]
    `)
  })
})

describe.skipIf(process.platform === 'win32')('pipes and devices', () => {
  it('are not replaced by an exported dataset', async () => {
    const project = await newProject()
    mkdirSync(join(project.folder, 'dataset'))
    writeFileSync(join(project.folder, 'dataset', 'examples.jsonl'), '')
    const pipe = join(project.folder, 'pipe')
    const server = createServer().listen(pipe)
    await once(server, 'listening')
    expect(await failure(exportProjectDataset(project, 'jsonl', pipe), project.folder)).toMatchInlineSnapshot(`
      [
        "target-is-no-file",
        "PLACE/pipe: this is a pipe or a device, and a dataset is written as a file. Give the name of a file and pass that on.",
        "PLACE/pipe: это канал или устройство, а набор данных записывается файлом. Укажите имя файла и передайте его дальше.",
      ]
    `)
    expect(statSync(pipe).isSocket()).toBe(true)
    server.close()
  })
})

describe('an explanation', () => {
  it('says in the language of the user what a rule decided', async () => {
    const [first] = await explainText(await newProject(), '— Иду, — сказал он.')
    expect(first).toMatchInlineSnapshot(`
      {
        "detail": {
          "en": "dash in «— Иду, — сказ»: speech and narration meet here",
          "ru": "тире в «— Иду, — сказ»: граница речи и слов автора",
        },
        "rule": "opening-dash",
        "stage": "dialogue",
      }
    `)
  })

  it('knows what the user wrote into a dictionary', async () => {
    const project = await newProject()
    await addSource(project, writeBook())
    await choosePerson(await openProject(project.folder), 'Вера')
    const chosen = await openProject(project.folder)
    await buildDataset(chosen)
    const path = join(project.folder, 'dictionaries', 'me.txt')
    writeFileSync(path, readFileSync(path, 'utf8').replace(/^(веру\s*=\s*).*$/mu, '$1меня, любимую'))
    const edits = (await explainText(chosen, 'Егор ждал Веру.')).filter(({ stage }) => stage === 'rewrite')
    expect(edits.map(({ detail }) => detail.en)).toEqual(['«Веру» → «меня, любимую»'])
  })
})

describe('the plan', () => {
  it('follows a person who is renamed', async () => {
    const project = await newProject()
    await addSource(project, writeBook())
    await choosePerson(await openProject(project.folder), 'Вера')
    await changePlan(project, { partner: 'Егор' })
    await changePeople(await openProject(project.folder), { kind: 'rename', name: 'Вера', to: 'Вера Павловна' })
    const { focus, partner } = (await openProject(project.folder)).plan
    expect([focus, partner]).toEqual(['Вера Павловна', 'Егор'])
  })
})
