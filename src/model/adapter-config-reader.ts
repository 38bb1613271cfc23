// Takes values out of an adapter_config.json and remembers which keys were asked for, so that the rest can be questioned.
import { AppError, keyOf, type Text } from '../base/errors.js'
import type { ConfigJson } from './model-config.js'
import { pythonRegex } from './python-regex.js'

/** Keys that describe the file or how training started, not what the adapter computes now. */
const harmlessKeys: readonly string[] = [
  'peft_type', 'auto_mapping', 'base_model_name_or_path', 'inference_mode', 'loftq_config', 'megatron_config', 'megatron_core', 'peft_version',
  'revision', 'task_type', 'eva_config', 'corda_config', 'lora_ga_config', 'qalora_group_size', 'runtime_config',
  'init_ia3_weights', 'prompt_tuning_init', 'prompt_tuning_init_text', 'tokenizer_name_or_path', 'tokenizer_kwargs', 'init_weights',
] // prettier-ignore

export class AdapterConfigReader {
  private readonly seen = new Set<string>(harmlessKeys)

  constructor(
    private readonly json: ConfigJson,
    private readonly path: string,
  ) {}

  /** The value; undefined for an absent key and for null. */
  value(key: string): unknown {
    this.seen.add(key)
    return this.json[key] ?? undefined
  }

  /** @throws AppError `unsupported-adapter`, as every reader here */
  number(key: string, fallback?: number): number {
    const value = this.value(key) ?? fallback
    if (typeof value === 'number') return value
    throw this.unsupported(key)
  }

  /** False where the key is absent. */
  flag(key: string): boolean {
    const value = this.value(key) ?? false
    if (typeof value === 'boolean') return value
    throw this.unsupported(key)
  }

  place(key: string): Text {
    return keyOf(this.path, key)
  }

  /** A list of names, [] where the key is absent. */
  strings(key: string): readonly string[] {
    const value = this.value(key) ?? []
    if (Array.isArray(value) && value.every(item => typeof item === 'string')) return value
    throw this.unsupported(key)
  }

  /** One regular expression, or a list of names. */
  expressionOr(key: string): string | readonly string[] {
    const value = this.value(key)
    return typeof value === 'string' ? value : this.strings(key)
  }

  /** Numbers by name, {} where the key is absent. */
  numbers(key: string): Record<string, number> {
    const value = this.value(key) ?? {}
    if (
      typeof value === 'object' &&
      !Array.isArray(value) &&
      Object.values(value).every(item => typeof item === 'number')
    )
      return value as Record<string, number>
    throw this.unsupported(key)
  }

  /** Numbers by regular expression. */
  patterns(key: string): Record<string, number> {
    const values = this.numbers(key)
    for (const pattern of Object.keys(values)) pythonRegex(pattern, this.place(key))
    return values
  }

  /** Refuses every value but one; an absent key is that value. */
  expect(key: string, only: unknown): void {
    if ((this.value(key) ?? only) !== only) throw this.unsupported(key)
  }

  /** Every key that was not asked for must be off: null, false or empty. */
  checkRest(): void {
    const lost = Object.keys(this.json).find(key => !this.seen.has(key) && !isOff(this.json[key]))
    if (lost !== undefined) throw this.unsupported(lost)
  }

  /** @param why what is wrong with the value, where more can be said than that it is not supported */
  unsupported(key: string, why?: Text, fix = mergeInPython): AppError {
    const got = JSON.stringify(this.json[key] ?? null)
    return new AppError('unsupported-adapter', {
      where: this.place(key),
      what: {
        en: `the value ${got} ${why?.en ?? 'is not supported'}`,
        ru: `значение ${got} ${why?.ru ?? 'не поддерживается'}`,
      },
      fix,
    })
  }
}

export const useItsBase: Text = {
  en: 'Use the adapter with the base model it was trained on',
  ru: 'Возьмите адаптер вместе с его базовой моделью',
}

const mergeInPython: Text = {
  en: 'Merge this adapter into its base in Python (merge_and_unload) where that can be done, and use the result',
  ru: 'Слейте этот адаптер с базой в Python (merge_and_unload), если это возможно, и возьмите результат',
}

function isOff(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return true
  return typeof value === 'object' && Object.keys(value).length === 0
}
