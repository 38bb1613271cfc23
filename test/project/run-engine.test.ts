import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Text } from '../../src/base/errors.js'
import { leaveRunEngine, openRunEngine } from '../../src/project/run-engine.js'

let folder: string
let told: string[]
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'run-engine-'))
  told = []
  vi.stubEnv('DVOYNIK_OPENVINO_LIBS', folder) // has none
})
afterEach(() => void vi.unstubAllEnvs())

const tell = ({ en }: Text): void => void told.push(en.replaceAll(folder, 'RUN').replace(/ \d+\.\d+\.\d+/u, ' 1.2.3'))
const open = (name: string) => openRunEngine(folder, { name, precision: 'f32' }, { onWarning: tell, onNotice: tell })
const record = async () => JSON.parse(await readFile(join(folder, 'engine.json'), 'utf8')) as object
const begunOn = (name: string, label: string) =>
  writeFile(join(folder, 'engine.json'), JSON.stringify({ name, precision: 'f32', label }))

it('a new run on auto takes the reference where openvino does not start, says why, and notes it', async () => {
  const { identity, current } = await open('auto')
  expect(identity).toMatch(/^onnxruntime-cpu \d/u)
  expect(current()).toBe(identity)
  expect(told[0]).toContain('DVOYNIK_OPENVINO_LIBS names this folder, but it has no OpenVINO libraries')
  expect(told[1]).toBe('Engine: onnxruntime-cpu 1.2.3 (openvino is not installed)')
  expect(await record()).toEqual({ name: 'onnxruntime-cpu', precision: 'f32', label: identity })
})

it('a run on auto whose engine has gone goes on with the reference, says so, and stays what it was to its checkpoints', async () => {
  await begunOn('openvino', 'openvino 2026.4')
  for (let sitting = 0; sitting < 2; sitting++) {
    const { identity, current } = await open('auto')
    expect(identity).toBe('openvino 2026.4')
    expect(current()).toMatch(/^onnxruntime-cpu \d/u)
  }
  expect(told).toHaveLength(2)
  expect(told[0]).toMatch(
    /^This run began on openvino and goes on with onnxruntime-cpu: RUN: DVOYNIK_OPENVINO_LIBS names/u,
  )
  expect(told[1]).toBe(told[0])
})

it('a precision that the plan names now is not passed over for the one a run on auto began with', async () => {
  const label = 'openvino 2026.4 bf16'
  await writeFile(join(folder, 'engine.json'), JSON.stringify({ name: 'openvino', precision: 'bf16', label }))
  const checkpoint = join(folder, 'checkpoints', 'step-000010')
  await mkdir(checkpoint, { recursive: true })
  await writeFile(join(checkpoint, 'state.json'), JSON.stringify({ step: 10, identity: { runtime: label } }))
  expect((await open('auto')).identity).not.toBe(label) // so that the checkpoint refuses it by name
  expect(await record()).toMatchObject({ label })
})

it('a run whose engine is named in the plan is refused where that does not start', async () => {
  await begunOn('openvino', 'openvino 2026.4')
  await expect(open('openvino')).rejects.toMatchObject({ code: 'runtime-load' })
})

it('a run on auto stays on the reference it began with, as its checkpoint says, also from before engines were noted', async () => {
  const { identity } = await open('onnxruntime-cpu')
  const old = join(folder, 'checkpoints', 'step-000010')
  await mkdir(old, { recursive: true })
  await writeFile(join(old, 'state.json'), JSON.stringify({ step: 10, identity: { runtime: identity } }))
  await writeFile(join(folder, 'engine.json'), 'damaged')
  expect((await open('auto')).identity).toBe(identity)
})

it('an engine that ended the process is left once; the reference never is', async () => {
  const why = { en: 'it crashed', ru: 'сбой' }
  expect(await leaveRunEngine(folder, why)).toBeUndefined()
  await begunOn('openvino', 'openvino 2026.4')
  expect(await leaveRunEngine(folder, why)).toBe('openvino')
  expect(await leaveRunEngine(folder, why)).toBeUndefined()
  await open('openvino')
  expect(told).toEqual(['This run began on openvino and goes on with onnxruntime-cpu: it crashed'])
})
