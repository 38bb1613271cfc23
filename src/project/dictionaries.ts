// The pronoun dictionaries of a project: written for the character, read back with what the user changed in them.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exists } from '../base/files.js'
import { buildDictionary, formatDictionary, parseDictionary, type PronounDictionary } from '../characters/dictionary.js'
import type { Person, Register, RewriteMode } from '../characters/person.js'
import { writeEditable } from './editable.js'
import type { TellOptions } from './people.js'
import { paths, type Project } from './project.js'

interface Dictionaries {
  readonly me: PronounDictionary
  readonly ti: PronounDictionary
}

/** What the user changed in me.txt and ti.txt against what was generated; these entries win over the rules. */
export async function readDictionaries(project: Project, register: Register, focus: Person): Promise<Dictionaries> {
  const read = async (path: string, kind: 'me' | 'ti'): Promise<PronounDictionary> => {
    const full = join(project.folder, path)
    if (!(await exists(full))) return { person: kind, entries: new Map() }
    const generated = buildDictionary(register, focus.id, kind).entries
    const { entries } = parseDictionary(await readFile(full, 'utf8'), kind, full)
    return { person: kind, entries: new Map([...entries].filter(([form, word]) => generated.get(form) !== word)) }
  }
  return { me: await read(paths.me, 'me'), ti: await read(paths.ti, 'ti') }
}

export function chooseDictionary({ me, ti }: Dictionaries, mode: RewriteMode): PronounDictionary {
  const kind = mode.kind === 'all' ? mode.person : mode.kind === 'address' ? 'ti' : 'me'
  return kind === 'me' ? me : ti
}

/** Writes dictionaries/me.txt and ti.txt for the focus, unless the user has edited them. */
export async function writeDictionaries(
  project: Project,
  register: Register,
  focus: Person,
  options: TellOptions,
): Promise<void> {
  for (const [path, kind] of [
    [paths.me, 'me'],
    [paths.ti, 'ti'],
  ] as const) {
    const outcome = await writeEditable(
      join(project.folder, path),
      formatDictionary(buildDictionary(register, focus.id, kind)),
    )
    if (outcome === 'kept') {
      options.onWarning?.({
        en: `${path} was edited by you and is used as it is`,
        ru: `${path} изменён вами и используется как есть`,
      })
    }
  }
}
