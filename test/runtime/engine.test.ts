import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { listEngines, openEngine } from '../../src/project/engine.js'
import { findOpenvinoLibraries } from '../../src/runtime/openvino-libraries.js'

const noWarning = (): never => expect.unreachable()

it('takes the reference when it is asked for, and says why', async () => {
  const { runtime, reason } = await openEngine({ name: 'onnxruntime-cpu' }, noWarning)
  expect(runtime.name).toBe('onnxruntime-cpu')
  expect(reason.en).toMatch(/^Engine: onnxruntime-cpu \d+\.\d+\.\d+ \(the reference\)$/)
})

it('takes openvino by default where its libraries are, else the reference in f32', async () => {
  const { runtime, reason } = await openEngine({ precision: 'bf16' }, noWarning)
  if (findOpenvinoLibraries()) {
    expect(runtime.name).toBe('openvino')
    expect(reason.en).toMatch(/ bf16 \(its libraries are here\)$/)
  } else expect(reason.en).toMatch(/^Engine: onnxruntime-cpu .* \(openvino is not installed\)$/)
})

it('refuses a precision that an engine does not have', async () => {
  await expect(
    openEngine({ name: 'onnxruntime-cpu', precision: 'bf16' }, noWarning),
  ).rejects.toThrowErrorMatchingInlineSnapshot(
    `[AppError: onnxruntime-cpu: does not compute in "bf16", only in f32. Choose precision f32, or the runtime openvino.]`,
  )
})

it('lists an engine whose folder has no libraries as missing, with the way to mend it', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'dvoynik-libs-'))
  vi.stubEnv('DVOYNIK_OPENVINO_LIBS', empty)
  const [reference, openvino] = await listEngines()
  vi.unstubAllEnvs()
  await rm(empty, { recursive: true })
  expect(reference).toMatchObject({ name: 'onnxruntime-cpu', ready: true })
  expect(openvino).toMatchObject({ name: 'openvino', ready: false })
  expect(openvino.note.en.replace(empty, 'FOLDER').replaceAll(process.platform, 'PLATFORM')).toMatchInlineSnapshot(
    `"FOLDER: DVOYNIK_OPENVINO_LIBS names this folder, but it has no OpenVINO libraries for PLATFORM. Point DVOYNIK_OPENVINO_LIBS to the folder with the library openvino_c, or unset it."`,
  )
})
