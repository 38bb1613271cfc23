// Turns OpenVINO into a runtime that is checked against the reference before each new program's first step.
import { mkdir, readFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import type { Text } from '../base/errors.js'
import { writeFileAtomic } from '../base/files.js'
import { sha256 } from '../base/hash.js'
import type { Graph } from '../graph/graph.js'
import { writeOnnx, type WrittenGraph } from '../graph/onnx.js'
import type { HostTensor } from '../graph/tensor.js'
import { checkBuffer } from './buffers.js'
import { cacheFolder } from './folders.js'
import type { CompileOptions, Precision, Program, Runtime } from './runtime.js'
import { checkOnOpenvino, type Verdict } from './self-check.js'

interface CheckedOptions {
  readonly candidate: Runtime
  readonly reference: Runtime
  readonly precision: Precision
  readonly onWarning: (text: Text) => void
}

type Tensors = Readonly<Record<string, HostTensor>>

/**
 * Programs run on the candidate once a child process has shown, with the first batch, that it computes what the
 * reference does; otherwise on the reference, with a warning. Verdicts are kept in the user's cache.
 */
export function createCheckedRuntime(options: CheckedOptions): Runtime {
  const { candidate } = options
  return {
    name: candidate.name,
    version: candidate.version,
    compile: (graph, settings) => Promise.resolve(new CheckedProgram(options, graph, settings)),
  }
}

/** Chooses its runtime at the first run, because only then is there a batch to check with. */
class CheckedProgram implements Program {
  private chosen: Promise<Program> | undefined
  private readonly written: WrittenGraph

  constructor(
    private readonly options: CheckedOptions,
    private readonly graph: Graph,
    private readonly settings: CompileOptions = {},
  ) {
    this.written = writeOnnx(graph, 'standard')
  }

  async run(feeds: Tensors, results: Tensors): Promise<void> {
    const { inputs } = this.written
    for (const name of Object.keys(inputs)) checkBuffer(name, feeds[name], inputs[name])
    this.chosen ??= this.choose(feeds)
    await (await this.chosen).run(feeds, results)
  }

  async close(): Promise<void> {
    await (await this.chosen)?.close()
  }

  private async choose(feeds: Tensors): Promise<Program> {
    const { candidate, reference, precision, onWarning } = this.options
    const key = verdictKey(this.written, candidate)
    const known = await readVerdict(key)
    const verdict = known ?? (await checkOnOpenvino(this.graph, this.written, feeds, { ...this.settings, precision, reference })) // prettier-ignore
    if (!known && isLasting(verdict)) await writeVerdict(key, verdict)
    if (verdict.state === 'passed') return candidate.compile(this.graph, this.settings)
    onWarning(fallbackWarning(candidate, reference, verdict))
    return reference.compile(this.graph, this.settings)
  }
}

/** A process that was killed or could not start says nothing about the runtime. */
function isLasting({ state, detail }: Verdict): boolean {
  return state === 'passed' || state === 'differs' || (state === 'crashed' && !['SIGKILL', 'SIGTERM', 'SIGINT'].includes(detail)) // prettier-ignore
}

/** The same graph, runtime and processor give the same verdict. */
function verdictKey({ bytes }: WrittenGraph, { name, version }: Runtime): string {
  return sha256(JSON.stringify([sha256(bytes), name, version, cpus()[0]?.model ?? process.arch]))
}

function verdictPath(key: string): string {
  return join(cacheFolder(), 'self-check', `${key}.json`)
}

async function readVerdict(key: string): Promise<Verdict | undefined> {
  try {
    return JSON.parse(await readFile(verdictPath(key), 'utf8')) as Verdict
  } catch {
    return undefined // not checked yet, or a damaged file: check again
  }
}

/** A cache that cannot be written costs time, not correctness. */
async function writeVerdict(key: string, verdict: Verdict): Promise<void> {
  const path = verdictPath(key)
  try {
    await mkdir(join(path, '..'), { recursive: true, mode: 0o700 })
    await writeFileAtomic(path, JSON.stringify(verdict))
  } catch {
    return
  }
}

function fallbackWarning(candidate: Runtime, reference: Runtime, { state, detail }: Verdict): Text {
  const en = { passed: '', differs: 'computed something else', crashed: 'crashed', failed: 'failed' }[state]
  const ru = { passed: '', differs: 'посчитал иначе', crashed: 'аварийно завершился', failed: 'не сработал' }[state]
  return {
    en: `${candidate.name} ${en} in the self-check (${detail}); going on with ${reference.name}, which is slower`,
    ru: `${candidate.name} при самопроверке ${ru} (${detail}); продолжаем на ${reference.name}, это медленнее`,
  }
}
