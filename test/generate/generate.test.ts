import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { generateTokens, streamText, type FinishReason, type TextOptions } from '../../src/generate/generate.js'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.js'
import { createLetters } from '../train/letters.js'
import { createFakeDecoder, saying } from './fake-decoder.js'

const letters = createLetters()
const greedy = { temperature: 0, repetitionPenalty: 1 }

/** Drains a generator. */
async function drain<T>(generator: AsyncGenerator<T, FinishReason>): Promise<{ items: T[]; reason: FinishReason }> {
  const items: T[] = []
  for (;;) {
    const { value, done } = await generator.next()
    if (done) return { items, reason: value }
    items.push(value)
  }
}

/** A tokenizer whose tokens are whatever pieces are given. */
function pieceTokenizer(pieces: readonly string[]): Tokenizer {
  return { ...letters, size: pieces.length, decoder: () => ({ push: id => pieces[id], end: () => '' }) }
}

function say(pieces: readonly string[], options: TextOptions): Promise<{ items: string[]; reason: FinishReason }> {
  const decoder = createFakeDecoder(pieces.length, 1000, saying([...pieces.keys()], 1))
  return drain(
    streamText(decoder, pieceTokenizer(pieces), [0], { sampling: greedy, maxTokens: pieces.length, ...options }),
  )
}

describe('tokens', () => {
  it('end at a stop token, which is not yielded, at the limit, or where the context is full', async () => {
    const decoder = () => createFakeDecoder(9, 6, saying([3, 4, 5], 2))
    expect(await drain(generateTokens(decoder(), [7, 8], { sampling: greedy, stopIds: [5] }))).toEqual({
      items: [3, 4],
      reason: 'stop',
    })
    expect(await drain(generateTokens(decoder(), [7, 8], { sampling: greedy, maxTokens: 1 }))).toEqual({
      items: [3],
      reason: 'max-tokens',
    })
    expect(await drain(generateTokens(decoder(), [7, 8], { sampling: greedy }))).toEqual({
      items: [3, 4, 5, 5, 5],
      reason: 'context-full',
    })
  })

  it('equal seeds give equal tokens, and a later first draw goes on where a shorter run stopped', async () => {
    const flat = (): ReturnType<typeof createFakeDecoder> => createFakeDecoder(50, 100, () => id => (id % 7) / 7)
    const take = (maxTokens: number, seed: number, firstDraw = 0) =>
      drain(generateTokens(flat(), [1], { maxTokens, seed, firstDraw, sampling: { repetitionPenalty: 1 } }))
    const { items } = await take(20, 5)
    expect((await take(20, 5)).items).toEqual(items)
    expect((await take(20, 6)).items).not.toEqual(items)
    expect((await take(12, 5, 8)).items).toEqual(items.slice(8))
  })

  it('an aborted signal ends the text', async () => {
    const stop = new AbortController()
    const tokens = generateTokens(createFakeDecoder(9, 99, saying([3], 1)), [1], {
      sampling: greedy,
      signal: stop.signal,
    })
    await tokens.next()
    stop.abort()
    expect(await tokens.next()).toEqual({ done: true, value: 'aborted' })
  })

  it('the repetition penalty sees the cached context too', async () => {
    const decoder = createFakeDecoder(4, 99, () => id => [2, 1.9, 0, 0][id])
    const sampling = { temperature: 0, repetitionPenalty: 1.2 }
    expect((await drain(generateTokens(decoder, [3], { sampling, maxTokens: 1, context: [0] }))).items).toEqual([1])
    expect((await drain(generateTokens(decoder, [3], { sampling, maxTokens: 1 }))).items).toEqual([0])
  })

  it('the repetition penalty leaves the tokens of the template alone', async () => {
    const decoder = createFakeDecoder(4, 99, () => id => [2, 1.9, 0, 0][id])
    const sampling = { temperature: 0, repetitionPenalty: 1.2 }
    const options = { sampling, maxTokens: 3, context: [0], neverPenalised: [0] }
    expect((await drain(generateTokens(decoder, [0], options))).items).toEqual([0, 0, 0])
  })

  it('a prompt that is empty or too long is refused', async () => {
    const decoder = createFakeDecoder(4, 3, () => () => 0)
    await expect(drain(generateTokens(decoder, []))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[AppError: the prompt has no tokens. Give at least one word.]`,
    )
    await expect(drain(generateTokens(decoder, [1, 2, 3, 0]))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[AppError: the prompt makes 4 tokens and the context holds 3. Shorten the prompt.]`,
    )
  })
})

describe('text', () => {
  it('a stop string across tokens ends the text before it and is never shown', async () => {
    const { items, reason } = await say(['Да. ', 'Ко', 'не', 'ц! ещё'], { stops: ['Конец'] })
    expect([items.join(''), reason]).toEqual(['Да. ', 'stop'])
  })

  it('text that only began like a stop string is shown after all', async () => {
    const { items } = await say(['Да. ', 'Ко', 'нь', '!'], { stops: ['Конец'] })
    expect(items).toEqual(['Да. ', 'Конь', '!'])
  })

  it('what was held back is shown when the text ends otherwise', async () => {
    const { items, reason } = await say(['Да', ' Ко'], { stops: ['Конец'] })
    expect([items.join(''), reason]).toEqual(['Да Ко', 'max-tokens'])
  })

  it('shown text is the whole text up to the first stop string, however it is cut into tokens', async () => {
    const piece = fc.string({ unit: fc.constantFrom('а', 'б', 'в', '\n'), minLength: 1, maxLength: 4 })
    const stop = fc.string({ unit: fc.constantFrom('а', 'б', '\n'), minLength: 1, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { minLength: 1, maxLength: 12 }),
        fc.array(stop, { maxLength: 3 }),
        async (pieces, stops) => {
          const whole = pieces.join('')
          const places = stops.map(text => whole.indexOf(text)).filter(at => at >= 0)
          const { items, reason } = await say(pieces, { stops })
          // A stop string counts at the token that completes it, so an earlier token's stop wins over an overlapping later one.
          expect(whole.startsWith(items.join(''))).toBe(true)
          expect(reason).toBe(places.length > 0 ? 'stop' : 'max-tokens')
          for (const text of stops) expect(items.join('')).not.toContain(text)
          if (places.length === 0) expect(items.join('')).toBe(whole)
        },
      ),
    )
  })
})
