// Groups of name words → people: a full name gathers its parts, and a part alone goes to the person it fits best.
import { wordKey } from '../language/words.js'
import type { NameGroup } from './capitals.js'
import { namesBehind } from './diminutives.js'
import { casesOf, type GenderVotes, type NameWord } from './name-words.js'
import type { Alias, Gender, Person } from './person.js'

/** One way a person is named, with its slots. */
interface Bundle {
  readonly words: readonly NameWord[]
  readonly gender: 'm' | 'f'
  readonly first?: string
  readonly diminutive?: string
  readonly patronymic?: string
  readonly last?: string
  readonly name: string
  count: number
}

/** A person while being gathered. */
interface Draft {
  gender: 'm' | 'f'
  first?: string
  patronymic?: string
  last?: string
  readonly diminutives: Set<string>
  readonly bundles: Bundle[]
}

/** The same person under an added word («-старший») or another one («-младший»). */
const senior = /-(?:старш|перв)(?:ий|ая|ый)$/u

/** @returns people with their aliases, most mentioned first */
export function gatherPeople(
  groups: readonly NameGroup[],
  byForm: ReadonlyMap<string, readonly NameWord[]>,
  votes: GenderVotes,
): Person[] {
  const bundles = collectBundles(groups, byForm, votes)
  const order = [...bundles.values()].sort((a, b) => rank(b) - rank(a) || b.count - a.count)
  const drafts: Draft[] = []
  for (const bundle of order) place(bundle, drafts)
  return namePeople(drafts)
}

function collectBundles(
  groups: readonly NameGroup[],
  byForm: ReadonlyMap<string, readonly NameWord[]>,
  votes: GenderVotes,
): Map<string, Bundle> {
  const bundles = new Map<string, Bundle>()
  for (const group of groups) {
    for (const run of nameRuns(group, byForm)) {
      for (const words of chooseWords(run, byForm, votes)) addBundle(bundles, words)
    }
  }
  return bundles
}

function nameRuns({ words }: NameGroup, byForm: ReadonlyMap<string, readonly NameWord[]>): string[][] {
  const runs: string[][] = []
  let open: string[] = []
  for (const word of words) {
    if (byForm.has(wordKey(word))) open.push(wordKey(word))
    else if (open.length) {
      runs.push(open)
      open = []
    }
  }
  if (open.length) runs.push(open)
  return runs
}

/** Names of a run in one gender and, if it can be, one case; words that cannot belong together fall apart. */
function chooseWords(
  run: readonly string[],
  byForm: ReadonlyMap<string, readonly NameWord[]>,
  votes: GenderVotes,
): NameWord[][] {
  const options = run.map(key => byForm.get(key) ?? [])
  const gender = groupGender(run, options, votes)
  const picked = options.map(words => words.find(word => word.gender === gender) ?? words[0])
  const shared = picked.reduce<Set<string> | undefined>((cases, word, i) => {
    const own = casesOf(word, run[i])
    return new Set(cases ? own.filter(c => cases.has(c)) : own)
  }, undefined)
  const together = shared && shared.size > 0 && new Set(picked.map(slotOf)).size === picked.length
  return together ? [picked] : picked.map(word => [word])
}

function groupGender(run: readonly string[], options: readonly (readonly NameWord[])[], votes: GenderVotes): 'm' | 'f' {
  for (const words of options) {
    const patronymic = words.find(({ kind }) => kind === 'patronymic')
    if (patronymic && words.every(w => w.gender === patronymic.gender)) return patronymic.gender
  }
  const sure = options.find(words => words.length > 0 && new Set(words.map(({ gender }) => gender)).size === 1)
  if (sure) return sure[0].gender
  const vote = run.reduce((sum, key) => sum + (votes.get(key)?.m ?? 0) - (votes.get(key)?.f ?? 0), 0)
  return vote === 0 ? options[0][0].gender : vote > 0 ? 'm' : 'f'
}

function slotOf({ kind }: NameWord): string {
  return kind === 'diminutive' ? 'first' : kind === 'nickname' ? 'surname' : kind
}

function addBundle(bundles: Map<string, Bundle>, words: readonly NameWord[]): void {
  const name = words.map(({ lemma }) => lemma).join(' ')
  const key = `${wordKey(name)}|${words[0].gender}`
  const known = bundles.get(key)
  if (known) {
    known.count++
    return
  }
  const kinds = slotsAround(words)
  const slot = (wanted: string): string | undefined => words.find((_, i) => kinds[i] === wanted)?.lemma
  const last = slot('surname') ?? slot('nickname')
  const [first, diminutive, patronymic] = [slot('first'), slot('diminutive'), slot('patronymic')]
  bundles.set(key, { words, gender: words[0].gender, first, diminutive, patronymic, last, name, count: 1 })
}

/** A patronymic tells its neighbours: the first name stands before it, the surname behind it. */
function slotsAround(words: readonly NameWord[]): string[] {
  const at = words.findIndex(({ kind }) => kind === 'patronymic')
  return words.map(({ kind }, i) => {
    if (at < 0 || i === at) return kind
    if (i === at - 1) return kind === 'diminutive' ? kind : 'first'
    return i === at + 1 || i === at - 2 ? 'surname' : kind
  })
}

