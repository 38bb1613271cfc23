// The az package (0.2.3, MIT, OpenCorpora dictionary of 2016): its types, which it does not ship, and a loader that needs no waiting.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** Grammemes as fields: `tag.femn === true`, `tag.CAse === 'gent'`. */
interface AzTag {
  readonly [grammeme: string]: unknown
  toString(): string
}

export interface AzParse {
  readonly tag: AzTag
  readonly score: number
  readonly parser: string
  normalize(): AzParse | false
  readonly formCnt?: number
  inflect(grammemes: readonly string[] | number): AzParse | false
  toString(): string
}

interface AzModule {
  readonly Morph: {
    (word: string, options: { stutter: number; typos: number }): AzParse[]
    init(path: string, callback: (error: Error | null) => void): void
  }
  load: (url: string, responseType: string, callback: (error: Error | null, data?: unknown) => void) => void
}

const require = createRequire(import.meta.url)
let morph: AzModule['Morph'] | undefined

/** Readings of a word form. The first call loads the dictionary (0.3 s, 60 MB); `stutter` and `typos` invent parses and stay off. */
export function askAz(word: string): AzParse[] {
  morph ??= loadMorph()
  return morph(word, { stutter: 0, typos: 0 })
}

function loadMorph(): AzModule['Morph'] {
  const az = require('az') as AzModule
  // The package reads its files through this field and counts answers, so all answers come after init has asked for everything.
  const answers: (() => void)[] = []
  az.load = (url, type, callback) => {
    answers.push(() => callback(null, readTable(url, type)))
  }
  az.Morph.init(join(dirname(require.resolve('az')), '..', 'dicts'), error => {
    if (error) throw error
  })
  for (const answer of answers) answer()
  return az.Morph
}

function readTable(path: string, type: string): unknown {
  const data = readFileSync(path)
  return type === 'json'
    ? (JSON.parse(data.toString('utf8')) as unknown)
    : data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)
}
