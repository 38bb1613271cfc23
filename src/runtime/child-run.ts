// Runs a written model once in a process of its own, which may crash, hang or be stopped.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { serialize } from 'node:v8'
import { asError } from '../base/errors.js'
import { programPath } from '../base/package.js'
import type { WrittenGraph } from '../graph/onnx.js'
import type { HostTensor } from '../graph/tensor.js'
import { bytesOf, failureMark, fillBuffers, type ChildRequest } from './child-protocol.js'

type Tensors = Readonly<Record<string, HostTensor>>

/** How a child ended that gave no results. */
export interface ChildFailure {
  /** `silent`: no answer in time, or stopped by the caller. */
  readonly state: 'crashed' | 'failed' | 'silent'
  /** A signal, a failure's message, or the time waited. */
  readonly detail: string
}

type Settings = Pick<ChildRequest, 'runtime' | 'precision' | 'threads' | 'frozen'>

export interface ChildRun extends Settings {
  readonly limitMs: number
  readonly signal?: AbortSignal
}

/** @returns why there are no results, or undefined when `results` are filled */
export async function runInChild(
  written: WrittenGraph,
  feeds: Tensors,
  results: Tensors,
  { limitMs, signal, ...request }: ChildRun,
): Promise<ChildFailure | undefined> {
  const child = spawn(process.execPath, [programPath(new URL('./child.js', import.meta.url))], {
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  const stopped = stopInTime(child, limitMs, signal)
  let said = ''
  child.stderr!.on('data', (text: Buffer) => (said = (said + text.toString('utf8')).slice(-4000)))
  const waiting = Object.values(results).map(bytesOf)
  const received = fillBuffers(child.stdio[3] as Readable, () => waiting.shift(), waiting.shift()!)
  const sent = writeRequest(child, written, feeds, request).catch(asError) // a child that died closes its stdin
  const [code, killedBy] = await ended
  const [complete] = [await received, await sent]
  const why = stopped()
  if (why !== undefined) return { state: 'silent', detail: why }
  if (killedBy) return { state: 'crashed', detail: killedBy }
  if (isNativeCrash(code)) return { state: 'crashed', detail: `0x${code!.toString(16)}` }
  if (code !== 0 || !complete) return { state: 'failed', detail: lastWords(said) || `exit code ${code}` }
  return undefined
}

/** Windows ends a process that crashed with an NTSTATUS as its code, e.g. 0xc0000005. */
export function isNativeCrash(code: number | null): boolean {
  return code !== null && code >>> 0 >= 0xc0000000
}

/** What our own code said; else what native code did. */
function lastWords(said: string): string {
  return said.slice(said.lastIndexOf(failureMark) + 1).trim()
}

/** Ends a child that takes too long or is no longer wanted. @returns why it was ended, if it was; stops watching */
function stopInTime(child: ChildProcess, limitMs: number, signal?: AbortSignal): () => string | undefined {
  let why: string | undefined
  const end = (reason: string) => (): void => {
    why ??= reason
    child.kill('SIGKILL')
  }
  const timer = setTimeout(end(`no answer for ${Math.round(limitMs / 1000)} s`), limitMs)
  const onAbort = end('stopped')
  if (signal?.aborted) onAbort()
  signal?.addEventListener('abort', onAbort)
  return () => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
    return why
  }
}

async function writeRequest(
  { stdin }: ChildProcess,
  { model, inputs, outputs, rounds }: WrittenGraph,
  feeds: Tensors,
  settings: Settings,
): Promise<void> {
  const broken = new Promise<never>((_, reject) => stdin!.on('error', reject))
  const repeated = findRepeated(Object.keys(inputs), feeds)
  const sent = Object.keys(inputs).filter(name => !(name in repeated))
  const bytes = serialize(model)
  const request: ChildRequest = { ...settings, modelBytes: bytes.byteLength, inputs, repeated, outputs, rounds }
  const head = Buffer.from(JSON.stringify(request))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(head.length)
  for (const part of [length, head, bytes, ...sent.map(name => bytesOf(feeds[name]))])
    if (!stdin!.write(part)) await Promise.race([once(stdin!, 'drain'), broken])
  stdin!.end()
}

/** Of the inputs whose array another one before them has too, that one. */
function findRepeated(names: readonly string[], feeds: Tensors): Record<string, string> {
  const first = new Map<HostTensor['data'], string>()
  const repeated: Record<string, string> = {}
  for (const name of names) {
    const earlier = first.get(feeds[name].data)
    if (earlier === undefined) first.set(feeds[name].data, name)
    else repeated[name] = earlier
  }
  return repeated
}
