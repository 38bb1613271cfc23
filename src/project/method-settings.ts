// What of the model a plan trains: the settings of every method, and the method of the engine that they stand for.
import { z } from 'zod'
import { AppError } from '../base/errors.js'
import type { Method } from '../model/method.js'
import type { Bits } from '../model/quantise.js'

const targets = z.union([z.literal('all-linear'), z.array(z.string()).min(1)])
const count = z.int().min(1)
const modulesToSave = z.array(z.string()).min(1).optional()

const lora = z.strictObject({
  kind: z.literal('lora'),
  rank: count.max(512).default(16),
  alpha: z.number().positive().default(32),
  rankStabilized: z.boolean().default(false),
  targets: targets.default('all-linear'),
  dora: z.boolean().optional(),
  dropout: z.number().min(0).lt(1).optional(),
  /** Block numbers from 0; default all. */
  layers: z.array(z.int().min(0)).min(1).optional(),
  rankPattern: z.record(z.string(), count).optional(),
  alphaPattern: z.record(z.string(), z.number().positive()).optional(),
  modulesToSave,
})

/** One row a method; `lora` also trains the rows of the added tokens. */
export const methodSettings = z.discriminatedUnion('kind', [
  lora,
  z.strictObject({ kind: z.literal('full'), freeze: z.array(z.string()).default([]) }),
  z.strictObject({
    kind: z.literal('ia3'),
    targets: targets.optional(),
    feedforward: z.array(z.string()).min(1).optional(),
    modulesToSave,
  }),
  z.strictObject({ kind: z.literal('prompt'), tokens: count.default(20) }),
  z.strictObject({ kind: z.literal('p-tuning'), tokens: count.default(20), hidden: count.default(128) }),
  z.strictObject({ kind: z.literal('prefix'), tokens: count.default(20), projection: count.optional() }),
  z.strictObject({ kind: z.literal('adaption-prompt'), tokens: count.default(10), layers: count.default(2) }),
  z.strictObject({
    kind: z.literal('bottleneck'),
    style: z.enum(['houlsby', 'pfeiffer']).default('pfeiffer'),
    reduction: z.number().positive().optional(),
    activation: z.enum(['relu', 'swish', 'gelu']).optional(),
  }),
])

type MethodSettings = z.output<typeof methodSettings>

/** LoRA with the defaults of the product. */
export const defaultMethod: MethodSettings = lora.parse({ kind: 'lora' })

/**
 * Full training needs the weights themselves.
 * @throws AppError `bad-setting`
 */
export function checkBaseBits(method: MethodSettings, baseBits: 32 | Bits): void {
  if (baseBits === 32 || method.kind !== 'full') return
  throw new AppError('bad-setting', {
    where: 'train.baseBits',
    kind: 'usage',
    what: {
      en: `${baseBits} with the method "full": weights in codes cannot be trained`,
      ru: `${baseBits} при методе «full»: веса в кодах обучать нельзя`,
    },
    fix: {
      en: 'Set train.baseBits to 32, or choose an adapter method such as lora',
      ru: 'Задайте train.baseBits: 32 или выберите метод с адаптером, например lora',
    },
  })
}

/** @param newTokenRows ids of the added tokens: they mean nothing before training */
export function trainingMethod(settings: MethodSettings, newTokenRows: readonly number[]): Method {
  if (settings.kind !== 'lora') return settings
  const { rankStabilized, ...rest } = settings
  return { ...rest, rsLora: rankStabilized, newTokenRows }
}

/** One line for people: `LoRA r=16, alpha=32`. */
export function describeMethod(settings: MethodSettings): string {
  if (settings.kind !== 'lora') return settings.kind
  const name = settings.dora ? 'DoRA' : settings.rankStabilized ? 'rsLoRA' : 'LoRA'
  return `${name} r=${settings.rank}, alpha=${settings.alpha}`
}
