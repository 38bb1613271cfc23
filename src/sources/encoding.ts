// Turns the bytes of a file into text: byte-order mark, given or declared name, UTF-8, UTF-16, else Cyrillic statistics.
import { isUtf8 } from 'node:buffer'
import iconv from 'iconv-lite'
import { AppError } from '../base/errors.js'
import { nearestName } from '../base/nearest.js'
import { refuseBinary } from './binary.js'
import { guessCyrillic, iconvName } from './cyrillic.js'
import type { Document } from './document.js'

interface DecodeOptions {
  /** Name given by the user; wins over detection unless the bytes contradict it. */
  readonly encoding?: string
  /** Name that the file itself declares (XML). */
  readonly declared?: string
  /** File name for messages. */
  readonly where: string
  /** Decode damaged UTF-8 with U+FFFD for each bad sequence, counted in `replaced`, instead of an error. */
  readonly lenient?: boolean
}

export interface Decoded {
  /** Text without a byte-order mark. */
  readonly text: string
  readonly encoding: Document['encoding']
  /** 0 to 1; 1 where nothing had to be guessed. */
  readonly confidence: number
  /** Bad sequences replaced by U+FFFD (only with `lenient`). */
  readonly replaced: number
  /** The given or declared name that the bytes contradicted. */
  readonly overruled?: string
}

/** Encodings offered in messages. */
const offered = [
  'utf-8',
  'utf-16le',
  'utf-16be',
  'windows-1251',
  'koi8-r',
  'ibm866',
  'iso-8859-5',
  'x-mac-cyrillic',
  'windows-1252',
]

const minMarginNats = 3
const maxMeanCost = 3.7 // measured on prose: 2.5 to 3.1 right, above 4.2 wrong

/**
 * Decodes a whole text file.
 * @throws AppError `empty-file`, `binary-file`, `unknown-encoding`, `damaged-text`, `undecided-encoding`
 */
export function decodeText(bytes: Uint8Array, options: DecodeOptions): Decoded {
  if (bytes.length === 0) throw emptyFile(options.where)
  const mark = readMark(bytes)
  if (mark) return decodeMarked(bytes, mark, options)
  refuseBinary(bytes, options.where)
  const wide = guessUtf16(bytes)
  const named = options.encoding ?? options.declared
  if (named !== undefined) return decodeNamed(bytes, checkName(named, options.where), wide, options)
  if (wide) return decodeAs(bytes, wide, 'detected', 0.99)
  refuseControls(bytes, options.where)
  return isUtf8(bytes) ? decodeAs(bytes, 'utf-8', 'detected', 1) : detectSingleByte(bytes, options)
}

