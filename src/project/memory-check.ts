// The memory a run will need against what the machine has free: told before the run, refused when it cannot fit.
import { readFileSync } from 'node:fs'
import { freemem } from 'node:os'
import { AppError, type Text } from '../base/errors.js'
import { collectGarbage } from '../base/garbage.js'
import { elementCount } from '../graph/tensor.js'
import type { Adapter } from '../model/adapter.js'
import { frozenForm } from '../model/frozen-tensor.js'
import { predictCheck, predictMemory, type MemoryEngine, type MemoryNeed, type StepNeeds } from '../model/memory.js'
import { trainableNames, type Method } from '../model/method.js'
import type { ModelConfig } from '../model/model-config.js'
import type { StepShape } from '../model/step-graph.js'
import type { Model } from '../model/weights.js'
import { trimHeap } from '../runtime/heap.js'
import type { Runtime } from '../runtime/runtime.js'
import type { Plan } from './plan.js'

type TrainSettings = Plan['train']

/** Bytes kept for each trained number; the largest case where an optimizer treats tensors differently. */
const stateBytes: { readonly [K in TrainSettings['optimizer']['kind']]: number } = {
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
  return (bytes / 1e9).toFixed(bytes < 1e10 ? 2 : 1)
}

function partsOf(need: MemoryNeed): Text {
  const [weights, gradients, state, activations, program] = [
    ...[need.weights, need.gradients, need.optimizerState, need.activations, need.program].map(gigabytes),
  ]
  return {
    en: `weights ${weights}, gradients ${gradients}, optimizer ${state}, activations ${activations}, program ${program}`,
    ru: `веса ${weights}, градиенты ${gradients}, оптимизатор ${state}, активации ${activations}, программа ${program}`,
  }
}

interface Run {
  readonly model: Model
  readonly adapter: Adapter | undefined
  readonly method: Method
  readonly settings: TrainSettings
}

/**
 * Tells what the run will need before its first program is compiled, and refuses to go on when that cannot be had. What the
 * process holds by then is measured, what is still to come is predicted.
 * @param tell hears the notice
 */
export function memoryCheck(
  runtime: Runtime,
  run: Run,
  tell: (notice: Text) => void,
): (step: StepNeeds) => Promise<void> {
  return async step => {
    collectGarbage() // of earlier stages and of loading
    await trimHeap()
    const [resident, available] = [process.memoryUsage.rss(), availableBytes()]
    const { accumulate, optimizer } = run.settings
    const held = { engine: engineOf(runtime), resident, weights: weightBytes(run), accumulate }
    const settings = { ...held, trained: countTrained(run), stateBytes: stateBytes[optimizer.kind] }
    const checked = await Promise.all(step.graphs.map(async graph => (await runtime.willCheck?.(graph)) === true))
    const needs = [predictMemory(step, settings), ...(checked.includes(true) ? [predictCheck(step, settings)] : [])]
    const need = needs.reduce((most, one) => (one.total > most.total ? one : most))
    checkMemory(need, available, resident, run.settings)
    tell(memoryNotice(need, available))
  }
}

/** WebGPU's own memory is not that of the process. */
function engineOf({ name, computesHalf }: Runtime): MemoryEngine {
  if (name !== 'openvino') return 'onnxruntime'
  return computesHalf ? 'openvino-bf16' : 'openvino'
}

/** Weights in arrays; those in codes or in files become part of a program. */
function weightBytes({ model, adapter }: Run): number {
  const arrays = [...model.weights.values(), ...(adapter?.weights.values() ?? [])].filter(tensor => {
    const { quantised, stored } = frozenForm(tensor)
    return quantised === undefined && stored === undefined
  })
  return arrays.reduce((sum, { shape }) => sum + 4 * elementCount(shape), 0)
}

function countTrained({ model, adapter, method }: Run): number {
  const shapes = adapter
    ? [...adapter.weights.values()].map(({ shape }) => shape)
    : method.kind === 'full'
      ? trainableNames(model.config, method).map(name => model.weights.get(name)!.shape)
      : []
  return shapes.reduce((sum, shape) => sum + elementCount(shape), 0)
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
 * Refuses at once what cannot fit whatever the step does: what passes between the blocks alone, in 16 bits. Building the
 * graph of such a step, from which the need is predicted, would take minutes.
 * @throws AppError as `checkMemory`
 */
export function checkLeast(
  { layers, width }: ModelConfig,
  { batch, length }: StepShape,
  settings: TrainSettings,
  available = availableBytes(),
): void {
  const activations = 2 * batch * length * width * (layers + 1)
  if (activations <= available) return
  const [least, room] = [activations, available].map(gigabytes)
  const what = {
    en: `rows of ${batch} × ${length} tokens need more than ${least} GB of memory between the blocks alone, ${room} GB can be had`,
    ru: `строкам ${batch} × ${length} токенов уже между блоками нужно больше ${least} ГБ памяти, доступно ${room} ГБ`,
  }
  throw notEnoughMemory(what, waysOut({ weights: 0, optimizerState: 0 }, settings))
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
  const what = {
    en: `training needs about ${total} GB of memory (${parts.en}), ${room} GB can be had`,
    ru: `обучению нужно около ${total} ГБ памяти (${parts.ru}), доступно ${room} ГБ`,
  }
  throw notEnoughMemory(what, waysOut(need, settings))
}

function notEnoughMemory(what: Text, ways: readonly Text[]): AppError {
  return new AppError('not-enough-memory', {
    kind: 'environment',
    where: 'train',
    what,
    fix: {
      en: `Close other programs, or change the plan: ${ways.map(({ en }) => en).join('; ')}`,
      ru: `Закройте другие программы или измените план: ${ways.map(({ ru }) => ru).join('; ')}`,
    },
  })
}

/** What this plan does not do yet, the cheapest first. */
function waysOut(
  need: Pick<MemoryNeed, 'weights' | 'optimizerState'>,
  { checkpointing, clip, accumulate, method, optimizer, batch, length }: TrainSettings,
): readonly Text[] {
  const ways: (Text | false)[] = [
    !checkpointing && { en: '"checkpointing": true', ru: '"checkpointing": true' },
    method.kind === 'full' && checkpointing && clip !== null && accumulate === 1 && { en: '"clip": null, for fewer gradients at a time', ru: '"clip": null: меньше градиентов сразу' },
    batch > 1 && { en: `a batch below ${batch} with more "accumulate"`, ru: `пакет меньше ${batch} и больше "accumulate"` },
    method.kind === 'full' && { en: 'method lora', ru: 'метод lora' },
    need.optimizerState > need.weights && optimizer.kind !== 'adamw-8bit' && { en: 'optimizer adamw-8bit', ru: 'оптимизатор adamw-8bit' },
    { en: `a length below ${length}`, ru: `длина меньше ${length}` },
    { en: 'a smaller base model', ru: 'модель поменьше' },
  ] // prettier-ignore
  return ways.filter(way => way !== false)
}
