// TensorBoard event files: records with masked CRC-32C around Event messages of protobuf, written and read back.
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { AppError } from '../base/errors.js'

/** One event: the version at the head of a file, a number or a text under a tag. */
export interface BoardEvent {
  /** Seconds since 1970. */
  readonly wallTime: number
  readonly step: number
  readonly fileVersion?: string
  readonly scalars?: Readonly<Record<string, number>>
  readonly texts?: Readonly<Record<string, string>>
}

/** What TensorBoard expects at the head of a file. */
export const boardFileVersion = 'brain.Event:2'

/** Field numbers of tensorflow/core/util/event.proto and framework/summary.proto, tensor.proto. */
const event = { wallTime: 1, step: 2, fileVersion: 3, summary: 5 } as const
const summary = { value: 1 } as const
const value = { tag: 1, simpleValue: 2, tensor: 8, metadata: 9 } as const
const tensor = { dtype: 1, shape: 2, strings: 8 } as const
const shape = { dimension: 2 } as const
const dimension = { size: 1 } as const
const metadata = { plugin: 1 } as const
const plugin = { name: 1 } as const
const stringDtype = 7

/** The bytes of one event as a record: length, its checksum, message, its checksum. */
export function encodeBoardEvent(one: BoardEvent): Uint8Array {
  const data = encodeEvent(one)
  const record = Buffer.alloc(data.length + 16)
  record.writeBigUInt64LE(BigInt(data.length), 0)
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8)
  record.set(data, 12)
  record.writeUInt32LE(maskedCrc(data), 12 + data.length)
  return record
}

/**
 * All events of a file with the place where each ends; a last record that was cut short is left out.
 * @throws AppError `bad-event-file` when a checksum is wrong
 */
export function decodeBoardEvents(
  file: Uint8Array,
  path: string,
): { readonly event: BoardEvent; readonly end: number }[] {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  const found: { event: BoardEvent; end: number }[] = []
  for (let at = 0; at + 12 <= bytes.length;) {
    if (maskedCrc(bytes.subarray(at, at + 8)) !== bytes.readUInt32LE(at + 8)) throw badEventFile(path, at)
    const end = at + 16 + Number(bytes.readBigUInt64LE(at))
    if (end > bytes.length) break
    const data = bytes.subarray(at + 12, end - 4)
    if (maskedCrc(data) !== bytes.readUInt32LE(end - 4)) throw badEventFile(path, at)
    found.push({ event: decodeEvent(data), end })
    at = end
  }
  return found
}

function encodeEvent({ wallTime, step, fileVersion, scalars = {}, texts = {} }: BoardEvent): Uint8Array {
  const writer = new BinaryWriter()
  writer.tag(event.wallTime, WireType.Bit64).double(wallTime)
  if (step !== 0) writer.tag(event.step, WireType.Varint).int64(step)
  if (fileVersion !== undefined) writer.tag(event.fileVersion, WireType.LengthDelimited).string(fileVersion)
  const values = [
    ...Object.entries(scalars).map(([tag, x]) => encodeScalar(tag, x)),
    ...Object.entries(texts).map(([tag, text]) => encodeText(tag, text)),
  ]
  if (values.length > 0) writer.tag(event.summary, WireType.LengthDelimited).fork()
  for (const one of values) writer.tag(summary.value, WireType.LengthDelimited).bytes(one)
  if (values.length > 0) writer.join()
  return writer.finish()
}

function encodeScalar(tag: string, x: number): Uint8Array {
  const writer = new BinaryWriter().tag(value.tag, WireType.LengthDelimited).string(tag)
  return writer.tag(value.simpleValue, WireType.Bit32).float(x).finish()
}

/** A tensor of one string, marked for the text plugin. */
function encodeText(tag: string, text: string): Uint8Array {
  const writer = new BinaryWriter().tag(value.tag, WireType.LengthDelimited).string(tag)
  writer.tag(value.tensor, WireType.LengthDelimited).fork()
  writer.tag(tensor.dtype, WireType.Varint).int32(stringDtype)
  writer.tag(tensor.shape, WireType.LengthDelimited).fork()
  writer.tag(shape.dimension, WireType.LengthDelimited).fork()
  writer.tag(dimension.size, WireType.Varint).int64(1).join().join()
  writer.tag(tensor.strings, WireType.LengthDelimited).string(text).join()
  writer.tag(value.metadata, WireType.LengthDelimited).fork()
  writer.tag(metadata.plugin, WireType.LengthDelimited).fork()
  return writer.tag(plugin.name, WireType.LengthDelimited).string('text').join().join().finish()
}

type Fields = Readonly<Record<number, (reader: BinaryReader) => void>>

/** Gives each known field to its function and passes over the others. */
function readFields(bytes: Uint8Array, fields: Fields): void {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag()
    if (fields[number]) fields[number](reader)
    else reader.skip(type, number)
  }
}

function decodeEvent(bytes: Uint8Array): BoardEvent {
  let [wallTime, step] = [0, 0]
  let fileVersion: string | undefined
  const scalars: Record<string, number> = {}
  const texts: Record<string, string> = {}
  const readSummary: Fields = { [summary.value]: reader => decodeValue(reader.bytes(), scalars, texts) }
  readFields(bytes, {
    [event.wallTime]: reader => (wallTime = reader.double()),
    [event.step]: reader => (step = Number(reader.int64())),
    [event.fileVersion]: reader => (fileVersion = reader.string()),
    [event.summary]: reader => readFields(reader.bytes(), readSummary),
  })
  return {
    wallTime,
    step,
    ...(fileVersion !== undefined && { fileVersion }),
    ...(Object.keys(scalars).length > 0 && { scalars }),
    ...(Object.keys(texts).length > 0 && { texts }),
  }
}

function decodeValue(bytes: Uint8Array, scalars: Record<string, number>, texts: Record<string, string>): void {
  let tag = ''
  let scalar: number | undefined
  let text: string | undefined
  readFields(bytes, {
    [value.tag]: reader => (tag = reader.string()),
    [value.simpleValue]: reader => (scalar = reader.float()),
    [value.tensor]: reader => readFields(reader.bytes(), { [tensor.strings]: inner => (text = inner.string()) }),
  })
  if (scalar !== undefined) scalars[tag] = scalar
  if (text !== undefined) texts[tag] = text
}

// CRC-32C (Castagnoli), reflected, one byte at a time
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

/** @returns the checksum of RFC 3720 as an unsigned number */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff] ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}

// TFRecord turns the checksum by 15 bits and adds a constant, so that checksums of checksums stay useful.
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes)
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

function badEventFile(path: string, at: number): AppError {
  return new AppError('bad-event-file', {
    where: path,
    what: {
      en: `the record at byte ${at} has another checksum than it was written with`,
      ru: `у записи с байта ${at} контрольная сумма не та, с какой её записали`,
    },
    fix: {
      en: 'Delete the file; events.jsonl has everything that was in it',
      ru: 'Удалите файл: в events.jsonl есть всё, что в нём было',
    },
  })
}
