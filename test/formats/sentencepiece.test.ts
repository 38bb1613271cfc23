import { describe, expect, it } from 'vitest'
import {
  bytePiece,
  normalizerSettings,
  readSentencePiece,
  setField,
  trainerFields,
  trainerSettings,
  writeIntField,
  writeSentencePiece,
  writeTextField,
  type Piece,
  type SentencePieceModel,
} from '../../src/formats/sentencepiece.js'

const unknown: Piece = { text: '<unk>', score: 0, type: 'unknown' }
const piece = (text: string, score = -1): Piece => ({ text, score, type: 'normal' })
const modelOf = (pieces: Piece[], rest: Partial<SentencePieceModel> = {}): SentencePieceModel => ({
  pieces,
  trainer: [],
  normalizer: [],
  rest: [],
  ...rest,
})
const throwFrom = (model: SentencePieceModel) => () => readSentencePiece(writeSentencePiece(model), 'my.model')

describe('the protobuf of a .model', () => {
  it('gives back the pieces that were written', () => {
    const pieces = [
      unknown,
      piece('\u2581да', -0),
      piece('\ufeffнет', -2.5),
      { text: '<c>', score: 0, type: 'user-defined' } as Piece,
    ]
    const read = readSentencePiece(writeSentencePiece(modelOf(pieces)))
    expect(read.pieces.map(({ text, score, type }) => ({ text, score, type }))).toEqual(pieces)
  })

  it('keeps unknown fields at every level byte for byte', () => {
    const strange = writeTextField(201, 'ещё не придумано')
    const model = modelOf([unknown, piece('а')], { trainer: [strange], normalizer: [strange], rest: [strange] })
    const bytes = writeSentencePiece(model)
    expect(Buffer.from(writeSentencePiece(readSentencePiece(bytes))).equals(bytes)).toBe(true)
    expect(Buffer.from(bytes).toString('latin1').split(Buffer.from('придумано').toString('latin1'))).toHaveLength(4)
  })

  it('keeps an unknown field inside a piece', () => {
    // piece { piece: "а", score: 1, type: NORMAL written out, field 200: 7 }
    const raw = Uint8Array.from([0x0a, 2, 0xd0, 0xb0, 0x15, 0, 0, 0x80, 0x3f, 0x18, 1, 0xc0, 0x0c, 7])
    const bytes = writeSentencePiece(modelOf([unknown, { ...piece('а'), raw }]))
    const read = readSentencePiece(bytes)
    expect(read.pieces[1]).toMatchObject({ text: 'а', score: 1, type: 'normal' })
    expect(Buffer.from(writeSentencePiece(read)).equals(bytes)).toBe(true)
  })

  it('writes -1 as a varint of ten bytes after its tag', () => {
    const { bytes } = writeIntField(trainerFields.padId, -1)
    expect([...bytes]).toEqual([0xd8, 2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1])
    const model = readSentencePiece(
      writeSentencePiece(modelOf([unknown], { trainer: [writeIntField(trainerFields.padId, -1)] })),
    )
    expect(trainerSettings(model).padId).toBe(-1)
  })

  it('reads the defaults of absent settings and an explicit false', () => {
    const plain = modelOf([unknown])
    expect(normalizerSettings(plain)).toMatchObject({
      addDummyPrefix: true,
      removeExtraWhitespaces: true,
      escapeWhitespaces: true,
    })
    expect(trainerSettings(plain)).toMatchObject({
      modelType: 1,
      unkId: 0,
      bosId: 1,
      eosId: 2,
      padId: -1,
      unkSurface: ' \u2047 ',
    })
    const off = writeIntField(3, false)
    expect([...off.bytes]).toEqual([0x18, 0])
    expect(normalizerSettings(modelOf([unknown], { normalizer: [off] })).addDummyPrefix).toBe(false)
  })

  it('replaces a setting in place and puts a new one in the order of numbers', () => {
    const fields = [writeIntField(3, 2), writeIntField(40, 0)]
    expect(
      setField(setField(fields, writeIntField(3, 1)), writeIntField(35, true)).map(field => [...field.bytes]),
    ).toEqual([
      [0x18, 1],
      [0x98, 2, 1],
      [0xc0, 2, 0],
    ])
  })

  it.each([
    ['no unknown piece', modelOf([piece('а')])],
    ['two unknown pieces', modelOf([unknown, { ...unknown, text: '<unk2>' }])],
    ['an empty piece', modelOf([unknown, piece('')])],
    ['a piece twice', modelOf([unknown, piece('а'), piece('а')])],
    ['byte pieces without byte_fallback', modelOf([unknown, { text: bytePiece(0), score: 0, type: 'byte' }])],
    [
      'byte_fallback without byte pieces',
      modelOf([unknown], { trainer: [writeIntField(trainerFields.byteFallback, true)] }),
    ],
  ])('refuses %s', (_name, model) => {
    expect(throwFrom(model)).toThrow(expect.objectContaining({ code: 'bad-sentencepiece' }))
  })

  it('says what is wrong with a file', () => {
    expect(throwFrom(modelOf([unknown, piece('а'), piece('а')]))).toThrowErrorMatchingInlineSnapshot(
      `[AppError: my.model: piece 2 "а" occurs twice. Take the file from its source again.]`,
    )
    expect(() => readSentencePiece(Buffer.from('{"version": 1}'), 'tokenizer.json')).toThrowErrorMatchingInlineSnapshot(
      `[AppError: tokenizer.json: this is not a SentencePiece model. Take the file from its source again.]`,
    )
  })

  it('lets a control piece and a text piece share a spelling', () => {
    const model = modelOf([unknown, { text: '<s>', score: 0, type: 'control' }, piece('<s>')])
    expect(readSentencePiece(writeSentencePiece(model)).pieces).toHaveLength(3)
  })
})
