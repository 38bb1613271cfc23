// Examples → a few of them as text for a report: who speaks, what is learnt, what the copies changed.
import type { Example, ExampleTurn } from './example.js'

/** The first `count` examples of every copy, as readable lines; learnt turns are marked with `>`. */
export function previewExamples(examples: readonly Example[], count = 2): string {
  const copies = [...new Set(examples.map(example => example.copy))]
  const chosen = copies.flatMap(copy => examples.filter(example => example.copy === copy).slice(0, count))
  return chosen.map(previewExample).join('\n')
}

function previewExample({ id, copy, split, source, turns }: Example): string {
  const span = source.spans?.at(0)
  const place = span === undefined ? source.file : `${source.file} [${span[0]}, ${source.spans!.at(-1)![1]})`
  return [`# ${id} · ${copy} · ${split} · ${place}`, ...turns.map(previewTurn), ''].join('\n')
}

function previewTurn({ speaker, role, text, remark, learn }: ExampleTurn): string {
  const who = role === 'narration' ? '' : `${speaker}: `
  return `${learn ? '>' : ' '} ${who}${text}${remark === undefined ? '' : ` (${remark})`}`
}
