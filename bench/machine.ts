// This machine and what is installed on it, in words that name no host and no path.
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { arch, cpus, platform, totalmem } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findOpenvinoLibraries } from '../src/runtime/openvino-libraries.js'
import type { Need } from './case.js'

const execute = promisify(execFile)

export interface Machine {
  readonly processor: string
  readonly cores: number
  readonly memoryGb: number
  readonly platform: string
  readonly node: string
  /** Matrix extensions that runtimes use. */
  readonly extensions: string
}

export function describeMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    platform: `${platform()}-${arch()}`,
    node: process.versions.node,
    extensions: readExtensions().join(', '),
  }
}

function readExtensions(): string[] {
  try {
    const flags = /^flags\s*:(.*)$/mu.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1].trim().split(' ') ?? []
    return ['avx2', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'amx_bf16', 'amx_int8'].filter(flag => flags.includes(flag)) // prettier-ignore
  } catch {
    return []
  }
}

/** Where rivals are found; a need that is absent has no entry in `versions`. */
export interface Installed {
  /** The interpreter, where one has PyTorch or at least runs. */
  readonly python?: string
  /** The folder with node_modules/node-llama-cpp. */
  readonly llamaFolder?: string
  readonly versions: Readonly<Partial<Record<Need, string>>>
}

const modules = ['torch', 'transformers', 'peft', 'gguf', 'sentencepiece', 'tokenizers'] as const

/** Looks for Python in DVOYNIK_PYTHON, else as python3; for llama.cpp in the folder DVOYNIK_BENCH_PEERS. */
export async function findInstalled(): Promise<Installed> {
  const versions: Partial<Record<Need, string>> = {}
  if (findOpenvinoLibraries()) versions.openvino = 'installed'
  const llamaFolder = process.env.DVOYNIK_BENCH_PEERS
  const manifest = llamaFolder && join(llamaFolder, 'node_modules', 'node-llama-cpp', 'package.json')
  if (manifest && existsSync(manifest)) versions['llama.cpp'] = versionIn(manifest)
  const python = process.env.DVOYNIK_PYTHON ?? 'python3'
  const found = await pythonVersions(python)
  return { python: found && python, llamaFolder, versions: { ...versions, ...found } }
}

function versionIn(manifest: string): string {
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}

/** Versions from the packages' metadata: nothing is imported. */
async function pythonVersions(python: string): Promise<Partial<Record<Need, string>> | undefined> {
  const script = [
    'import importlib.metadata as m, json',
    'def version(name):',
    '    try: return m.version(name)',
    '    except m.PackageNotFoundError: return None',
    `print(json.dumps({n: version(n) for n in ${JSON.stringify(modules)}}))`,
  ].join('\n')
  try {
    const { stdout } = await execute(python, ['-c', script])
    const all = JSON.parse(stdout) as Record<Need, string | null>
    return Object.fromEntries(Object.entries(all).filter(([, version]) => version !== null))
  } catch {
    return undefined
  }
}
