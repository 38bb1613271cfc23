// The memory that a run is told to need, against the most that its process had.
import type { ConfigJson } from '../../src/model/model-config.js'
import type { Plan } from '../../src/project/plan.js'
import type { Benchmark, Goal, Side, Size } from '../case.js'
import { gpt2, gpt2Base } from '../models.js'
import type { MemoryWork } from '../memory.js'

type TrainSettings = Partial<Plan['train']>

const full: TrainSettings['method'] = { kind: 'full', freeze: [] }
const lora: TrainSettings['method'] = { kind: 'lora', rank: 8, alpha: 16, rankStabilized: false, targets: 'all-linear' }

/** Each block is updated before the gradients of the next one come. */
const byBlock: TrainSettings = { method: full, checkpointing: true, clip: null }

const middle = gpt2({ layers: 8, width: 512, heads: 8, vocabulary: 30000, positions: 1024 })
/** No smaller than the tokenizer. */
const toy = gpt2({ layers: 2, width: 64, heads: 4, vocabulary: 8000, positions: 256 })
const small = gpt2({ layers: 6, width: 256, heads: 4, vocabulary: 20000, positions: 1024 })

/** The length is a limit of the quick size. */
function side(name: string, size: Size, config: ConfigJson | undefined, settings: TrainSettings): Side {
  const quick = size === 'quick'
  const engine = { name: 'onnxruntime-cpu', precision: 'auto', ...settings.engine } as const
  const length = quick ? 32 : (settings.length ?? 256)
  const train = { steps: quick ? 1 : 3, evaluateEvery: 1000, ...settings, engine, length }
  const work: MemoryWork = { program: 'memory', config: quick && config ? toy : config, train }
  return { name, kind: 'ours', needs: engine.name === 'openvino' ? ['openvino'] : [], work }
}

/** Every model, way of training and length that the prediction is held against. */
function sides(size: Size): readonly Side[] {
  const large = gpt2Base('full')
  const openvino = (precision: 'f32' | 'bf16'): TrainSettings => ({ engine: { name: 'openvino', precision } })
  const chosen = [
    side('pocket-ru, LoRA, 4 × 256', size, undefined, {}),
    side('13M, full, 4 × 256', size, small, { method: full }),
    side('OpenVINO f32: pocket-ru, LoRA', size, undefined, openvino('f32')),
  ]
  if (size === 'quick') return chosen
  return [
    ...chosen,
    side('pocket-ru, LoRA, 4 × 64', size, undefined, { length: 64 }),
    side('pocket-ru, LoRA over 8 bits', size, undefined, { baseBits: 8 }),
    side('13M, full, 1 × 1024', size, small, { method: full, batch: 1, length: 1024 }),
    side('41M, full, 4 × 256', size, middle, { method: full }),
    side('41M, full, 4 × 256, checkpointing', size, middle, { method: full, checkpointing: true }),
    side('41M, full, 1 × 1024, block by block', size, middle, { ...byBlock, batch: 1, length: 1024 }),
    side('41M, full, 4 times 1 × 256', size, middle, { method: full, batch: 1, accumulate: 4 }),
    side('41M, LoRA, 4 × 256', size, middle, { method: lora }),
    side('41M, LoRA over 8 bits', size, middle, { method: lora, baseBits: 8 }),
    side('41M, LoRA over 4 bits', size, middle, { method: lora, baseBits: 4 }),
    side('124M, full, 1 × 512', size, large, { method: full, batch: 1, length: 512 }),
    side('124M, LoRA, 1 × 512', size, large, { method: lora, batch: 1, length: 512 }),
    side('OpenVINO f32: 41M, full', size, middle, { ...openvino('f32'), method: full }),
    side('OpenVINO f32: 41M, full, 1 × 1024, block by block', size, middle, {
      ...openvino('f32'),
      ...byBlock,
      batch: 1,
      length: 1024,
    }),
    side('OpenVINO bf16: 41M, LoRA', size, middle, { ...openvino('bf16'), method: lora }),
    side('OpenVINO bf16: 41M, LoRA over 8 bits', size, middle, { ...openvino('bf16'), method: lora, baseBits: 8 }),
    side('OpenVINO f32: 41M, LoRA over 8 bits', size, middle, { ...openvino('f32'), method: lora, baseBits: 8 }),
  ]
}

function within(name: string): Goal {
  const text = `${name}: told before the run, as a share of the peak, off by`
  const error = (found: number | undefined): number | undefined => (found === undefined ? undefined : Math.abs(found))
  return { text, most: 0.15, unit: '%', value: read => error(read(name, 'error')) }
}

export default {
  name: 'memory',
  title: 'Memory told before a run',
  measures:
    'The figure that `dvoynik train` tells before its first step, and the most resident memory of the process that trains, with evaluation before and after three steps and the checkpoint; models with random weights, AdamW.',
  rounds: 1,
  sides,
  columns: [
    { figure: 'predictedBytes', title: 'told', unit: 'GB' },
    { figure: 'peakBytes', title: 'peak memory', unit: 'GB' },
    { figure: 'error', title: 'error', unit: '%' },
  ],
  goals: sides('full').map(({ name }) => within(name)),
  charts: () => [],
} satisfies Benchmark