/** Full names before their parts, so that parts find their whole. */
function rank({ first, diminutive, patronymic, last }: Bundle): number {
  const parts = [first ?? diminutive, patronymic, last].filter(Boolean).length
  return parts * 10 + (last ? 4 : 0) + (first ? 2 : 0) + (patronymic ? 1 : 0)
}

function place(bundle: Bundle, drafts: Draft[]): void {
  const fitting = drafts.filter(draft => fits(bundle, draft))
  const best = fitting.reduce<Draft | undefined>(
    (top, draft) => (!top || weight(draft) > weight(top) ? draft : top),
    undefined,
  )
  const draft = best ?? { gender: bundle.gender, diminutives: new Set<string>(), bundles: [] }
  if (!best) drafts.push(draft)
  draft.first ??= bundle.first
  draft.patronymic ??= bundle.patronymic
  draft.last ??= bundle.last && bundle.last.replace(senior, '')
  if (bundle.diminutive) draft.diminutives.add(bundle.diminutive)
  draft.bundles.push(bundle)
}

function weight({ bundles }: Draft): number {
  return bundles.reduce((sum, { count }) => sum + count, 0)
}

function fits(bundle: Bundle, draft: Draft): boolean {
  if (bundle.gender !== draft.gender) return false
  const last = bundle.last?.replace(senior, '')
  const clash = (a: string | undefined, b: string | undefined): boolean =>
    a !== undefined && b !== undefined && wordKey(a) !== wordKey(b)
  if (clash(bundle.first, draft.first) || clash(bundle.patronymic, draft.patronymic) || clash(last, draft.last))
    return false
  if (bundle.diminutive && !diminutiveFits(bundle.diminutive, draft)) return false
  if (bundle.first && !draft.first && draft.diminutives.size && !draft.diminutives.has(bundle.first)) {
    if (![...draft.diminutives].some(form => behind(form, bundle.first))) return false
  }
  const shared = [
    bundle.first !== undefined && draft.first !== undefined,
    bundle.patronymic !== undefined && draft.patronymic !== undefined,
    last !== undefined && draft.last !== undefined,
    bundle.diminutive !== undefined &&
      (draft.diminutives.has(bundle.diminutive) || behind(bundle.diminutive, draft.first)),
  ].filter(Boolean).length
  const own = [bundle.first ?? bundle.diminutive, bundle.patronymic, last].filter(Boolean).length
  return shared > 0 && (own < 2 || shared >= 2 || own === shared)
}

function behind(diminutive: string, first: string | undefined): boolean {
  return first !== undefined && namesBehind(diminutive).some(({ name }) => wordKey(name) === wordKey(first))
}

function diminutiveFits(form: string, draft: Draft): boolean {
  if (draft.diminutives.has(form)) return true
  if (draft.first) return behind(form, draft.first)
  return draft.diminutives.size === 0
}

function namePeople(drafts: readonly Draft[]): Person[] {
  const ids = new Set<string>()
  return [...drafts]
    .sort((a, b) => weight(b) - weight(a))
    .map(draft => {
      const name = displayName(draft)
      const aliases = draft.bundles.map(toAlias).sort((a, b) => b.count - a.count)
      return { id: freeId(name, ids), name, gender: draft.gender as Gender, aliases, count: weight(draft) }
    })
}

function displayName(draft: Draft): string {
  const parts = [draft.first, draft.patronymic, draft.last].filter(Boolean)
  const most = draft.bundles.reduce((top, bundle) => (bundle.count > top.count ? bundle : top))
  return parts.length > 1 ? parts.join(' ') : most.name
}

function toAlias({ name, words, count }: Bundle): Alias {
  return { name, kind: words.length > 1 ? 'full' : words[0].kind, count }
}

const latin: Readonly<Record<string, string>> = {
  а: 'a', б: 'b', в: 'v', г: 'g', д: 'd', е: 'e', ё: 'e', ж: 'zh', з: 'z', и: 'i', й: 'y', к: 'k', л: 'l', м: 'm', н: 'n', о: 'o', п: 'p', р: 'r', с: 's', т: 't', у: 'u', ф: 'f', х: 'kh', ц: 'ts', ч: 'ch', ш: 'sh', щ: 'shch', ъ: '', ы: 'y', ь: '', э: 'e', ю: 'yu', я: 'ya',
} // prettier-ignore

/** A short Latin id of the last word of the name, numbered when taken. */
export function freeId(name: string, taken: Set<string>): string {
  const last = name.split(' ').at(-1) ?? name
  const base =
    [...last.toLowerCase()].map(letter => latin[letter] ?? (/[a-z0-9-]/u.test(letter) ? letter : '')).join('') ||
    'person'
  let id = base
  for (let n = 2; taken.has(id); n++) id = `${base}-${n}`
  taken.add(id)
  return id
}
