// A generated text that the user may edit: its first line carries a hash, so an edited file is known and never overwritten.
import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { exists, writeFileAtomic } from '../base/files.js'
import { sha256 } from '../base/hash.js'

const marker = '# dvoynik '

/** What became of a generated file: written, already so, or kept because the user has edited it. */
export type EditableOutcome = 'written' | 'unchanged' | 'kept'

/**
 * Writes a generated text unless the user has edited the file that stands there.
 * @param body text without the first line; `#` must begin a comment in its format
 */
export async function writeEditable(path: string, body: string): Promise<EditableOutcome> {
  if (await exists(path)) {
    const present = await readFile(path, 'utf8')
    if (isEdited(present)) return 'kept'
    if (withMark(body) === present) return 'unchanged'
  }
  await mkdir(dirname(path), { recursive: true })
  await writeFileAtomic(path, withMark(body))
  return 'written'
}

/** Writes a change that the user asked for: it counts as their edit and is kept from then on. */
export async function writeEdited(path: string, body: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFileAtomic(path, `${marker}edited\n${body}`)
}

/** Whether the text differs from what was generated. */
export function isEdited(text: string): boolean {
  const end = text.indexOf('\n')
  const first = end < 0 ? text : text.slice(0, end)
  return !first.startsWith(marker) || first !== mark(text.slice(end + 1))
}

function withMark(body: string): string {
  return `${mark(body)}\n${body}`
}

function mark(body: string): string {
  return `${marker}${sha256(body).slice(0, 16)} (edit freely: an edited file is never overwritten)`
}
