// The work of a side, as it is written on a command line, to the program that does it in this process.
import type { NodeWork, Outcome } from './case.js'
import { runGeneration } from './generation.js'
import { runLlama } from './llama.js'
import { runMatrix } from './matrix.js'
import { runMemory } from './memory.js'
import { runStart } from './start.js'
import { runStored } from './stored.js'
import { runRewriting, runTokenizer } from './text.js'
import { runTraining } from './training.js'

type Program = NodeWork['program']

const programs: { readonly [P in Program]: (work: Extract<NodeWork, { program: P }>) => Promise<Outcome> } = {
  training: runTraining,
  generation: runGeneration,
  llama: runLlama,
  matrix: runMatrix,
  memory: runMemory,
  tokenizer: runTokenizer,
  rewriting: runRewriting,
  start: runStart,
  stored: runStored,
}

/** What a child process prints is its outcome, after this mark, in one line. */
export const outcomeMark = 'outcome: '

export async function runWork(work: NodeWork): Promise<void> {
  const outcome = await programs[work.program](work as never)
  process.stdout.write(`${outcomeMark}${JSON.stringify(outcome)}\n`)
}
