// Training is a process of its own: what a person sees when that process crashes, is killed or is asked to stop.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { packageRoot } from '../../src/base/package.js'
import { makeTinyProject } from './tiny-project.js'

const home = mkdtempSync(join(tmpdir(), 'dvoynik-process-'))
const hero = join(home, 'hero')

beforeAll(async () => {
  await makeTinyProject(home, { steps: 12, saveEvery: 2, evaluateEvery: 100, engine: { name: 'auto', precision: 'f32' } }) // prettier-ignore
})

/** `dvoynik train` under way, without the libraries of other engines. */
function startTraining(run: string, ...words: readonly string[]) {
  const program = join(packageRoot, 'dist', 'src', 'cli', 'main.js')
  const env = { ...process.env, LANG: 'C', DVOYNIK_OPENVINO_LIBS: '', DVOYNIK_DATA: home, PATH: '' }
  const child = spawn(process.execPath, [program, 'train', '--project', hero, '--name', run, ...words], { env, cwd: home }) // prettier-ignore
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (text += data.toString()))
  const ended = new Promise<number | string | null>(resolve => child.on('close', (code, signal) => resolve(signal ?? code))) // prettier-ignore
  const log = join(hero, 'runs', run, 'events.jsonl')
  return {
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    ended,
    told: () => text.replaceAll(home, 'HOME'),
    /** Waits for the process that trains; gives its number while it is still starting. */
    async born(): Promise<number> {
      for (;;) {
        const [pid] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').split(' ').map(Number)
        if (pid) return pid
        if (child.exitCode !== null) expect.fail(text)
        await wait(2)
      }
    },
    /** Waits for a step of the log; gives the number of the process that trains. */
    async atStep(step: number): Promise<number> {
      while (!(existsSync(log) && readFileSync(log, 'utf8').includes(`"step","step":${step},`))) {
        if (child.exitCode !== null) expect.fail(text)
        await wait(5)
      }
      return parseInt(readFileSync(join(hero, '.lock'), 'utf8'))
    },
  }
}

const engineFile = (run: string): string => join(hero, 'runs', run, 'engine.json')

/** A run of the reference that says it is one of another engine. */
function pretendOpenvino(run: string): void {
  const record = JSON.parse(readFileSync(engineFile(run), 'utf8')) as object
  writeFileSync(engineFile(run), JSON.stringify({ ...record, name: 'openvino' }))
}

describe('the process that trains', () => {
  it('crashes on the reference engine: a message and exit code 3', async () => {
    const broken = startTraining('crash', '--steps', '400')
    process.kill(await broken.atStep(5), 'SIGSEGV')
    expect(await broken.ended).toBe(3)
    expect(broken.told().replace(/step \d+/gu, 'step N')).toContain(
      'step N: the native code that trains crashed (SIGSEGV); checkpoints made before stay whole.',
    )
  })

  it('crashes on another engine: goes on with the reference from the last checkpoint, and stays there', async () => {
    const run = startTraining('other')
    const pid = await run.atStep(3)
    pretendOpenvino('other')
    process.kill(pid, 'SIGFPE')
    expect(await run.ended).toBe(0)
    expect(run.told()).toMatch(
      /Warning: openvino failed: it ended the process at step \d+ \(SIGFPE\); going on from the last checkpoint with the reference engine, which is slower/u,
    )
    expect(run.told()).toMatch(/This run began on openvino and goes on with onnxruntime-cpu: it ended the process/u)
    expect(JSON.parse(readFileSync(engineFile('other'), 'utf8'))).toMatchObject({ name: 'openvino', left: {} })
  })

  it('is killed from outside: a message and exit code 3', async () => {
    const run = startTraining('killed', '--steps', '400')
    process.kill(await run.atStep(2), 'SIGKILL')
    expect(await run.ended).toBe(3)
    expect(run.told()).toMatch(
      /the process that trains was ended from outside \(SIGKILL\), as systems do when memory runs out/u,
    )
  })

  it('says that it was stopped when Ctrl-C comes before it can hear it', async () => {
    const run = startTraining('early', '--steps', '400')
    process.kill(await run.born(), 'SIGINT')
    expect(await run.ended).toBe(130)
    expect(run.told()).toContain('training was stopped before its first step. Run the same command again to go on.')
  })

  it.each(['SIGINT', 'SIGKILL'] as const)('does not outlive the program that a user started (%s)', async signal => {
    const run = startTraining(`left-${signal}`, '--steps', '4000')
    const pid = await run.atStep(2)
    run.kill(signal)
    if (signal === 'SIGINT') run.kill(signal) // the second Ctrl-C
    await run.ended
    for (let tries = 0; isAlive(pid); tries++) {
      if (tries > 200) expect.fail('still there')
      await wait(10)
    }
  })

  it('tells of a loss that is not a number with step and examples, and keeps the checkpoints', async () => {
    const plan = join(hero, 'dvoynik.json')
    const written = readFileSync(plan, 'utf8')
    const { train, ...rest } = JSON.parse(written) as { train: object }
    const wild = { learningRate: 1e25, schedule: 'constant', warmup: 0 }
    writeFileSync(plan, JSON.stringify({ ...rest, train: { ...train, ...wild, saveEvery: 1 } }))
    const run = startTraining('wild')
    expect(await run.ended).toBe(1)
    writeFileSync(plan, written)
    expect(run.told()).toMatch(
      /step \d+: the loss is (?:NaN|Infinity|-Infinity), the gradient norm (?:NaN|Infinity|[\d.e+]+); examples in this step: \S+/u,
    )
    expect(existsSync(join(hero, 'runs', 'wild', 'checkpoints', 'step-000001', 'manifest.json'))).toBe(true)
  })
})

/** A process that has ended but was not yet waited for counts as gone. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/mu.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
