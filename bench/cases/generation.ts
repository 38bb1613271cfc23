// Generation with GPT-2 124M, one sequence: a prompt of 256 tokens, then tokens one by one.
import type { Benchmark, Column, Side, Size } from '../case.js'
import { quicker } from '../goals.js'
import { gpt2Base } from '../models.js'
import type { Base } from '../stored.js'

const sizes = { full: { prompt: 256, made: 64, repeats: 3 }, quick: { prompt: 32, made: 8, repeats: 1 } }

function ours(name: string, runtime: string, precision: 'f32' | 'bf16', size: Size, base?: Base): Side {
  const work = { program: 'generation', runtime, precision, config: gpt2Base(size), base, ...sizes[size] } as const
  return { name, kind: 'ours', needs: runtime === 'openvino' ? ['openvino'] : [], work }
}

function llama(weights: 'F32' | 'BF16' | 'Q8_0', size: Size): Side {
  const work = { program: 'llama', weights, config: gpt2Base(size), ...sizes[size] } as const
  return { name: `llama.cpp ${weights.toLowerCase()}`, kind: 'peer', needs: ['llama.cpp', 'gguf'], work }
}

function transformers(precision: 'fp32' | 'bf16', size: Size): Side {
  const settings = { precision, config: gpt2Base(size), ...sizes[size] }
  return { name: `transformers ${precision}`, kind: 'peer', needs: ['torch', 'transformers'], work: { program: 'python', script: 'generate.py', settings } } // prettier-ignore
}

const columns: readonly Column[] = [
  { figure: 'tokensPerSecond', title: 'tokens made', unit: 'per s' },
  { figure: 'promptPerSecond', title: 'prompt', unit: 'per s' },
  { figure: 'cpuSeconds', title: 'processor time per token', unit: 'ms' },
  { figure: 'peakBytes', title: 'peak memory', unit: 'GB' },
]

export default {
  name: 'generation',
  title: 'GPT-2 124M, generation',
  measures:
    'Greedy, one sequence, key-value cache: 64 tokens after a prompt of 256. llama.cpp runs through node-llama-cpp, with its key-value cache in 16 bits.',
  rounds: 2,
  sides: size => [
    ours('ONNX Runtime f32', 'onnxruntime-cpu', 'f32', size),
    llama('F32', size),
    ours('OpenVINO f32', 'openvino', 'f32', size),
    llama('BF16', size),
    ours('OpenVINO bf16', 'openvino', 'bf16', size),
    ours('ONNX Runtime, 8 bits', 'onnxruntime-cpu', 'f32', size, { bits: 8 }),
    llama('Q8_0', size),
    transformers('fp32', size),
    transformers('bf16', size),
  ],
  columns,
  goals: [
    quicker('ONNX Runtime f32', 'llama.cpp f32', 1, 'tokensPerSecond', 'tokens made'),
    quicker('OpenVINO f32', 'llama.cpp f32', 1, 'tokensPerSecond', 'tokens made'),
    quicker('ONNX Runtime, 8 bits', 'llama.cpp q8_0', 1, 'tokensPerSecond', 'tokens made'),
    quicker('ONNX Runtime f32', 'llama.cpp f32', 1, 'promptPerSecond', 'prompt'),
    quicker('OpenVINO f32', 'llama.cpp f32', 1, 'promptPerSecond', 'prompt'),
    quicker('ONNX Runtime, 8 bits', 'llama.cpp q8_0', 1, 'promptPerSecond', 'prompt'),
  ],
  charts: () => [
    { kind: 'bars', file: 'bench-generation.svg', title: 'GPT-2 124M: tokens made a second', figure: 'tokensPerSecond', unit: '', scale: 1 }, // prettier-ignore
    { kind: 'bars', file: 'bench-prompt.svg', title: 'GPT-2 124M: tokens of the prompt read a second', figure: 'promptPerSecond', unit: '', scale: 1 }, // prettier-ignore
  ],
} satisfies Benchmark
