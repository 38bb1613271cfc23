// A folder of references to the cases in it and their numbers.
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { exists, readJson } from '../../src/base/files.js'
import { readSafetensors, type FloatValues } from '../../src/formats/safetensors.js'
import type { Batch } from '../../src/model/step.js'

/** Largest errors relative to the largest element of each tensor. */
export interface ParityErrors {
  readonly logits: number
  readonly loss: number
  readonly gradients: number
  readonly losses: number
}

export interface CaseResult {
  readonly name: string
  readonly status: 'passed' | 'failed' | 'unsupported'
  readonly errors?: ParityErrors
  readonly greedy?: boolean
  /** The worst gradient, or why there is no result. */
  readonly note?: string
}

/** What make_reference.py wrote for one case. */
export interface Reference {
  readonly batch: Batch
  /** [B, T] true where the position is no padding. */
  readonly visible: readonly boolean[]
  readonly tensors: ReadonlyMap<string, FloatValues>
  readonly loss: number
  readonly losses: readonly number[]
  readonly greedy: readonly number[]
  /** Of the masks that loss, gradients and ten losses were trained with; else nothing was left out. */
  readonly dropoutSeed?: number
}

/** The folder itself when it is a case, else its subfolders that are. */
export async function findCases(folder: string): Promise<string[]> {
  if (await exists(join(folder, 'expected.json'))) return [folder]
  const names = (await readdir(folder, { withFileTypes: true }))
    .filter(entry => entry.isDirectory())
    .map(({ name }) => name)
  return (await Promise.all(names.sort().map(name => findCases(join(folder, name))))).flat()
}

/** Where the base model lies: the case itself, or for adapters the neighbour that case.json names. */
export async function baseFolder(folder: string): Promise<string> {
  const path = join(folder, 'case.json')
  if (!(await exists(path))) return folder
  return join(dirname(folder), ((await readJson(path)) as { base: string }).base)
}

export async function readReference(folder: string): Promise<Reference> {
  const inputs = (await readJson(join(folder, 'inputs.json'))) as {
    input_ids: number[][]
    labels: number[][]
    attention_mask: number[][]
  }
  const expected = (await readJson(join(folder, 'expected.json'))) as {
    loss: number
    losses: number[]
    greedy: number[]
  }
  const tensors = await readSafetensors(join(folder, 'expected.safetensors'))
  const dropout = join(folder, 'dropout.json')
  const dropoutSeed = (await exists(dropout)) ? ((await readJson(dropout)) as { seed: number }).seed : undefined
  return {
    ...expected,
    dropoutSeed,
    tensors,
    visible: inputs.attention_mask.flat().map(Boolean),
    batch: {
      batch: inputs.input_ids.length,
      length: inputs.input_ids[0].length,
      ids: int64(inputs.input_ids),
      labels: int64(inputs.labels.map(row => [...row.slice(1), -100])), // ours stand under the token before
      positions: int64(inputs.input_ids.map(row => row.map((_, t) => t))),
      segments: int64(inputs.attention_mask),
    },
  }
}

function int64(rows: readonly (readonly number[])[]): BigInt64Array {
  return BigInt64Array.from(rows.flat(), BigInt)
}
