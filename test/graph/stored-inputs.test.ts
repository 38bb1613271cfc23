import { expect, it } from 'vitest'
import * as g from '../../src/graph/build.js'
import { storeInputs, writeOnnx } from '../../src/graph/onnx.js'
import type { HostTensor } from '../../src/graph/tensor.js'

const values: HostTensor = { dtype: 'float32', shape: [2, 6], data: Float32Array.from({ length: 12 }, (_, i) => i) }
const [x, w] = [g.input('x', [2, 3]), g.input('w', [2, 6])]
const turned = g.reshape(w, [3, 4])

it('an input that is only read in another shape is stored in that shape, and no longer fed', () => {
  const written = writeOnnx({ outputs: { y: g.matmul(x, turned) } }, 'standard')
  const { model, inputs } = storeInputs(written, new Map([['w', values]]))
  expect(Object.keys(inputs)).toEqual(['x'])
  expect(model.inputs.map(({ name }) => name)).toEqual(['x'])
  expect(model.nodes.map(({ opType }) => opType)).toEqual(['MatMul'])
  expect(model.initializers.map(({ name, shape }) => [name, shape])).toEqual([[model.nodes[0].inputs[1], [3, 4]]])
  expect(Object.keys(written.inputs)).toEqual(['x', 'w'])
})

it('what is a result stays computed; what is read as it is, is stored as it is', () => {
  const outputs = { turned, y: g.add(w, g.scalar(1)) }
  const { model } = storeInputs(writeOnnx({ outputs }, 'standard'), new Map([['w', values]]))
  expect(model.nodes.map(({ opType }) => opType).sort()).toEqual(['Add', 'Reshape'])
  expect(model.initializers.find(({ name }) => name === 'w')?.shape).toEqual([2, 6])
})

it('a value of another type is refused', () => {
  const written = writeOnnx({ outputs: { y: g.matmul(x, turned) } }, 'standard')
  const wrong = { ...values, shape: [6, 2] }
  expect(() => storeInputs(written, new Map([['w', wrong]]))).toThrow(/^w: needs float32 \[2, 6\], the frozen value is float32 \[6, 2\]/) // prettier-ignore
})
