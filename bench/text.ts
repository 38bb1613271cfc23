// The text half: how fast a vocabulary is learnt, text is encoded, and a story is rewritten; all of it from the shipped story.
import { readFile } from 'node:fs/promises'
import { assetPath } from '../src/base/package.js'
import { uniformAt } from '../src/base/random.js'
import { findCharacters } from '../src/characters/register.js'
import { createRewriter } from '../src/characters/rewrite.js'
import { cleanDocument } from '../src/cleaning/clean.js'
import { readDocument } from '../src/sources/registry.js'
import { trainBpe } from '../src/tokenizer/train-bpe.js'
import type { Outcome } from './case.js'
import { peakBytes, timed, timeRuns } from './measure.js'

export interface TokenizerWork {
  readonly program: 'tokenizer'
  readonly vocabulary: number
  readonly characters: number
  /** A file of that much text, one paragraph a line; filled in before the run. */
  readonly file?: string
}

export interface RewritingWork {
  readonly program: 'rewriting'
  readonly repeats: number
}

const story = assetPath('story', 'chuzhoe_palto.txt')

export async function runTokenizer({ vocabulary, file }: TokenizerWork): Promise<Outcome> {
  const lines = (await readFile(file!, 'utf8')).split('\n')
  const characters = lines.reduce((sum, line) => sum + line.length, 0)
  let trained: Awaited<ReturnType<typeof trainBpe>> | undefined
  const training = await timed(async () => (trained = await trainBpe(lines, { vocabSize: vocabulary })))
  const encoding = await timeRuns(3, 1, () => lines.forEach(line => trained!.tokenizer.encode(line)))
  const figures = {
    trainSeconds: training.seconds,
    trainCharacters: characters / training.seconds,
    encodeCharacters: characters / encoding.seconds,
    peakBytes: peakBytes(),
  }
  return { figures, about: {} }
}

/** The main person of the story becomes я, paragraph by paragraph. */
export async function runRewriting({ repeats }: RewritingWork): Promise<Outcome> {
  const { output: document } = cleanDocument((await readDocument(story)).output)
  const { output: register } = findCharacters(document)
  const rewriter = createRewriter({ register, mode: { kind: 'focus', me: register.people[0].id } })
  const words = document.blocks.reduce((sum, { text }) => sum + (text.match(/\p{L}+/gu)?.length ?? 0), 0)
  const { seconds } = await timeRuns(repeats, 1, () => document.blocks.forEach(({ text }) => rewriter.rewrite(text)))
  return { figures: { wordsPerSecond: words / seconds, peakBytes: peakBytes() }, about: {} }
}

/** Text of so many characters: made-up words (the front of one of the story's, the end of another) as often as Zipf says. */
export async function makeText(characters: number): Promise<string> {
  const words = [...new Set((await readFile(story, 'utf8')).toLowerCase().match(/\p{L}+/gu))]
  const pick = (stream: number, n: number): string => words[Math.floor(uniformAt(7, stream, n) * words.length)]
  const made = Array.from({ length: 40_000 }, (_, i) => (i < words.length ? words[i] : joinHalves(pick(0, i), pick(1, i)))) // prettier-ignore
  let [text, line] = ['', 0]
  for (let n = 0; text.length < characters; n++) {
    const rank = Math.floor(made.length ** uniformAt(7, 2, n)) // logarithmic: the share of rank r falls as 1/r
    text += made[rank - 1]
    line++
    text += line % 60 === 0 ? '.\n' : ' '
  }
  return text
}

function joinHalves(front: string, end: string): string {
  return front.slice(0, Math.ceil(front.length / 2)) + end.slice(Math.floor(end.length / 2))
}
