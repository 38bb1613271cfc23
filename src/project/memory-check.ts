// The memory a run will need against what the machine has free: told before the run, refused when it cannot fit.
import { readFileSync } from 'node:fs'
import { freemem } from 'node:os'
import { AppError, type Text } from '../base/errors.js'
import type { MemoryNeed } from '../model/memory.js'
import type { Plan } from './plan.js'

type TrainSettings = Plan['train']

/** Bytes kept for each trained number; the largest case where an optimizer treats tensors differently. */
export const stateBytes: { readonly [K in TrainSettings['optimizer']['kind']]: number } = {
  adamw: 8,
  'adamw-8bit': 2.1,
  lion: 4,
  sgd: 4,
  muon: 8,
  adafactor: 0.1,
}

/** Where Linux tells what is free; elsewhere the system's own count of free memory is taken. */
interface MemoryFiles {
  /** Text of a file, or undefined where there is none. */
  read(path: string): string | undefined
  readonly free: () => number
}

const system: MemoryFiles = {
  read(path) {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      return undefined
    }
  },
  free: freemem,
}

/** Limits of control groups, versions 2 and 1: the file of the limit and that of what is used. */
const groups = [
  ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory.current'],
  ['/sys/fs/cgroup/memory/memory.limit_in_bytes', '/sys/fs/cgroup/memory/memory.usage_in_bytes'],
] as const

/** Bytes that this process can still get: memory that the system can give without swapping, within the limit of a container. */
export function availableBytes({ read, free }: MemoryFiles = system): number {
  const told = /^MemAvailable:\s+(\d+) kB$/mu.exec(read('/proc/meminfo') ?? '')
  const left = groups.flatMap(([limit, used]) => {
    const room = Number(read(limit)?.trim()) - Number(read(used)?.trim())
    return Number.isFinite(room) ? [room] : []
  })
  return Math.max(0, Math.min(told ? 1024 * Number(told[1]) : free(), ...left))
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(bytes < 1e8 ? 2 : 1)
}

function partsOf(need: MemoryNeed): Text {
  const [weights, gradients, state, activations, runtime] = [
    ...[need.weights, need.gradients, need.optimizerState, need.activations, need.runtime].map(gigabytes),
  ]
  return {
    en: `weights ${weights}, gradients ${gradients}, optimizer ${state}, activations ${activations}, program ${runtime}`,
    ru: `веса ${weights}, градиенты ${gradients}, оптимизатор ${state}, активации ${activations}, программа ${runtime}`,
  }
}

/** Said once before a run. */
export function memoryNotice(need: MemoryNeed, available: number): Text {
  const parts = partsOf(need)
  const [total, free] = [need.total, available].map(gigabytes)
  return {
    en: `Training will need about ${total} GB of memory (${parts.en}); ${free} GB are free.`,
    ru: `Обучению нужно около ${total} ГБ памяти (${parts.ru}); свободно ${free} ГБ.`,
  }
}

/**
 * @param available bytes that the process can still get
 * @param resident bytes of the need that the process holds already
 * @throws AppError `not-enough-memory` (environment) naming the parts and what would lower them
 */
export function checkMemory(need: MemoryNeed, available: number, resident: number, settings: TrainSettings): void {
  if (need.total - resident <= available) return
  const parts = partsOf(need)
  const [total, room] = [need.total, available + resident].map(gigabytes)
  const ways = waysOut(need, settings)
  throw new AppError('not-enough-memory', {
    kind: 'environment',
    where: 'train',
    what: {
      en: `training needs about ${total} GB of memory (${parts.en}), ${room} GB can be had`,
      ru: `обучению нужно около ${total} ГБ памяти (${parts.ru}), доступно ${room} ГБ`,
    },
    fix: {
      en: `Close other programs, or change the plan: ${ways.map(({ en }) => en).join('; ')}`,
      ru: `Закройте другие программы или измените план: ${ways.map(({ ru }) => ru).join('; ')}`,
    },
  })
}

/** What this plan does not do yet, the cheapest first. */
function waysOut(
  need: MemoryNeed,
  { checkpointing, method, optimizer, batch, length }: TrainSettings,
): readonly Text[] {
  const ways: (Text | false)[] = [
    !checkpointing && { en: '"checkpointing": true', ru: '"checkpointing": true' },
    batch > 1 && { en: `a batch below ${batch} with more "accumulate"`, ru: `пакет меньше ${batch} и больше "accumulate"` },
    method.kind === 'full' && { en: 'method lora', ru: 'метод lora' },
    need.optimizerState > need.weights && optimizer.kind !== 'adamw-8bit' && { en: 'optimizer adamw-8bit', ru: 'оптимизатор adamw-8bit' },
    { en: `a length below ${length}`, ru: `длина меньше ${length}` },
    { en: 'a smaller base model', ru: 'модель поменьше' },
  ] // prettier-ignore
  return ways.filter(way => way !== false)
}
