// Finds whole tokens (`<char>`, `</s>`, a line break) in raw text: leftmost, longest, in time independent of their number.

export interface AddedMatch {
  readonly id: number
  readonly start: number
  readonly end: number
}

export interface AddedTokens {
  /** The first match within `text.slice(from, to)` that `allow` lets through. */
  find(text: string, from: number, to: number, allow: Allow): AddedMatch | undefined
}

export type Allow = 'all' | 'none' | ReadonlySet<string>

interface Node {
  readonly next: Map<number, Node>
  id: number
}

/**
 * @param tokens content to id. A token made only of white space is text, not a mark: `allow` never switches it off.
 */
export function createAddedTokens(tokens: ReadonlyMap<string, number>): AddedTokens {
  const root: Node = { next: new Map(), id: -1 }
  const first = new Uint8Array(0x10000)
  const contents = new Map<number, string>()
  const blank = new Set<number>()
  for (const [content, id] of tokens) {
    if (content === '') continue
    insert(root, content, id)
    first[content.charCodeAt(0)] = 1
    contents.set(id, content)
    if (/^\p{White_Space}+$/u.test(content)) blank.add(id)
  }
  const isAllowed = (id: number, allow: Allow) =>
    allow === 'all' || blank.has(id) || (allow !== 'none' && allow.has(contents.get(id) ?? ''))

  function longestAt(text: string, at: number, to: number, allow: Allow): AddedMatch | undefined {
    let match: AddedMatch | undefined
    let node = root.next.get(text.charCodeAt(at))
    for (let i = at + 1; node; i++) {
      if (node.id >= 0 && isAllowed(node.id, allow)) match = { id: node.id, start: at, end: i }
      node = i < to ? node.next.get(text.charCodeAt(i)) : undefined
    }
    return match
  }

  return {
    find(text, from, to, allow) {
      if (contents.size === 0) return undefined
      for (let i = from; i < to; i++) {
        if (first[text.charCodeAt(i)] === 0) continue
        const match = longestAt(text, i, to, allow)
        if (match) return match
      }
      return undefined
    },
  }
}

function insert(root: Node, content: string, id: number): void {
  let node = root
  for (let i = 0; i < content.length; i++) {
    const unit = content.charCodeAt(i)
    let child = node.next.get(unit)
    if (!child) node.next.set(unit, (child = { next: new Map(), id: -1 }))
    node = child
  }
  node.id = id
}
