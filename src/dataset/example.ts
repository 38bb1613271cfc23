// A training example: turns of one scene or session, with the provenance of every line.

/** Where an example comes from: a file and spans of it, or message ids of an export. */
export interface ExampleSource {
  readonly file: string
  /** `[start, end)` in UTF-16 units of the decoded source. */
  readonly spans?: readonly (readonly [number, number])[]
  readonly messageIds?: readonly string[]
}

export interface ExampleTurn {
  /** Name of the speaker as the reader sees it; `narrator` for narration. */
  readonly speaker: string
  /** `own` is the character being made, `other` anybody else, `narration` the author's text. */
  readonly role: 'own' | 'other' | 'narration'
  readonly text: string
  /** The author's remark inside the reply, e.g. `сказал он`; formats write it in parentheses. */
  readonly remark?: string
  /** Whether the loss counts this turn. */
  readonly learn: boolean
}

/** Which copy of the text the example belongs to: as written, the character as я, the character as ты. */
export type ExampleCopy = 'original' | 'me' | 'ti'

export interface Example {
  readonly id: string
  readonly copy: ExampleCopy
  readonly system?: string
  readonly turns: readonly ExampleTurn[]
  readonly source: ExampleSource
  readonly split: 'train' | 'held-out'
}
