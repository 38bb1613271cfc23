// One optimizer step of GPT-2 124M, every weight trained.
import type { Benchmark, Size } from '../case.js'
import { faster, shareOfPeak, smaller, updateWithin } from '../goals.js'
import { full, gpt2Training, sidesInPairs, trainingColumns, type Training } from '../training-sides.js'

function training(size: Size): Training {
  return gpt2Training(full, size, 512, 3)
}

export default {
  name: 'full-step',
  title: 'GPT-2 124M, every weight trained',
  measures:
    'One whole optimizer step: forward, backward and AdamW over 512 tokens, batch 1, random weights and tokens.',
  rounds: 2,
  sides: size => sidesInPairs(training(size)),
  columns: trainingColumns,
  goals: [
    faster('ONNX Runtime f32', 'PyTorch fp32', 1.4),
    faster('OpenVINO f32', 'PyTorch fp32', 1.9),
    faster('OpenVINO bf16', 'PyTorch fp32', 3.5),
    faster('OpenVINO bf16', 'PyTorch autocast bf16', 2),
    faster('OpenVINO bf16', 'PyTorch pure bf16', 1.5),
    shareOfPeak('OpenVINO bf16', training('full').sizes[0], full),
    smaller('ONNX Runtime f32', 'PyTorch fp32', 0.7),
    smaller('OpenVINO f32', 'PyTorch fp32', 0.7),
    smaller('OpenVINO bf16', 'PyTorch autocast bf16', 0.7),
    updateWithin('ONNX Runtime f32'),
    updateWithin('OpenVINO f32'),
    updateWithin('OpenVINO bf16'),
  ],
  charts: () => [
    { kind: 'bars', file: 'bench-full-step.svg', title: 'One step of GPT-2 124M, every weight trained, 512 tokens', figure: 'stepSeconds', unit: 's', scale: 1 }, // prettier-ignore
    { kind: 'bars', file: 'bench-full-memory.svg', title: 'GPT-2 124M, every weight trained, 512 tokens: peak memory', figure: 'peakBytes', unit: 'GB', scale: 1e-9 }, // prettier-ignore
  ],
} satisfies Benchmark
