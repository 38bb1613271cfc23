// The header of a .safetensors file as bytes to where every tensor lies, with every claim checked against the file's size.
import { elementCount } from '../graph/tensor.js'
import { AppError, type Text } from '../base/errors.js'

/** Bits per element of every element type the format knows. */
const dtypeBits = {
  F4: 4, F6_E2M3: 6, F6_E3M2: 6, BOOL: 8, U8: 8, I8: 8, F8_E4M3: 8, F8_E5M2: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8,
  U16: 16, I16: 16, F16: 16, BF16: 16, U32: 32, I32: 32, F32: 32, F64: 64, U64: 64, I64: 64, C64: 64,
} as const // prettier-ignore

export type SafetensorsDtype = keyof typeof dtypeBits

/** Where a tensor lies; `begin` and `end` count bytes from the start of the file. */
export interface TensorEntry {
  readonly dtype: SafetensorsDtype
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, TensorEntry>
  readonly metadata: Readonly<Record<string, string>>
}

/** The reference implementation's limit: a longer header is a damaged or hostile file. */
const headerLimitBytes = 100_000_000

/** Whether numbers of this type can be weights. */
export function isFloat(dtype: SafetensorsDtype): dtype is 'F32' | 'F16' | 'BF16' | 'F64' {
  return dtype === 'F32' || dtype === 'F16' || dtype === 'BF16' || dtype === 'F64'
}

/**
 * Length of the header from the first eight bytes of a file of `size` bytes.
 * @throws AppError `bad-safetensors`
 */
export function headerLength(first: Buffer, size: number, path: string): number {
  if (size < 8) throw bad(path, undefined, `truncated: ${size} bytes`, `файл обрезан: ${size} байт`)
  const length = Number(first.readBigUInt64LE())
  if (length > headerLimitBytes) {
    throw bad(
      path,
      undefined,
      `header of ${length} bytes, the limit is ${headerLimitBytes}`,
      `заголовок в ${length} байт, предел ${headerLimitBytes}`,
    )
  }
  if (8 + length > size)
    throw bad(path, undefined, `truncated in the header: ${size} bytes`, `файл обрезан в заголовке: ${size} байт`)
  return length
}

/**
 * @param bytes the header itself, after the eight bytes of its length
 * @param size of the whole file
 * @throws AppError `bad-safetensors` naming file and tensor
 */
export function parseHeader(bytes: Uint8Array, size: number, path: string): SafetensorsHeader {
  const { __metadata__: metadata = {}, ...tensors } = parseJson(decodeText(bytes, path), path)
  if (!isTexts(metadata))
    throw bad(path, undefined, '__metadata__ is not a map of texts', '__metadata__ не словарь строк')
  const start = 8 + bytes.length
  const entries = new Map(Object.entries(tensors).map(([name, raw]) => [name, checkEntry(path, name, raw, start)]))
  checkCoverage(path, entries, start, size)
  return { entries, metadata }
}

function decodeText(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw bad(path, undefined, 'header is not UTF-8', 'заголовок не в UTF-8')
  }
}

function parseJson(text: string, path: string): Record<string, unknown> {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    const { message } = cause as Error
    throw bad(path, undefined, `header is not JSON (${message})`, `заголовок не JSON (${message})`)
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw bad(path, undefined, 'header is not a JSON object', 'заголовок не объект JSON')
  }
  const twice = repeatedKey(text)
  if (twice !== undefined) throw bad(path, twice, 'stands twice in the header', 'дважды стоит в заголовке')
  return json as Record<string, unknown>
}

