// Bytes of a SentencePiece `.model` (protobuf ModelProto) to pieces and settings, and back; what we do not know survives.
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { AppError, type Text } from '../base/errors.js'

/** In the order of the numbers 1..6 in the file. */
const pieceTypes = ['normal', 'unknown', 'control', 'user-defined', 'unused', 'byte'] as const
type PieceType = (typeof pieceTypes)[number]

export interface Piece {
  readonly text: string
  /** float32 */
  readonly score: number
  readonly type: PieceType
  /** The message as it was read; written instead of the three fields, so it belongs to an unchanged piece only. */
  readonly raw?: Uint8Array
}

/** One field as it lies in the file, tag included. */
export interface RawField {
  readonly number: number
  readonly bytes: Uint8Array
}

/** What encoding and decoding need of trainer_spec. */
export interface TrainerSettings {
  readonly modelType: number
  readonly byteFallback: boolean
  readonly unkId: number
  readonly bosId: number
  readonly eosId: number
  readonly padId: number
  readonly unkSurface: string
  readonly whitespaceAsSuffix: boolean
}

export interface NormalizerSettings {
  readonly name: string
  readonly charsmap: Uint8Array
  readonly addDummyPrefix: boolean
  readonly removeExtraWhitespaces: boolean
  readonly escapeWhitespaces: boolean
}

export interface SentencePieceModel {
  readonly pieces: readonly Piece[]
  readonly trainer: readonly RawField[]
  readonly normalizer: readonly RawField[]
  /** self_test_data, denormalizer_spec and whatever else stood at the top level. */
  readonly rest: readonly RawField[]
}

/** Numbers of the fields of trainer_spec that we write. */
export const trainerFields = {
  modelType: 3,
  vocabSize: 4,
  characterCoverage: 10,
  maxPieceLength: 20,
  splitByScript: 21,
  splitByWhitespace: 22,
  splitByNumber: 23,
  whitespaceAsSuffix: 24,
  splitDigits: 25,
  userDefined: 31,
  hardVocabLimit: 33,
  byteFallback: 35,
  requiredChars: 36,
  unkId: 40,
  bosId: 41,
  eosId: 42,
  padId: 43,
  unkSurface: 44,
} as const

export const normalizerFields = {
  name: 1,
  charsmap: 2,
  addDummyPrefix: 3,
  removeExtraWhitespaces: 4,
  escapeWhitespaces: 5,
} as const

export const bpeModelType = 2

/** TextDecoder that keeps a leading U+FEFF, which a piece may begin with. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * @param where file name for messages
 * @throws AppError `bad-sentencepiece` when it is not a ModelProto or fails the checks that the C++ library makes at load
 */
export function readSentencePiece(bytes: Uint8Array, where = '.model'): SentencePieceModel {
  const pieces: Piece[] = []
  const rest: RawField[] = []
  const specs: { 2: RawField[]; 3: RawField[] } = { 2: [], 3: [] }
  try {
    for (const field of readFields(bytes)) {
      if (field.number === 1) pieces.push(readPiece(payload(field)))
      else if (field.number === 2 || field.number === 3) specs[field.number].push(...readFields(payload(field)))
      else rest.push(field)
    }
  } catch (cause) {
    throw badModel(where, { en: 'this is not a SentencePiece model', ru: 'это не модель SentencePiece' }, cause)
  }
  const model = { pieces, trainer: specs[2], normalizer: specs[3], rest }
  checkPieces(model, where)
  return model
}

/** The inverse of `readSentencePiece`: byte-identical for an unchanged model. */
export function writeSentencePiece(model: SentencePieceModel): Uint8Array {
  const writer = new BinaryWriter()
  for (const piece of model.pieces) writer.tag(1, WireType.LengthDelimited).bytes(piece.raw ?? writePiece(piece))
  if (model.trainer.length) writer.tag(2, WireType.LengthDelimited).bytes(joinFields(model.trainer))
  if (model.normalizer.length) writer.tag(3, WireType.LengthDelimited).bytes(joinFields(model.normalizer))
  for (const field of model.rest) writer.raw(field.bytes)
  return writer.finish()
}

export function trainerSettings({ trainer }: SentencePieceModel): TrainerSettings {
  const f = trainerFields
  return {
    modelType: intField(trainer, f.modelType, 1),
    byteFallback: intField(trainer, f.byteFallback, 0) !== 0,
    unkId: intField(trainer, f.unkId, 0),
    bosId: intField(trainer, f.bosId, 1),
    eosId: intField(trainer, f.eosId, 2),
    padId: intField(trainer, f.padId, -1),
    unkSurface: textField(trainer, f.unkSurface, ' \u2047 '),
    whitespaceAsSuffix: intField(trainer, f.whitespaceAsSuffix, 0) !== 0,
  }
}

export function normalizerSettings({ normalizer }: SentencePieceModel): NormalizerSettings {
  const f = normalizerFields
  return {
    name: textField(normalizer, f.name, ''),
    charsmap: bytesField(normalizer, f.charsmap) ?? new Uint8Array(),
    addDummyPrefix: intField(normalizer, f.addDummyPrefix, 1) !== 0,
    removeExtraWhitespaces: intField(normalizer, f.removeExtraWhitespaces, 1) !== 0,
    escapeWhitespaces: intField(normalizer, f.escapeWhitespaces, 1) !== 0,
  }
}

