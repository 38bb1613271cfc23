// A scene: a run of paragraphs split into narration, speech and the author's remarks, with speakers where they are known.

/** A piece of one block: offsets are `[start, end)` in UTF-16 units of the block's text; segments cover what they name, dashes and quotes excluded. */
export interface Segment {
  readonly kind: 'speech' | 'remark' | 'narration'
  readonly text: string
  readonly start: number
  readonly end: number
}

/** How the speaker is known; accuracy is reported per kind. */
export type SpeakerBasis = 'explicit' | 'alternation' | 'vocative' | 'guessed' | 'unknown'

/** One block as a turn: all its speech belongs to one speaker. */
export interface Turn {
  readonly kind: 'speech' | 'narration'
  /** Index into Document.blocks. */
  readonly block: number
  readonly segments: readonly Segment[]
  /** Person id of the register, when known. */
  readonly speaker?: string
  readonly basis: SpeakerBasis
  readonly addressee?: string
}

/** Turns that belong together: no heading and no long stretch of narration between them. */
export interface Scene {
  readonly id: string
  readonly turns: readonly Turn[]
}

/** What dialogue needs to know of people; `characters/` implements it, so that imports go one way. */
export interface PeopleLookup {
  /** Mentions of people in a text, in order. */
  find(text: string): readonly PersonMention[]
  gender(id: string): 'm' | 'f' | 'unknown'
}

export interface PersonMention {
  readonly id: string
  readonly start: number
  readonly end: number
  /** Grammatical case where it is certain enough, e.g. `nomn` for a subject. */
  readonly case?: string
}
