// The sides that train: ours in each runtime and precision, PyTorch's in each precision, at the same sizes and steps.
import type { Method } from '../src/model/method.js'
import type { Column, Side, Size } from './case.js'
import { gpt2Base, type StepSize } from './models.js'
import type { TrainingWork } from './training.js'

export interface Training {
  readonly method: Method
  readonly sizes: readonly (StepSize & { readonly x?: number })[]
  readonly steps: number
  readonly warmup: number
}

export const lora: Method = { kind: 'lora', rank: 8, alpha: 16, targets: 'all-linear' }
export const full: Method = { kind: 'full' }

type Engine = 'ONNX Runtime f32' | 'OpenVINO f32' | 'OpenVINO bf16'

const engines: Readonly<Record<Engine, Pick<TrainingWork, 'runtime' | 'precision'>>> = {
  'ONNX Runtime f32': { runtime: 'onnxruntime-cpu', precision: 'f32' },
  'OpenVINO f32': { runtime: 'openvino', precision: 'f32' },
  'OpenVINO bf16': { runtime: 'openvino', precision: 'bf16' },
}

/** @param options settings of the step, told by `note` in the side's name */
export function ourSide(
  engine: Engine,
  training: Training,
  note = '',
  options: Pick<TrainingWork, 'checkpointing' | 'base'> = {},
): Side {
  const { runtime, precision } = engines[engine]
  return {
    name: engine + note,
    kind: 'ours',
    needs: runtime === 'openvino' ? ['openvino'] : [],
    work: { program: 'training', runtime, precision, ...training, ...options },
  }
}

/** `autocast`: fp32 weights, products in bf16. `bf16`: the weights too. */
export type TorchPrecision = 'fp32' | 'autocast' | 'bf16'

const precisionNames: Readonly<Record<TorchPrecision, string>> = { fp32: 'fp32', autocast: 'autocast bf16', bf16: 'pure bf16' } // prettier-ignore

export function torchSide(
  precision: TorchPrecision,
  training: Training,
  note = '',
  options: { readonly checkpointing?: boolean } = {},
): Side {
  const adapter = training.method.kind !== 'full'
  return {
    name: `${adapter ? 'PEFT' : 'PyTorch'} ${precisionNames[precision]}${note}`,
    kind: 'peer',
    needs: adapter ? ['torch', 'transformers', 'peft'] : ['torch', 'transformers'],
    work: { program: 'python', script: 'train.py', settings: { precision, ...training, ...options } },
  }
}

/** One step of GPT-2 124M over 512 tokens, or of a toy of its form. */
export function gpt2Training(method: Method, size: Size, length: number, steps: number): Training {
  const [tokens, taken] = size === 'quick' ? [length / 16, 1] : [length, steps]
  return { method, sizes: [{ config: gpt2Base(size), batch: 1, length: tokens }], steps: taken, warmup: 1 }
}

/** Ours and the rival's, next to each other, in every precision. */
export function sidesInPairs(training: Training): readonly Side[] {
  return [
    ourSide('ONNX Runtime f32', training),
    torchSide('fp32', training),
    ourSide('OpenVINO f32', training),
    torchSide('autocast', training),
    ourSide('OpenVINO bf16', training),
    torchSide('bf16', training),
  ]
}

export const trainingColumns: readonly Column[] = [
  { figure: 'stepSeconds', title: 'step', unit: 's' },
  { figure: 'tokensPerSecond', title: 'tokens', unit: 'per s' },
  { figure: 'cpuSeconds', title: 'processor time', unit: 's' },
  { figure: 'updateSeconds', title: 'update', unit: 'ms' },
  { figure: 'updateShare', title: 'update’s share', unit: '%' },
  { figure: 'clipSeconds', title: 'clipping (not in the step)', unit: 'ms' },
  { figure: 'peakBytes', title: 'peak memory', unit: 'GB' },
  { figure: 'ownBytes', title: 'of it above the libraries', unit: 'GB' },
  { figure: 'lossNats', title: 'first loss', unit: 'nats' },
]