/** A varint field; booleans are 0 and 1, negative numbers take ten bytes as protobuf asks. */
export function writeIntField(number: number, value: number | boolean): RawField {
  return { number, bytes: new BinaryWriter().tag(number, WireType.Varint).int32(Number(value)).finish() }
}

export function writeFloatField(number: number, value: number): RawField {
  return { number, bytes: new BinaryWriter().tag(number, WireType.Bit32).float(value).finish() }
}

export function writeTextField(number: number, value: string): RawField {
  return { number, bytes: new BinaryWriter().tag(number, WireType.LengthDelimited).string(value).finish() }
}

/** Replaces a field where it stands, or puts it in the order of field numbers. */
export function setField(fields: readonly RawField[], field: RawField): RawField[] {
  const at = fields.findLastIndex(other => other.number === field.number)
  if (at >= 0) return fields.toSpliced(at, 1, field)
  return insertField(fields, field)
}

/** Adds one more value of a repeated field. */
export function insertField(fields: readonly RawField[], field: RawField): RawField[] {
  const next = fields.findIndex(other => other.number > field.number)
  return fields.toSpliced(next < 0 ? fields.length : next, 0, field)
}

/** The piece `<0xNN>` that stands for a byte. */
export function bytePiece(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
}

/** The byte that a piece `<0xNN>` stands for, or undefined. */
export function byteOfPiece(piece: string): number | undefined {
  return /^<0x[0-9A-F]{2}>$/.test(piece) ? parseInt(piece.slice(3, 5), 16) : undefined
}

function readFields(bytes: Uint8Array): RawField[] {
  const reader = new BinaryReader(bytes)
  const fields: RawField[] = []
  while (reader.pos < reader.len) {
    const from = reader.pos
    const [number, wire] = reader.tag()
    reader.skip(wire, number)
    if (reader.pos > reader.len) throw new RangeError(`field ${number} runs past the end`)
    fields.push({ number, bytes: bytes.subarray(from, reader.pos) })
  }
  return fields
}

function readPiece(raw: Uint8Array): Piece {
  const reader = new BinaryReader(raw)
  let text = ''
  let score = 0
  let type = 1
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag()
    if (number === 1) text = utf8.decode(reader.bytes())
    else if (number === 2) score = reader.float()
    else if (number === 3) type = reader.int32()
    else reader.skip(wire, number)
  }
  return { text, score, type: pieceTypes[type - 1], raw }
}

function writePiece({ text, score, type }: Piece): Uint8Array {
  const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).string(text).tag(2, WireType.Bit32).float(score)
  if (type !== 'normal') writer.tag(3, WireType.Varint).int32(pieceTypes.indexOf(type) + 1)
  return writer.finish()
}

function joinFields(fields: readonly RawField[]): Uint8Array {
  return Buffer.concat(fields.map(field => field.bytes))
}

function openField({ bytes }: RawField): BinaryReader {
  const reader = new BinaryReader(bytes)
  reader.tag()
  return reader
}

const payload = (field: RawField): Uint8Array => openField(field).bytes()

function lastField(fields: readonly RawField[], number: number): RawField | undefined {
  return fields.findLast(field => field.number === number)
}

function intField(fields: readonly RawField[], number: number, missing: number): number {
  const field = lastField(fields, number)
  return field === undefined ? missing : openField(field).int32()
}

function bytesField(fields: readonly RawField[], number: number): Uint8Array | undefined {
  const field = lastField(fields, number)
  return field && payload(field)
}

function textField(fields: readonly RawField[], number: number, missing: string): string {
  const bytes = bytesField(fields, number)
  return bytes === undefined ? missing : utf8.decode(bytes)
}

/** The checks of the C++ library at load: one unknown, no empty piece, no doubles in a class, all 256 bytes or none. */
function checkPieces(model: SentencePieceModel, where: string): void {
  const seen = { text: new Set<string>(), meta: new Set<string>() }
  const counts: Record<PieceType, number> = { normal: 0, unknown: 0, control: 0, 'user-defined': 0, unused: 0, byte: 0 }
  model.pieces.forEach(({ text, type }, id) => {
    if (type === undefined)
      throw badModel(where, say(`piece ${id} has an unknown type`, `у куска ${id} неизвестный тип`))
    if (text === '') throw badModel(where, say(`piece ${id} is empty`, `кусок ${id} пуст`))
    const set = type === 'unknown' || type === 'control' || type === 'byte' ? seen.meta : seen.text
    if (set.has(text))
      throw badModel(where, say(`piece ${id} "${text}" occurs twice`, `кусок ${id} «${text}» повторяется`))
    set.add(text)
    counts[type]++
    if (type === 'byte' && byteOfPiece(text) === undefined)
      throw badModel(where, say(`byte piece ${id} is called "${text}"`, `байтовый кусок ${id} назван «${text}»`))
  })
  const { unknown, byte } = counts
  if (unknown !== 1)
    throw badModel(where, say(`${unknown} unknown pieces, one is needed`, `неизвестных кусков ${unknown}, нужен один`))
  const wanted = trainerSettings(model).byteFallback ? 256 : 0
  if (byte !== wanted)
    throw badModel(where, say(`${byte} byte pieces, ${wanted} are needed`, `байтовых кусков ${byte}, нужно ${wanted}`))
}

const say = (en: string, ru: string): Text => ({ en, ru })

function badModel(where: string, what: Text, cause?: unknown): AppError {
  return new AppError('bad-sentencepiece', {
    where,
    what,
    fix: { en: 'Take the file from its source again', ru: 'Возьмите файл у источника заново' },
    cause,
  })
}
