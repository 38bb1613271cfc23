// People of a book: one entry per person, with every name they go by.

export type Gender = 'm' | 'f' | 'unknown'

/** A name the text uses for the person: `Яков Петрович`, `Голядкин`, `Яша`, `доктор`. */
export interface Alias {
  /** Nominative form, letter case as in the text. */
  readonly name: string
  readonly kind: 'first' | 'patronymic' | 'surname' | 'diminutive' | 'title' | 'full' | 'nickname'
  readonly count: number
}

export interface Person {
  /** Stable short id, e.g. `golyadkin`. */
  readonly id: string
  /** Name shown to the user. */
  readonly name: string
  readonly gender: Gender
  readonly aliases: readonly Alias[]
  /** Mentions in the whole book. */
  readonly count: number
}

export interface Register {
  readonly people: readonly Person[]
}

/** Whom a text is about: `focus` makes `me` я; `pair` also makes `you` ты; `all` makes everybody я (or ты), as TiMe does. */
export type RewriteMode =
  | { readonly kind: 'focus'; readonly me: string }
  | { readonly kind: 'pair'; readonly me: string; readonly you: string }
  | { readonly kind: 'address'; readonly you: string }
  | { readonly kind: 'all'; readonly person: 'me' | 'ti' }

/** One replaced stretch: offsets `[start, end)` in the original text, the words before and after, and the rule that decided. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
  /** What stood there, for undoing. */
  readonly before: string
  readonly rule: string
}
