// Stage `characters`: the register of people as an editable file, and the user's changes to it.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { AppError, type Text } from '../base/errors.js'
import { exists, readJson, writeFileAtomic } from '../base/files.js'
import type { Person, Register } from '../characters/person.js'
import { formatPeople, parsePeople } from '../characters/people-file.js'
import { findCharacters, mergePeople, renamePerson, resolvePerson, setGender } from '../characters/register.js'
import type { Document } from '../sources/document.js'
import { isEdited, writeEditable, writeEdited } from './editable.js'
import { withProjectLock } from './lock.js'
import { changePlan, paths, type Project } from './project.js'
import { runStage, type Stage, type StageOptions, type StageOutcome } from './stage.js'
import { readCleaned, textStage } from './text.js'

export interface TellOptions extends StageOptions {
  readonly onWarning?: (text: Text) => void
}

const foundFile = join('dictionaries', 'found.json')

/** The file people.txt is no output here: the user may edit it, and then it must not be made anew. */
export const charactersStage: Stage = {
  inputs: () => ({ options: {}, inputs: [paths.text] }),
  outputs: () => [foundFile],
  async work(project) {
    const { output, report } = findCharacters(joinDocuments(await readCleaned(project)))
    await writeEditable(join(project.folder, paths.people), formatPeople(output))
    await writeFileAtomic(join(project.folder, foundFile), JSON.stringify(output, null, 1) + '\n')
    return [report]
  },
}

/** Several books of a project share their people, so they are searched as one text. */
function joinDocuments(documents: readonly Document[]): Document {
  return { ...documents[0], blocks: documents.flatMap(document => document.blocks) }
}

export interface FoundPeople {
  readonly register: Register
  /** The character of the plan; undefined when none is chosen or the name is not in the register. */
  readonly focus: Person | undefined
  readonly outcomes: readonly StageOutcome[]
}

/** Reads, cleans and searches the sources where that is not done yet, and gives the register with the user's edits. */
export async function findPeople(project: Project, options: TellOptions = {}): Promise<FoundPeople> {
  const text = await runStage('text', textStage, project, options)
  const characters = await runStage('characters', charactersStage, project, options)
  await restorePeople(project)
  if (!characters.skipped && isEdited(await readFile(join(project.folder, paths.people), 'utf8')))
    options.onWarning?.(keptPeople)
  const register = await readPeople(project)
  return { register, focus: focusOf(register, project.plan.focus), outcomes: [text, characters] }
}

/** A file that the user deleted is made anew from what was found. */
async function restorePeople(project: Project): Promise<void> {
  const path = join(project.folder, paths.people)
  if (await exists(path)) return
  const found = registerShape.parse(await readJson(join(project.folder, foundFile)))
  await writeEditable(path, formatPeople(found))
}

const registerShape = z.custom<Register>(value => Array.isArray((value as Register | undefined)?.people))

const keptPeople: Text = {
  en: `${paths.people} was edited by you and is used as it is; people found since then are not in it (delete it to have it made anew)`,
  ru: `${paths.people} изменён вами и используется как есть; найденных с тех пор людей в нём нет (удалите его, и он будет создан заново)`,
}

/** Choosing another name must be possible when the one in the plan is wrong, so this does not throw. */
function focusOf(register: Register, name: string | undefined): Person | undefined {
  try {
    return name === undefined ? undefined : resolvePerson(register, name)
  } catch (thrown) {
    if (thrown instanceof AppError) return undefined
    throw thrown
  }
}

/** @throws AppError with the line of dictionaries/people.txt that cannot be read */
export async function readPeople(project: Project): Promise<Register> {
  const path = join(project.folder, paths.people)
  return parsePeople(await readFile(path, 'utf8'), path)
}

export type PeopleChange =
  | { readonly kind: 'merge'; readonly names: readonly string[] }
  | { readonly kind: 'rename'; readonly name: string; readonly to: string }
  | { readonly kind: 'gender'; readonly name: string; readonly gender: 'm' | 'f' }

/** Applies a change to dictionaries/people.txt; from then on the file counts as edited by the user. */
export async function changePeople(
  project: Project,
  change: PeopleChange,
  options: TellOptions = {},
): Promise<Register> {
  const { register } = await findPeople(project, options)
  const changed = applyChange(register, change)
  await withProjectLock(project.folder, async () => {
    await writeEdited(join(project.folder, paths.people), formatPeople(changed))
    if (change.kind === 'rename') await renameInPlan(project, register, change)
  })
  return changed
}

/** The plan names people; one that it names keeps being the one under the new name. */
async function renameInPlan(
  project: Project,
  before: Register,
  { name, to }: Extract<PeopleChange, { kind: 'rename' }>,
): Promise<void> {
  const { id } = resolvePerson(before, name)
  const { focus, partner } = project.plan
  const renamed = (named: string | undefined): boolean => focusOf(before, named)?.id === id
  if (renamed(focus) || renamed(partner))
    await changePlan(project, {
      ...(renamed(focus) ? { focus: to } : {}),
      ...(renamed(partner) ? { partner: to } : {}),
    })
}

function applyChange(register: Register, change: PeopleChange): Register {
  const id = (name: string): string => resolvePerson(register, name).id
  if (change.kind === 'merge') {
    const [keep, ...others] = change.names.map(id)
    return others.reduce((merged, other) => mergePeople(merged, keep, other), register)
  }
  if (change.kind === 'rename') return renamePerson(register, id(change.name), change.to)
  return setGender(register, id(change.name), change.gender)
}

/** Notes in the plan whom the model is to become. @throws AppError `unknown-character` with the nearest names */
export async function choosePerson(project: Project, name: string, options: TellOptions = {}): Promise<Person> {
  const { register } = await findPeople(project, options)
  const person = resolvePerson(register, name)
  await withProjectLock(project.folder, () => changePlan(project, { focus: person.name }))
  return person
}
