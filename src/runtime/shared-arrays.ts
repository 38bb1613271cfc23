// Turns the arrays of a run into pairs of inputs and outputs that share one, each checked against the graph.
import { AppError } from '../base/errors.js'
import type { Graph } from '../graph/graph.js'
import { checkUpdatesInPlace, type InPlace } from '../graph/in-place.js'
import type { HostTensor } from '../graph/tensor.js'

type Tensors = Readonly<Record<string, HostTensor>>

/**
 * Watches the runs of one program; a set of pairs is checked once.
 * @returns the pairs of a run; @throws AppError `unsafe-in-place`
 */
export function watchSharedArrays(
  graph: Graph,
  inputs: readonly string[],
): (feeds: Tensors, results: Tensors) => readonly InPlace[] {
  // prettier-ignore
  const outputs = Object.keys(graph.outputs)
  let checked = ''
  return (feeds, results) => {
    const pairs = outputs.flatMap(output =>
      inputs.flatMap(input => (overlap(feeds[input], results[output]) ? [{ input, output }] : [])),
    )
    if (pairs.length === 0) return pairs
    const key = JSON.stringify(pairs)
    if (key !== checked) checkUpdatesInPlace(graph, pairs)
    checked = key
    return pairs
  }
}

/** Whether two tensors share elements: the very same elements, or, which is never safe, some of them. */
export function overlap({ data: a }: HostTensor, { data: b }: HostTensor): boolean {
  if (
    a.buffer !== b.buffer ||
    a.byteOffset >= b.byteOffset + b.byteLength ||
    b.byteOffset >= a.byteOffset + a.byteLength
  )
    return false
  if (a.byteOffset === b.byteOffset && a.byteLength === b.byteLength) return true
  throw new AppError('unsafe-in-place', {
    what: {
      en: `a feed and a result overlap in part (bytes ${a.byteOffset} and ${b.byteOffset} of one buffer)`,
      ru: `вход и выход частично накладываются (байты ${a.byteOffset} и ${b.byteOffset} одного буфера)`,
    },
    fix: { en: 'Let them share all of an array or nothing', ru: 'Пусть массив у них будет общий целиком или разный' },
  })
}
