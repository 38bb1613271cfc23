// Finds whole tokens (`<char>`, `</s>`, a line break) in raw text: leftmost, longest, in time independent of their number.

interface AddedMatch {
  readonly id: number
  readonly start: number
  readonly end: number
}

export interface AddedTokens {
  /** The first match within `text.slice(from, to)` that `allow` lets through. */
  find(text: string, from: number, to: number, allow: Allow): AddedMatch | undefined
}

export type Allow = 'all' | 'none' | ReadonlySet<string>

/**
 * @param tokens content to id. A token made only of white space is text, not a mark: `allow` never switches it off.
 */
export function createAddedTokens(tokens: ReadonlyMap<string, number>): AddedTokens {
  const trie = createTrie()
  const first = new Uint8Array(0x10000)
  const contents = new Map<number, string>()
  const blank = new Set<number>()
  for (const [content, id] of tokens) {
    if (content === '') continue
    trie.insert(content, id)
    first[content.charCodeAt(0)] = 1
    contents.set(id, content)
    if (/^\p{White_Space}+$/u.test(content)) blank.add(id)
  }
  const isAllowed = (id: number, allow: Allow) =>
    allow === 'all' || blank.has(id) || (allow !== 'none' && allow.has(contents.get(id) ?? ''))

  function longestAt(text: string, at: number, to: number, allow: Allow): AddedMatch | undefined {
    let match: AddedMatch | undefined
    let node = trie.step(0, text.charCodeAt(at))
    for (let i = at + 1; node > 0; i++) {
      const id = trie.idOf(node)
      if (id >= 0 && isAllowed(id, allow)) match = { id, start: at, end: i }
      node = i < to ? trie.step(node, text.charCodeAt(i)) : -1
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

interface Trie {
  insert(content: string, id: number): void
  /** The node after one more UTF-16 unit, or -1; 0 is the root. */
  step(node: number, unit: number): number
  /** The token that ends at a node, or -1. */
  idOf(node: number): number
}

/** Edges in one open-addressed table: a hundred thousand tokens build in a fraction of a second. */
function createTrie(): Trie {
  let parents = new Int32Array(1 << 8).fill(-1)
  let units = new Uint16Array(1 << 8)
  let children = new Int32Array(1 << 8)
  const ids = [-1]
  const slotOf = (node: number, unit: number) => {
    const mask = parents.length - 1
    const h = Math.imul(node, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b)
    let slot = (h ^ (h >>> 15)) & mask
    while (parents[slot] !== -1 && (parents[slot] !== node || units[slot] !== unit)) slot = (slot + 1) & mask
    return slot
  }
  const put = (node: number, unit: number, child: number) => {
    const slot = slotOf(node, unit)
    parents[slot] = node
    units[slot] = unit
    children[slot] = child
  }
  const grow = () => {
    const old = { parents, units, children }
    parents = new Int32Array(old.parents.length * 2).fill(-1)
    units = new Uint16Array(parents.length)
    children = new Int32Array(parents.length)
    old.parents.forEach((node, slot) => {
      if (node !== -1) put(node, old.units[slot], old.children[slot])
    })
  }
  const step = (node: number, unit: number) => {
    const slot = slotOf(node, unit)
    return parents[slot] === -1 ? -1 : children[slot]
  }
  return {
    step,
    idOf: node => ids[node],
    insert(content, id) {
      let node = 0
      for (let i = 0; i < content.length; i++) {
        const unit = content.charCodeAt(i)
        let child = step(node, unit)
        if (child < 0) {
          child = ids.length
          ids.push(-1)
          if (ids.length * 2 > parents.length) grow()
          put(node, unit, child)
        }
        node = child
      }
      ids[node] = id
    },
  }
}
