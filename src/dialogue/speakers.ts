// The paragraphs of one scene with their evidence → who speaks each reply, to whom, and how that is known.
import type { Evidence, Gender } from './evidence.js'
import type { PeopleLookup, SpeakerBasis } from './scene.js'

/** What is known of one paragraph; `speaks` is false for narration. */
export interface Voice {
  readonly block: number
  readonly speaks: boolean
  readonly evidence: Evidence
  speaker?: string
  basis: SpeakerBasis
  addressee?: string
}

export interface SpeakerOptions {
  readonly people?: PeopleLookup
  /** Person id of the narrator of a story told as «я». */
  readonly narrator?: string
}

/** Fills `speaker`, `basis` and `addressee`, the surest evidence first. */
export function assignSpeakers(voices: readonly Voice[], options: SpeakerOptions): void {
  readRemarks(voices, options, 'sure')
  const runs = listRuns(voices)
  const gender = (id: string) => options.people?.gender(id) ?? 'unknown'
  for (const run of runs) alternate(run, gender)
  for (const run of runs) answerVocatives(run, gender)
  for (const run of runs) alternate(run, gender)
  readRemarks(voices, options, 'likely')
  for (const run of runs) alternate(run, gender)
  guessFromBeats(voices, gender)
  for (const run of runs) alternate(run, gender)
  for (const run of runs) nameAddressees(run)
}

/**
 * «сказал Иван», «она спросила», «Иван сказал:» before the reply. A pronoun is `sure` when one person of its gender is
 * about; otherwise it waits until alternation has spoken, and the nearest is `likely`.
 */
function readRemarks(voices: readonly Voice[], { people, narrator }: SpeakerOptions, trust: 'sure' | 'likely'): void {
  const recent: string[] = [] // latest first
  const gender = (id: string) => people?.gender(id) ?? 'unknown'
  voices.forEach((voice, i) => {
    const previous = voices[i - 1]
    if (voice.speaks && voice.speaker === undefined) {
      const announced = previous !== undefined && !previous.speaks && previous.evidence.announces
      const evidence = voice.evidence.subject === undefined && announced ? previous.evidence : voice.evidence
      const before = previous?.speaks && !previous.evidence.narratesOn ? previous.speaker : undefined
      settle(voice, evidence, { recent, gender, narrator, before, trust })
    }
    for (const id of [...voice.evidence.named].reverse()) remember(recent, id)
    if (voice.speaker !== undefined) remember(recent, voice.speaker)
  })
}

interface Surroundings {
  /** People named or speaking so far in the scene, latest first. */
  readonly recent: readonly string[]
  readonly gender: (id: string) => Gender
  readonly narrator: string | undefined
  /** Speaker of the reply right before. */
  readonly before: string | undefined
  readonly trust: 'sure' | 'likely'
}

function settle(voice: Voice, { subject, saying }: Evidence, around: Surroundings): void {
  const { recent, gender, narrator, before, trust } = around
  if (subject?.kind === 'person') [voice.speaker, voice.basis] = [subject.id, saying ? 'explicit' : 'guessed']
  if (subject?.kind === 'narrator' && narrator !== undefined) [voice.speaker, voice.basis] = [narrator, 'explicit']
  if (subject?.kind !== 'pronoun') return
  const alive = [...new Set([...voice.evidence.namedBefore, ...recent])].filter(
    id => gender(id) === subject.gender && !voice.evidence.vocatives.includes(id),
  )
  const others = alive.filter(id => id !== before)
  const chosen = others[0] ?? alive[0]
  if (chosen === undefined) return
  if (others.length === 1 && saying) [voice.speaker, voice.basis] = [chosen, 'explicit']
  else if (trust === 'likely') [voice.speaker, voice.basis] = [chosen, 'guessed']
}

function remember(recent: string[], id: string): void {
  const at = recent.indexOf(id)
  if (at >= 0) recent.splice(at, 1)
  recent.unshift(id)
}

/** Replies that follow each other without narration between; a thought in quotation marks inside narration stands alone. */
function listRuns(voices: readonly Voice[]): Voice[][] {
  const runs: Voice[][] = []
  voices.forEach((voice, i) => {
    if (!voice.speaks) return
    const last = runs.at(-1)
    if (last !== undefined && voices[i - 1]?.evidence.replies && voice.evidence.replies) last.push(voice)
    else runs.push([voice])
  })
  return runs
}

