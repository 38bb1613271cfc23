import { execFileSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  boardFileVersion,
  crc32c,
  decodeBoardEvents,
  encodeBoardEvent,
  type BoardEvent,
} from '../../src/formats/events.js'

const events: BoardEvent[] = [
  { wallTime: 1.5e9, step: 0, fileVersion: boardFileVersion },
  { wallTime: 1.5e9 + 1, step: 1, scalars: { 'loss/train': 2.5, learning_rate: 0.125 } },
  {
    wallTime: 1.5e9 + 2,
    step: 70_000,
    scalars: { 'loss/train': -0.75 },
    texts: { 'sample/а': 'Доктор вошёл.\nОн сел.' },
  },
]
const file = Buffer.concat(events.map(encodeBoardEvent))

describe('an event file', () => {
  it('has the checksum of RFC 3720', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43)
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
  })

  it('reads back as it was written', () => {
    const read = decodeBoardEvents(file, 'file')
    expect(read.map(({ event }) => event)).toEqual(events)
    expect(read.at(-1)!.end).toBe(file.length)
  })

  it('begins with the bytes that TensorBoard writes for a version', () => {
    // length 24 and its checksum, field 1 double, field 3 string
    expect(encodeBoardEvent(events[0]).subarray(0, 8)).toEqual(Buffer.from([24, 0, 0, 0, 0, 0, 0, 0]))
    expect([...encodeBoardEvent(events[0]).subarray(12, 14)]).toEqual([9, 0])
    expect([...encodeBoardEvent(events[0]).subarray(21, 23)]).toEqual([0x1a, 13])
  })

  it('cut anywhere loses whole records only', () => {
    const ends = decodeBoardEvents(file, 'file').map(({ end }) => end)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: file.length }), length => {
        const read = decodeBoardEvents(file.subarray(0, length), 'file')
        expect(read).toHaveLength(ends.filter(end => end <= length).length)
      }),
    )
  })

  it('a changed byte is found', () => {
    const damaged = Buffer.from(file)
    damaged[30] ^= 1
    expect(() => decodeBoardEvents(damaged, 'run/events')).toThrowErrorMatchingInlineSnapshot(
      `[AppError: run/events: the record at byte 0 has another checksum than it was written with. Delete the file; events.jsonl has everything that was in it.]`,
    )
  })

  // DVOYNIK_TENSORBOARD names a Python that has the package `tensorboard`.
  it.skipIf(!process.env.DVOYNIK_TENSORBOARD)('is read by tensorboard itself', () => {
    const folder = mkdtempSync(join(tmpdir(), 'board-'))
    writeFileSync(join(folder, 'events.out.tfevents.test'), file)
    const script = `
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
board = EventAccumulator(sys.argv[1]).Reload()
print([(e.step, e.value) for e in board.Scalars('loss/train')])
print([(e.step, e.tensor_proto.string_val[0].decode()) for e in board.Tensors('sample/а')])
print(board.PluginTagToContent('text').keys())`
    const printed = execFileSync(process.env.DVOYNIK_TENSORBOARD!, ['-c', script, folder], { encoding: 'utf8' })
    expect(printed.split('\n')).toEqual([
      '[(1, 2.5), (70000, -0.75)]',
      "[(70000, 'Доктор вошёл.\\nОн сел.')]",
      "dict_keys(['sample/а'])",
      '',
    ])
  })
})
