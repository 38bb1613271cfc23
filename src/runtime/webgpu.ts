// Turns a graph into a program of ONNX Runtime on the graphics card through WebGPU: Vulkan, Metal or Direct3D 12.
import type { Text } from '../base/errors.js'
import { openOnnxRuntime } from './onnxruntime.js'
import type { NativeRuntime } from './runtime.js'

/** What must be on the machine. */
export const webgpuNeeds: Text = {
  en: 'It needs a graphics card with a driver for Vulkan (and libvulkan), Metal or Direct3D 12; else choose onnxruntime-cpu',
  ru: 'Нужна видеокарта с драйвером Vulkan (и libvulkan), Metal или Direct3D 12; иначе выберите onnxruntime-cpu',
}

/**
 * ONNX Runtime on the graphics card in float32; arrays stay the caller's and are copied there and back. Operations that
 * it lacks there run on the processor.
 * @throws AppError `runtime-load` (environment)
 */
export function createWebgpu(): Promise<NativeRuntime> {
  return openOnnxRuntime('webgpu')
}
