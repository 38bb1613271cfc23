// What two cores give at best: a square matrix product, in each runtime and in PyTorch.
import type { Benchmark, PythonWork, Side, Size } from '../case.js'

const ours = (runtime: string, precision: 'f32' | 'bf16', size: Size): Side['work'] => ({
  program: 'matrix',
  runtime,
  precision,
  ...sizes[size],
})
const theirs = (precision: 'fp32' | 'bf16', size: Size): PythonWork => ({
  program: 'python',
  script: 'matrix.py',
  settings: { precision, ...sizes[size] },
})
const sizes = { full: { size: 2048, repeats: 10 }, quick: { size: 128, repeats: 2 } }

export default {
  name: 'matrix-peak',
  title: 'The machine: a product of two matrices',
  measures: 'C = A·B, 2048 × 2048 each. PyTorch’s bf16 figure is the peak that training steps are held against below.',
  rounds: 2,
  sides: size => [
    { name: 'ONNX Runtime f32', kind: 'ours', needs: [], work: ours('onnxruntime-cpu', 'f32', size) },
    { name: 'OpenVINO f32', kind: 'ours', needs: ['openvino'], work: ours('openvino', 'f32', size) },
    { name: 'OpenVINO bf16', kind: 'ours', needs: ['openvino'], work: ours('openvino', 'bf16', size) },
    { name: 'PyTorch fp32', kind: 'peer', needs: ['torch'], work: theirs('fp32', size) },
    { name: 'PyTorch bf16', kind: 'peer', needs: ['torch'], work: theirs('bf16', size) },
  ],
  columns: [{ figure: 'flopsPerSecond', title: 'operations', unit: 'GFLOP/s' }],
  goals: [],
  charts: () => [],
} satisfies Benchmark
