// One optimizer step of GPT-2 124M with LoRA on every product of the blocks.
import type { Benchmark, Size } from '../case.js'
import { faster, fasterThanAll, shareOfPeak, smaller } from '../goals.js'
import { gpt2Training, lora, ourSide, sidesInPairs, trainingColumns, type Training } from '../training-sides.js'

function training(size: Size): Training {
  return gpt2Training(lora, size, 512, 4)
}

const peft = ['PEFT fp32', 'PEFT autocast bf16', 'PEFT pure bf16']

export default {
  name: 'lora-step',
  title: 'GPT-2 124M, LoRA of rank 8 on all linear modules',
  measures: 'One whole optimizer step over 512 tokens, batch 1; the base is frozen. PyTorch’s side is PEFT.',
  rounds: 2,
  sides: size => [
    ...sidesInPairs(training(size)),
    ourSide('ONNX Runtime f32', training(size), ', 8-bit base', { base: { bits: 8 } }),
    ourSide('OpenVINO bf16', training(size), ', 8-bit base', { base: { bits: 8 } }),
  ],
  columns: trainingColumns,
  goals: [
    faster('ONNX Runtime f32', 'PEFT fp32', 1.6),
    faster('ONNX Runtime f32, 8-bit base', 'PEFT fp32', 2.7),
    faster('OpenVINO bf16', 'PEFT fp32', 3.6),
    faster('OpenVINO bf16', 'PEFT autocast bf16', 2),
    faster('OpenVINO bf16', 'PEFT pure bf16', 1.8),
    fasterThanAll('OpenVINO bf16, 8-bit base', peft, 'the fastest of PEFT', 2),
    shareOfPeak('OpenVINO bf16', training('full').sizes[0], lora),
    smaller('ONNX Runtime f32', 'PEFT fp32', 0.7),
    smaller('ONNX Runtime f32, 8-bit base', 'PEFT fp32', 0.7),
    smaller('OpenVINO bf16, 8-bit base', 'PEFT autocast bf16', 0.7),
    smaller('OpenVINO f32', 'PEFT fp32', 0.7),
    smaller('OpenVINO bf16', 'PEFT autocast bf16', 0.7),
  ],
  charts: () => [
    { kind: 'bars', file: 'bench-lora-step.svg', title: 'One step of GPT-2 124M with LoRA, 512 tokens', figure: 'stepSeconds', unit: 's', scale: 1 }, // prettier-ignore
    { kind: 'bars', file: 'bench-lora-memory.svg', title: 'GPT-2 124M with LoRA, 512 tokens: peak memory', figure: 'peakBytes', unit: 'GB', scale: 1e-9 }, // prettier-ignore
  ],
} satisfies Benchmark
