// Stage `text`: every source read and cleaned, kept as JSON with what was dropped beside it.
import { join } from 'node:path'
import { z } from 'zod'
import { AppError } from '../base/errors.js'
import { readJson, writeAndSync, writeFolderAtomic } from '../base/files.js'
import type { Drop, StageReport } from '../base/report.js'
import { cleanDocument } from '../cleaning/clean.js'
import type { Document } from '../sources/document.js'
import { readDocument } from '../sources/registry.js'
import { paths, type Project } from './project.js'
import { throwIfStopped, type Stage } from './stage.js'

export const textStage: Stage = {
  inputs: ({ plan }) => ({
    options: plan.sources,
    inputs: plan.sources.map(source => join(paths.sources, source.file)),
  }),
  outputs: () => [paths.text],
  async work(project, options) {
    const { sources } = project.plan
    if (sources.length === 0) throw noSources(project.folder)
    const reports: StageReport[] = []
    await writeFolderAtomic(join(project.folder, paths.text), async folder => {
      for (const { file, encoding, lenient } of sources) {
        const path = join(project.folder, paths.sources, file)
        throwIfStopped(options, 'text')
        const read = await readDocument(path, {
          encoding,
          lenient,
          onProgress: options.onProgress,
        })
        const clean = cleanDocument(read.output)
        reports.push(read.report, clean.report)
        await writeAndSync(join(folder, `${file}.json`), JSON.stringify({ ...clean.output, file }))
        await writeAndSync(join(folder, `${file}.drops.jsonl`), toLines([...read.drops, ...clean.drops], path, file))
      }
    })
    return reports
  },
}

/** The cleaned documents of a project, in the plan's order. The text stage must have run. */
export async function readCleaned(project: Project): Promise<Document[]> {
  const files = project.plan.sources.map(source => join(project.folder, paths.text, `${source.file}.json`))
  return Promise.all(files.map(async file => documentShape.parse(await readJson(file))))
}

const documentShape = z.custom<Document>(value => Array.isArray((value as Document | undefined)?.blocks))

/** Provenance names the book, not where the project happens to lie on this machine. */
function toLines(drops: readonly Drop[], path: string, file: string): string {
  return drops.map(drop => JSON.stringify({ ...drop, where: drop.where.replace(path, file) }) + '\n').join('')
}

function noSources(folder: string): AppError {
  return new AppError('no-sources', {
    where: folder,
    what: { en: 'the project has no book yet', ru: 'в проекте ещё нет книги' },
    fix: { en: 'Add one: `dvoynik add book.fb2`', ru: 'Добавьте: `dvoynik add книга.fb2`' },
  })
}
