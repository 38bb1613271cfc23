// Turns a Document as read into one that holds only what the author wrote, with a reason for every block left out.
import { checkReport, countReasons, type Drop, type Staged } from '../base/report.js'
import type { OnProgress } from '../base/progress.js'
import type { Block, Document } from '../sources/document.js'
import { blockRules, type CleaningReason, type Verdict } from './block-rules.js'
import { contentRules, formRules, type EditRule } from './edit-rules.js'
import { surveyBook, type Surroundings } from './surroundings.js'

export interface CleaningOptions {
  /**
   * Keep chapter headings and `* * *` as blocks of kind `heading` (default): they are never training text, but where
   * they stand a scene ends. With false they are dropped as `chapter-heading` and `separator`.
   */
  readonly keepHeadings?: boolean
  readonly onProgress?: OnProgress
}

export type CleaningDrop = Drop<CleaningReason>

/** One step of a cleaning: which rule changed which block, and into what; `after` is absent where the block was left out. */
export interface CleaningStep {
  readonly rule: string
  readonly before: string
  readonly after?: string
  readonly reason?: CleaningReason
}

interface Pass {
  readonly blocks: Block[]
  readonly drops: CleaningDrop[]
  readonly steps: CleaningStep[]
}

/** Cleaning that still finds work after so many passes would mean two rules that undo each other. */
const maxPasses = 20

/**
 * Cleans a book: every block stays, is left out with a reason, or becomes a border (kind `heading`). Passes repeat until
 * nothing changes, so that cleaning twice equals cleaning once. `report.counts['rule:…']` says how often each rule acted.
 */
export function cleanDocument(
  document: Document,
  options: CleaningOptions = {},
): Staged<Document> & { drops: CleaningDrop[] } {
  const began = performance.now()
  const { blocks, drops, steps } = cleanBlocks(document.blocks, document.file, options)
  const counts: Record<string, number> = { borders: blocks.filter(({ kind }) => kind === 'heading').length }
  for (const { rule } of steps) counts[`rule:${rule}`] = (counts[`rule:${rule}`] ?? 0) + 1
  const report = checkReport({
    stage: 'clean',
    unit: 'paragraphs',
    input: document.blocks.length,
    kept: blocks.length,
    dropped: countReasons(drops),
    counts,
    seconds: (performance.now() - began) / 1000,
  })
  return { output: { ...document, blocks }, report, drops }
}

/** Which rules act on these lines (one paragraph a line), in order: for «why did this line go?». */
export function explainCleaning(text: string): readonly CleaningStep[] {
  return cleanBlocks(makeBlocks(text), 'text', {}).steps
}

function makeBlocks(text: string): Block[] {
  let start = 0
  return text.split('\n').map((line, i) => {
    const block: Block = { kind: 'paragraph', text: line, line: i + 1, span: [start, start + line.length] }
    start += line.length + 1
    return block
  })
}

function cleanBlocks(source: readonly Block[], file: string, options: CleaningOptions): Pass {
  const all: Pass = { blocks: [], drops: [], steps: [] }
  let blocks = source
  for (let pass = 0; pass < maxPasses; pass++) {
    const done = runPass(blocks, file, options)
    all.drops.push(...done.drops)
    all.steps.push(...done.steps)
    blocks = done.blocks
    options.onProgress?.({ stage: 'clean', done: pass + 1, unit: 'passes', note: `${done.steps.length} changes` })
    if (done.steps.length === 0) break
  }
  return { ...all, blocks: [...blocks] }
}

function runPass(source: readonly Block[], file: string, { keepHeadings = true }: CleaningOptions): Pass {
  const survey = surveyBook(source)
  const pass: Pass = { blocks: [], drops: [], steps: [] }
  for (const block of source) {
    const formed = applyEdits(block.text, formRules, pass)
    const around: Surroundings = { ...survey, before: pass.blocks.at(-1) }
    const decision = decide(formed, block, around)
    if (!decision) keep(pass, block, block.kind, applyEdits(formed, contentRules, pass))
    else if (decision.verdict.action === 'border' && keepHeadings) keepBorder(pass, block, formed, decision.rule)
    else leaveOut(pass, block, decision, file)
  }
  return pass
}

interface Decision {
  readonly rule: string
  readonly verdict: Verdict
}

function decide(text: string, block: Block, around: Surroundings): Decision | undefined {
  for (const { name, decide: ask } of blockRules) {
    const verdict = ask(text, block, around)
    if (verdict) return { rule: name, verdict }
  }
  return undefined
}

function applyEdits(text: string, rules: readonly EditRule[], pass: Pass): string {
  let now = text
  for (const { name, edit } of rules) {
    const after = edit(now)
    if (after !== now) pass.steps.push({ rule: name, before: now, after })
    now = after
  }
  return now
}

function keep(pass: Pass, block: Block, kind: Block['kind'], text: string): void {
  pass.blocks.push(text === block.text && kind === block.kind ? block : { ...block, kind, text })
}

function keepBorder(pass: Pass, block: Block, text: string, rule: string): void {
  if (block.kind !== 'heading') pass.steps.push({ rule, before: text, after: text, reason: 'chapter-heading' })
  keep(pass, block, 'heading', text)
}

function leaveOut(pass: Pass, block: Block, { rule, verdict: { reason } }: Decision, file: string): void {
  pass.steps.push({ rule, before: block.text, reason })
  pass.drops.push({ stage: 'clean', reason, text: block.text, where: `${file}:${block.line}` })
}
