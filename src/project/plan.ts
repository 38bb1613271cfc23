// The plan of a project, dvoynik.json: what is read, who is who, and the options of every stage.
import { basename, join } from 'node:path'
import { z } from 'zod'
import { AppError, keyOf, type Text } from '../base/errors.js'
import { exists, readJson, writeFileAtomic } from '../base/files.js'
import { parseSettings } from '../base/settings.js'
import { defaultMethod, methodSettings } from './method-settings.js'

/** One source file inside the project's `sources/` folder. */
const source = z.strictObject({
  file: z.string().min(1),
  encoding: z.string().optional(),
  /** Reads damaged UTF-8 with U+FFFD in place of what is broken, instead of refusing it. */
  lenient: z.boolean().optional(),
})

const dataset = z.strictObject({
  copies: z
    .array(z.enum(['original', 'me', 'ti']))
    .min(1)
    .default(['original', 'me', 'ti']),
  /** `all`: every line is learnt, as TiMe does; `own`: only the character's replies. */
  learn: z.enum(['all', 'own']).default('all'),
  maxChars: z.int().min(100).default(1500),
  minLetters: z.int().min(0).default(20),
  /** Rewrite the names of everybody, as TiMe does, instead of the character's alone. */
  everybody: z.boolean().default(false),
  blacklist: z.array(z.string()).default([]),
})

const tokenizer = z.strictObject({
  add: z.array(z.string().min(1)).default(['<char>']),
})

const rate = z.number().min(0).lt(1)
const decayOfWeights = z.number().min(0)
const adamSettings = { beta1: rate.optional(), beta2: rate.optional(), epsilon: z.number().min(0).optional() }

/** Every optimizer with the settings it alone knows; what is left out takes the optimizer's own default. */
const optimizer = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('adamw'), ...adamSettings, weightDecay: decayOfWeights.default(0.03) }),
  z.strictObject({ kind: z.literal('adamw-8bit'), ...adamSettings, weightDecay: decayOfWeights.default(0.03) }),
  z.strictObject({
    kind: z.literal('lion'),
    beta1: rate.optional(),
    beta2: rate.optional(),
    weightDecay: decayOfWeights.default(0.03),
  }),
  z.strictObject({
    kind: z.literal('adafactor'),
    beta2Decay: z.number().max(0).optional(),
    epsilon: z.number().positive().optional(),
    minimumScale: z.number().min(0).optional(),
    clipThreshold: z.number().min(1).optional(),
    weightDecay: decayOfWeights.default(0),
  }),
  z.strictObject({
    kind: z.literal('sgd'),
    momentum: rate.optional(),
    nesterov: z.boolean().optional(),
    weightDecay: decayOfWeights.default(0),
  }),
  z.strictObject({
    kind: z.literal('muon'),
    ...adamSettings,
    momentum: rate.optional(),
    weightDecay: decayOfWeights.default(0.03),
  }),
])

const schedules = [
  'constant',
  'constant-with-warmup',
  'linear',
  'cosine',
  'cosine-with-restarts',
  'inverse-square-root',
  'warmup-stable-decay',
] as const

const train = z.strictObject({
  /** `pocket-ru`, a folder with config.json and model.safetensors, or `ORG/NAME` of a model fetched with `dvoynik model pull`. */
  base: z.string().default('pocket-ru'),
  /**
   * `onnxruntime-cpu`, `openvino` where it is installed, `onnxruntime-webgpu` where there is a graphics card, or `auto`:
   * openvino where it is installed, else onnxruntime-cpu. bf16 computes in half the width, weights stay float32.
   */
  engine: z
    .strictObject({
      name: z.enum(['auto', 'onnxruntime-cpu', 'openvino', 'onnxruntime-webgpu']).default('auto'),
      precision: z.enum(['auto', 'f32', 'bf16']).default('auto'),
      /** Worker threads, in training and in chat; by default all cores. Fewer leave room for other work on the machine. */
      threads: z.int().min(1).max(1024).optional(),
    })
    .prefault({}),
  method: methodSettings.default(defaultMethod),
  /** Bits of the frozen base under an adapter: 8 or 4 take less memory and are faster on onnxruntime-cpu. */
  baseBits: z.union([z.literal(32), z.literal(8), z.literal(4)]).default(32),
  /** What products with 8 or 4 bits round their left side to; `float32` leaves it alone and is slower. */
  baseActivations: z.enum(['int8', 'float32']).default('int8'),
  optimizer: optimizer.default(optimizer.parse({ kind: 'adamw' })),
  learningRate: z.number().positive().default(2e-3),
  schedule: z.enum(schedules).default('cosine'),
  /** Share of the steps spent warming up. */
  warmup: z.number().min(0).max(1).default(0.03),
  /** Share of the learning rate that cosine and warmup-stable-decay end with. */
  minimum: z.number().min(0).max(1).optional(),
  /** Falls of cosine-with-restarts. */
  cycles: z.int().min(1).optional(),
  /** Share of the steps that warmup-stable-decay decays in, and how. */
  decay: z.number().min(0).max(1).optional(),
  decayShape: z.enum(['linear', 'cosine', 'one-minus-root']).optional(),
  epochs: z.number().positive().default(3),
  /** Fixed number of optimizer steps; wins over `epochs`. */
  steps: z.int().min(1).optional(),
  batch: z.int().min(1).default(4),
  accumulate: z.int().min(1).default(1),
  length: z.int().min(16).default(256),
  /**
   * Computes the inside of each block again in the backward pass instead of keeping it: less memory, a tenth more time. With
   * method `full`, `"clip": null` and one micro-batch a step, each block is updated before the gradients of the next one come,
   * which saves most of the memory of gradients too.
   */
  checkpointing: z.boolean().default(false),
  /** Share of each target spread over the whole vocabulary; in the training loss, never in evaluation. */
  labelSmoothing: z.number().min(0).lt(1).default(0),
  /** Factor of the squared logarithm of the softmax's divisor, as PaLM's 1e-4; in the training loss, never in evaluation. */
  zLoss: z.number().min(0).default(0),
  /** Positions whose logits exist at once; by default what 64 MiB hold where that saves memory. */
  lossRows: z.int().min(1).optional(),
  /** Largest global norm of the gradients; larger ones are scaled down to it. `null` leaves them alone. */
  clip: z.number().positive().nullable().default(1),
  saveEvery: z.int().min(1).default(500),
  saveTotalLimit: z.int().min(1).default(2),
  evaluateEvery: z.int().min(1).default(50),
  /** TensorBoard event files beside events.jsonl. */
  tensorBoard: z.boolean().default(false),
  seed: z.int().default(20261122),
})

