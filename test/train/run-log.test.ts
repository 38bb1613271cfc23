import { appendFile, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openRunLog, readRunLog, runLogCsv, type RunEvent } from '../../src/train/run-log.js'

const stepEvent = (step: number): RunEvent => ({
  event: 'step', step, lossNats: 3 / step, learningRate: 1e-3, gradientNorm: 0.5, tokens: 10, tokensPerSecond: 99, rssBytes: 5,
}) // prettier-ignore

async function logWith(...events: RunEvent[]): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'run-log-')), 'events.jsonl')
  await writeFile(path, events.map(event => JSON.stringify(event) + '\n').join(''))
  return path
}

it('resuming takes away the lines beyond the resumed step and keeps the others byte for byte', async () => {
  const path = await logWith(
    stepEvent(1),
    stepEvent(2),
    { event: 'sample', step: 2, prompt: 'а', text: 'б' },
    stepEvent(3),
  )
  const before = await readFile(path, 'utf8')
  const log = await openRunLog(path, 2)
  await log.append(stepEvent(3))
  await log.close()
  expect(await readFile(path, 'utf8')).toBe(before)
})

it('a new run empties the log of one that never reached a checkpoint', async () => {
  const path = await logWith({ event: 'start', step: 0, steps: 9, stepsPerEpoch: 3, parameters: 1 }, stepEvent(1))
  await (await openRunLog(path, -1)).close()
  expect(await readFile(path, 'utf8')).toBe('')
})

it('a last line cut short is not read, and is gone when the run continues', async () => {
  const path = await logWith(stepEvent(1), stepEvent(2))
  await appendFile(path, '{"event":"step","st')
  expect((await readRunLog(path)).map(({ step }) => step)).toEqual([1, 2])
  const log = await openRunLog(path, 5)
  await log.append(stepEvent(3))
  await log.close()
  expect((await readRunLog(path)).map(({ step }) => step)).toEqual([1, 2, 3])
})

it('the table has a row per step with the evaluation beside it', () => {
  const events: RunEvent[] = [
    { event: 'evaluation', step: 0, lossNats: 4, tokens: 7, seconds: 1 },
    stepEvent(1),
    stepEvent(2),
    { event: 'evaluation', step: 2, lossNats: 2, tokens: 7, bitsPerByte: 1.5, seconds: 1 },
    { event: 'sample', step: 2, prompt: 'а', text: 'б' },
  ]
  expect(runLogCsv(events).split('\n')).toEqual([
    'step,lossNats,learningRate,gradientNorm,tokens,tokensPerSecond,rssBytes,heldOutLossNats,bitsPerByte',
    '0,,,,,,,4,',
    '1,3,0.001,0.5,10,99,5,,',
    '2,1.5,0.001,0.5,10,99,5,2,1.5',
    '',
  ])
})
