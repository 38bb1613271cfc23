// How long a user waits before the first token or the first step.
import type { Benchmark, Side, Size } from '../case.js'
import { gpt2Base } from '../models.js'
import { lora } from '../training-sides.js'

function side(name: string, runtime: string, precision: 'f32' | 'bf16', size: Size, fresh = true): Side {
  const length = size === 'quick' ? 32 : 512
  const work = { program: 'start', runtime, precision, config: gpt2Base(size), method: lora, length, fresh } as const
  return { name, kind: 'ours', needs: runtime === 'openvino' ? ['openvino'] : [], work }
}

export default {
  name: 'start',
  title: 'GPT-2 124M, from a fresh process to the first answer',
  measures:
    'The library loaded; a decoder compiled and its first token made; a LoRA step of 512 tokens compiled, then run once. OpenVINO keeps what it compiled for the next start («again»); its self-check is not part of this.',
  rounds: 1,
  sides: size => [
    side('ONNX Runtime f32', 'onnxruntime-cpu', 'f32', size),
    side('OpenVINO f32', 'openvino', 'f32', size),
    side('OpenVINO bf16', 'openvino', 'bf16', size),
    side('OpenVINO bf16, again', 'openvino', 'bf16', size, false),
  ],
  columns: [
    { figure: 'openSeconds', title: 'library loaded', unit: 's' },
    { figure: 'firstTokenSeconds', title: 'first token', unit: 's' },
    { figure: 'compileSeconds', title: 'step compiled', unit: 's' },
    { figure: 'firstStepSeconds', title: 'first step', unit: 's' },
  ],
  goals: [],
  charts: () => [],
} satisfies Benchmark