const chat = z.strictObject({
  temperature: z.number().min(0).default(0.7),
  topK: z.int().min(0).default(40),
  topP: z.number().positive().max(1).default(0.95),
  minP: z.number().min(0).max(1).default(0),
  typicalP: z.number().positive().max(1).optional(),
  repetitionPenalty: z.number().min(1).default(1.1),
  /** Last tokens that the penalties look at; -1 is all of them. */
  repetitionRange: z.int().min(-1).optional(),
  presencePenalty: z.number().optional(),
  frequencyPenalty: z.number().optional(),
  dryMultiplier: z.number().min(0).optional(),
  dryBase: z.number().min(1).optional(),
  dryAllowedLength: z.int().min(0).optional(),
  dryRange: z.int().min(-1).optional(),
  xtcProbability: z.number().min(0).max(1).optional(),
  xtcThreshold: z.number().min(0).max(1).optional(),
  mirostatTau: z.number().min(0).optional(),
  mirostatEta: z.number().positive().optional(),
  maxTokens: z.int().min(1).default(80),
  seed: z.int().default(1),
  /** `int8` answers two to three times as fast with nearly the same text, and takes a moment to prepare the model. */
  weights: z.enum(['float32', 'int8']).default('float32'),
})

const planSchema = z.strictObject({
  $schema: z.string().optional(),
  name: z.string().min(1),
  sources: z.array(source).default([]),
  /** Name of the character to become: any of the names in dictionaries/people.txt. */
  focus: z.string().optional(),
  /** Who becomes ты where the character becomes я. */
  partner: z.string().optional(),
  dataset: dataset.prefault({}),
  tokenizer: tokenizer.prefault({}),
  train: train.prefault({}),
  chat: chat.prefault({}),
})

export type Plan = z.output<typeof planSchema>

export const planFile = 'dvoynik.json'

/** A complete plan with every default filled in. */
export function createPlan(name: string): Plan {
  return planSchema.parse({ name })
}

/**
 * Reads `dvoynik.json` of a project folder.
 * @throws AppError `no-project`, `bad-json`, `unknown-key` (with the nearest known key) or `bad-setting`
 */
export async function readPlan(folder: string): Promise<Plan> {
  const path = join(folder, planFile)
  if (!(await exists(path)))
    throw new AppError('no-project', {
      where: folder,
      kind: 'usage',
      what: {
        en: `no ${planFile} here: this is not a project folder`,
        ru: `здесь нет ${planFile}: это не папка проекта`,
      },
      fix: {
        en: 'Run `dvoynik init NAME` and go into the folder',
        ru: 'Выполните `dvoynik init ИМЯ` и перейдите в папку',
      },
    })
  const plan = parseSettings(planSchema, await readJson(path), path)
  plan.sources.forEach(({ file }, i) => checkSourceName(file, keyOf(path, `sources.${i}.file`)))
  return plan
}

/** What is made of a book is named after it, so a name with folders would be read, and written, elsewhere. */
function checkSourceName(file: string, where: Text): void {
  if (basename(file) === file && file !== '.' && file !== '..') return
  const got = JSON.stringify(file)
  throw new AppError('bad-source-name', {
    where,
    what: {
      en: `expected the name of a file in sources/, without folders; received ${got}`,
      ru: `ожидается имя файла из sources/, без папок; получено ${got}`,
    },
    fix: { en: 'Add the book with `dvoynik add`, which copies it there', ru: 'Добавьте книгу: `dvoynik add` скопирует её туда' },
  }) // prettier-ignore
}

/** Writes the plan back, whole, with its defaults visible so that they can be edited. */
export async function writePlan(folder: string, plan: Plan): Promise<void> {
  await writeFileAtomic(join(folder, planFile), JSON.stringify(plan, null, 2) + '\n')
}

/** JSON Schema of the plan, shipped as assets/plan.schema.json. */
export function planJsonSchema(): unknown {
  return z.toJSONSchema(planSchema, { io: 'input' })
}
