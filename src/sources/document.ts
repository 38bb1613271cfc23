// A book as blocks of text, each with its place in the decoded source.

/** A paragraph-like piece of a book. Blocks do not overlap and stand in the order of the source. */
export interface Block {
  readonly kind: 'paragraph' | 'heading' | 'verse' | 'note' | 'epigraph' | 'title'
  /** One paragraph without line breaks at its ends; hard-wrapped lines are joined with one space. */
  readonly text: string
  /** 1-based line in the decoded source where the block begins. */
  readonly line: number
  /** `[start, end)` in UTF-16 units of the decoded source (for XML: of the file's decoded text). */
  readonly span: readonly [number, number]
}

export interface Document {
  readonly title: string
  readonly author?: string
  readonly language?: string
  /** File name as given by the user. */
  readonly file: string
  /** SHA-256 of the file's bytes. */
  readonly sha256: string
  /** Encoding the bytes were decoded with, e.g. `windows-1251`, and how it was known. */
  readonly encoding: { readonly name: string; readonly by: 'declared' | 'bom' | 'detected' | 'given' }
  readonly blocks: readonly Block[]
}
