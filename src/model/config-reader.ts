// Takes values out of a config.json and remembers which keys were asked for, so that the rest can be questioned.
import { AppError, keyOf } from '../base/errors.js'
import type { ConfigJson } from './model-config.js'

export class ConfigReader {
  private readonly seen = new Set<string>()

  constructor(
    private readonly json: ConfigJson,
    private readonly where: string,
  ) {}

  /** The value; undefined for an absent key and for null. */
  value(key: string): unknown {
    this.seen.add(key)
    return this.json[key] ?? undefined
  }

  /** Whether the key is written, be it null. */
  has(key: string): boolean {
    return Object.hasOwn(this.json, key)
  }

  /** Takes note of keys that this family's code does not read. */
  ignore(...keys: readonly string[]): void {
    for (const key of keys) this.seen.add(key)
  }

  /**
   * @param keys names of the same setting, the first one written wins
   * @throws AppError `bad-config` when it is no positive whole number, or absent without a default
   */
  size(keys: string | readonly string[], fallback?: number): number {
    const names = typeof keys === 'string' ? [keys] : keys
    const key = names.find(name => this.value(name) !== undefined) ?? names[0]
    this.ignore(...names)
    const value = this.value(key) ?? fallback
    if (Number.isSafeInteger(value) && (value as number) > 0) return value as number
    throw this.bad(key, 'a positive whole number', 'положительное целое число')
  }

  number(key: string, fallback: number): number {
    const value = this.value(key) ?? fallback
    if (typeof value === 'number' && Number.isFinite(value)) return value
    throw this.bad(key, 'a number', 'число')
  }

  /** A positive whole number; undefined for null, and for an absent key without a default. */
  optionalSize(key: string, fallback?: number): number | undefined {
    this.seen.add(key)
    const value = this.has(key) ? this.json[key] : fallback
    return value === undefined || value === null ? undefined : this.size(key, fallback)
  }

  /** As `optionalSize`, for any positive number. */
  optionalNumber(key: string, fallback?: number): number | undefined {
    const value = this.has(key) ? this.value(key) : fallback
    if (value === undefined || (typeof value === 'number' && value > 0)) return value
    throw this.bad(key, 'a positive number', 'положительное число')
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.value(key) ?? fallback
    if (typeof value === 'boolean') return value
    throw this.bad(key, 'true or false', 'true или false')
  }

  /** The row that the value names. @throws AppError `unsupported-config` naming the known values */
  choice<Value>(key: string, table: Readonly<Record<string, Value>>, fallback: string): Value {
    const name = this.value(key) ?? fallback
    if (typeof name === 'string' && Object.hasOwn(table, name)) return table[name]
    throw this.unsupported(key, Object.keys(table).join(', '))
  }

  /** Refuses every value but the one the blocks compute; an absent key is that value. */
  expect(key: string, only: unknown): void {
    const value = this.value(key) ?? only
    if (value !== only) throw this.unsupported(key, JSON.stringify(only))
  }

  unread(harmless: readonly string[]): string[] {
    return Object.keys(this.json).filter(key => !this.seen.has(key) && !harmless.includes(key))
  }

  asked(): Iterable<string> {
    return this.seen
  }

  unsupported(key: string, known: string): AppError {
    const got = JSON.stringify(this.json[key])
    return new AppError('unsupported-config', {
      where: keyOf(this.where, key),
      what: { en: `the value ${got} is not supported`, ru: `значение ${got} не поддерживается` },
      fix: { en: `Choose a model with ${known}`, ru: `Выберите модель, где здесь: ${known}` },
    })
  }

  private bad(key: string, en: string, ru: string): AppError {
    const got = JSON.stringify(this.json[key])
    return new AppError('bad-config', {
      where: keyOf(this.where, key),
      what: { en: `expected ${en}, received ${got}`, ru: `нужно ${ru}, получено ${got}` },
      fix: { en: 'Mend the file or fetch the model again', ru: 'Исправьте файл или скачайте модель заново' },
    })
  }
}
