// Turns a runtime into one that is checked against the reference before each new program's first step, and left for it when it fails.
import { mkdir, readFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { AppError, asError, type Text } from '../base/errors.js'
import { collectGarbage } from '../base/garbage.js'
import { writeFileAtomic } from '../base/files.js'
import { sha256 } from '../base/hash.js'
import type { Graph } from '../graph/graph.js'
import { encodeOnnx } from '../formats/onnx.js'
import { writeOnnx, type WrittenGraph } from '../graph/onnx.js'
import type { HostTensor } from '../graph/tensor.js'
import { checkBuffer } from './buffers.js'
import { cacheFolder } from './folders.js'
import { feedFrozen } from './frozen-feeds.js'
import type { CompileOptions, NativeRuntime, Precision, Program, Runtime } from './runtime.js'
import { checkRuntime, type Verdict } from './self-check.js'
import { overlap } from './shared-arrays.js'

interface CheckedOptions {
  readonly candidate: NativeRuntime
  readonly reference: Runtime
  readonly precision: Precision
  readonly onWarning: (text: Text) => void
  /** Ends a self-check that is under way. */
  readonly signal?: AbortSignal
}

/** A runtime that may be left for another while it works. */
export interface CheckedRuntime extends Runtime {
  /** What computes now: the candidate until it fails, then the reference. */
  current(): Runtime
}

type Tensors = Readonly<Record<string, HostTensor>>

/**
 * Programs run on the candidate once a child process has shown, with the first batch, that it computes what the
 * reference does. At its first failure, in the check or in a run, all go on with the reference, with a warning. A run
 * that failed is repeated there, unless it was to update arrays in place, which may be half done: that failure is thrown.
 * Verdicts are kept in the user's cache.
 */
export function createCheckedRuntime(options: CheckedOptions): CheckedRuntime {
  const session = new Session(options)
  const { name, version, storesCodes, computesHalf, recomputes, copiesReadResults, keepsLogits } = options.candidate
  return feedFrozen({
    name,
    version,
    storesCodes,
    computesHalf,
    recomputes,
    copiesReadResults,
    keepsLogits,
    current: () => session.current,
    async willCheck(graph) {
      return !session.isLeft && !(await readVerdict(verdictKey(session.write(graph), options.candidate)))
    },
    compile: (graph, settings) => Promise.resolve(new CheckedProgram(session, graph, settings)),
  })
}

/** What the programs of one runtime share. */
class Session {
  private left = false
  private readonly written = new WeakMap<Graph, WrittenGraph>()

  constructor(readonly options: CheckedOptions) {}

  get current(): Runtime {
    return this.left ? this.options.reference : this.options.candidate
  }

  get isLeft(): boolean {
    return this.left
  }

  /** The graph as the candidate reads it; written once, for the question whether it was checked and for its program. */
  write(graph: Graph): WrittenGraph {
    const known = this.written.get(graph) ?? writeOnnx(graph, this.options.candidate.dialect)
    this.written.set(graph, known)
    return known
  }

  leave(warning: Text): void {
    if (!this.left) this.options.onWarning(warning)
    this.left = true
  }
}

/** Chooses its runtime at the first run, because only then is there a batch to check with. */
class CheckedProgram implements Program {
  private onCandidate: Promise<Program | undefined> | undefined
  private onReference: Promise<Program> | undefined
  private readonly written: WrittenGraph

  constructor(
    private readonly session: Session,
    private readonly graph: Graph,
    private readonly settings: CompileOptions = {},
  ) {
    this.written = session.write(graph)
  }

  async run(feeds: Tensors, results: Tensors): Promise<void> {
    const { inputs } = this.written
    const fed = Object.keys(inputs).filter(name => !this.settings.frozen?.has(name))
    for (const name of fed) checkBuffer(name, feeds[name], inputs[name])
    const program = this.session.isLeft ? undefined : await (this.onCandidate ??= this.checkCandidate(feeds))
    if (!program || this.session.isLeft) return (await this.openReference()).run(feeds, results)
    try {
      await program.run(feeds, results)
    } catch (thrown) {
      await this.recover(asError(thrown), feeds, results)
    }
  }

  async close(): Promise<void> {
    await (await this.onCandidate)?.close()
    await (await this.onReference)?.close()
  }

  /** A run that would fail on the reference too is the caller's mistake, and the candidate stays. */
  private async recover(failure: Error, feeds: Tensors, results: Tensors): Promise<void> {
    const { candidate, reference } = this.session.options
    if (!(failure instanceof AppError) || failure.code !== 'runtime-run') throw failure
    const shared = Object.values(results).some(result => Object.values(feeds).some(feed => overlap(feed, result)))
    if (!shared) await (await this.openReference()).run(feeds, results)
    this.session.leave(runWarning(candidate, reference, failure))
    if (shared) throw failure
  }

  private openReference(): Promise<Program> {
    return (this.onReference ??= this.session.options.reference.compile(this.graph, this.settings))
  }

  /** @returns undefined when the candidate was left */
  private async checkCandidate(feeds: Tensors): Promise<Program | undefined> {
    const { candidate, reference, precision, signal } = this.session.options
    const key = verdictKey(this.written, candidate)
    const known = await readVerdict(key)
    const verdict = known ?? (await checkRuntime(candidate, this.graph, this.written, feeds, { ...this.settings, precision, reference, signal })) // prettier-ignore
    if (!known) collectGarbage() // what the check compared is twice as large as all gradients
    if (signal?.aborted && verdict.state === 'silent') throw stoppedInCheck(candidate)
    if (!known && isLasting(verdict)) await writeVerdict(key, verdict)
    if (verdict.state !== 'passed') return void this.session.leave(checkWarning(candidate, reference, verdict))
    try {
      return await candidate.compile(this.graph, this.settings)
    } catch (thrown) {
      return void this.session.leave(runWarning(candidate, reference, asError(thrown)))
    }
  }
}

/** A process that was killed or could not start says nothing about the runtime. */
function isLasting({ state, detail }: Verdict): boolean {
  return state === 'passed' || state === 'differs' || (state === 'crashed' && !['SIGKILL', 'SIGTERM', 'SIGINT'].includes(detail)) // prettier-ignore
}

/** The same graph, runtime and processor give the same verdict. */
function verdictKey({ model }: WrittenGraph, { name, version }: Runtime): string {
  return sha256(JSON.stringify([sha256(encodeOnnx(model)), name, version, cpus()[0]?.model ?? process.arch]))
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

const checkWords: { readonly [S in Verdict['state']]: Text } = {
  passed: { en: 'passed', ru: 'прошёл' },
  differs: { en: 'computed something else', ru: 'посчитал иначе' },
  crashed: { en: 'crashed', ru: 'аварийно завершился' },
  failed: { en: 'failed', ru: 'не сработал' },
  silent: { en: 'did not answer', ru: 'не ответил' },
}

function checkWarning(candidate: Runtime, reference: Runtime, { state, detail }: Verdict): Text {
  const { en, ru } = checkWords[state]
  return {
    en: `${candidate.name} ${en} in the self-check (${detail}); going on with ${reference.name}, which is slower`,
    ru: `${candidate.name} при самопроверке ${ru} (${detail}); продолжаем на ${reference.name}, это медленнее`,
  }
}

function runWarning(candidate: Runtime, reference: Runtime, failure: Error): Text {
  const words = failure instanceof AppError ? [failure.render('en'), failure.render('ru')] : [failure.message, failure.message] // prettier-ignore
  const [en, ru] = words.map(text => text.replace(/\.$/u, ''))
  return {
    en: `${candidate.name} failed (${en}); going on with ${reference.name}, which is slower`,
    ru: `${candidate.name} не справился (${ru}); продолжаем на ${reference.name}, это медленнее`,
  }
}

function stoppedInCheck({ name }: Runtime): AppError {
  return new AppError('interrupted', {
    kind: 'interrupted',
    what: {
      en: `stopped while ${name} was being checked; what was trained before is in the last checkpoint`,
      ru: `остановлено во время проверки ${name}; обученное раньше сохранено в последней контрольной точке`,
    },
    fix: { en: 'Run the same command again to go on', ru: 'Повторите ту же команду, чтобы продолжить' },
  })
}
