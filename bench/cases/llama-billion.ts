// LoRA over a LLaMA of 1.1 thousand million parameters: does it fit, and how fast is it.
import type { Benchmark, Size } from '../case.js'
import { llamaBillion } from '../models.js'
import { lora, ourSide, torchSide, trainingColumns, type Training } from '../training-sides.js'

function training(size: Size): Training {
  const toy = size === 'quick'
  const step = { config: llamaBillion(size), batch: 1, length: toy ? 32 : 512 }
  return { method: lora, sizes: [step], steps: toy ? 1 : 2, warmup: 1 }
}

export default {
  name: 'llama-billion',
  title: 'LLaMA 1.1B, LoRA of rank 8 on all linear modules',
  measures:
    'One whole optimizer step over 512 tokens, batch 1. The checkpoint is bfloat16 on disk; ours reads its base from codes of 8 or 4 bits, which are made once.',
  rounds: 1,
  sides: size => [
    {
      name: 'making the 8-bit codes',
      kind: 'ours',
      needs: [],
      work: { program: 'stored', config: llamaBillion(size), base: { bits: 8 } },
    },
    ourSide('ONNX Runtime f32', training(size), ', 8-bit base', { base: { bits: 8 } }),
    ourSide('OpenVINO bf16', training(size), ', 8-bit base', { base: { bits: 8 } }),
    torchSide('bf16', training(size)),
  ],
  columns: [{ figure: 'madeSeconds', title: 'codes made', unit: 's' }, ...trainingColumns.filter(({ figure }) => figure !== 'clipSeconds')], // prettier-ignore
  goals: [
    {
      text: 'ONNX Runtime f32, 8-bit base: peak memory',
      most: 6e9,
      unit: 'GB',
      value: read => read('ONNX Runtime f32, 8-bit base', 'peakBytes'),
    },
  ],
  charts: () => [
    { kind: 'bars', file: 'bench-billion-memory.svg', title: 'LLaMA 1.1B with LoRA, 512 tokens: peak memory', figure: 'peakBytes', unit: 'GB', scale: 1e-9 }, // prettier-ignore
    { kind: 'bars', file: 'bench-billion.svg', title: 'LLaMA 1.1B with LoRA: tokens learnt a second', figure: 'tokensPerSecond', unit: '', scale: 1 }, // prettier-ignore
  ],
} satisfies Benchmark
