// What long work tells its caller while it runs; who draws it is decided elsewhere (cli/progress.ts).

export interface Progress {
  /** Stage name, as in the plan: `clean`, `train`, … */
  readonly stage: string
  readonly done: number
  readonly total?: number
  /** What is counted, e.g. `steps`, `paragraphs`. */
  readonly unit: string
  /** One short line to show beside the bar, e.g. `loss 3.21`. */
  readonly note?: string
}

export type OnProgress = (progress: Progress) => void

/** What every long function of the library accepts. */
export interface WorkOptions {
  readonly onProgress?: OnProgress
  /** Aborting asks the work to finish its current unit, save, and throw AppError `interrupted`. */
  readonly signal?: AbortSignal
}