function decodeAs(bytes: Uint8Array, name: string, by: Document['encoding']['by'], confidence = 1): Decoded {
  const text = iconv.decode(asBuffer(bytes), iconvName(name))
  return { text, encoding: { name, by }, confidence, replaced: 0 }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

interface Mark {
  readonly name: string
  readonly length: number
}

function readMark(bytes: Uint8Array): Mark | undefined {
  const first = asBuffer(bytes.subarray(0, 4)).toString('hex')
  if (first === 'fffe0000') return { name: 'utf-32le', length: 4 } // before UTF-16, whose mark it begins with
  if (first === '0000feff') return { name: 'utf-32be', length: 4 }
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return { name: 'utf-8', length: 3 }
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return { name: 'utf-16le', length: 2 }
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return { name: 'utf-16be', length: 2 }
  return undefined
}

function decodeMarked(bytes: Uint8Array, mark: Mark, options: DecodeOptions): Decoded {
  const rest = bytes.subarray(mark.length)
  if (rest.length === 0) throw emptyFile(options.where)
  const named = options.encoding ?? options.declared
  const overruled = named !== undefined && !sameEncoding(named, mark.name) ? { overruled: named } : {}
  const decoded = mark.name === 'utf-8' ? decodeUtf8(rest, 'bom', options) : decodeAs(rest, mark.name, 'bom')
  return { ...decoded, ...overruled }
}

/** `utf-16` in an XML declaration means either byte order. */
function sameEncoding(a: string, b: string): boolean {
  const plain = (name: string): string =>
    iconvName(name)
      .replace(/[^a-z0-9]/gu, '')
      .replace(/^utf16[lb]e$/u, 'utf16')
  return plain(a) === plain(b)
}

function checkName(name: string, where: string): string {
  const key = iconvName(name)
  if (iconv.encodingExists(key) && !['base64', 'hex', 'binary', 'utf7', 'utf7imap', 'internal'].includes(key)) {
    return name.toLowerCase()
  }
  const near = nearestName(name, offered)
  throw new AppError('unknown-encoding', {
    where,
    what: { en: `unknown encoding "${name}"`, ru: `неизвестная кодировка «${name}»` },
    fix: near
      ? { en: `Did you mean "${near}"?`, ru: `Может быть, «${near}»?` }
      : { en: `Give one of: ${offered.join(', ')}`, ru: `Укажите одну из: ${offered.join(', ')}` },
  })
}

/** The bytes are the truth: ten sequences of UTF-8 and no bad one do not happen by chance in a single-byte encoding. */
function decodeNamed(bytes: Uint8Array, name: string, wide: string | undefined, options: DecodeOptions): Decoded {
  const by = options.encoding === undefined ? 'declared' : 'given'
  if (wide && !/^(utf-?16|utf-?32|ucs)/u.test(name))
    return { ...decodeAs(bytes, wide, 'detected', 0.99), overruled: name }
  if (/^utf-?8$/u.test(name)) return decodeUtf8(bytes, by, options)
  if (/^(utf-?16|utf-?32|ucs)/u.test(name)) return decodeAs(bytes, name, by)
  refuseControls(bytes, options.where)
  const scan = scanUtf8(bytes)
  if (scan.good >= 10 && scan.bad === 0) return { ...decodeAs(bytes, 'utf-8', 'detected'), overruled: name }
  return decodeAs(bytes, name, by)
}

function decodeUtf8(bytes: Uint8Array, by: Document['encoding']['by'], options: DecodeOptions): Decoded {
  refuseControls(bytes, options.where)
  if (isUtf8(bytes)) return decodeAs(bytes, 'utf-8', by)
  const scan = scanUtf8(bytes)
  if (!isMostlyUtf8(scan) && !options.lenient) {
    const { name } = guessCyrillic(bytes)
    throw damagedText(bytes, scan, options.where, name)
  }
  return decodeDamaged(bytes, scan, by, options)
}

interface Utf8Scan {
  /** Whole sequences of two or more bytes. */
  readonly good: number
  readonly bad: number
  readonly firstBad: number
}

function scanUtf8(bytes: Uint8Array): Utf8Scan {
  let [good, bad, firstBad] = [0, 0, -1]
  for (let i = 0; i < bytes.length;) {
    const length = sequenceLength(bytes, i)
    if (length > 1) good++
    if (length === 0) {
      bad++
      if (firstBad < 0) firstBad = i
    }
    i += length || 1
  }
  return { good, bad, firstBad }
}

/** Length of the UTF-8 sequence at `i`, or 0 where there is none. */
function sequenceLength(bytes: Uint8Array, i: number): number {
  const first = bytes[i]
  if (first < 0x80) return 1
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
  if (first < 0xc2 || first > 0xf4 || i + length > bytes.length) return 0
  return isUtf8(bytes.subarray(i, i + length)) ? length : 0
}

function isMostlyUtf8({ good, bad }: Utf8Scan): boolean {
  return good >= 20 && bad * 10 <= good
}

function decodeDamaged(
  bytes: Uint8Array,
  scan: Utf8Scan,
  by: Document['encoding']['by'],
  options: DecodeOptions,
): Decoded {
  if (!options.lenient) throw damagedText(bytes, scan, options.where)
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  return { text, encoding: { name: 'utf-8', by }, confidence: scan.good / (scan.good + scan.bad), replaced: scan.bad }
}

/** UTF-16 without a mark: one byte of nearly every pair is 00 (Latin, spaces) or 04 (Cyrillic). */
function guessUtf16(bytes: Uint8Array): string | undefined {
  if (bytes.length < 4 || bytes.length % 2 === 1) return undefined
  const sample = bytes.subarray(0, 65536)
  const share = (offset: number): number => {
    let hits = 0
    for (let i = offset; i < sample.length; i += 2) if (isHighByte(sample[i])) hits++
    return hits / (sample.length / 2)
  }
  const [big, little] = [share(0), share(1)]
  if (Math.max(big, little) < 0.9 || Math.min(big, little) > 0.5) return undefined
  return little > big ? 'utf-16le' : 'utf-16be'
}

/** 20 opens the block of dashes and quotes; it is also a space, which is why the other half must not look alike. */
function isHighByte(byte: number): boolean {
  return byte === 0x00 || byte === 0x04
}

function refuseControls(bytes: Uint8Array, where: string): void {
  let controls = 0
  for (const byte of bytes) {
    if (byte === 0) throw binaryFile(where)
    if (byte < 0x20 && !(byte >= 0x08 && byte <= 0x0d) && byte !== 0x1a && byte !== 0x1b) controls++
  }
  if (controls > 8 && controls * 200 > bytes.length) throw binaryFile(where)
}

function detectSingleByte(bytes: Uint8Array, options: DecodeOptions): Decoded {
  const scan = scanUtf8(bytes)
  if (isMostlyUtf8(scan)) return decodeDamaged(bytes, scan, 'detected', options)
  if (highRunLength(bytes) < 2) throw undecided(options.where, ['windows-1252', 'windows-1251'])
  const guess = guessCyrillic(bytes)
  if (guess.meanCost > maxMeanCost || guess.marginNats < minMarginNats)
    throw undecided(options.where, guess.ranking.slice(0, 3))
  return decodeAs(bytes, guess.name, 'detected', 1 - Math.exp(-guess.marginNats / 4))
}

/** Mean length of a run of bytes above 7F: words in Cyrillic, single letters and quotes in Latin text. */
function highRunLength(bytes: Uint8Array): number {
  let [high, runs] = [0, 0]
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] < 0x80) continue
    high++
    if (i === 0 || bytes[i - 1] < 0x80) runs++
  }
  return high / Math.max(1, runs)
}

