// One size of a small GPT-2 made larger step by step: what a training step costs beside what arithmetic says.
import type { Benchmark, Size } from './case.js'
import { gpt2, trainingFlops, type StepSize } from './models.js'
import { full, ourSide, torchSide, type Training } from './training-sides.js'

interface Growth {
  readonly name: string
  readonly title: string
  /** What grows, for the axis. */
  readonly x: string
  readonly values: { readonly [S in Size]: readonly number[] }
  size(x: number): StepSize
}

/** A model between the toys and GPT-2: 512 wide. */
export function growingModel(layers: number) {
  return gpt2({ layers, width: 512, heads: 8, vocabulary: 4096, positions: 2048 })
}

export function growthBenchmark({ name, title, x, values, size }: Growth): Benchmark {
  const sizes = (of: Size) => values[of].map(value => ({ ...size(value), x: value }))
  const training = (of: Size): Training => ({
    method: full,
    sizes: sizes(of),
    steps: of === 'quick' ? 1 : 2,
    warmup: 1,
  })
  return {
    name,
    title,
    measures:
      'Whole optimizer steps of a GPT-2 that is 512 wide. Dashed: the operations of the step at each side’s mean rate.',
    rounds: 1,
    sides: of => [
      ourSide('ONNX Runtime f32', training(of)),
      ourSide('OpenVINO bf16', training(of)),
      torchSide('fp32', training(of)),
      torchSide('autocast', training(of)),
    ],
    columns: [],
    goals: [],
    charts: of => [
      {
        kind: 'lines',
        file: `bench-${name}.svg`,
        title,
        figure: 'stepSeconds',
        x,
        points: values[of].map(value => ({ x: value, flops: trainingFlops(size(value), full) })),
      },
    ],
  }
}
