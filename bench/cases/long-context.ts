// Memory at twice the length: blocks that are computed again in the backward pass, or kept.
import type { Benchmark, Size } from '../case.js'
import { smaller } from '../goals.js'
import { full, gpt2Training, ourSide, torchSide, trainingColumns, type Training } from '../training-sides.js'

function training(size: Size): Training {
  return gpt2Training(full, size, 1024, 1)
}

const checkpointing = { checkpointing: true }

export default {
  name: 'long-context',
  title: 'GPT-2 124M, every weight trained, 1,024 tokens',
  measures:
    'Activation checkpointing keeps only the stream between the blocks and computes their insides again: less memory for more time. Ours also updates each block before the gradients of the next one come.',
  rounds: 1,
  sides: size => [
    ourSide('ONNX Runtime f32', training(size)),
    ourSide('ONNX Runtime f32', training(size), ', checkpointing', checkpointing),
    ourSide('OpenVINO f32', training(size), ', checkpointing', checkpointing),
    ourSide('OpenVINO bf16', training(size)),
    ourSide('OpenVINO bf16', training(size), ', checkpointing', checkpointing),
    torchSide('fp32', training(size)),
    torchSide('fp32', training(size), ', checkpointing', checkpointing),
    torchSide('autocast', training(size)),
    torchSide('autocast', training(size), ', checkpointing', checkpointing),
  ],
  columns: trainingColumns.filter(({ figure }) => !['updateSeconds', 'updateShare', 'clipSeconds'].includes(figure)),
  goals: [
    smaller('ONNX Runtime f32, checkpointing', 'PyTorch fp32', 0.5),
    smaller('OpenVINO f32, checkpointing', 'PyTorch fp32', 0.5),
    smaller('OpenVINO bf16, checkpointing', 'PyTorch autocast bf16', 0.5),
    smaller('OpenVINO f32, checkpointing', 'PyTorch fp32, checkpointing', 0.5),
    smaller('OpenVINO bf16, checkpointing', 'PyTorch autocast bf16, checkpointing', 0.5),
  ],
  charts: () => [
    { kind: 'bars', file: 'bench-long-memory.svg', title: 'Peak memory at 1,024 tokens', figure: 'peakBytes', unit: 'GB', scale: 1e-9 }, // prettier-ignore
  ],
} satisfies Benchmark