function emptyFile(where: string): AppError {
  return new AppError('empty-file', {
    where,
    what: { en: 'the file is empty', ru: 'файл пуст' },
    fix: { en: 'Check that it was copied or downloaded whole', ru: 'Проверьте, что он скопирован или скачан целиком' },
  })
}

function binaryFile(where: string): AppError {
  return new AppError('binary-file', {
    where,
    what: { en: 'this is not a text file: it holds control bytes', ru: 'это не текст: в файле управляющие байты' },
    fix: { en: 'Give the book as .txt or .fb2', ru: 'Дайте книгу в виде .txt или .fb2' },
  })
}

function damagedText(bytes: Uint8Array, scan: Utf8Scan, where: string, likely?: string): AppError {
  const line = bytes.subarray(0, scan.firstBad).filter(byte => byte === 0x0a).length + 1
  return new AppError('damaged-text', {
    where: `${where}:${line}`,
    what: {
      en: `damaged UTF-8: ${scan.bad} bad of ${scan.good + scan.bad} letters beyond ASCII, the first at byte ${scan.firstBad}`,
      ru: `повреждённый UTF-8: негодных букв ${scan.bad} из ${scan.good + scan.bad}, первая — байт ${scan.firstBad}`,
    },
    fix: likely
      ? {
          en: `It looks like ${likely}: add --encoding ${likely} (in the plan and in code encoding: "${likely}")`,
          ru: `Похоже на ${likely}: добавьте --encoding ${likely} (в плане и в коде encoding: "${likely}")`,
        }
      : {
          en: 'Take an undamaged copy, or add --lenient (in the plan and in code lenient: true) to read "\ufffd" in their place',
          ru: 'Возьмите целую копию или добавьте --lenient (в плане и в коде lenient: true): на их месте будет «\ufffd»',
        },
  })
}

function undecided(where: string, ranking: readonly string[]): AppError {
  const names = ranking.join(', ')
  return new AppError('undecided-encoding', {
    where,
    what: {
      en: `the encoding cannot be told from the bytes; the likeliest: ${names}`,
      ru: `по байтам нельзя решить, какая это кодировка; вероятнее всего: ${names}`,
    },
    fix: {
      en: `Name it: --encoding ${ranking[0]} (in the plan and in code encoding: "${ranking[0]}")`,
      ru: `Назовите её: --encoding ${ranking[0]} (в плане и в коде encoding: "${ranking[0]}")`,
    },
  })
}