/** JSON.parse keeps the last of equal keys in silence; this finds the first key written twice in one object of valid JSON. */
function repeatedKey(json: string): string | undefined {
  const open: Set<string>[] = []
  const token = /[{}"]/gu
  for (let match = token.exec(json); match; match = token.exec(json)) {
    if (match[0] === '{') open.push(new Set())
    else if (match[0] === '}') open.pop()
    else {
      const end = stringEnd(json, match.index + 1)
      token.lastIndex = end + 1
      let after = end + 1
      while (' \t\r\n'.includes(json[after])) after++
      if (json[after] !== ':') continue
      const name = JSON.parse(json.slice(match.index, end + 1)) as string
      if (open.at(-1)!.has(name)) return name
      open.at(-1)!.add(name)
    }
  }
  return undefined
}

/** Place of the quotation mark that ends a string: one with an even number of backslashes before it. */
function stringEnd(json: string, from: number): number {
  for (let at = json.indexOf('"', from); ; at = json.indexOf('"', at + 1)) {
    let slashes = 0
    while (json[at - 1 - slashes] === '\\') slashes++
    if (slashes % 2 === 0) return at
  }
}

function isTexts(value: unknown): value is Record<string, string> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every(one => typeof one === 'string')
  )
}

function checkEntry(path: string, name: string, raw: unknown, base: number): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = (raw ?? {}) as Readonly<Record<string, unknown>>
  const got = (value: unknown): string => shown(JSON.stringify(value) ?? 'undefined')
  if (typeof dtype !== 'string' || !Object.hasOwn(dtypeBits, dtype))
    throw bad(path, name, `unknown element type ${got(dtype)}`, `неизвестный тип элементов ${got(dtype)}`)
  if (!isSizes(shape)) throw bad(path, name, `bad shape ${got(shape)}`, `негодная форма ${got(shape)}`)
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1])
    throw bad(path, name, `bad data_offsets ${got(offsets)}`, `негодные data_offsets ${got(offsets)}`)
  const bytes = (elementCount(shape) * dtypeBits[dtype as SafetensorsDtype]) / 8
  const claimed = offsets[1] - offsets[0]
  if (claimed !== bytes) {
    throw bad(
      path,
      name,
      `${claimed} bytes for ${dtype} [${shown(String(shape))}], expected ${bytes}`,
      `${claimed} байт для ${dtype} [${shown(String(shape))}], нужно ${bytes}`,
    )
  }
  return { dtype: dtype as SafetensorsDtype, shape, begin: base + offsets[0], end: base + offsets[1] }
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(size => Number.isSafeInteger(size) && size >= 0)
}

/** The tensors must tile the rest of the file exactly. */
function checkCoverage(path: string, entries: ReadonlyMap<string, TensorEntry>, start: number, size: number): void {
  let at = start
  for (const [name, { begin, end }] of [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    const wrong = misplaced(begin, end, at, size)
    if (wrong) throw bad(path, name, wrong.en, wrong.ru)
    at = end
  }
  const rest = size - at
  if (rest > 0)
    throw bad(path, undefined, `${rest} bytes after the last tensor`, `${rest} лишних байт после последнего тензора`)
}

function misplaced(begin: number, end: number, at: number, size: number): Text | undefined {
  if (begin < at)
    return { en: `overlaps the tensor before it at byte ${begin}`, ru: `заходит на предыдущий тензор с байта ${begin}` }
  if (begin > at) return { en: `a hole of ${begin - at} bytes before it`, ru: `перед ним дыра в ${begin - at} байт` }
  if (end > size)
    return { en: `truncated: ends at byte ${end} of ${size}`, ru: `файл обрезан: конец на байте ${end} из ${size}` }
  return undefined
}

/** What a file says, fit for a message: short, and without characters that would move a terminal's cursor. */
function shown(text: string): string {
  const short = text.length > 120 ? `${text.slice(0, 120)}…` : text
  return short.replace(/\p{Cc}/gu, '\ufffd')
}

/** A file that is not what it claims. @param tensor the tensor at fault, where one is */
export function bad(path: string, tensor: string | undefined, en: string, ru: string): AppError {
  const where = tensor === undefined ? path : `${path}, tensor ${shown(tensor)}`
  return new AppError('bad-safetensors', {
    where,
    what: { en, ru },
    fix: {
      en: 'The file is damaged or not safetensors; fetch or write it again',
      ru: 'Файл повреждён или это не safetensors; скачайте или запишите его заново',
    },
  })
}
