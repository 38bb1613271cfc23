import { expect, it, vi } from 'vitest'
import { createRuntime } from '../../src/runtime/registry.js'

vi.mock('onnxruntime-node', () => {
  throw new Error('libonnxruntime.so.1: cannot open shared object file')
})

it('explains a native library that does not load as a fault of the machine', async () => {
  const failure = createRuntime()
  await expect(failure).rejects.toThrow(
    expect.objectContaining({
      code: 'runtime-load',
      kind: 'environment',
      message: expect.stringContaining(`ONNX Runtime could not be loaded on ${process.platform}`) as string,
    }),
  )
  await expect(failure).rejects.toThrow('Reinstall the package onnxruntime-node')
})
