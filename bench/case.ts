// What a benchmark is, as plain data: sides that run in processes of their own, the figures they give, the goals held beside them.
import type { GenerationWork } from './generation.js'
import type { LlamaWork } from './llama.js'
import type { MatrixWork } from './matrix.js'
import type { MemoryWork } from './memory.js'
import type { RewritingWork, TokenizerWork } from './text.js'
import type { StartWork } from './start.js'
import type { StoredWork } from './stored.js'
import type { TrainingWork } from './training.js'

/** Figures by name; the unit ends the name: `stepSeconds`, `peakBytes`, `tokensPerSecond`. A point of a sweep: `stepSeconds@512`. */
export type Figures = Readonly<Record<string, number>>

/** What one process measured, and what it ran on (versions, settings it chose). */
export interface Outcome {
  readonly figures: Figures
  readonly about: Readonly<Record<string, string>>
}

/** Work of this package's own programs, run by a fresh `node`. */
export type NodeWork =
  | TrainingWork
  | GenerationWork
  | LlamaWork
  | MatrixWork
  | MemoryWork
  | TokenizerWork
  | RewritingWork
  | StartWork
  | StoredWork

/** A script of bench/peers with the settings it gets as JSON. */
export interface PythonWork {
  readonly program: 'python'
  readonly script: string
  readonly settings: Readonly<Record<string, unknown>>
}

/** What must be on the machine for a side to run. */
export type Need =
  'openvino' | 'torch' | 'transformers' | 'peft' | 'gguf' | 'sentencepiece' | 'tokenizers' | 'llama.cpp'

export interface Side {
  readonly name: string
  readonly kind: 'ours' | 'peer'
  readonly needs: readonly Need[]
  readonly work: NodeWork | PythonWork
}

/** `quick`: sizes so small that the whole bench takes a minute or two; its times mean nothing. */
export type Size = 'full' | 'quick'

export interface Column {
  readonly figure: string
  readonly title: string
  readonly unit: 's' | 'ms' | 'GB' | 'per s' | 'GFLOP/s' | '%' | 'nats' | 'thousand per s'
}

/** Reads a figure's median over the rounds, of this benchmark or of another; undefined when the side did not run. */
export type Read = (side: string, figure: string, benchmark?: string) => number | undefined

export interface Goal {
  readonly text: string
  readonly least?: number
  readonly most?: number
  readonly unit?: '×' | 'GB' | '%'
  value(read: Read): number | undefined
}

/** Bars of one figure, or lines of a swept one. */
export type Chart =
  | { readonly kind: 'bars'; readonly file: string; readonly title: string; readonly figure: string; readonly unit: string; readonly scale: number } // prettier-ignore
  | { readonly kind: 'lines'; readonly file: string; readonly title: string; readonly figure: string; readonly x: string; readonly points: readonly Point[] } // prettier-ignore

/** A point of a sweep and the floating point operations of its work. */
interface Point {
  readonly x: number
  readonly flops: number
}

export interface Benchmark {
  readonly name: string
  readonly title: string
  /** What is done and counted, for the page. */
  readonly measures: string
  readonly rounds: number
  sides(size: Size): readonly Side[]
  readonly columns: readonly Column[]
  readonly goals: readonly Goal[]
  charts(size: Size): readonly Chart[]
}