/** Two people take turns: who spoke two replies ago speaks now; between two known people the gap belongs to the other. */
function alternate(run: readonly Voice[], gender: (id: string) => Gender): void {
  const known = new Set(run.flatMap(voice => voice.speaker ?? []))
  const pair = known.size === 2 ? [...known] : undefined
  const order = [...run.keys()]
  for (const step of [-1, 1]) {
    for (const i of step < 0 ? order : order.reverse()) {
      const [voice, near, far] = [run[i], run[i + step], run[i + 2 * step]]
      if (voice.speaker !== undefined || near?.speaker === undefined) continue
      const stranger = voice.evidence.subject?.kind === 'stranger'
      const between = !stranger || (pair !== undefined && run[i - step]?.speaker === near.speaker)
      const candidate = between ? (far?.speaker ?? pair?.find(id => id !== near.speaker)) : undefined
      if (candidate === undefined || candidate === near.speaker || !mayBe(voice, candidate, gender)) continue
      if (callsAnother(run[i - 1], candidate)) continue
      const guessed = near.basis === 'guessed' || far?.basis === 'guessed' || stranger
      ;[voice.speaker, voice.basis] = [candidate, guessed ? 'guessed' : 'alternation']
    }
  }
}

/** A reply cannot be by a person it calls by name, nor by one whose gender its verb denies, nor by the narrator's «я». */
function mayBe({ evidence }: Voice, id: string, gender: (id: string) => Gender): boolean {
  if (evidence.vocatives.includes(id)) return false
  if (evidence.subject?.kind === 'narrator') return false
  const wanted = evidence.subject?.kind === 'pronoun' ? evidence.subject.gender : evidence.verbGender
  return wanted === 'unknown' || gender(id) === 'unknown' || gender(id) === wanted
}

/** The reply before calls by name somebody who is not the candidate. */
const callsAnother = (previous: Voice | undefined, candidate: string) =>
  previous !== undefined && previous.evidence.vocatives.length === 1 && previous.evidence.vocatives[0] !== candidate

/** Whoever was called by name answers; and of two people in a run, the one not called is speaking. */
function answerVocatives(run: readonly Voice[], gender: (id: string) => Gender): void {
  run.forEach((voice, i) => {
    if (voice.speaker !== undefined) return
    const called = run[i - 1]?.evidence.vocatives
    const known = [...new Set(run.flatMap(other => other.speaker ?? []))]
    const other = voice.evidence.vocatives.length === 1 ? known.filter(id => id !== voice.evidence.vocatives[0]) : []
    const candidate = called?.length === 1 ? called[0] : other.length === 1 ? other[0] : undefined
    if (candidate === undefined || candidate === run[i - 1]?.speaker || !mayBe(voice, candidate, gender)) return
    ;[voice.speaker, voice.basis] = [candidate, 'vocative']
  })
}

/** The author's words beside the reply, or the paragraph of narration right before it, name one person only. */
function guessFromBeats(voices: readonly Voice[], gender: (id: string) => Gender): void {
  voices.forEach((voice, i) => {
    if (!voice.speaks || voice.speaker !== undefined) return
    const before = voices[i - 1]?.speaks ? undefined : voices[i - 1]
    const candidate = [voice, before].map(beat => onlyNamed(beat)).find(id => id !== undefined)
    if (candidate === undefined || !mayBe(voice, candidate, gender)) return
    if (candidate === voices[i - 1]?.speaker || candidate === voices[i + 1]?.speaker) return
    ;[voice.speaker, voice.basis] = [candidate, 'guessed']
  })
}

const onlyNamed = (voice: Voice | undefined) =>
  voice?.evidence.named.length === 1 ? voice.evidence.named[0] : undefined

/** The one called by name, else the neighbour in the exchange. */
function nameAddressees(run: readonly Voice[]): void {
  run.forEach((voice, i) => {
    const called = voice.evidence.vocatives.filter(id => id !== voice.speaker)
    const neighbour = [run[i - 1]?.speaker, run[i + 1]?.speaker].find(id => id !== undefined && id !== voice.speaker)
    const addressee = called[0] ?? (voice.speaker === undefined ? undefined : neighbour)
    if (addressee !== undefined) voice.addressee = addressee
  })
}
