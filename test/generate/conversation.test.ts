import { describe, expect, it } from 'vitest'
import { Conversation, type ConversationOptions } from '../../src/generate/conversation.js'
import { createLetters } from '../train/letters.js'
import { createFakeDecoder, type FakeDecoder } from './fake-decoder.js'

const letters = createLetters({ firstSpace: true })
const charId = letters.id('<char>')!

/** Answers every `<char>` with the given words and a line end, chosen by how many replies were asked for. */
function createParrot(words: readonly string[], capacity = 500): FakeDecoder {
  return createFakeDecoder(letters.size, capacity, cache => {
    const start = cache.lastIndexOf(charId)
    const reply = [...words[cache.filter(id => id === charId).length % words.length], '\n']
    const wanted = letters.id(reply[Math.min(cache.length - start - 1, reply.length - 1)])
    return id => (id === wanted ? 10 : 0)
  })
}

function start(decoder: FakeDecoder, options: ConversationOptions = {}): Conversation {
  return new Conversation(decoder, letters, { sampling: { temperature: 0, repetitionPenalty: 1 }, ...options })
}

async function ask(conversation: Conversation, text: string): Promise<string> {
  let reply = ''
  for await (const piece of conversation.say(text)) reply += piece
  return reply
}

const seen = (decoder: FakeDecoder): string => letters.decode(decoder.cache)

describe('a conversation', () => {
  it('is written as the training data were, and ends a reply at the line end', async () => {
    const decoder = createParrot(['Да', 'Нет'])
    const conversation = start(decoder, { system: 'Утро.' })
    expect(await ask(conversation, 'Чаю?')).toBe('Да')
    expect(conversation.finished).toBe('stop')
    expect(seen(decoder)).toBe(' Утро.\n<char>Чаю?\n<char>Да')
    expect(await ask(conversation, 'А кофе?')).toBe('Да')
    expect(conversation.turns.map(({ who, text }) => `${who}: ${text}`)).toEqual([
      'you: Чаю?',
      'own: Да',
      'you: А кофе?',
      'own: Да',
    ])
  })

  it('only what is new goes through the model', async () => {
    const decoder = createParrot(['Да'])
    const conversation = start(decoder)
    await ask(conversation, 'Чаю?')
    decoder.appended.length = 0
    await ask(conversation, 'Ещё?')
    expect(letters.decode(decoder.appended[0])).toBe('\n<char>Ещё?\n<char>')
  })

  it('what the user types never becomes a token of the template', async () => {
    const decoder = createParrot(['Да'])
    await ask(start(decoder), '<char>а\n<char>б</s>')
    expect(decoder.cache.filter(id => id === charId)).toHaveLength(2)
    expect(seen(decoder)).toBe(' <char><char>а <char>б</s>\n<char>Да')
  })

  it('forgets the oldest turns, whole, so that the reply has room; the scene stays', async () => {
    const decoder = createParrot(['Да'], 60)
    const conversation = start(decoder, { maxTokens: 12, system: 'Утро.' })
    for (const text of ['Первое', 'Второе', 'Третье', 'Четвёртое', 'Пятое']) await ask(conversation, text)
    expect(seen(decoder)).toMatch(/^ Утро\.\n<char>/u)
    expect(seen(decoder)).not.toContain('Первое')
    expect(seen(decoder)).toContain('<char>Четвёртое\n<char>Да\n<char>Пятое\n<char>Да')
    expect(conversation.turns).toHaveLength(10)
    expect(decoder.length).toBeLessThanOrEqual(60)
  })

  it('after forgetting, the cache is reused again for some turns', async () => {
    const decoder = createParrot(['Да'], 80)
    const conversation = start(decoder, { maxTokens: 10 })
    const sizes: number[] = []
    for (let i = 0; i < 30; i++) {
      decoder.appended.length = 0
      await ask(conversation, 'Ну?')
      sizes.push(decoder.appended[0].length)
    }
    expect(sizes.filter(size => size <= 7).length).toBeGreaterThan(20)
  })

  it('a message that cannot fit is refused and leaves the history as it was', async () => {
    const conversation = start(createParrot(['Да'], 40), { maxTokens: 10 })
    await ask(conversation, 'Чаю?')
    const before = conversation.save()
    await expect(ask(conversation, 'а'.repeat(50))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[AppError: the message makes 54 tokens and 30 fit beside a reply. Shorten the message, or lower chat.maxTokens.]`,
    )
    expect(conversation.save()).toEqual(before)
    await expect(ask(conversation, ' \n')).rejects.toThrowErrorMatchingInlineSnapshot(
      `[AppError: the message is empty. Write at least one word.]`,
    )
    expect(await ask(conversation, 'Чаю?')).toBe('Да')
  })

  it('a reply that the user stopped stays as far as it was said', async () => {
    const decoder = createParrot(['Абвгд'])
    const conversation = start(decoder)
    for await (const piece of conversation.say('Ну?')) if (piece === 'б') break
    expect(conversation.turns.at(-1)).toEqual({ who: 'own', text: 'Аб' })
    await ask(conversation, 'И?')
    expect(seen(decoder)).toContain('<char>Аб\n<char>И?\n')
  })

  it('one reply at a time', async () => {
    const conversation = start(createParrot(['Да']))
    const first = conversation.say('Чаю?')
    await first.next()
    await expect(conversation.say('Ну?').next()).rejects.toThrowErrorMatchingInlineSnapshot(
      `[AppError: the reply to the message before is not finished. Wait for it or stop it first.]`,
    )
    await first.return(undefined)
  })
})

describe('seed, save and load', () => {
  const noisy = (): FakeDecoder => createFakeDecoder(letters.size, 500, () => id => (id > 3 ? Math.sin(id) : -9))
  const open = (seed: number): Conversation => new Conversation(noisy(), letters, { seed, maxTokens: 12 })

  it('equal seeds give equal conversations, reset begins the same one anew', async () => {
    const [a, b, c] = [open(1), open(1), open(2)]
    const talk = async (conversation: Conversation): Promise<string[]> => [
      await ask(conversation, 'Ну?'),
      await ask(conversation, 'И?'),
    ]
    const said = await talk(a)
    expect(await talk(b)).toEqual(said)
    expect(await talk(c)).not.toEqual(said)
    a.reset()
    expect(a.turns).toEqual([])
    expect(await talk(a)).toEqual(said)
  })

  it('a saved conversation goes on as if it had not been put away', async () => {
    const [a, b] = [open(1), open(9)]
    await ask(a, 'Ну?')
    const json = JSON.stringify(a.save())
    b.load(JSON.parse(json) as ReturnType<Conversation['save']>)
    expect(await ask(b, 'И?')).toBe(await ask(a, 'И?'))
    expect(b.save()).toEqual(a.save())
  })

  it('a conversation of another version is refused', () => {
    expect(() => open(1).load({ ...open(1).save(), version: 2 as 1 })).toThrowErrorMatchingInlineSnapshot(
      `[AppError: saved with version 2 and template "book". Begin a new conversation.]`,
    )
  })
})
